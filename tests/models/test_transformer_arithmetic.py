"""Bytes and FLOPs of transformers, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.models.transformers import presets, transformer_named
from aios.records.transformer import Attention, Experts, Transformer
from aios.records.transformers import (
    activation_bytes,
    active_parameters,
    count_parameters,
    decode_work,
    encode_work,
    experts_touched,
    kv_bytes_per_token,
    kv_cache_bytes,
    length_reason,
    most_tensor,
    parallel_reasons,
    prefill_work,
    scheme_of,
    size_in,
    transformer_of,
    weight_bytes,
)


def named(name: str) -> Transformer:
    model = transformer_named(name)
    assert model is not None
    return model


def tiny(**changes: object) -> Transformer:
    """2 layers, 4 heads of 2, hidden 8, feed-forward 16, vocabulary 10."""
    own = Attention(layers=2, heads=4, kv_heads=4, head_dim=2, value_dim=2)
    plain = Transformer(
        name="tiny",
        architecture="x",
        layers=2,
        hidden=8,
        vocabulary=10,
        attention=(own,),
        dense_layers=2,
        intermediate=16,
    )
    return plain.model_copy(update=changes)


def test_parameters_of_a_tiny_model_by_hand() -> None:
    parts = count_parameters(tiny())

    assert parts.attention == 2 * 4 * 8 * 8  # queries, keys, values, output
    assert parts.dense == 2 * 3 * 8 * 16
    assert parts.norms == (2 + 2 + 1) * 8
    assert (parts.embedding, parts.head) == (80, 80)
    assert count_parameters(tiny(tied=True)).head == 0
    assert count_parameters(tiny(gated=False, biases=True)).dense == 2 * (2 * 8 * 16 + 16 + 8)


def test_mixtures_count_every_expert_and_use_some() -> None:
    experts = Experts(layers=2, count=4, active=1, shared=1, intermediate=16)
    model = tiny(dense_layers=0, experts=experts)

    parts = count_parameters(model)
    assert parts.routed == 2 * 4 * 3 * 8 * 16
    assert parts.shared == 2 * 3 * 8 * 16
    assert parts.router == 2 * 8 * 4
    assert active_parameters(model) == parts.total - 2 * 3 * 3 * 8 * 16


@pytest.mark.parametrize(
    ("name", "per_token"),
    [
        ("huggyllama/llama-7b", 2 * 32 * 32 * 128 * 2),  # multi-head
        ("meta-llama/Llama-3.1-8B", 2 * 32 * 8 * 128 * 2),  # grouped
        ("tiiuae/falcon-7b", 2 * 32 * 1 * 64 * 2),  # multi-query
        ("deepseek-ai/DeepSeek-V3", 61 * (512 + 64) * 2),  # latent
        ("google/gemma-2-9b", 2 * 42 * 8 * 256 * 2),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", 2 * 12 * 2 * 256 * 2),  # a quarter of the blocks have a cache
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", 2 * 4 * 8 * 128 * 2),
    ],
)
def test_bytes_of_the_cache_per_token(name: str, per_token: int) -> None:
    assert kv_bytes_per_token(named(name)) == per_token
    assert kv_bytes_per_token(named(name), "fp8") == per_token / 2


def test_sliding_windows_cap_the_cache() -> None:
    model = named("google/gemma-3-27b-it")
    width = 2 * 16 * 128 * 2

    assert kv_cache_bytes(model, 1000.0) == 62 * 1000 * width
    assert kv_cache_bytes(model, 100_000.0) == (52 * 1024 + 10 * 100_000) * width


def test_linear_blocks_keep_the_same_whatever_the_length() -> None:
    model = named("Qwen/Qwen3-Next-80B-A3B-Instruct")
    per_block = 32 * 128 * 128 + (2 * 16 * 128 + 32 * 128) * 4  # states of the value heads, and of the convolution

    assert kv_cache_bytes(model, 0.0) == 36 * per_block * 2
    assert kv_cache_bytes(model, 10.0) - kv_cache_bytes(model, 0.0) == 10 * kv_bytes_per_token(model)


def test_sparse_attention_computes_on_what_its_indexer_picks() -> None:
    model = named("deepseek-ai/DeepSeek-V3.2")

    assert kv_cache_bytes(model, 10_000.0) == 61 * 10_000 * (576 + 128) * 2
    full = named("deepseek-ai/DeepSeek-V3")
    assert decode_work(model, 100_000.0).total < decode_work(full, 100_000.0).total


def test_prefill_is_twice_the_parameters_and_the_triangle_of_scores() -> None:
    work = prefill_work(tiny(), 6.0)

    assert work.attention == 2 * 2 * 4 * 8 * 8 * 6
    assert work.dense == 2 * 2 * 3 * 8 * 16 * 6
    assert work.scores == 2 * 21 * 2 * 4 * (2 + 2)  # 21 pairs, queries with keys and with values
    assert work.head == 2 * 80
    assert work.experts == work.state == work.vision == 0


def test_prompts_after_cached_tokens_read_these_too() -> None:
    whole, first = prefill_work(tiny(), 10.0), prefill_work(tiny(), 4.0)
    rest = prefill_work(tiny(), 6.0, cached=4.0)

    assert rest.scores == pytest.approx(whole.scores - first.scores)


def test_windows_cap_the_pairs_of_a_prompt() -> None:
    window = Attention(kind="sliding", layers=1, heads=1, kv_heads=1, head_dim=1, value_dim=1, window=3)

    pairs = sum(min(place, 3) for place in range(1, 9))
    assert prefill_work(tiny(attention=(window,)), 8.0).scores == pairs * 2 * 2
    assert decode_work(tiny(attention=(window,)), 8.0).scores == 3 * 2 * 2


def test_one_token_more_costs_twice_the_active_parameters() -> None:
    for name in ("meta-llama/Llama-3.1-8B", "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V3"):
        model = named(name)
        parts = count_parameters(model)
        work = decode_work(model, 0.0)
        assert work.total == pytest.approx(2 * (active_parameters(model) - parts.embedding - parts.norms), rel=0.001)


def test_latent_attention_decodes_on_the_latent() -> None:
    work = decode_work(named("deepseek-ai/DeepSeek-V3"), 1000.0)

    assert work.scores == 61 * 1000 * 2 * 128 * (2 * 512 + 64)


def test_encoders_see_every_token_from_every_token() -> None:
    assert encode_work(tiny(decoder=False), 6.0).scores == 2 * 36 * 2 * 4 * 4
    assert encode_work(tiny(decoder=False), 6.0).head == 0


def test_megatron_formula_for_a_forward_pass() -> None:
    # Narayanan et al. 2021 (arXiv 2104.04473): 24 B s l h^2 (1 + s / 6h + V / 12lh), which takes scores as not causal.
    model = named("openai/gpt-3-175b")
    tokens, layers, hidden = 2048, 96, 12288

    work = prefill_work(model, float(tokens))
    published = 24 * tokens * layers * hidden**2 * (1 + tokens / (6 * hidden) / 2)
    assert work.total - work.head == pytest.approx(published, rel=0.002)


@pytest.mark.parametrize(("tokens", "touched"), [(1, 2.0), (2, 2 + 2 * 6 / 8), (10_000, 8.0)])
def test_experts_touched_by_a_batch(tokens: int, touched: float) -> None:
    experts = Experts(layers=1, count=8, active=2, intermediate=1)

    assert experts_touched(experts, tokens) == pytest.approx(touched)


def test_a_head_that_is_the_embedding_is_stored_once() -> None:
    model = tiny(tied=True)
    parts = count_parameters(model)

    assert weight_bytes(model, "bf16") == 2 * parts.total


def test_quantised_models_keep_embedding_and_head() -> None:
    model = tiny()
    parts = count_parameters(model)

    blocks = parts.attention + parts.dense
    assert weight_bytes(model, "fp8") == blocks + 2 * (parts.total - blocks)
    assert weight_bytes(model, "awq") == pytest.approx(blocks * (4 + 20 / 128) / 8 + 2 * (parts.total - blocks))
    assert weight_bytes(model, "4.5") == pytest.approx(
        (blocks + parts.embedding + parts.head) * 4.5 / 8 + 2 * parts.norms
    )
    with pytest.raises(KeyError):
        weight_bytes(model, "gold")


@pytest.mark.parametrize(
    ("word", "same"),
    [
        ("BF16", "bf16"),
        ("float16", "fp16"),
        ("Q4_K - Medium", "q4_k_m"),
        ("w4a16", "int4"),
        ("w8a16_mixed_fp16", "int8"),
        ("w4a8_mxfp4_mxfp8", "mxfp4"),
        ("fp8,bf16", "fp8"),
        ("uint8", "int8"),
        ("float8 rowwise", "fp8"),
        ("amp_bf16", "bf16"),
        ("float", "fp32"),
        ("fp16/bf16", "fp16"),
        ("None (bfloat16)", "bf16"),
        ("int8_wo", "int8"),
        ("FP8", "fp8"),
        ("mars", None),
    ],
)
def test_words_for_precisions(word: str, same: str | None) -> None:
    assert scheme_of(word) == (scheme_of(same) if same else None)


def test_activations_grow_with_tokens_and_end_in_logits() -> None:
    model = named("meta-llama/Llama-3.1-8B")

    per_token = 2 * (2 * 4096 + 3 * 14336)
    assert activation_bytes(model, 100.0) == 100 * per_token + 4 * 128256
    assert activation_bytes(model, 100.0, sequences=8) == 100 * per_token + 8 * 4 * 128256


def test_arrays_are_numbers_side_by_side() -> None:
    lengths = np.array([1.0, 100.0, 5000.0, 70_000.0])
    for name in ("google/gemma-2-9b", "deepseek-ai/DeepSeek-V3.2", "Qwen/Qwen3-Next-80B-A3B-Instruct"):
        model = named(name)
        for function in (kv_cache_bytes, activation_bytes):
            whole = function(model, lengths)
            assert np.allclose(whole, [function(model, float(size)) for size in lengths])
        for function in (prefill_work, decode_work, encode_work):
            whole = function(model, lengths).total
            assert np.allclose(whole, [function(model, float(size)).total for size in lengths])


def test_integers_in_arrays_do_not_overflow() -> None:
    huge = transformer_of({"parameters": 1e15})

    assert huge is not None
    assert count_parameters(huge).total == pytest.approx(1e15, rel=1e-3)
    work = prefill_work(huge, np.array([1_000_000, 2_000_000], dtype=np.int64)).total
    assert (work > 2e21).all()
    assert isinstance(count_parameters(huge).total, int)


@given(
    parameters=st.floats(1e8, 2e12),
    share=st.floats(0.02, 1.0),
)
def test_typical_structures_have_the_stated_parameters(parameters: float, share: float) -> None:
    model = transformer_of({"parameters": parameters, "active_parameters": parameters * share})

    assert model is not None
    assert model.marked
    assert all(kind.heads % kind.kv_heads == 0 for kind in model.attention)
    if parameters >= 1e9 and (share > 0.9 or share < 0.5):
        assert count_parameters(model).total == pytest.approx(parameters, rel=0.15)


def test_typical_structures_keep_what_is_stated() -> None:
    # Megatron's 18.4 thousand million parameter model: table 1 of arXiv 2104.04473.
    model = transformer_of({"layers": 40, "hidden": 6144, "heads": 48, "vocabulary": 51200})

    assert model is not None
    assert count_parameters(model).total - count_parameters(model).head == pytest.approx(18.4e9, rel=0.01)
    assert model.attention[0].kv_heads == 48
    assert transformer_of({"heads": 8}) is None
    assert transformer_of({"parameters": float("nan")}) is None


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("falcon-7b-instruct", (7e9, None)),
        ("Some-30B-A3B", (30e9, 3e9)),
        ("mpt-760m", (760e6, None)),
        ("gpt-1T", (1e12, None)),
        ("Llama-2 (70B)", (70e9, None)),
        ("mixtral-8x7b", None),
        ("resnet50", None),
        ("7b-to-13b", None),
    ],
)
def test_sizes_in_names(name: str, sizes: tuple[float, float | None] | None) -> None:
    assert size_in(name) == sizes


def test_sequences_longer_than_the_positions() -> None:
    model = named("huggyllama/llama-7b")

    assert length_reason(model, 2048) is None
    assert length_reason(model, 2049) == "2,049 tokens are longer than the 2,048 positions of huggyllama/llama-7b"
    assert length_reason(named("bigscience/bloom").model_copy(update={"positions": None}), 10**9) is None


@pytest.mark.parametrize(
    ("name", "degrees", "reasons"),
    [
        ("meta-llama/Llama-3.1-8B", {"tensor": 8, "pipeline": 4}, 0),
        ("meta-llama/Llama-3.1-8B", {"tensor": 16}, 0),  # each key-value head twice
        ("meta-llama/Llama-3.1-8B", {"tensor": 3}, 2),
        ("meta-llama/Llama-3.1-8B", {"pipeline": 5}, 1),
        ("meta-llama/Llama-3.1-8B", {"pipeline": 5, "even_stages": False}, 0),
        ("meta-llama/Llama-3.1-8B", {"pipeline": 33, "even_stages": False}, 1),
        ("meta-llama/Llama-3.1-8B", {"expert": 2}, 1),
        ("Qwen/Qwen3-30B-A3B", {"expert": 8}, 0),
        ("Qwen/Qwen3-30B-A3B", {"expert": 7}, 1),
        ("deepseek-ai/DeepSeek-V3", {"tensor": 8, "expert": 64}, 0),
        ("deepseek-ai/DeepSeek-V3", {"tensor": 0}, 1),
    ],
)
def test_degrees_that_do_not_divide(name: str, degrees: dict[str, int], reasons: int) -> None:
    found = parallel_reasons(named(name), **degrees)

    assert len(found) == reasons, found


def test_larger_contexts_never_cost_less() -> None:
    for model in presets():
        if model.decoder:
            small, large = decode_work(model, 1000.0).total, decode_work(model, 2000.0).total
            assert small <= large
            assert kv_cache_bytes(model, 1000.0) <= kv_cache_bytes(model, 2000.0)


def test_state_space_blocks_without_heads_are_divided_by_channel() -> None:
    jamba = named("ai21labs/Jamba-v0.1")

    assert parallel_reasons(jamba, tensor=8) == ()
    assert most_tensor(jamba) == 32  # 8,192 channels beside 32 heads
    assert any("8192 channels" in reason for reason in parallel_reasons(jamba, tensor=3))
