"""Reading config.json files: published ones, unknown ones, broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.cli.main import main
from aios.models.transformers import load_config, read_config, transformer_named
from aios.records.errors import InputError
from aios.records.transformers import count_parameters

DATA = Path(__file__).parent / "data" / "transformers"

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 100,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize(
    ("file", "name", "precision"),
    [
        ("meta-llama--Meta-Llama-3.1-8B", "meta-llama/Llama-3.1-8B", "bf16"),
        ("mistralai--Mixtral-8x7B-v0.1", "mistralai/Mixtral-8x7B-v0.1", "bf16"),
        ("deepseek-ai--DeepSeek-V3.2", "deepseek-ai/DeepSeek-V3.2", "fp8"),
        ("openai--gpt-oss-20b", "openai/gpt-oss-20b", "mxfp4"),
        ("moonshotai--Kimi-K2.5", "moonshotai/Kimi-K2.5", "int4"),
        ("Qwen--Qwen3.5-35B-A3B", "Qwen/Qwen3.5-35B-A3B", "bf16"),
        ("Qwen--Qwen3-VL-8B-Instruct", "Qwen/Qwen3-VL-8B-Instruct", "bf16"),
        ("XiaomiMiMo--MiMo-V2-Flash", "XiaomiMiMo/MiMo-V2-Flash", "fp8"),
        ("google--gemma-4-26B-A4B", "google/gemma-4-26B-A4B", "bf16"),
        ("nvidia--NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16", "Nemotron-3-Ultra", "bf16"),
    ],
)
def test_published_configurations_are_what_their_presets_are(file: str, name: str, precision: str) -> None:
    read = load_config(DATA / f"{file}.json")
    preset = transformer_named(name)

    ignored = {"name", "digest", "marked"}
    assert preset is not None
    assert read.model_dump(exclude=ignored) == preset.model_dump(exclude=ignored)
    assert read.precision == precision
    assert read.marked == ()
    assert read.digest.startswith("sha256:")


def test_a_hybrid_is_read_block_by_block() -> None:
    model = load_config(DATA / "nvidia--NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4.json")

    assert {kind.kind: kind.layers for kind in model.attention} == {"linear": 40, "full": 8}
    assert model.experts is not None
    assert (model.experts.layers, model.experts.latent, model.dense_layers) == (40, 1024, 0)
    assert count_parameters(model).total == pytest.approx(120.7e9, rel=0.01)


def test_windows_and_heads_may_differ_between_kinds() -> None:
    model = load_config(DATA / "XiaomiMiMo--MiMo-V2-Flash.json")

    kinds = {kind.kind: kind for kind in model.attention}
    assert (kinds["sliding"].window, kinds["sliding"].kv_heads, kinds["full"].kv_heads) == (128, 8, 4)
    assert kinds["full"].head_dim == 192
    assert kinds["full"].value_dim == 128
    assert model.dense_layers == 1


@pytest.mark.parametrize(
    ("changes", "precision"),
    [
        ({"torch_dtype": "float32"}, "fp32"),
        ({"dtype": "float16"}, "fp16"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "int4"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 8}}, "int8"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "nf4"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, "nvfp4"),
        (
            {
                "quantization_config": {
                    "quant_method": "compressed-tensors",
                    "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
                }
            },
            "fp8",
        ),
    ],
)
def test_the_precision_that_weights_are_stored_in(changes: dict[str, Any], precision: str) -> None:
    assert read_config({**LLAMA, **changes}, "x").precision == precision


def test_unknown_architectures_are_read_as_usual_decoders_and_say_so() -> None:
    model = read_config({**LLAMA, "model_type": "zebra", "architectures": ["ZebraForCausalLM"]}, "x")

    assert count_parameters(model) == count_parameters(read_config(LLAMA, "x"))
    (mark,) = model.marked
    assert "zebra is not known" in mark


def test_unknown_architectures_without_the_essentials_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        read_config({"model_type": "zebra", "hidden_size": 64}, "x")

    told = {item.summary for item in caught.value.diagnostics}
    assert told == {"num_hidden_layers is missing", "vocab_size is missing", "num_attention_heads is missing"}


def test_mistakes_are_told_together_with_their_lines(tmp_path: Path) -> None:
    text = json.dumps({**LLAMA, "hidden_size": "wide", "vocab_size": -3, "num_hidden_layers": 2.5}, indent=1)
    file = tmp_path / "config.json"
    file.write_text(text)

    with pytest.raises(InputError) as caught:
        load_config(file)

    told = {item.summary: item for item in caught.value.diagnostics}
    assert set(told) == {
        "hidden_size is 'wide', not a whole number",
        "vocab_size is -3; it must be from 1 to 1,000,000,000,000",
        "num_hidden_layers is 2.5, not a whole number",
    }
    where = told["hidden_size is 'wide', not a whole number"].where
    assert where is not None
    assert text.splitlines()[where.line - 1].strip().startswith('"hidden_size"')


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b"{",
        b"[" * 200_000,
        b'{"model_type": 3}',
        b'{"a": ' * 100_000,
        b" " * 5_000_000,
        b'{"model_type": "llama", "hidden_size": ' + b"9" * 5000 + b"}",
    ],
)
def test_files_that_are_no_configuration_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(content)

    with pytest.raises(InputError):
        load_config(file)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = [
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
    "layer_types",
    "text_config",
    "vision_config",
    "quantization_config",
    "sliding_window",
    "num_experts",
    "num_experts_per_tok",
    "moe_layer_freq",
    "first_k_dense_replace",
    "kv_lora_rank",
    "hybrid_override_pattern",
    "block_configs",
    "linear_attn_config",
    "sparse_attention_config",
    "attn_config",
    "ffn_config",
    "rope_scaling",
    "layers_block_type",
    "full_attention_interval",
    "mlp_layer_types",
    "compress_ratios",
    "moe_layers",
    "hidden_act",
    "max_position_embeddings",
    "linear_num_value_heads",
]


@given(
    base=st.sampled_from(["llama", "deepseek_v4", "zebra", "t5", "gemma2", "dbrx", "minimax_text_01", "gemma4", "vit"]),
    changes=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4),
)
def test_whatever_stands_in_a_configuration_it_is_read_or_refused(base: str, changes: dict[str, Any]) -> None:
    try:
        model = read_config({**LLAMA, "model_type": base, **changes}, "x")
    except InputError:
        return
    assert count_parameters(model).total > 0


def test_a_model_of_10_to_the_15_parameters_is_counted_exactly() -> None:
    sizes = {
        "hidden_size": 10**6,
        "num_hidden_layers": 100,
        "intermediate_size": 3 * 10**6,
        "num_attention_heads": 10**4,
    }

    model = read_config({**LLAMA, **sizes, "num_key_value_heads": 10**4}, "x")

    assert count_parameters(model).total == 100 * (4 * 10**12 + 9 * 10**12) + 201 * 10**6 + 2 * 100 * 10**6


def inspect(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["model", "inspect", *arguments])
    return int(left.value.code or 0)


def test_model_inspect_of_a_name_a_file_and_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_bytes((DATA / "openai--gpt-oss-20b.json").read_bytes())

    documents = []
    for argument in ("gpt-oss-20b", str(tmp_path), str(tmp_path / "config.json")):
        assert inspect(argument, "--size", "tokens=2048", "--json") == 0
        documents.append(json.loads(capsys.readouterr().out)["figures"])

    assert documents[0] == documents[1] == documents[2]
    assert documents[0]["parameters"] == pytest.approx(20_914_757_184, rel=1e-4)
    assert documents[0]["kv_cache_bytes"] == (12 * 128 + 12 * 2048) * 2 * 8 * 64 * 2


def test_model_inspect_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect("deepseek-v3.2") == 0

    words = capsys.readouterr().out
    assert "61 × full, 128 heads of 192, latent keys and values of 576, 2,048 keys selected" in words
    assert "58 × 8 of 256, 1 shared, 2,048 wide" in words
    assert "scores" in words


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["Llama-9-8B"], 1, "did you mean"),
        (["llama-7b", "--size", "tokens=4096"], 1, "longer than the 2,048 positions"),
        (["llama-7b", "--size", "height=3"], 64, "tokens=N"),
        (["/nowhere/config.json"], 1, "cannot be read"),
    ],
)
def test_model_inspect_of_what_is_not_there(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspect(*arguments) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [
        {"max_position_embeddings": 64, "rope_scaling": {"factor": factor, "original_max_position_embeddings": 64}}
        for factor in (float("inf"), float("nan"), 10**400)
    ]
    + [
        {"vision_config": {"depth": 2, "embed_dim": 8, "mlp_ratio": ratio}}
        for ratio in (float("inf"), float("nan"), 10**400)
    ],
)
def test_numbers_that_are_none_are_mistakes(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        read_config({**LLAMA, **changes}, "x")

    (told,) = caught.value.diagnostics
    assert "it must be a number of at most 1,000,000,000,000" in told.summary


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_key_value_heads": 7}, "32 heads cannot share 7 of keys and values evenly"),
        ({"num_key_value_heads": 64}, "32 heads cannot share 64 of keys and values evenly"),
        ({"num_attention_heads": 31, "num_key_value_heads": 31}, "a width of 4096 does not divide into 31 heads"),
    ],
)
def test_heads_that_do_not_divide_are_mistakes(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        read_config({**LLAMA, "hidden_size": 4096, "num_attention_heads": 32, **changes}, "x")

    assert [item.summary for item in caught.value.diagnostics] == [told]


@pytest.mark.parametrize("changes", [{"torch_dtype": "\ud800"}, {"anything": ["\ud800"]}, {"\udfff": 1}])
def test_half_characters_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**LLAMA, **changes}))

    with pytest.raises(InputError, match="half a character"):
        load_config(file)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "clip", "text_config": LLAMA, "vision_config": {}, "projection_dim": 512}, "side by side"),
        (
            {"model_type": "zebra_pair", "text_config": LLAMA, "vision_config": {}, "logit_scale_init_value": 2.6592},
            "side by side",
        ),
        ({"model_type": "mamba", "hidden_size": 768, "num_hidden_layers": 24, "vocab_size": 50280}, "states"),
        ({"model_type": "whisper", "d_model": 384, "is_encoder_decoder": True}, "sound"),
        ({**LLAMA, "model_type": "zebra", "is_encoder_decoder": True}, "encoder with a decoder"),
    ],
)
def test_what_is_no_decoder_or_encoder_is_refused_with_the_reason(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as caught:
        read_config(config, "x")

    (told,) = caught.value.diagnostics
    assert "is not read" in told.summary
    assert reason in told.summary


def test_every_other_block_of_gpt_neo_looks_back_256_tokens() -> None:
    config = {
        "model_type": "gpt_neo",
        "architectures": ["GPTNeoForCausalLM"],
        "hidden_size": 2048,
        "num_layers": 24,
        "num_heads": 16,
        "vocab_size": 50257,
        "max_position_embeddings": 2048,
        "intermediate_size": None,
        "attention_types": [[["global", "local"], 12]],
        "window_size": 256,
    }
    preset = transformer_named("EleutherAI/gpt-neo-1.3B")
    assert preset is not None

    read = read_config(config, "x")
    assert [(kind.kind, kind.layers, kind.window) for kind in read.attention] == [
        ("full", 12, None),
        ("sliding", 12, 256),
    ]
    assert read.attention == preset.attention
    unstated = {key: value for key, value in config.items() if key not in ("attention_types", "window_size")}
    assert read_config(unstated, "x").attention == read.attention


def test_roberta_cannot_use_the_positions_up_to_that_of_its_padding() -> None:
    config = {
        **LLAMA,
        "model_type": "roberta",
        "architectures": ["RobertaModel"],
        "max_position_embeddings": 514,
        "pad_token_id": 1,
    }

    read = read_config(config, "x")
    assert read.positions == 512
    stated = read.model_copy(update={"positions": 514, "other_parameters": 0})
    assert count_parameters(read).total == count_parameters(stated).total
    for name in ("roberta-base", "xlm-roberta-large"):
        preset = transformer_named(name)
        assert preset is not None
        assert (preset.positions, preset.other_parameters) == (512, 2 * preset.hidden)
