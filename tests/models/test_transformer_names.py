"""Finding published models by what people call them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aios import catalogue
from aios.models.transformers import (
    find_transformer,
    load_presets,
    presets,
    transformer_like,
    transformer_named,
)
from aios.records.errors import InputError
from aios.records.transformer import Transformer
from aios.records.transformers.names import words_of


@pytest.mark.parametrize(
    ("written", "name", "precision"),
    [
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B", "bf16"),
        ("LLaMA v3.1 8B", "meta-llama/Llama-3.1-8B", "bf16"),
        ("llama3_1-8b", "meta-llama/Llama-3.1-8B", "bf16"),
        ("llama_v3_1_8b_instruct", "meta-llama/Llama-3.1-8B", "bf16"),
        ("Llama-3-70B Q4_K_M", "meta-llama/Meta-Llama-3-70B", "q4_k_m"),
        ("Llama-3-8B F16", "meta-llama/Meta-Llama-3-8B", "fp16"),
        ("llama2-70b-99.9", "meta-llama/Llama-2-70b-hf", "fp16"),
        ("Llama-2 (70B)", "meta-llama/Llama-2-70b-hf", "fp16"),
        ("llama-7B", "huggyllama/llama-7b", "fp16"),
        ("llama1_30b", "huggyllama/llama-30b", "fp16"),
        ("Llama 4 Scout", "meta-llama/Llama-4-Scout-17B-16E-Instruct", "bf16"),
        ("nvidia/Qwen3-32B-NVFP4", "Qwen/Qwen3-32B", "nvfp4"),
        ("Qwen3_235B_a22B", "Qwen/Qwen3-235B-A22B", "bf16"),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507-FP8", "Qwen/Qwen3-235B-A22B-Instruct-2507", "fp8"),
        ("Qwen2.5-72B-Instruct-AWQ", "Qwen/Qwen2.5-72B", "int4"),
        ("deepseek-r1", "deepseek-ai/DeepSeek-R1", "fp8"),
        ("DeepSeekV3", "deepseek-ai/DeepSeek-V3", "fp8"),
        ("DeepSeek-R1-Distill-Llama-70B", "meta-llama/Llama-3.1-70B", "bf16"),
        ("Mixtral (8x7B)", "mistralai/Mixtral-8x7B-v0.1", "bf16"),
        ("Mistral 7B", "mistralai/Mistral-7B-v0.1", "bf16"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistralai/Mistral-7B-v0.3", "bf16"),
        ("bloom-176b", "bigscience/bloom", "bf16"),
        ("bigscience/bloom-7b1", "bigscience/bloom-7b1", "bf16"),
        ("gptj-99", "EleutherAI/gpt-j-6b", "fp16"),
        ("GPT OSS 120B", "openai/gpt-oss-120b", "mxfp4"),
        ("Falcon (7B)", "tiiuae/falcon-7b", "bf16"),
        ("Kimi_K2", "moonshotai/Kimi-K2-Instruct", "fp8"),
        ("phi_3_5_mini_instruct", "microsoft/Phi-3-mini-128k-instruct", "bf16"),
        ("google/gemma-2-9b-it", "google/gemma-2-9b", "bf16"),
        ("gemma-2b", "google/gemma-2b", "bf16"),
        ("bert-99.9", "google-bert/bert-large-uncased", "fp32"),
        ("BERT Large PyT", "google-bert/bert-large-uncased", "fp32"),
        ("T5-base", "google-t5/t5-base", "fp32"),
    ],
)
def test_spellings(written: str, name: str, precision: str) -> None:
    found = transformer_named(written)

    assert found is not None, find_transformer(written)
    assert (found.name, found.precision) == (name, precision)


@pytest.mark.parametrize(
    "written",
    [
        "resnet50",
        "gpt-76B",
        "Llama-9-8B",
        "llama",
        "bert",
        "t5",
        "7b",
        "16",
        "large",
        "base",
        "instruct",
        "",
        "///",
        "Llama-3.1-8B-pruned",
        "Qwen3-9B",
        "mpt-70b",
        "x" * 100_000,
    ],
)
def test_nothing_is_guessed(written: str) -> None:
    assert transformer_named(written) is None


def test_ambiguous_names_tell_what_they_could_be() -> None:
    found = find_transformer("bert-uncased")

    assert found.transformer is None
    assert "google-bert/bert-large-uncased" in found.candidates


def test_near_spellings_are_told() -> None:
    assert "meta-llama/Llama-3.1-70B" in find_transformer("Lama-3.1-70B").candidates


def test_every_preset_is_found_by_its_own_name() -> None:
    known = presets()

    assert len(known) > 250
    for model in known:
        assert transformer_named(model.name) == model
        own = transformer_named(model.name.rpartition("/")[2].replace("-", " ").upper())
        assert own is not None, model.name
        assert own.layers == model.layers


def test_entries_that_are_read_one_by_one_are_those_of_whole_files() -> None:
    whole = [
        entry
        for path in sorted((catalogue.root() / "cards" / "transformers").glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]
    also = {name: entry.get("name") for entry in reversed(whole) for name in map(str, entry.pop("also", ()))}

    assert list(presets()) == [Transformer.model_validate(entry) for entry in whole]
    for name, model in also.items():
        found = find_transformer(name)
        assert model in ((found.transformer and found.transformer.name), *found.candidates), name


@pytest.mark.parametrize("text", ["- {name: [", "- layers: 3\n", "- 3\n", "- name: x\n  also: {\n  y: 1\n"])
def test_a_file_that_is_no_list_of_transformers_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.yaml").write_text(text)

    with pytest.raises(InputError, match=r"odd\.yaml is no list of transformers"):
        load_presets(tmp_path)


def test_a_broken_entry_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(
        "# two\n- name: one\n  layers: many\n- name: two\n  also: [deux]\n  layers: []\n"
    )
    known = load_presets(tmp_path)

    assert len(known) == 2
    with pytest.raises(InputError, match=r"odd\.yaml is no list of transformers"):
        known.find("deux")


def test_no_name_stands_for_two_models() -> None:
    seen: dict[tuple[str, ...], str] = {}
    for model in presets():
        assert seen.setdefault(words_of(model.name), model.name) == model.name


def test_unknown_models_of_a_stated_size_are_typical_and_marked() -> None:
    model = transformer_like("somebody/Unheard-13B-chat")

    assert model is not None
    assert model.marked
    assert model.name == "somebody/Unheard-13B-chat"
    assert transformer_like("unheard") is None
    assert transformer_like("gpt-oss-20b") == transformer_named("gpt-oss-20b")


@given(st.text(max_size=60))
def test_any_text_may_be_asked_for(text: str) -> None:
    transformer_named(text)
    transformer_like(text)
