"""Blocks that keep a state of fixed size in place of keys and values; sizes as their published code has them."""

from __future__ import annotations

from aios.models.transformers.fields import Fields
from aios.records.transformer import Attention

__all__ = ["gated_delta", "lightning", "mamba"]

_CONVOLUTION = 4


def mamba(fields: Fields, hidden: int, layers: int) -> Attention:
    """Mamba-2 (arXiv 2405.21060), as Nemotron-H, Bamba and Granite 4 have it; Mamba-1 where only a state is named."""
    state = fields.integer("ssm_state_size", "mamba_d_state", default=16)
    kernel = fields.integer("conv_kernel", "mamba_d_conv", default=_CONVOLUTION)
    heads = fields.integer("mamba_num_heads", "mamba_n_heads")
    if not heads:  # Jamba
        inner = hidden * fields.integer("expand", "mamba_expand", default=2)
        step = fields.integer("mamba_dt_rank", default=max(1, -(-hidden // 16)))
        own = 2 * hidden * inner + inner * kernel + inner * (step + 2 * state) + step * inner + inner * (state + 3)
        return _block(layers, 1, inner, inner * (state + kernel), own + inner * hidden)
    width = fields.integer("mamba_head_dim", "mamba_d_head", default=64)
    inner = heads * width
    groups = fields.integer("n_groups", "mamba_n_groups", default=1)
    convolved = inner + 2 * groups * state
    own = hidden * (inner + convolved + heads) + convolved * (kernel + 1) + 3 * heads + inner + inner * hidden
    return _block(layers, heads, width, inner * state + convolved * kernel, own)


def gated_delta(fields: Fields, hidden: int, layers: int) -> Attention:
    """Gated delta networks (arXiv 2412.06464) as in Qwen3-Next and Qwen3.5, and Kimi's delta attention."""
    kimi = fields.section("linear_attn_config")
    if kimi is not None:
        heads, width = kimi.needed("num_heads"), kimi.needed("head_dim")
        inner = heads * width
        narrow = hidden * width + width * inner
        gate = hidden * inner if kimi.flag("use_full_rank_gate") else narrow
        own = 4 * hidden * inner + narrow + gate + 3 * inner * _CONVOLUTION + hidden * heads + inner
        return _block(layers, heads, width, heads * width * width + 3 * inner * _CONVOLUTION, own)
    key_heads, value_heads = fields.needed("linear_num_key_heads"), fields.needed("linear_num_value_heads")
    key_width, value_width = fields.needed("linear_key_head_dim"), fields.needed("linear_value_head_dim")
    kernel = fields.integer("linear_conv_kernel_dim", default=_CONVOLUTION)
    keys, values = key_heads * key_width, value_heads * value_width
    convolved = 2 * keys + values
    own = hidden * (convolved + values + 2 * value_heads) + convolved * kernel + 2 * value_heads + values * hidden
    return _block(layers, value_heads, value_width, value_heads * key_width * value_width + convolved * kernel, own)


def lightning(fields: Fields, model_type: str, hidden: int, layers: int) -> Attention:
    """Lightning attention (MiniMax-01, arXiv 2501.08313): queries, keys, values, an output gate; a state per head. Also
    gated short convolutions (LFM2), which keep a few tokens."""
    if model_type.startswith("lfm2"):
        kernel = fields.integer("conv_L_cache", default=3)
        return _block(layers, 1, hidden, hidden * kernel, 4 * hidden * hidden + hidden * kernel)
    heads = fields.needed("num_attention_heads")
    width = fields.integer("head_dim", default=max(1, hidden // heads), least=1)
    return _block(layers, heads, width, heads * width * width, 5 * hidden * heads * width + heads * width)


def _block(layers: int, heads: int, width: int, state: int, parameters: int) -> Attention:
    return Attention(
        kind="linear",
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_dim=width,
        value_dim=width,
        state_values=state,
        block_parameters=parameters,
    )
