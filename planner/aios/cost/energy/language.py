"""A token of a language model that is served: parts of the passes that ``cost.serving`` tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.energy.work import Work
from aios.cost.serving.engine import serve
from aios.cost.serving.rows import rows_of
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Observations

__all__ = ["language_work"]

_STEP_S, _SEQUENCE_S = 2e-3, 1e-4
"""Host time of one decoding step of an engine that launches whole graphs, and what each sequence adds to it: choosing
tokens, detokenising, answering. With them small models do not look infinitely fast, nor large batches free."""
_WEIGHTS_KEPT, _HOST_LINK = 0.8, 12e9
"""Share of device memory that Python frameworks fill with weights, the rest left for caches; what is beyond stays with
the host and crosses PCIe 3 x16 in every pass. Estimates that meet a V100 of 16 GB with models of 7 thousand million
weights."""


def language_work(observations: Observations, types: Mapping[str, DeviceType]) -> Work:
    """Return what each output token takes, its share of the prompt included; NaN where the model is not known.

    Software that starts kernels one by one spreads a model over devices by its layers, of which one works at a time.
    """
    import numpy as np

    rows = rows_of(observations, types)
    with np.errstate(all="ignore"):
        served = serve(rows.shape, rows.stored, rows.machine, rows.ways, rows.load)
        engines = served.batch * rows.replicas
        passed = {name: part / engines for name, part in served.decode.parts().items()}
        prompts = served.prompt_s / rows.load.output / rows.replicas
        weights = rows.shape.dense * rows.stored.dense + rows.shape.routed * rows.stored.routed
        beyond = np.maximum(
            weights - _WEIGHTS_KEPT * np.nan_to_num(rows.machine.memory_bytes, nan=np.inf) * rows.ways.devices, 0.0
        )
    eager = rows.machine.eager > 0
    known = (rows.unknown == "") & np.isfinite(served.tpot)
    parts = {
        "products": passed["compute"],
        "scores": passed["scores"],
        "prompts": prompts,
        "weights": passed["weights"],
        "cache": passed["cache"],
        "links": passed["links"],
        "launches": passed["waits"],
        "offloaded": np.where(eager, beyond / _HOST_LINK / engines, 0.0),
        "host": np.where(eager, 0.0, _STEP_S / engines),
        "sequences": np.where(eager, 0.0, _SEQUENCE_S / rows.replicas),
    }
    turns = np.where(eager, rows.ways.pipeline, 1.0)
    return Work({name: np.where(known, part, np.nan) for name, part in parts.items()}, turns)
