"""FLOPs of a transformer by class of operator, in prefill, decoding and encoding; multiply and add count as two."""

from __future__ import annotations

from typing import Generic, NamedTuple

from aios.records.transformer import Attention, Transformer
from aios.records.transformers.memory import least
from aios.records.transformers.parameters import (
    Amount,
    attention_parameters,
    count_parameters,
    feed_forward_parameters,
)

__all__ = ["Work", "decode_work", "encode_work", "prefill_work"]

_STATE_FLOPS = 6
"""Per number of a linear block's state and token: decay, outer product and its sum, reading (a multiply-add)."""


class Work(NamedTuple, Generic[Amount]):
    """FLOPs by class of operator. attention: projections · scores: queries with keys, and their weights with values,
    an indexer's too · state: of linear blocks · dense: ordinary feed-forwards · experts: routed and shared, with the
    router · head: logits · vision: tower"""

    attention: Amount
    scores: Amount
    state: Amount
    dense: Amount
    experts: Amount
    head: Amount
    vision: Amount

    @property
    def total(self) -> Amount:
        """All of them."""
        return self.attention + self.scores + self.state + self.dense + self.experts + self.head + self.vision


def prefill_work(model: Transformer, prompt: Amount, cached: float = 0.0, images: float = 0.0) -> Work[Amount]:
    """Return the FLOPs of reading a prompt: 2 x parameters per token, and causal attention; logits of its last token.

    prompt: tokens that are computed · cached: tokens ahead of them whose keys are there already · images: that a vision
    tower reads (their tokens are part of the prompt)
    """
    scores: Amount = prompt * 0.0
    for kind in model.attention:
        pairs = _causal_pairs(prompt, cached, kind)
        scores = scores + kind.layers * pairs * (2 * kind.heads * (kind.head_dim + kind.value_dim))
        if kind.index_heads:
            every = _sum_to(prompt + cached, None) - _sum_to(prompt * 0.0 + cached, None)
            scores = scores + kind.layers * every * (2 * kind.index_heads * kind.index_dim / kind.stride)
    return _work(model, prompt, scores, logits=1.0, images=images)


def decode_work(model: Transformer, context: Amount) -> Work[Amount]:
    """Return the FLOPs of generating one token of a sequence, which reads ``context`` keys.

    Latent attention works on the latent itself (its expanding matrices are moved to the query and the output).
    """
    scores: Amount = context * 0.0
    for kind in model.attention:
        if kind.kind == "linear":
            continue
        width = 2 * kind.kv_lora_rank + kind.rope_dim if kind.kv_lora_rank else kind.head_dim + kind.value_dim
        read = (least(context, kind.window) if kind.kind == "sliding" and kind.window else context) * (
            1.0 / kind.stride
        )
        if kind.index_heads:
            scores = scores + kind.layers * read * (2.0 * kind.index_heads * kind.index_dim)
        read = least(read, kind.selected) if kind.selected else read
        scores = scores + kind.layers * read * (2.0 * kind.heads * width)
    return _work(model, context * 0.0 + 1.0, scores, logits=1.0, images=0.0)


def encode_work(model: Transformer, tokens: Amount) -> Work[Amount]:
    """Return the FLOPs of an encoder (or of an image of that many patches): every token attends to every other."""
    scores: Amount = tokens * 0.0
    for kind in model.attention:
        read = least(tokens, kind.window) if kind.window else tokens
        scores = scores + kind.layers * (tokens * 1.0) * read * (2.0 * kind.heads * (kind.head_dim + kind.value_dim))
    return _work(model, tokens, scores, logits=0.0, images=0.0)


def _work(model: Transformer, tokens: Amount, scores: Amount, logits: float, images: float) -> Work[Amount]:
    tokens = tokens * 1.0
    parts, experts, vision = count_parameters(model), model.experts, model.vision
    attention = sum(kind.layers * attention_parameters(model, kind) for kind in model.attention)
    state = sum(kind.layers * kind.state_values for kind in model.attention)
    used = 0
    if experts is not None:
        routed = feed_forward_parameters(model, experts.intermediate, experts.latent)
        used = experts.layers * experts.active * routed + parts.shared + parts.router
    head = model.vocabulary * model.hidden if model.decoder else 0
    seen = 2.0 * vision.parameters * vision.patches if vision else 0.0
    return Work(
        attention=2.0 * attention * tokens,
        scores=scores,
        state=float(_STATE_FLOPS * state) * tokens,
        dense=2.0 * parts.dense * tokens,
        experts=2.0 * used * tokens,
        head=tokens * 0.0 + 2.0 * head * logits,
        vision=tokens * 0.0 + seen * images,
    )


def _causal_pairs(prompt: Amount, cached: float, kind: Attention) -> Amount:
    """Pairs of a query of the prompt and a key that it reads."""
    if kind.kind == "linear":
        return prompt * 0.0
    limits = [kind.window if kind.kind == "sliding" else None, kind.selected * kind.stride]
    limit = min((size for size in limits if size), default=None)
    pairs = _sum_to(prompt + cached, limit) - _sum_to(prompt * 0.0 + cached, limit)
    return pairs * (1.0 / kind.stride)


def _sum_to(tokens: Amount, limit: int | None) -> Amount:
    """1 + 2 + ... + tokens, no summand above ``limit``."""
    full = tokens * 1.0 if limit is None else least(tokens * 1.0, limit)
    return full * (full + 1) / 2 + ((tokens - full) * limit if limit is not None else tokens * 0.0)
