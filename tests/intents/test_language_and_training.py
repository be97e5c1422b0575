"""Intents for language models and for training: what is written beside that of other models."""

import pytest

from aios.intents import compile_intents
from aios.records.document import parse
from aios.records.intent import Intent

HEAD = "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: chat}\nspec:\n  task: text-generation\n"


def compiled(body: str) -> Intent:
    return compile_intents(parse((HEAD + body).encode(), "chat.yaml")).intents[0]


def test_a_language_model_is_a_card_with_prompts_answers_and_bounds_on_both_phases() -> None:
    intent = compiled(
        "  model: [{card: meta-llama/Llama-3.1-8B}, ./qwen/config.json]\n"
        "  load: {rate: 2/s, prompt: 1024, output: 256}\n"
        "  require: {latency: {ttft: {p99: 500 ms, mean: 0.2 s}, tpot: {p90: 50 ms}, p99: 20 s}, throughput: 2/s}\n"
    )
    assert [(model.name, model.path, model.card) for model in intent.models] == [
        ("Llama-3.1-8B", "meta-llama/Llama-3.1-8B", True),
        ("qwen", "qwen/config.json", False),
    ]
    assert intent.load is not None
    assert (intent.load.rate_per_s, intent.load.prompt_tokens, intent.load.output_tokens) == (2.0, 1024, 256)
    assert {(bound.metric, bound.bound, bound.where.line) for bound in intent.require} == {
        ("latency.ttft.p99", 0.5, 8),
        ("latency.ttft.mean", 0.2, 8),
        ("latency.tpot.p90", 0.05, 8),
        ("latency.p99", 20.0, 8),
        ("throughput", 2.0, 8),
    }


def test_a_training_job_has_tokens_batch_and_sequence_and_may_have_a_deadline() -> None:
    intent = compiled(
        "  model: {card: mosaicml/mpt-30b}\n  train: {tokens: 3e11, batch: 1024, sequence: 2048}\n"
        "  require: {time: 14 d}\n  goal: minimize energy\n"
    )
    assert intent.train is not None
    assert (intent.train.tokens, intent.train.batch, intent.train.sequence) == (3e11, 1024, 2048)
    assert [(bound.metric, bound.bound) for bound in intent.require] == [("time", 14 * 86400.0)]
    assert intent.load is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("models/llama-3.1-8b/config.json", "llama-3.1-8b"),
        ("models/llama-3.1-8b", "llama-3.1-8b"),
        ("models/net.onnx", "net"),
        ("models/net.v2.onnx", "net.v2"),
    ],
)
def test_a_model_is_called_as_its_file_or_the_folder_of_its_configuration(path: str, name: str) -> None:
    intent = compiled(f"  model: ./{path}\n  load: {{rate: 2/s, prompt: 1024, output: 256}}\n")
    assert [model.name for model in intent.models] == [name]
