"""Measured rows as the physics of serving sees them: structure, storage, machine, ways and load from roles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.serving.engine import Load, quicker, within
from aios.cost.serving.machines import machine_of, of_words
from aios.cost.serving.shapes import Machine, Shape, Stored, Ways
from aios.records.fleet import DeviceType
from aios.records.model import VALUE_BYTES
from aios.records.transformers.schemes import scheme_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations, Texts

__all__ = ["Rows", "rows_of"]

_ENDLESS = ("offline", "server", "interactive")
"""Scenarios in which the engine is given as many requests as it can serve."""
_MEAN_TOKEN = 0.8
"""Of the time that 99 % of requests may take per token, what they take on average: assumed."""
_DECODERS = 32.0
"""Devices that decode, where prompts are computed apart and nobody counts the engines, as many as one of them has at
least: of rack-scale systems, half of the devices within reach of one fast switch. Looked for on
published measurements, on which 24 to 32 fit alike."""
_FILLED = 0.7
"""Of the memory that weights take at most where nobody states over how many devices they are spread."""
_VALUE_BYTES = 2.0
"""Of keys and values where nobody says how they are kept."""
_USUAL_KV_HEADS = 8.0
"""Of most open models since 2023, from 3 to 400 thousand million parameters."""
_USUAL_TOKENS = 512.0
"""Prompt and output where a table states none."""
_TYPICAL = ((1.25e8, 12, 768), (1.3e9, 24, 2048), (6.65e9, 32, 4096), (1.29e10, 40, 5120), (6.6e10, 64, 9216),
            (1.75e11, 96, 12288), (1e12, 128, 25600))  # fmt: skip
"""Parameters, blocks and width of published dense models (arXiv 2005.14165 table 2.1, arXiv 2104.04473 table 1)."""


class Rows(NamedTuple):
    """What the rows describe. replicas: engines side by side · prefill: ways and number of engines that compute prompts
    where that is apart; NaN elsewhere · apart: whether it is · unknown: why a row cannot be predicted, empty if it can
    """

    shape: Shape
    stored: Stored
    machine: Machine
    ways: Ways
    load: Load
    replicas: Floats
    prefill: Ways
    prefill_replicas: Floats
    apart: npt.NDArray[np.bool_]
    unknown: Texts


def rows_of(observations: Observations, devices: Mapping[str, DeviceType]) -> Rows:
    """Return what n rows describe; what is not stated is as usual, but sizes and devices are not guessed."""
    import numpy as np

    shape = _shape(observations)
    stored = _stored(observations, shape)
    machine = machine_of(observations, devices)
    weights = shape.dense * stored.dense + shape.routed * stored.routed
    ways, replicas = _ways(observations, weights / machine.memory_bytes)
    load, replicas = _load(observations, ways, replicas)
    degrees = (np.maximum(observations.number(f"prefill_{name}_parallel", 1.0), 1.0) for name in _DEGREES)
    per_engine = observations.number("prefill_replicas") / replicas
    unknown = np.where(~(shape.used > 0), "nobody states the size of the model", "")
    unknown = np.where((unknown == "") & (observations.types == ""), "the device is not in the catalogue", unknown)
    lacks = ~np.isfinite(machine.ops_per_s * machine.memory_bytes_per_s)
    unknown = np.where((unknown == "") & lacks, "the device's peak rate or bandwidth is not known", unknown)
    lacks = ~np.isfinite(stored.dense)
    unknown = np.where((unknown == "") & lacks, "nobody knows how this precision is stored", unknown)
    large = weights > machine.memory_bytes * ways.devices
    unknown = np.where((unknown == "") & large, "the weights alone are larger than the devices' memory", unknown)
    apart = observations.word("serving") == "disagg"
    uncounted = uncounted_in(observations)
    parts = (shape, stored, machine)
    ways = quicker(*parts, ways, load, uncounted)
    with np.errstate(all="ignore"):
        load = within(*parts, ways, load, observations.number("longest_token") * _MEAN_TOKEN)
    prefill = quicker(*parts, Ways(*degrees), load, uncounted, prompts=True)
    return Rows(*parts, ways, load, replicas, prefill, per_engine, apart, unknown)


def uncounted_in(observations: Observations) -> npt.NDArray[np.bool_]:
    """Say which rows compute prompts apart and do not state how many engines share the requests."""
    import numpy as np

    found: npt.NDArray[np.bool_] = (observations.word("serving") == "disagg") & np.isnan(
        observations.number("replicas")
    )
    return found


_DEGREES = ("tensor", "pipeline", "data", "expert", "expert_tensor")


def _shape(rows: Observations) -> Shape:
    """Return the structures; of a model of which only the size is known, those usual for its size."""
    import numpy as np

    total, experts = rows.number("parameters"), rows.number("experts", 0.0)
    used = np.fmin(rows.number("active_parameters"), total)
    sizes, blocks, widths = (np.log(np.array(column, dtype=float)) for column in zip(*_TYPICAL, strict=True))
    size = np.log(np.maximum(np.nan_to_num(used, nan=1.0), 1.0))
    layers = _else(rows.number("layers"), np.round(np.exp(np.interp(size, sizes, blocks))))
    hidden = _else(rows.number("hidden"), np.exp(np.interp(size, sizes, widths)))
    head_dim = rows.number("head_dim", 128.0)
    heads = _else(rows.number("heads"), np.maximum(1.0, np.round(hidden / head_dim)))
    kv_heads = _else(rows.number("kv_heads"), np.minimum(heads, _USUAL_KV_HEADS))
    active = np.maximum(rows.number("active_experts", 1.0), 1.0)
    experts = np.where(experts > active, experts, active)
    routed = np.where(experts > active, (total - used) / (1 - active / np.maximum(experts, 2.0)), 0.0)
    routed = _else(rows.number("routed_parameters"), np.nan_to_num(routed))
    lookup = _else(rows.number("lookup_parameters"), rows.number("vocabulary", 0.0) * hidden)
    kv_values = _else(rows.number("kv_values"), 2 * layers * kv_heads * head_dim)
    return Shape(
        layers=layers,
        hidden=hidden,
        width=_else(rows.number("score_width"), layers * heads * head_dim),
        kv_heads=kv_heads,
        dense=np.maximum(used - routed * active / experts - lookup, 0.2 * used),
        routed=routed,
        experts=experts,
        active=active,
        kv_values=kv_values,
        near=np.clip(rows.number("near_values", 0.0) / np.maximum(kv_values, 1.0), 0.0, 1.0),
        window=rows.number("window", 1.0),
        latent=np.clip(rows.number("latent_values", 0.0) / np.maximum(kv_values, 1.0), 0.0, 1.0),
        selected=rows.number("selected", np.inf),
        index_values=rows.number("index_values", 0.0),
        index_width=rows.number("index_width", 0.0),
    )


def _else(stated: Floats, usual: Floats | float) -> Floats:
    import numpy as np

    found: Floats = np.where(np.isnan(stated), usual, stated)
    return found


def _stored(rows: Observations, shape: Shape) -> Stored:
    import numpy as np

    bits = of_words(_bits, rows.word("precision"))
    head = np.minimum(rows.number("vocabulary", 0.0) * shape.hidden / np.maximum(shape.dense, 1.0), 0.9)
    dense = (bits[:, 0] * (1 - head) + bits[:, 2] * head) / 8
    stated = _else(rows.number("bits_per_weight") / 8, rows.number("weight_bytes") / rows.number("parameters"))
    values = of_words(
        lambda name: 0.0 if name == "none" else VALUE_BYTES.get(name, _VALUE_BYTES), rows.word("kv_precision")
    )
    return Stored(_else(stated, dense), _else(stated, bits[:, 1] / 8), values)


def _bits(precision: str) -> tuple[float, float, float]:
    """Return bits per weight of blocks, routed experts and head; NaN where nobody knows; 16 where nothing is stated."""
    scheme = scheme_of(precision or "bf16")
    return (scheme.blocks, scheme.experts, scheme.head) if scheme else (math.nan,) * 3


def _ways(rows: Observations, filled: Floats) -> tuple[Ways, Floats]:
    """Return how one engine is split, and how many engines there are.

    filled: weights of the model / memory of a device. Devices beyond the product of the degrees hold the experts where
    those are spread, and split attention by tensors; else they are further engines. Where no degree is stated, an
    engine has as few devices, one or two or four..., as leave room for its cache.
    """
    import numpy as np

    tensor, pipeline, data, expert, _ = (np.maximum(rows.number(f"{name}_parallel", 1.0), 1.0) for name in _DEGREES)
    devices = np.maximum(rows.number("devices", 1.0), 1.0)
    fewest = 2 ** np.ceil(np.log2(np.maximum(np.nan_to_num(filled, posinf=1.0) / _FILLED, 1.0)))
    unstated = np.isnan(rows.number("tensor_parallel")) & np.isnan(rows.number("pipeline_parallel"))
    tensor = np.where(unstated, np.minimum(fewest, devices), tensor)
    over = np.maximum(np.floor(devices / (tensor * pipeline * data)), 1.0)
    together = (expert > 1) & (expert >= tensor * data * over)
    tensor = np.where(together, tensor * over, tensor)
    stated = rows.number("replicas")
    replicas = np.where(np.isnan(stated), np.where(together, 1.0, over), stated)
    within = tensor * data
    return Ways(tensor, pipeline, data, expert, np.maximum(within / expert, 1.0)), np.maximum(replicas, 1.0)


def _load(rows: Observations, ways: Ways, replicas: Floats) -> tuple[Load, Floats]:
    """Return the requests on one engine, and how many engines share them.

    ``batch`` limits what one attention rank takes at once; a table that states it beside twice as many requests counts
    several engines.
    """
    import numpy as np

    batch, concurrency = rows.number("batch"), rows.number("concurrency")
    several = np.clip(np.floor(_DECODERS / ways.devices), 1.0, np.maximum(concurrency, 1.0))
    replicas = np.where(uncounted_in(rows) & np.isfinite(several), several, replicas)
    limit = batch * ways.data
    engines = np.where(concurrency >= 2 * limit, np.floor(concurrency / limit), 1.0)
    replicas = np.maximum(replicas, engines)
    whole = np.where(np.isnan(concurrency), limit * replicas, concurrency)
    scenario = rows.word("scenario")
    whole = np.where(np.isnan(whole), np.where(np.isin(scenario, _ENDLESS), np.inf, 1.0), whole)
    prompt, output = rows.number("prompt_tokens", _USUAL_TOKENS), rows.number("output_tokens", _USUAL_TOKENS)
    fixed = np.where(scenario == "batch", 1.0, 0.0)
    return Load(np.maximum(prompt, 1.0), np.maximum(output, 1.0), np.maximum(whole / replicas, 1.0), fixed), replicas
