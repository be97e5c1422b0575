"""Cards of published models and configurations become profiles; names that stand for nothing say what was meant."""

import json

import pytest

from aios.models import profile_models
from aios.models.structures import card_profile
from aios.records.base import Span
from aios.records.errors import InputError
from aios.records.intent import ModelChoice

WHERE = Span(file="intent.yaml", line=7, column=17)
CONFIGURATION = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
}
PARAMETERS = 2 * 1000 * 64 + 2 * (64 * (64 + 32 + 32 + 64) + 3 * 64 * 128 + 2 * 64) + 64


def profile_of(path, card=False):
    return profile_models((ModelChoice(name="m", path=str(path), card=card, where=WHERE),), {}, None)["m"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIGURATION))
    return tmp_path


def test_a_configuration_and_its_folder_are_the_same_model(folder):
    by_file, by_folder = profile_of(folder / "config.json"), profile_of(folder)
    assert by_file == by_folder
    assert by_file.parameters == PARAMETERS
    assert by_file.weight_bytes == 2 * PARAMETERS
    assert by_file.kv_cache_bytes == 2 * 2 * (2 * 16) * 2  # layers x keys and values x channels x 16 bits


def test_the_digest_is_that_of_the_structure_and_not_of_the_name(folder):
    before = profile_of(folder).digest
    (folder / "config.json").write_text(json.dumps({**CONFIGURATION, "_name_or_path": "another name"}))
    assert profile_of(folder).digest == before
    (folder / "config.json").write_text(json.dumps({**CONFIGURATION, "num_hidden_layers": 3}))
    assert profile_of(folder).digest != before


def test_a_published_model_by_its_name():
    profile = profile_of("Qwen/Qwen3-32B", card=True)
    assert profile.name == "m"
    assert profile.parameters == pytest.approx(32.8e9, rel=0.01)
    assert profile.kv_cache_bytes == 64 * 2 * 8 * 128 * 2
    assert profile.file_bytes == 0


def test_the_precision_that_a_name_states_is_what_weights_are_stored_in():
    plain, quantised = card_profile("Qwen/Qwen3-32B"), card_profile("Qwen/Qwen3-32B-AWQ")
    assert quantised.precision == "int4"
    assert 0.25 * plain.weight_bytes < quantised.weight_bytes < 0.35 * plain.weight_bytes


@pytest.mark.parametrize("name", ["Qwen/Qwen3-32", "llama-3", "no such model at all", "", "x" * 5000])
def test_an_unknown_name_is_an_error_where_it_is_written(name):
    with pytest.raises(InputError) as caught:
        profile_of(name, card=True)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.where == WHERE
    assert diagnostic.remedy


def test_near_names_are_told():
    with pytest.raises(InputError) as caught:
        profile_of("Qwen/Qwen3-32", card=True)
    assert "Qwen/Qwen3-32B" in caught.value.diagnostics[0].remedy
