"""A structure for a model of which only numbers are known: some of its sizes, or just how many parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from aios.records.transformer import Attention, Experts, Transformer
from aios.records.transformers.parameters import count_parameters

__all__ = ["size_in", "transformer_of"]

_LADDER = (
    # parameters, layers, hidden, heads
    (0.135e9, 30, 576, 9),
    (0.494e9, 24, 896, 14),
    (1.24e9, 16, 2048, 32),
    (3.21e9, 28, 3072, 24),
    (8.03e9, 32, 4096, 32),
    (14.8e9, 40, 5120, 40),
    (32.8e9, 64, 5120, 40),
    (70.6e9, 80, 8192, 64),
    (122.6e9, 88, 12288, 96),
    (405.9e9, 126, 16384, 128),
)
"""Published dense models: SmolLM2-135M, Qwen2.5-0.5B, Llama-3.2-1B and 3B, Llama-3.1-8B, Qwen3-14B, Qwen3-32B (its
query heads as wide as its stream), Llama-3.1-70B, Mistral-Large-2407, Llama-3.1-405B."""

_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?) ?([mbt])(?![a-z0-9])")
_ACTIVE = re.compile(r"(?<![a-z0-9])a(\d+(?:\.\d+)?)b(?![a-z0-9])")
_UNITS = {"m": 1e6, "b": 1e9, "t": 1e12}
_VOCABULARY = 128_000
_SMALL_VOCABULARY = 32_000
"""Of models below 10^9 parameters, which a larger one would be most of."""
_KV_HEADS = 8
_HEAD_DIM = 128
_EXPERTS = 128
_MOST_ACTIVE_SHARE = 0.9
"""A model that uses more of its parameters than this per token is no mixture of experts."""


def size_in(name: str) -> tuple[float, float | None] | None:
    """Return (parameters, active parameters or None) that a name states: ``7B``, ``760m``, ``30B-A3B``; else None.

    Several sizes (``8x7B``, ``7B to 13B``) are none.
    """
    text = name.lower().replace("_", "-")
    sizes = {float(number) * _UNITS[unit] for number, unit in _SIZE.findall(text)}
    active = _ACTIVE.search(text)
    if len(sizes) != 1:
        return None
    return sizes.pop(), float(active.group(1)) * 1e9 if active else None


def transformer_of(numbers: Mapping[str, float], name: str = "stated sizes") -> Transformer | None:
    """Return a transformer with the stated sizes, the others as published models of that size have them.

    numbers: any of parameters, active_parameters, layers, hidden, heads, kv_heads, head_dim, intermediate, vocabulary,
    experts, active_experts, sequence; NaN and what is not above 0 counts as not stated. None where neither parameters
    nor layers and hidden are stated. What was not stated is told in ``marked``.
    """
    known = {key: value for key, value in numbers.items() if math.isfinite(value) and value > 0}
    parameters = known.get("parameters")
    if parameters is None and not ("layers" in known and "hidden" in known):
        return None
    active = known.get("active_parameters", parameters)
    size = active or _guess_size(known)
    layers = round(known.get("layers", _at(size, 1)))
    heads, hidden = _width(known, size)
    head_dim = round(known.get("head_dim", max(1, hidden // heads)))
    kind = Attention(
        layers=layers,
        heads=heads,
        kv_heads=round(known.get("kv_heads", heads if heads % _KV_HEADS or "hidden" in known else _KV_HEADS)),
        head_dim=head_dim,
        value_dim=head_dim,
    )
    mixed = "experts" in known or (
        parameters is not None and active is not None and active < _MOST_ACTIVE_SHARE * parameters
    )
    frame = Transformer(
        name=name,
        architecture="typical",
        layers=layers,
        hidden=hidden,
        vocabulary=round(known.get("vocabulary", _VOCABULARY if size >= 1e9 else _SMALL_VOCABULARY)),
        attention=(kind,),
        dense_layers=0,
        intermediate=round(known.get("intermediate", 0)),
        positions=None,
        tied=False,
    )
    filled = _with_experts(frame, known) if mixed else _with_feed_forward(frame, known)
    told = ("layers", "hidden", "heads", "kv_heads", "intermediate", "vocabulary")
    left = [key for key in told if key not in known]
    guessed = (f"{', '.join(left)}: as published models of this size have them",) if left else ()
    return filled.model_copy(update={"marked": guessed, "parameters": round(parameters) if parameters else None})


def _at(size: float, column: int) -> float:
    """Interpolate a column of the ladder in logarithms; beyond its ends, along its last step."""
    rungs = _LADDER
    place = max(1, min(len(rungs) - 1, sum(rung[0] < size for rung in rungs)))
    low, high = rungs[place - 1], rungs[place]
    share = math.log(size / low[0]) / math.log(high[0] / low[0])
    return float(low[column] * (high[column] / low[column]) ** share)


def _width(known: Mapping[str, float], size: float) -> tuple[int, int]:
    """Return (heads, hidden), the one dividing the other."""
    if "hidden" in known:
        hidden = round(known["hidden"])
        heads = round(known.get("heads", max(1, hidden // _HEAD_DIM)))
        return heads, hidden
    heads = round(known.get("heads", max(_KV_HEADS, round(_at(size, 2) / _HEAD_DIM / _KV_HEADS) * _KV_HEADS)))
    wide = round(known.get("head_dim", _HEAD_DIM if size > 1e9 else 64))
    return heads, heads * max(1, round(_at(size, 2) / heads / wide)) * wide


def _guess_size(known: Mapping[str, float]) -> float:
    return 12 * known["layers"] * known["hidden"] ** 2


def _with_feed_forward(frame: Transformer, known: Mapping[str, float]) -> Transformer:
    """Give it feed-forwards as wide as the stated parameters leave; without them 4 x hidden, ungated (GPT)."""
    plain = "intermediate" not in known and "parameters" not in known
    frame = frame.model_copy(update={"dense_layers": frame.layers, "gated": not plain})
    if "intermediate" in known:
        return frame
    if plain:
        return frame.model_copy(update={"intermediate": 4 * frame.hidden})
    left = known["parameters"] - count_parameters(frame).total
    # A two-matrix feed-forward of 4 x hidden has as many parameters as a gated one of 8/3.
    wide = round(left / (frame.layers * 3 * frame.hidden))
    return frame.model_copy(update={"intermediate": max(wide, frame.hidden // 2, 1)})


def _with_experts(frame: Transformer, known: Mapping[str, float]) -> Transformer:
    """Give it experts as wide and as many of them active as the stated parameters say."""
    count = round(known.get("experts", _EXPERTS))
    rest = count_parameters(frame).total
    per_width = frame.layers * 3 * frame.hidden
    total = known.get("parameters", rest + count * per_width * max(frame.intermediate, frame.hidden // 4))
    wide = frame.intermediate or max(1, round((total - rest) / (per_width * count)))
    active = known.get("active_experts", (known.get("active_parameters", total / 10) - rest) / (per_width * wide))
    used = max(1, min(count, round(active)))
    experts = Experts(layers=frame.layers, count=count, active=used, intermediate=wide)
    return frame.model_copy(update={"experts": experts, "intermediate": wide})
