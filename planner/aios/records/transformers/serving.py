"""What each device of an engine that serves a transformer holds: weights, keys and values, activations and the rest."""

from __future__ import annotations

import math
from typing import NamedTuple

from aios.records.model import VALUE_BYTES
from aios.records.transformer import Transformer
from aios.records.transformers.memory import activation_bytes, kv_cache_bytes, weight_bytes
from aios.records.transformers.parameters import count_parameters
from aios.records.transformers.schemes import Scheme, scheme_of

__all__ = ["KV_CACHE", "KV_PRECISION", "Holding", "cache_shares", "holding", "most_sequences"]

KV_CACHE, KV_PRECISION = "kv_cache", "bf16"
"""Setting of a candidate that says in what precision keys and values are kept, and the one where none says so."""

_CHUNK = 8192.0
"""Tokens of prompts that are computed at once at most: the chunk of vLLM and TensorRT-LLM."""
_RUNTIME = 1.2e9
"""Context, kernels, captured graphs, workspace of products and buffers of collectives, on one device."""
_LOST, _LOST_FROM = 0.02, 10e9
"""Share of everything held that allocators and padding lose, log2(2 + held / this size) times: 2 % of a little, 7 % of
80 GB."""
_LARGEST = 1 << 20


class Holding(NamedTuple):
    """Bytes of the fullest device. cache: keys and values of all sequences · margin: what allocators and padding may
    lose, which grows with everything else."""

    weights: float
    cache: float
    activations: float
    runtime: float
    margin: float

    @property
    def total(self) -> float:
        """All of it; what must be free."""
        return sum(self)


def cache_shares(model: Transformer, tensor: int) -> int:
    """Return into how many parts ``tensor`` devices divide keys and values: at most one for each key-value head, and a
    latent (DeepSeek-V2) is kept whole by all."""
    kinds = [kind for kind in model.attention if kind.kind != "linear"]
    return min([tensor, *(1 if kind.kv_lora_rank else kind.kv_heads for kind in kinds)])


def holding(
    model: Transformer,
    precision: str,
    sequences: int,
    context: float,
    tensor: int = 1,
    pipeline: int = 1,
    kept: str = KV_PRECISION,
) -> Holding:
    """Return what the fullest device holds while ``sequences`` of ``context`` tokens are answered.

    precision: that weights are stored in · kept: that keys and values are kept in. Raises KeyError for a precision that
    nobody knows. Activations are those of a chunk of prompts; their widest part is divided over ``tensor`` devices,
    the residual stream and logits are not.
    """
    scheme = scheme_of(precision)
    if scheme is None:
        raise KeyError(precision)
    weights = _stage_weights(model, scheme, pipeline) / tensor
    stage = math.ceil(model.layers / pipeline) / model.layers
    cache = sequences * float(kv_cache_bytes(model, float(context), kept)) * stage / cache_shares(model, tensor)
    tokens = min(_CHUNK, sequences * context)
    stream = 2 * tokens * model.hidden * VALUE_BYTES["bf16"]
    logits = 4.0 * model.vocabulary * sequences if model.decoder else 0.0
    wide = float(activation_bytes(model, tokens, sequences=float(sequences))) - stream - logits
    activations = stream + logits + wide / tensor
    held = weights + cache + activations + _RUNTIME
    return Holding(weights, cache, activations, _RUNTIME, _LOST * held * math.log2(2 + held / _LOST_FROM))


def most_sequences(
    model: Transformer,
    precision: str,
    memory_bytes: float,
    context: float,
    tensor: int = 1,
    pipeline: int = 1,
    kept: str = KV_PRECISION,
) -> int:
    """Return how many sequences at once leave nothing wanting of ``memory_bytes`` on each device, at most 2^20."""
    fits, too_many = 0, _LARGEST + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if holding(model, precision, middle, context, tensor, pipeline, kept).total <= memory_bytes:
            fits = middle
        else:
            too_many = middle
    return fits


def _stage_weights(model: Transformer, scheme: Scheme, pipeline: int) -> float:
    """Return the bytes of the largest pipeline stage: its blocks, and the embedding or the head at its end."""
    whole = weight_bytes(model, scheme)
    if pipeline == 1:
        return whole
    parts = count_parameters(model)
    ends = (scheme.embedding * parts.embedding / 8, scheme.head * (parts.head or parts.embedding) / 8)
    blocks = whole - ends[0] - (ends[1] if parts.head else 0.0)
    return blocks * math.ceil(model.layers / pipeline) / model.layers + max(ends)
