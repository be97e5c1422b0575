"""Arithmetic of transformers: parameters, bytes, FLOPs, and what they are called. Pure functions on the records.

Sizes that vary (batch, prompt, context) may be numbers or arrays; an array comes back as one of the same shape.
"""

from aios.records.transformers.limits import length_reason, most_tensor, parallel_reasons
from aios.records.transformers.memory import (
    activation_bytes,
    kv_bytes_per_token,
    kv_cache_bytes,
    weight_bytes,
)
from aios.records.transformers.names import Named, Names
from aios.records.transformers.parameters import Parameters, active_parameters, count_parameters, experts_touched
from aios.records.transformers.schemes import SCHEMES, Scheme, scheme_of
from aios.records.transformers.serving import (
    KV_CACHE,
    KV_PRECISION,
    Holding,
    cache_shares,
    holding,
    most_sequences,
)
from aios.records.transformers.typical import size_in, transformer_of
from aios.records.transformers.work import Work, decode_work, encode_work, prefill_work

__all__ = [
    "KV_CACHE",
    "KV_PRECISION",
    "SCHEMES",
    "Holding",
    "Named",
    "Names",
    "Parameters",
    "Scheme",
    "Work",
    "activation_bytes",
    "active_parameters",
    "cache_shares",
    "count_parameters",
    "decode_work",
    "encode_work",
    "experts_touched",
    "holding",
    "kv_bytes_per_token",
    "kv_cache_bytes",
    "length_reason",
    "most_sequences",
    "most_tensor",
    "parallel_reasons",
    "prefill_work",
    "scheme_of",
    "size_in",
    "transformer_of",
    "weight_bytes",
]
