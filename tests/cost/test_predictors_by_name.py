"""Predictors as the workflow gets them: by name, with rows that have no finite number told apart."""

import math

import numpy as np
import pytest
from observed import observed

from aios.cost.learning.fit import usable
from aios.cost.predictors import PREDICTORS, predictor
from aios.records.fleet import DeviceType, Fact


def test_one_row_without_a_finite_number_is_unknown_and_the_others_stay_as_they_are() -> None:
    numbers = {"macs": np.full(3, 1e9), "threads": np.array([1.0, math.inf, 4.0])}
    words = {"model": "net", "precision": "fp16"}
    rows = observed("network", ["acme-1"] * 3, words, numbers, 0.01, families="net")
    peak = Fact(value=1e12, unit="1/s", source="datasheet")
    speed = Fact(value=1e10, unit="B/s", source="datasheet")
    device = DeviceType(name="acme-1", kind="npu", peak_ops_per_s={"fp16": peak}, memory_bandwidth_bytes_per_s=speed)
    design = predictor("network").design(rows, {"acme-1": device})

    assert design.unknown.tolist() == ["", "its threads is no finite number", ""]
    assert usable(design, predictor("network").target(rows)).tolist() == [True, False, True]
    assert all(np.isfinite(column).all() for column in design.features.values())
    assert design.features["threads"][[0, 2]].tolist() == pytest.approx([0.0, math.log(4)])


@pytest.mark.parametrize("name", PREDICTORS)
def test_every_predictor_that_is_named_is_there(name: str) -> None:
    assert predictor(name).name == name
