"""The kinds of attention that the blocks of a configuration have, and of blocks that stand in for it."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from aios.models.transformers.architectures import Traits
from aios.models.transformers.fields import Fields
from aios.models.transformers.mixers import gated_delta, lightning, mamba
from aios.records.transformer import Attention

__all__ = ["attention_of", "block_kinds"]

Kind = Literal["full", "sliding", "linear", "none"]

_KINDS: dict[str, Kind] = {
    "full_attention": "full",
    "attention": "full",
    "global": "full",
    "sliding_attention": "sliding",
    "chunked_attention": "sliding",
    "local": "sliding",
    "linear_attention": "linear",
    "mamba": "linear",
    "conv": "linear",
    "recurrent": "linear",
    "mlp": "none",
    "moe": "none",
}


_GPT_NEO_WINDOW = 256
"""Tokens that a local block of GPT-Neo looks back where its configuration does not say."""


def block_kinds(fields: Fields, model_type: str, layers: int) -> list[Kind]:
    """Return for each block what attention it has."""
    pattern = fields.word("hybrid_override_pattern")
    if pattern:  # Nemotron-H: M a state-space block, * attention, - a feed-forward, E experts
        return [{"M": "linear", "*": "full"}.get(letter, "none") for letter in pattern]  # type: ignore[misc]  # values are Kinds
    listed = fields.listed("layer_types", "layers_block_type", "attention_layers")
    if listed:
        return [_KINDS.get(str(item), "full") for item in listed]
    if model_type == "gpt_neo":
        return _gpt_neo(fields, layers)
    for names, test in _PATTERNS:
        if fields.has(*names):
            return [test(fields, place) for place in range(layers)]
    if _windowed(fields, model_type) and fields.integer("sliding_window", "sliding_window_size"):
        return ["sliding"] * layers
    return ["full"] * layers


def _windowed(fields: Fields, model_type: str) -> bool:
    if model_type == "gemma2":
        return True
    return model_type in {"mistral", "starcoder2", "phi3", "phimoe", "mixtral"} and fields.flag(
        "use_sliding_window", default=True
    )


def _gpt_neo(fields: Fields, layers: int) -> list[Kind]:
    """Return the kinds that ``attention_types`` repeats, such as ``[[["global", "local"], 12]]``; by default these."""
    found: list[Kind] = []
    for item in fields.listed("attention_types"):
        if isinstance(item, list) and len(item) == 2 and isinstance(item[0], list) and isinstance(item[1], int):
            times = min(item[1], layers)
            found += [_KINDS.get(str(name), "full") for name in item[0][:layers]] * times
    pair: list[Kind] = ["full", "sliding"]
    return ((found or pair) * layers)[:layers]


def _hybrid(fields: Fields, place: int) -> Kind:
    flags = fields.listed("hybrid_layer_pattern")
    return "sliding" if place < len(flags) and flags[place] == 1 else "full"


def _marked_linear(fields: Fields, place: int) -> Kind:
    flags = fields.listed("attn_type_list")
    return "linear" if place < len(flags) and flags[place] == 0 else "full"


def _kimi(fields: Fields, place: int) -> Kind:
    section = fields.section("linear_attn_config")
    full = section.listed("full_attn_layers") if section is not None else []
    return "full" if place + 1 in full else "linear"


def _every(name: str, kind: Kind, offset: str = "") -> Any:
    def test(fields: Fields, place: int) -> Kind:
        period = max(1, fields.integer(name, default=1))
        first = fields.integer(offset, default=period - 1) if offset else period - 1
        return "full" if place % period == first % period else kind

    return test


_PATTERNS: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("hybrid_layer_pattern",), _hybrid),
    (("attn_type_list",), _marked_linear),
    (("linear_attn_config",), _kimi),
    (("full_attention_interval",), _every("full_attention_interval", "linear")),
    (("attn_layer_period",), _every("attn_layer_period", "linear", "attn_layer_offset")),
    (("sliding_window_pattern",), _every("sliding_window_pattern", "sliding")),
    (("attention_chunk_size",), _every("no_rope_layer_interval", "sliding")),
)


def attention_of(fields: Fields, traits: Traits, model_type: str, hidden: int, layers: int) -> tuple[Attention, ...]:
    """Return one Attention for each kind that the blocks have, in the order in which they first come."""
    counts = Counter(kind for kind in block_kinds(fields, model_type, layers) if kind != "none")
    if model_type == "gemma2" and not fields.listed("layer_types"):  # every other block, from the first
        counts = Counter({"sliding": (layers + 1) // 2, "full": layers // 2})
    if model_type == "deepseek_v4":
        return _compressed(fields, hidden)
    if fields.listed("block_configs"):
        return _searched(fields, hidden)
    found = []
    for kind, count in counts.items():
        if kind == "linear":
            found.append(_linear(fields, model_type, hidden, count))
        else:
            found.append(_softmax(fields, traits, hidden, count, sliding=kind == "sliding"))
    return tuple(found)


_HEAD_DIM = ("head_dim", "attention_head_dim", "d_kv", "kv_channels", "head_size")


def _softmax(fields: Fields, traits: Traits, hidden: int, layers: int, *, sliding: bool) -> Attention:
    heads = fields.needed("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads")
    if fields.integer("kv_lora_rank"):
        return _latent(fields, heads, layers)
    head_dim = fields.integer(*_HEAD_DIM, default=max(1, hidden // heads), least=1)
    sound = not fields.mistakes.found  # else these may be stand-ins for what could not be read
    if sound and hidden % heads and not fields.has(*_HEAD_DIM):
        remedy = "state head_dim where heads are not as wide as their share of the model"
        fields.mistakes.add(f"a width of {hidden} does not divide into {heads} heads", "hidden_size", remedy)
    kv_heads = _kv_heads(fields, heads)
    if sliding:
        heads = fields.integer("swa_num_attention_heads", default=heads)
        kv_heads = fields.integer("swa_num_key_value_heads", default=kv_heads, least=1)
        head_dim = fields.integer("swa_head_dim", default=head_dim)
    else:
        kv_heads = fields.integer("num_global_key_value_heads", default=kv_heads, least=1)
        head_dim = fields.integer("global_head_dim", default=head_dim)
    if sound and heads % kv_heads:
        wrong = f"{heads} heads cannot share {kv_heads} of keys and values evenly"
        fields.mistakes.add(wrong, "num_key_value_heads", "their number must be a divisor of the number of heads")
    value_dim = fields.integer("swa_v_head_dim" if sliding else "v_head_dim", "v_head_dim", default=head_dim)
    sparse = fields.section("sparse_attention_config")
    picked = sparse if sparse is not None and sparse.flag("use_sparse_attention", default=True) else None
    return Attention(
        kind="sliding" if sliding else "full",
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        value_dim=value_dim,
        window=_window(fields) if sliding else None,
        biases=fields.flag("attention_bias", "qkv_bias", "use_qkv_bias", "add_qkv_bias", default=traits.query_biases),
        gated=fields.flag("attn_output_gate", default=fields.word("model_type").startswith("qwen3_next")),
        selected=picked.integer("sparse_topk_blocks") * picked.integer("sparse_block_size") if picked else 0,
        index_heads=picked.integer("sparse_num_index_heads") if picked else 0,
        index_dim=picked.integer("sparse_index_dim") if picked else 0,
    )


def _kv_heads(fields: Fields, heads: int) -> int:
    section = fields.section("attn_config")
    if section is not None and section.has("kv_n_heads"):
        return section.integer("kv_n_heads", default=heads, least=1)
    if fields.flag("new_decoder_architecture"):  # Falcon-40B and 180B
        return fields.integer("num_kv_heads", "n_head_kv", default=heads, least=1)
    if fields.flag("multi_query"):
        return 1
    if fields.flag("multi_query_attention"):
        return fields.integer("multi_query_group_num", default=1, least=1)
    return fields.integer("num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads", default=heads, least=1)


def _window(fields: Fields) -> int | None:
    local = _GPT_NEO_WINDOW if fields.word("model_type") == "gpt_neo" else 0
    return (
        fields.integer("sliding_window", "sliding_window_size", "attention_chunk_size", "window_size", default=local)
        or None
    )


def _latent(fields: Fields, heads: int, layers: int) -> Attention:
    rope = fields.integer("qk_rope_head_dim", default=64)
    return Attention(
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_dim=fields.integer("qk_nope_head_dim", default=128) + rope,
        value_dim=fields.integer("v_head_dim", default=128),
        q_lora_rank=fields.integer("q_lora_rank"),
        kv_lora_rank=fields.integer("kv_lora_rank"),
        rope_dim=rope,
        selected=fields.integer("index_topk"),
        index_heads=fields.integer("index_n_heads"),
        index_dim=fields.integer("index_head_dim"),
        gated=fields.flag("mla_use_output_gate"),
    )


def _linear(fields: Fields, model_type: str, hidden: int, layers: int) -> Attention:
    if fields.has("linear_num_value_heads", "linear_attn_config"):
        return gated_delta(fields, hidden, layers)
    if fields.has("mamba_num_heads", "mamba_d_state", "ssm_state_size", "mamba_n_heads"):
        return mamba(fields, hidden, layers)
    return lightning(fields, model_type, hidden, layers)


def _compressed(fields: Fields, hidden: int) -> tuple[Attention, ...]:
    """DeepSeek-V4: one key-value head whose keys are its values; in most blocks keys of several tokens become one, and
    of those that are compressed least an indexer picks some; each block also sees its last ``sliding_window`` keys,
    which only the blocks without compression are counted for."""
    heads, head_dim = fields.needed("num_attention_heads"), fields.needed("head_dim")
    rope, rank = fields.integer("qk_rope_head_dim", default=64), fields.integer("q_lora_rank", default=1024)
    groups, out_rank = fields.integer("o_groups", default=8), fields.integer("o_lora_rank", default=1024)
    own = hidden * rank + rank * heads * head_dim + hidden * head_dim
    own += heads * head_dim * out_rank + groups * out_rank * hidden
    ratios = Counter(fields.integers("compress_ratios")[: fields.integer("num_hidden_layers")])
    found = []
    for ratio, layers in sorted(ratios.items()):
        picks = 0 < ratio < 16
        index_heads = fields.integer("index_n_heads") if picks else 0
        index_dim = fields.integer("index_head_dim") if picks else 0
        more = 2 * hidden * head_dim * (2 if picks else 1) if ratio else 0
        more += rank * index_heads * index_dim + hidden * (index_heads + 4 * index_dim)
        found.append(
            Attention(
                kind="full" if ratio else "sliding",
                layers=layers,
                heads=heads,
                kv_heads=1,
                head_dim=head_dim,
                value_dim=head_dim,
                window=None if ratio else fields.integer("sliding_window", default=128),
                kv_lora_rank=max(1, head_dim - rope),
                rope_dim=rope,
                stride=max(1, ratio),
                selected=fields.integer("index_topk") if picks else 0,
                index_heads=index_heads,
                index_dim=index_dim,
                block_parameters=own + more,
            )
        )
    return tuple(found)


def _searched(fields: Fields, hidden: int) -> tuple[Attention, ...]:
    """Return the attention of a model whose every block was chosen by a search (Nemotron-NAS, ``block_configs``)."""
    heads = fields.needed("num_attention_heads")
    head_dim = fields.integer("head_dim", default=max(1, hidden // heads), least=1)
    groups: Counter[int] = Counter()
    for block in fields.sections("block_configs"):
        stated = block.section("attention")
        if stated is not None and not stated.flag("no_op") and not stated.flag("replace_with_linear"):
            groups[stated.integer("n_heads_in_group", default=1, least=1)] += 1
    return tuple(
        Attention(layers=count, heads=heads, kv_heads=max(1, heads // size), head_dim=head_dim, value_dim=head_dim)
        for size, count in sorted(groups.items())
    )
