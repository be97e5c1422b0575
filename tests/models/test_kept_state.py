"""Keys and values that a language model takes in and gives out again are told apart from its activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aios.records.model import ModelProfile

PAST = ["batch", 4, "past_length", 16]


def decoder(build: Any, outputs: list[str]) -> Any:
    """One head's worth of attention: new keys are appended to those kept."""
    inputs = [
        build.value("token", ["batch", 4, 1, 16]),
        build.value("past_key_values.0.key", PAST),
        build.value("past_key_values.0.value", PAST),
    ]
    nodes = [
        build.node("Concat", ["past_key_values.0.key", "token"], [outputs[0]], axis=2),
        build.node("Concat", ["past_key_values.0.value", "token"], [outputs[1]], axis=2),
    ]
    return build.model(nodes, inputs, outputs)


def test_kept_bytes_follow_from_the_shapes(build: Any, read: Callable[..., ModelProfile]) -> None:
    profile = read(decoder(build, ["present.0.key", "present.0.value"]), past_length=100)
    assert profile.kv_cache_bytes == 2 * 4 * 100 * 16 * 4
    assert profile.activation_bytes >= profile.kv_cache_bytes
    parts = profile.part_bytes("fp32", "none", 3)
    assert parts["kv_cache"] == 3 * profile.kv_cache_bytes
    assert parts["activations"] == 3 * (profile.activation_bytes - profile.kv_cache_bytes)


def test_a_model_that_gives_nothing_back_keeps_nothing(build: Any, read: Callable[..., ModelProfile]) -> None:
    profile = read(decoder(build, ["keys", "values"]), past_length=100)
    assert profile.kv_cache_bytes == 0
    assert "kv_cache" not in profile.part_bytes("fp32", "none", 1)


def test_kept_state_shrinks_with_the_precision_that_computes(build: Any, read: Callable[..., ModelProfile]) -> None:
    profile = read(decoder(build, ["present.0.key", "present.0.value"]), past_length=100)
    whole = profile.part_bytes("fp32", "none", 1)["kv_cache"]
    assert profile.part_bytes("fp16", "none", 1)["kv_cache"] == whole / 2
    assert profile.part_bytes("int8", "dynamic", 1)["kv_cache"] == whole
