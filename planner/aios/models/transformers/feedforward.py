"""Ordinary feed-forwards and mixtures of experts of a configuration."""

from __future__ import annotations

from typing import NamedTuple

from aios.models.transformers.fields import Fields
from aios.records.transformer import Experts

__all__ = ["FeedForward", "feed_forward_of"]


_MOST_TIMES = 1000.0
"""A feed-forward that many times as wide as the stream is a slip of the pen."""


class FeedForward(NamedTuple):
    """dense_layers, intermediate: of ordinary ones · experts: None without"""

    dense_layers: int
    intermediate: int
    experts: Experts | None


def feed_forward_of(fields: Fields, model_type: str, hidden: int, layers: int) -> FeedForward:
    """Return the feed-forwards of a configuration."""
    if fields.listed("block_configs"):
        return _searched(fields, hidden)
    ordinary = _intermediate(fields, hidden)
    count = _count(fields)
    pattern, kinds = fields.word("hybrid_override_pattern"), fields.listed("layers_block_type")
    if pattern:
        dense, mixed = pattern.count("-"), pattern.count("E")
    elif "mlp" in kinds or "moe" in kinds:  # blocks that are nothing but a feed-forward
        dense, mixed = kinds.count("mlp"), kinds.count("moe")
    elif count <= 1:
        return FeedForward(layers, ordinary, None)
    else:
        mixed = _mixed_layers(fields, layers)
        dense = layers - mixed
    if model_type in ("gemma4", "gemma4_text"):  # an ordinary feed-forward beside the experts of every block
        dense = layers
    experts = _experts(fields, model_type, count, mixed, ordinary) if mixed else None
    wide = fields.integer("intermediate_size_mlp", "dense_intermediate_size", default=ordinary)
    if dense == 0 and experts is not None:
        wide = experts.intermediate
    return FeedForward(dense, wide, experts)


def _intermediate(fields: Fields, hidden: int) -> int:
    sizes = [item for item in fields.integers("intermediate_size") if item > 0]
    if sizes:  # Gemma 3n: one for each block
        return sum(sizes) // len(sizes)
    found = fields.integer(
        "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff", "decoder_ffn_dim", "hidden_dim"
    )
    if found:
        return found
    ratio = fields.number("expansion_ratio")
    section = fields.section("ffn_config")
    if section is not None and section.integer("ffn_hidden_size"):
        return section.integer("ffn_hidden_size")
    return round((ratio if ratio and 0 < ratio < _MOST_TIMES else 4) * hidden)


def _searched(fields: Fields, hidden: int) -> FeedForward:
    """Nemotron-NAS: feed-forwards of many widths, told as a multiple of hidden that counts two of three matrices; as
    many blocks as have one, all of the mean width."""
    widths = []
    for block in fields.sections("block_configs"):
        stated = block.section("ffn")
        factor = stated.number("ffn_mult") if stated is not None and not stated.flag("no_op") else None
        if factor and 0 < factor < _MOST_TIMES:
            widths.append(-(-int(2 * factor * hidden / 3) // 256) * 256)
    return FeedForward(len(widths), sum(widths) // max(1, len(widths)), None)


def _count(fields: Fields) -> int:
    section = fields.section("ffn_config") or fields
    names = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts", "moe_num_primary_experts")
    return fields.integer(*names, default=section.integer("moe_num_experts"))


def _mixed_layers(fields: Fields, layers: int) -> int:
    """How many blocks have experts."""
    kinds = fields.listed("mlp_layer_types")
    if kinds:
        return sum(item == "sparse" for item in kinds)
    flags = fields.listed("moe_layer_freq")
    if flags:
        return sum(item == 1 for item in flags)
    chosen = fields.listed("moe_layers")
    if chosen:
        return min(layers, len(chosen))
    first = fields.integer(
        "first_k_dense_replace",
        "num_dense_layers",
        "moe_layer_start_index",
        default=len(fields.listed("mlp_only_layers")),
    )
    every = max(
        1,
        fields.integer(
            "interleave_moe_layer_step", "decoder_sparse_step", "expert_layer_period", "moe_layer_freq", default=1
        ),
    )
    offset = fields.integer("expert_layer_offset", default=every - 1)
    return sum(place >= first and place % every == offset % every for place in range(layers))


def _experts(fields: Fields, model_type: str, count: int, layers: int, ordinary: int) -> Experts:
    section = fields.section("ffn_config") or fields
    active = fields.integer(
        "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "num_selected_experts", "moe_k",
        "top_k_experts", "moe_topk", default=section.integer("moe_top_k", default=1),
    )  # fmt: skip
    wide = fields.integer("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size", default=ordinary)
    shared = fields.integer("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert")
    shared_wide = fields.integer(
        "moe_shared_expert_intermediate_size", "shared_expert_intermediate_size", "share_expert_dim"
    )
    if not shared and (shared_wide or model_type.startswith("llama4")):
        shared = 1
    if model_type.startswith("minimax_m2") or model_type == "mixtral":
        shared = 0
    if active > count:
        fields.mistakes.add(f"{active} active experts are more than the {count} there are", "num_experts_per_tok")
        active = count
    return Experts(
        layers=layers,
        count=count,
        active=max(1, active),
        shared=shared,
        intermediate=wide,
        shared_intermediate=shared_wide,
        latent=fields.integer("moe_latent_size", "routed_expert_hidden_size"),
    )
