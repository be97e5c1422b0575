"""Networks on a device that a calibration knows: learnt as a whole, scaled by rooflines where a candidate differs."""

import math

import pytest

from aios.cost import Evidence, price
from aios.cost.network_predictor import PREDICTOR
from aios.cost.network_time import learnt_time
from aios.cost.roofline import roofline
from aios.records.calibration import Calibration, Effect, Residual, Stage


def learnt(constant, device="cpu", setting="openvino|fp32||inference", metric="latency.mean", spread=1.2):
    stages = (
        Stage(keys=("device",), effects=(Effect(group=(device,), rows=40, constant=constant),)),
        Stage(keys=("device", "setting"), effects=(Effect(group=(device, setting), rows=30, constant=0.0),)),
    )
    ends = {"low": -math.log(spread), "high": math.log(spread), "rows": 40, "stratum": ""}
    residuals = tuple(Residual(level=level, **ends) for level in ("zero-shot", "calibrated"))
    calibration = Calibration(
        predictor="network", metric=metric, version=PREDICTOR.version, stages=stages, residuals=residuals
    )
    return {("network", metric): calibration}


@pytest.fixture
def given(candidate, profile, fleet):
    device = fleet.types["cpu"]
    return profile, device, candidate.model_copy(update={"threads": device.cores})


def test_what_was_learnt_of_the_device_scales_its_time(given):
    profile, device, candidate = given
    once, twice = (learnt_time(profile, device, candidate, 1, {}, learnt(c)) for c in (0.0, math.log(2)))
    assert twice.time.value == pytest.approx(2 * once.time.value)
    assert once.time.high / once.time.value == pytest.approx(1.2)
    assert once.source == "calibrated"
    assert "30 rows" in once.basis
    assert "openvino" in once.basis


def test_a_rate_is_turned_into_the_time_of_a_call(given):
    profile, device, candidate = given
    found = [learnt_time(profile, device, candidate, n, {}, learnt(0.0, metric="throughput")) for n in (1, 8)]
    assert found[0].time.low < found[0].time.value < found[0].time.high
    assert found[0].time.value < found[1].time.value <= 8 * found[0].time.value


def test_fewer_threads_take_longer_as_rooflines_say(given):
    profile, device, candidate = given
    alone = candidate.model_copy(update={"threads": 1})
    whole, one = (learnt_time(profile, device, item, 1, {}, learnt(0.0)) for item in (candidate, alone))
    ratio = roofline(profile, device, alone, 1).value / roofline(profile, device, candidate, 1).value
    assert ratio > 1
    assert one.time.value == pytest.approx(ratio * whole.time.value)


def test_another_precision_is_less_sure(given):
    profile, device, candidate = given
    narrow = candidate.model_copy(update={"precision": "int8", "quantization": "static"})
    found = learnt_time(profile, device, narrow, 1, {}, learnt(0.0))
    assert found.time.high / found.time.value == pytest.approx(1.2 * 1.5)


def test_a_device_that_nobody_measured_keeps_its_roofline(given):
    profile, device, candidate = given
    assert learnt_time(profile, device, candidate, 1, {}, learnt(0.0, device="another")) is None
    assert learnt_time(profile, device, candidate, 1, {}, {}) is None


def test_plans_are_made_of_it(intent, given, fleet):
    profile, _device, candidate = given
    plain, slow = (
        price(intent, [candidate], {"net": profile}, fleet, Evidence(calibrations=known))[0]
        for known in ({}, learnt(3.0))
    )
    assert plain.estimates["throughput"].source == "analytic"
    assert slow.estimates["throughput"].source == "calibrated"
    assert slow.estimates["throughput"].value < plain.estimates["throughput"].value
