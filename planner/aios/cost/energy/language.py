"""A token of a language model that is served: parts of the passes that ``cost.serving`` tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aios.cost.energy.work import Work
from aios.cost.serving.engine import serve
from aios.cost.serving.passes import Pass, offloaded_s, pass_of
from aios.cost.serving.rows import Rows, rows_of
from aios.cost.serving.shapes import Machine
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations

    Mask = npt.NDArray[np.bool_]

__all__ = ["language_work"]

_SEQUENCE_S = 5e-5
"""What each sequence adds to a decoding step beside its share of the pass: choosing a token from the probabilities of
all, on the device. With it large batches are not free. Chosen on the open rows of ML.ENERGY."""
_HOOKED_S, _EXPERT_S = 1e-3, 3e-4
"""Host time per layer and pass of a model that Python moves layer by layer between devices (hooks of Accelerate around
each module), and per routed expert, which it calls one by one (some ten kernels). Estimates that meet Llama-2 70B and
Mixtral 8x7B on A100s."""
_WITHOUT_BF16 = frozenset({"sm_50", "sm_52", "sm_53", "sm_60", "sm_61", "sm_62", "sm_70", "sm_72", "sm_75"})
"""Graphics processors that compute bfloat16 in 32 bits: their matrix units have it from compute capability 8.0 on (CUDA
C++ Programming Guide, arithmetic instructions)."""


def language_work(observations: Observations, types: Mapping[str, DeviceType]) -> Work:
    """Return what each output token takes, its share of the prompt included; NaN where the model is not known.

    Software that starts kernels one by one spreads a model over devices by its layers, of which one works at a time.
    Where keys and values are not kept, every token takes a pass over all tokens before it.
    """
    import numpy as np

    rows = rows_of(observations, types)
    rows = rows._replace(machine=_widened(rows.machine, observations, types))
    again = observations.word("kv_precision") == "none"
    with np.errstate(all="ignore"):
        served = serve(rows.shape, rows.stored, rows.machine, rows.ways, rows.load)
        engines = served.batch * rows.replicas
        decode = served.decode.chosen(again, _anew(rows))
        passed = {name: part / engines for name, part in decode.parts().items()}
        offloaded = offloaded_s(rows.shape, rows.stored, rows.machine, rows.ways)
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
        "launches": passed["waits"] + np.where(eager, _called(rows, offloaded > 0, served.batch) / engines, 0.0),
        "offloaded": offloaded / engines,
        "sequences": np.where(eager, 0.0, _SEQUENCE_S / rows.replicas),
    }
    turns = np.where(eager, rows.ways.pipeline, 1.0)
    return Work({name: np.where(known, part, np.nan) for name, part in parts.items()}, turns)


def _widened(machine: Machine, rows: Observations, types: Mapping[str, DeviceType]) -> Machine:
    """Return the machine with the rate of 32 bits where bfloat16 is computed in them."""
    import numpy as np

    names, places = np.unique(rows.types.astype(str), return_inverse=True)
    rates = np.full(len(names), np.nan)
    for place, device in enumerate(types.get(str(name)) for name in names):
        if device and not _WITHOUT_BF16.isdisjoint(device.features) and "fp32" in device.peak_ops_per_s:
            rates[place] = device.peak_ops_per_s["fp32"].value
    rate = np.where(rows.word("precision") == "bf16", rates[places], np.nan)
    return replace(
        machine,
        ops_per_s=np.where(np.isnan(rate), machine.ops_per_s, rate),
        half_ops_per_s=np.where(np.isnan(rate), machine.half_ops_per_s, rate),
    )


def _anew(rows: Rows) -> Pass:
    """Return the pass of a token where all before it is computed again, half of the output on average."""
    context = rows.load.prompt + rows.load.output / 2
    tokens = rows.load.concurrency * context
    return pass_of(rows.shape, rows.stored, rows.machine, rows.ways, tokens, rows.shape.keys(context / 2), tokens)


def _called(rows: Rows, offloaded: Mask, batch: Floats) -> Floats:
    """Return the seconds that Python adds to a pass: modules that move their inputs, experts called one by one."""
    import numpy as np

    hooked = (rows.ways.devices > 1) | offloaded
    experts = np.where(rows.shape.experts > 1, rows.shape.experts * rows.shape.touched(batch), 0.0)
    found: Floats = rows.shape.layers * (_HOOKED_S * hooked + _EXPERT_S * experts)
    return found
