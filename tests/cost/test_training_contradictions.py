"""Published training runs that contradict themselves are neither predicted nor learnt from, and say why."""

import pytest
from observed import observed

from aios import catalogue
from aios.cost.predictors import predictor
from aios.fleet import load_catalogue

TRUE = {
    "parameters": 76.1e9,
    "layers": 60.0,
    "hidden": 10240.0,
    "heads": 80.0,
    "vocabulary": 51200.0,
    "devices": 1024.0,
    "global_batch": 1792.0,
    "sequence": 2048.0,
    "tensor_parallel": 8.0,
    "pipeline_parallel": 4.0,
}


def told(name="step", metric="throughput", **changed):
    rows = observed(
        name,
        ["nvidia-a100-sxm4-80gb"],
        {
            "mode": "training",
            "model": "gpt-76B",
            "precision": "fp16",
            "software": "megatron",
            "counted": "tokens per-device",
        },
        TRUE | changed,
        values=137.0,
        metric=metric,
    )
    return str(predictor(name).design(rows, load_catalogue(catalogue.root() / "hardware")).unknown[0])


def test_a_run_that_took_place_is_predicted():
    assert told() == ""


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tensor_parallel": 7.0, "devices": 28.0}, "tensor parallelism over 7 devices does not divide its heads"),
        ({"pipeline_parallel": 64.0}, "it has fewer layers than 64 pipeline stages"),
        ({"devices": 1000.0}, "1000 devices are no multiple of tensor x pipeline x context"),
        ({"global_batch": 7.0}, "a batch of 7 sequences leaves replicas without one"),
        ({"sequence": 1e12}, "nobody trains on sequences of 1e+12 tokens"),
        ({"parameters": 1e15}, "its layers do not have 1e+15 parameters"),
    ],
)
def test_what_cannot_have_been_is_told(changed, reason):
    assert told(**changed) == reason


def test_stages_of_unequal_length_are_no_contradiction():
    assert told(pipeline_parallel=16.0, layers=61.0) == ""


def test_their_memory_is_not_predicted_either():
    assert told("memory", "fits") == ""
    assert told("memory", "fits", tensor_parallel=7.0, devices=28.0).startswith("tensor parallelism over 7 devices")
