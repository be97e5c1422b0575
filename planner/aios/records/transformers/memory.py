"""Bytes of a transformer: weights, the cache of keys and values, activations."""

from __future__ import annotations

from aios.records.model import VALUE_BYTES
from aios.records.transformer import Attention, Transformer
from aios.records.transformers.parameters import Amount, count_parameters
from aios.records.transformers.schemes import Scheme, scheme_of

__all__ = [
    "activation_bytes",
    "kv_bytes_per_token",
    "kv_cache_bytes",
    "least",
    "weight_bytes",
]

_DEFAULT_BYTES = 2.0


def weight_bytes(model: Transformer, precision: str | Scheme | None = None) -> float:
    """Return the size of all weights, in bytes, stored as ``precision`` says (None: as the model is published).

    Raises KeyError for a precision that nobody knows.
    """
    scheme, parts = _scheme(model, precision), count_parameters(model)
    bits = scheme.blocks * (parts.attention + parts.dense + parts.shared) + scheme.experts * parts.routed
    # An embedding that is the head as well is stored once, the better way.
    bits += (max(scheme.embedding, scheme.head) if model.tied else scheme.embedding) * parts.embedding
    bits += scheme.head * parts.head + scheme.small * (parts.norms + parts.router + parts.vision + parts.other)
    return bits / 8


def kv_bytes_per_token(model: Transformer, precision: str = "bf16") -> float:
    """Return the bytes that one more token of a short sequence adds to the cache: no window is full yet."""
    values = sum(kind.layers * _cached_values(kind) for kind in model.attention)
    return values * VALUE_BYTES.get(precision, _DEFAULT_BYTES)


def kv_cache_bytes(model: Transformer, context: Amount, precision: str = "bf16") -> Amount:
    """Return the bytes that a sequence of ``context`` tokens keeps: keys and values (or their latent), windows capped,
    and the states of linear blocks."""
    values: Amount = context * 0.0
    for kind in model.attention:
        kept = least(context, kind.window) if kind.kind == "sliding" and kind.window else context
        values = values + kind.layers * (_cached_values(kind) * kept + kind.state_values)
    return values * VALUE_BYTES.get(precision, _DEFAULT_BYTES)


def activation_bytes(model: Transformer, tokens: Amount, precision: str = "bf16", sequences: float = 1.0) -> Amount:
    """Return the activations alive at once when ``tokens`` tokens go through the model without gradients.

    The residual stream twice, and the widest of attention (queries, keys, values, output) and feed-forward (what goes
    in and what comes out of the nonlinearity); attention is fused, so no matrix of scores exists; logits in fp32 for
    the last token of each of ``sequences``.
    """
    wide = max(
        (kind.heads * (kind.head_dim + kind.value_dim) + _made_values(kind) for kind in model.attention), default=0
    )
    inward = 2 if model.gated else 1
    widths = [wide, (inward + 1) * model.intermediate if model.dense_layers else 0]
    if model.experts is not None:
        experts = model.experts
        routed = experts.active * ((inward + 1) * experts.intermediate + (experts.latent or model.hidden))
        widths.append(routed + experts.shared * (experts.shared_intermediate or experts.intermediate))
    moved: Amount = tokens * float(2 * model.hidden + max(widths)) * VALUE_BYTES.get(precision, _DEFAULT_BYTES)
    return moved + (4.0 * model.vocabulary * sequences if model.decoder else 0.0)


def least(amount: Amount, limit: float) -> Amount:
    """Return the smaller of each amount and ``limit``."""
    if isinstance(amount, (int, float)):
        return min(amount, limit)
    import numpy as np

    return np.minimum(amount, limit)


def _cached_values(kind: Attention) -> float:
    """Numbers that one block keeps per token."""
    if kind.kind == "linear":
        return 0.0
    latent = kind.kv_lora_rank + kind.rope_dim
    own = latent if kind.kv_lora_rank else kind.kv_heads * (kind.head_dim + kind.value_dim)
    return (own + kind.index_dim) / kind.stride


def _made_values(kind: Attention) -> int:
    """Keys and values of one token as attention reads them (latent ones expanded)."""
    return (kind.heads if kind.kv_lora_rank else kind.kv_heads) * (kind.head_dim + kind.value_dim)


def _scheme(model: Transformer, precision: str | Scheme | None) -> Scheme:
    if isinstance(precision, Scheme):
        return precision
    found = scheme_of(precision or model.precision)
    if found is None:
        raise KeyError(precision or model.precision)
    return found
