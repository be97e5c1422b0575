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

_SEQUENCE_S = 5e-5
"""What each sequence adds to a decoding step beside its share of the pass: choosing a token from the probabilities of
all, on the device. With it large batches are not free. It was looked for on published measurements (ML.ENERGY)."""


def language_work(observations: Observations, types: Mapping[str, DeviceType]) -> Work:
    """Return what each output token takes, its share of the prompt included; NaN where the model is not known.

    Software that starts kernels one by one spreads a model over devices by its layers, of which one works at a time.
    Where keys and values are not kept, the pass over the prompt is that of the first token.
    """
    import numpy as np

    rows = rows_of(observations, types)
    again = rows.stored.kv == 0
    with np.errstate(all="ignore"):
        served = serve(rows.shape, rows.stored, rows.machine, rows.ways, rows.load)
        engines = served.batch * rows.replicas
        passed = {name: part / engines for name, part in served.decode.parts().items()}
        prompts = np.where(again, 0.0, served.prompt_s / rows.load.output / rows.replicas)
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
        "offloaded": passed["offloaded"],
        "sequences": np.where(eager, 0.0, _SEQUENCE_S / rows.replicas),
    }
    turns = np.where(eager, rows.ways.pipeline, 1.0)
    return Work({name: np.where(known, part, np.nan) for name, part in parts.items()}, turns)
