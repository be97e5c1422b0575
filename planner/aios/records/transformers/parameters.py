"""How many trained numbers a transformer has, part by part, counted from its structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aios.records.transformer import Attention, Experts, Transformer

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["Amount", "Parameters", "active_parameters", "attention_parameters", "count_parameters", "experts_touched"]

Amount = TypeVar("Amount", float, "Floats")
"""A number, or an array of them."""


class Parameters(NamedTuple):
    """Counts. attention: projections, also of linear blocks · dense: ordinary feed-forwards · routed: all experts that
    tokens are sent to · shared: experts that every token goes through · router: which chooses, with projections around
    routed experts · norms · embedding: with learnt positions · head: 0 where it is the embedding · vision · other"""

    attention: int
    dense: int
    routed: int
    shared: int
    router: int
    norms: int
    embedding: int
    head: int
    vision: int
    other: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


def count_parameters(model: Transformer) -> Parameters:
    """Return the parameters by part. Small vectors that only some architectures have (norms of queries and keys,
    attention sinks) are left out: below 0.1 % everywhere."""
    hidden, experts = model.hidden, model.experts
    blocks = sum(kind.layers for kind in model.attention) + model.dense_layers + (experts.layers if experts else 0)
    routed, shared, router = _expert_parameters(model, experts) if experts else (0, 0, 0)
    embedding = model.vocabulary * hidden
    positions = (model.positions or 0) * hidden if model.learnt_positions else 0
    return Parameters(
        attention=sum(kind.layers * attention_parameters(model, kind) for kind in model.attention),
        dense=model.dense_layers * feed_forward_parameters(model, model.intermediate),
        routed=routed,
        shared=shared,
        router=router,
        norms=(blocks + 1) * hidden * (2 if model.biases else 1),
        embedding=embedding + positions,
        head=0 if model.tied or not model.decoder else embedding,
        vision=model.vision.parameters if model.vision else 0,
        other=model.other_parameters,
    )


def active_parameters(model: Transformer) -> int:
    """Return the parameters that a token of text uses: not the tower, nor routed experts that it is not sent to."""
    parts, experts = count_parameters(model), model.experts
    left_out = parts.routed * (experts.count - experts.active) // experts.count if experts else 0
    return parts.total - parts.vision - left_out


def experts_touched(experts: Experts, tokens: Amount) -> Amount:
    """Return how many routed experts of a block are expected to see at least one of ``tokens`` tokens.

    Each token chooses ``active`` of ``count``, evenly and by itself: count (1 - (1 - active / count) ^ tokens).
    """
    touched: Amount = experts.count * (1 - (1 - experts.active / experts.count) ** (tokens * 1.0))
    return touched


def attention_parameters(model: Transformer, kind: Attention) -> int:
    """Return the parameters of one block's attention, biases included."""
    if kind.block_parameters:
        return kind.block_parameters
    hidden, queries, out = model.hidden, kind.heads * kind.head_dim, kind.heads * kind.value_dim
    biases = hidden if model.biases else 0
    if kind.kv_lora_rank:
        return _latent_parameters(model, kind) + biases
    keys = kind.kv_heads * (kind.head_dim + kind.value_dim)
    biases += queries + keys if kind.biases or model.biases else 0
    return hidden * (queries * (2 if kind.gated else 1) + keys + out) + biases + _indexer_parameters(model, kind)


def _latent_parameters(model: Transformer, kind: Attention) -> int:
    """Multi-head latent attention: queries and keys go through narrow projections, with a norm on each."""
    hidden, queries = model.hidden, kind.heads * kind.head_dim
    rank = kind.q_lora_rank
    down = hidden * rank + rank + rank * queries if rank else hidden * queries
    compressed = hidden * (kind.kv_lora_rank + kind.rope_dim) + kind.kv_lora_rank
    expanded = kind.kv_lora_rank * kind.heads * (kind.head_dim - kind.rope_dim + kind.value_dim)
    gate = hidden * kind.heads * kind.value_dim if kind.gated else 0
    out = kind.heads * kind.value_dim * hidden
    return down + compressed + expanded + gate + out + _indexer_parameters(model, kind)


def _indexer_parameters(model: Transformer, kind: Attention) -> int:
    if not kind.index_heads:
        return 0
    source = kind.q_lora_rank or model.hidden
    return source * kind.index_heads * kind.index_dim + model.hidden * (kind.index_dim + kind.index_heads)


def feed_forward_parameters(model: Transformer, intermediate: int, width: int = 0) -> int:
    """Return the parameters of one feed-forward (or expert) of this width, which reads ``width`` (0: hidden) values."""
    width = width or model.hidden
    inward = 2 if model.gated else 1
    return (inward + 1) * width * intermediate + (inward * intermediate + width if model.biases else 0)


def _expert_parameters(model: Transformer, experts: Experts) -> tuple[int, int, int]:
    routed = experts.count * feed_forward_parameters(model, experts.intermediate, experts.latent)
    shared = feed_forward_parameters(model, experts.shared_intermediate or experts.intermediate)
    router = model.hidden * (experts.count + 2 * experts.latent)
    return experts.layers * routed, experts.layers * experts.shared * shared, experts.layers * router
