"""Attention that never writes its scores to memory (FlashAttention), prompt and single tokens alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.cost.kernels.hardware import Hardware
from aios.cost.kernels.matrix import BANDWIDTH_SHARE
from aios.cost.kernels.work import Work

if TYPE_CHECKING:
    from aios.cost.kernels.work import Numbers

__all__ = ["ATTENTION_SHARE", "attention"]

ATTENTION_SHARE = 0.6
"""Of the dense peak that long prompts reach: 0.5 to 0.73 on A100 (FlashAttention-2, arXiv 2307.08691), 0.55 to 0.75 on
H100 (FlashAttention-3, arXiv 2407.08608), causal and head width 128."""
_ROWS = 128
_KEYS_PER_SPLIT = 256
"""Keys that one block of threads takes at least where a single query is spread over blocks (flash decoding)."""
_BANDWIDTH_OF_ONE = 3.0
"""Shares of the bandwidth that a multiprocessor draws when others are idle."""
_STARTS = 5
"""Rotate and write to the cache, lengths and offsets, the product, and a sum where keys are split."""
_MATRIX_ROWS = 16


def attention(
    hardware: Hardware,
    batch: Numbers,
    queries: Numbers,
    keys: Numbers,
    heads: Numbers,
    kv_heads: Numbers,
    head_dim: Numbers,
    *,
    value_dim: Numbers | None = None,
    kv_bytes: Numbers = 2.0,
    io_bytes: Numbers = 2.0,
    cached_per_token: Numbers | None = None,
    causal: Numbers = True,
) -> Work:
    """Return the work of one layer's scores and weighted values.

    queries: new tokens of each sequence (1 when generating) · keys: tokens that the last of them sees, itself included
    (of a sliding window, at most its size) · value_dim: width of a value head if not that of a key · kv_bytes,
    io_bytes: of a cached number, and of one of queries and result · cached_per_token: numbers read per key, if not keys
    and values of every head (latents of multi-head latent attention: kv_lora_rank + rope_dim)
    """
    import numpy as np

    batch, queries, keys, heads, kv_heads, head_dim = (
        np.asarray(item, dtype=np.float64) for item in (batch, queries, keys, heads, kv_heads, head_dim)
    )
    values = head_dim if value_dim is None else np.asarray(value_dim, dtype=np.float64)
    cached = kv_heads * (head_dim + values) if cached_per_token is None else np.asarray(cached_per_token)
    pairs = queries * keys - np.where(causal, queries * (queries - 1) / 2, 0.0)
    flops = 2.0 * batch * heads * (head_dim + values) * pairs
    # whole tiles are computed along the diagonal and then masked
    masked = np.where(causal, np.minimum(queries, _ROWS) * queries / 2, 0.0)
    moved = batch * (keys * cached * kv_bytes + queries * heads * (head_dim + values) * io_bytes)
    rotated = (
        batch * queries * ((heads * head_dim + cached) * io_bytes + heads * head_dim * io_bytes + cached * kv_bytes)
    )
    bandwidth = BANDWIDTH_SHARE * np.asarray(hardware.bandwidth_bytes_per_s)
    together = queries * heads / kv_heads  # queries that share their keys are rows of one product
    padding = np.where(together < _MATRIX_ROWS, _MATRIX_ROWS / together, 1.0)
    blocks = batch * kv_heads * np.ceil(together / _ROWS)
    splits = np.maximum(1.0, np.minimum(np.asarray(hardware.units) / blocks, keys / _KEYS_PER_SPLIT))
    filled = np.minimum(1.0, blocks * splits / hardware.units)
    ideal = flops / hardware.peak_ops_per_s
    return Work(
        flops=flops,
        bytes=moved,
        compute_s=ideal * (1 + masked / pairs) * padding / (ATTENTION_SHARE * filled),
        memory_s=moved / (bandwidth * np.minimum(1.0, _BANDWIDTH_OF_ONE * filled)),
        streams_s=rotated / bandwidth,
        fixed_s=_STARTS * np.asarray(hardware.start_s) + 0.0 * flops,
        parallelism=blocks / hardware.units,
        ideal_s=ideal,
    )
