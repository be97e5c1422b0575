"""Networks on a device that a calibration knows: learnt as a whole, scaled by rooflines where a candidate differs."""

import math

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from aios.cost import Evidence, price
from aios.cost.network_predictor import PREDICTOR
from aios.cost.network_time import NetworkTimes
from aios.cost.roofline import roofline
from aios.records.calibration import Calibration, Effect, Residual, Stage
from aios.records.fleet import Fact


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


def learnt_time(profile, device, candidate, batch, tiers, calibrations):
    profiles, types = {candidate.model: profile}, {device.name: device}
    return NetworkTimes([candidate], profiles, types, calibrations).of(candidate, profile, device, batch, tiers)


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


def test_threads_are_what_the_calibration_is_asked_for(given):
    profile, device, candidate = given
    counted = profile.model_copy(update={"work": WORK})
    known = learnt(0.0, setting="onnxruntime|fp32||inference")
    parts = {"convolution_macs": 1.0, "pointwise_macs": 1.0, "serial": 2.0}
    mix = Stage(keys=("device",), effects=(Effect(group=("cpu",), rows=40, constant=0.0, terms=parts),))
    calibration = known["network", "latency.mean"].model_copy(update={"mixes": (mix,)})
    ways = [candidate.model_copy(update={"threads": count}) for count in range(1, device.cores + 1)]
    found = [
        learnt_time(counted, device, item, 1, {}, {("network", "latency.mean"): calibration}).time.value
        for item in ways
    ]
    # 3 GFLOP at an even share of the peak, and twice a tenth of it by as much slower as one core is than all in use
    peak = device.peak_ops_per_s["fp32"].value
    one = device.cores / peak
    by_hand = [3e9 * one / count + 2 * 0.1 * 3e9 * (one - one / count) for count in range(1, device.cores + 1)]
    assert found == pytest.approx(by_hand)
    assert found == sorted(found, reverse=True)


def test_quantisation_as_values_come_is_not_that_of_a_graph_on_any_number_of_threads(given):
    profile, device, candidate = given
    known = learnt(0.0, setting="onnxruntime|int8||inference")
    for threads in (1, device.cores):
        narrow = candidate.model_copy(update={"precision": "int8", "threads": threads})
        static, dynamic = (narrow.model_copy(update={"quantization": way}) for way in ("static", "dynamic"))
        times = [learnt_time(profile, device, item, 1, {}, known).time.value for item in (static, dynamic)]
        expected = [roofline(profile, device, item, 1).value for item in (static, dynamic)]
        assert times[1] / times[0] == pytest.approx(expected[1] / expected[0])
        assert times[1] > times[0]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@hypothesis_given(
    st.floats(-6.0, 6.0), st.sampled_from(["fp32", "int8"]), st.sampled_from([1, 2, 4]), st.integers(1, 9)
)
def test_nothing_learnt_beats_the_peak_of_the_precision_and_threads(given, constant, precision, threads, batch):
    profile, device, candidate = given
    counted = profile.model_copy(update={"work": WORK})
    way = candidate.model_copy(update={"precision": precision, "quantization": "static", "threads": threads})
    time = learnt_time(counted, device, way, batch, {}, learnt(constant)).time
    share = min(1.0, threads / device.cores)
    fewest = 0.5e9 + 1e9 / (4 if precision == "fp32" else 2)  # Winograd may spare dense kernels that many
    least = 2 * fewest * batch / (device.peak_ops_per_s[precision].value * share)
    assert least * 0.999999 <= time.low <= time.value <= time.high


def test_another_precision_is_less_sure(given):
    profile, device, candidate = given
    narrow = candidate.model_copy(update={"precision": "int8", "quantization": "static"})
    found = learnt_time(profile, device, narrow, 1, {}, learnt(0.0))
    assert found.time.high / found.time.value == pytest.approx(1.2 * 1.5)


def test_the_nearest_setting_is_the_executors_else_a_compiled_one_in_the_same_precision(given):
    profile, device, candidate = given
    known = learnt(0.0)[("network", "latency.mean")]
    names = ("eager torch|fp32||inference", "compile torch|fp16||inference", "compile torch|fp32||inference")
    effects = tuple(
        Effect(group=("cpu", name), rows=rows, constant=0.0) for name, rows in zip(names, (90, 50, 20), strict=True)
    )
    known = known.model_copy(update={"stages": (known.stages[0], Stage(keys=("device", "setting"), effects=effects))})
    found = learnt_time(profile, device, candidate, 1, {}, {("network", "latency.mean"): known})
    assert "20 rows" in found.basis
    named = learnt_time(
        profile, device, candidate.model_copy(update={"executor": "torch"}), 1, {}, {("network", "latency.mean"): known}
    )
    assert "compile torch" in named.basis


@pytest.mark.parametrize(("own_rows", "used"), [(9, "latency.mean"), (5, "throughput"), (4, "throughput")])
def test_of_two_metrics_the_one_with_more_rows_of_the_device_is_asked(given, own_rows, used):
    """One's own rows, of software that nobody states, against six that ship."""
    profile, device, candidate = given
    known = {}
    for metric, setting, rows in (
        ("throughput", f"{candidate.executor} 1|fp32||inference", 6),
        ("latency.mean", "|fp32||inference", own_rows),
    ):
        (key, calibration), *_ = learnt(0.0, setting=setting, metric=metric).items()
        effects = (Effect(group=("cpu", setting), rows=rows, constant=0.0),)
        stages = (calibration.stages[0], Stage(keys=("device", "setting"), effects=effects))
        known[key] = calibration.model_copy(update={"stages": stages})
    assert learnt_time(profile, device, candidate, 1, {}, known).basis.startswith(f"{used} learnt from")


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


WORK = {
    "convolution_macs": 1e9,
    "convolution_values": 1e7,
    "pointwise_macs": 5e8,
    "pointwise_values": 2e7,
    "kernels": 60.0,
    "weights": 2e7,
}
"""An invented network whose operators are counted."""


def shared(kind, software, rows=100):
    """What holds for all devices of a kind, and knows none of them."""
    calibration = learnt(0.0, device="another")[("network", "latency.mean")]
    factors = dict.fromkeys(("convolution_macs", "pointwise_macs", "kernels", "weights", "pointwise_values"), 2.0)
    mix = Stage(
        keys=("class",),
        effects=(Effect(group=(f"{kind}|{software}||inference",), rows=rows, constant=0.0, terms=factors),),
    )
    return {("network", "latency.mean"): calibration.model_copy(update={"mixes": (mix,), "stages": ()})}


def test_counted_operators_are_predicted_on_a_device_that_nobody_measured(given, fleet):
    profile, _, candidate = given
    device, known = fleet.types["gpu"], shared("gpu", "tensorrt")
    on_gpu = candidate.model_copy(update={"device": "gpu", "threads": 0})
    found = learnt_time(profile.model_copy(update={"work": WORK}), device, on_gpu, 1, {}, known)
    assert found.source == "analytic"
    assert "zero-shot" in found.basis
    assert "tensorrt" in found.basis
    assert learnt_time(profile, device, on_gpu, 1, {}, known) is None, "nobody counted its operators"


def test_a_processor_keeps_its_roofline_unless_the_engine_is_known(given):
    profile, device, candidate = given
    counted = profile.model_copy(update={"work": WORK})
    assert learnt_time(counted, device, candidate, 1, {}, shared("cpu", "torch.compile")) is None
    assert learnt_time(counted, device, candidate, 1, {}, shared("cpu", candidate.executor)) is not None


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@hypothesis_given(
    st.floats(1e12, 1e15), st.floats(1e10, 5e12), st.floats(1.0, 8.0), st.floats(1.0, 8.0), st.sampled_from([1, 8, 64])
)
def test_more_bandwidth_and_peak_are_never_slower(given, fleet, peak, bandwidth, more_peak, more_bandwidth, batch):
    profile, _, candidate = given
    counted = profile.model_copy(update={"work": WORK})

    def time(scale_peak, scale_bandwidth):
        facts = {
            "peak_ops_per_s": {"fp32": Fact(value=peak * scale_peak, unit="op/s")},
            "memory_bandwidth_bytes_per_s": Fact(value=bandwidth * scale_bandwidth, unit="B/s"),
        }
        device = fleet.types["gpu"].model_copy(update=facts)
        on_gpu = candidate.model_copy(update={"device": "gpu", "threads": 0, "batch": batch})
        return learnt_time(counted, device, on_gpu, batch, {}, shared("gpu", "tensorrt")).time

    slow, quick = time(1.0, 1.0), time(more_peak, more_bandwidth)
    assert quick.value <= slow.value * 1.0001


def test_all_candidates_are_worked_out_together_and_as_alone(given, fleet):
    profile, _, candidate = given
    counted = profile.model_copy(update={"work": WORK})
    items = [candidate.model_copy(update={"device": "gpu", "threads": 0, "batch": size}) for size in (1, 4, 16)]
    device, known = fleet.types["gpu"], shared("gpu", "tensorrt")
    times = NetworkTimes(items, {items[0].model: counted}, fleet.types, known)
    for item in items:
        alone = learnt_time(counted, device, item, item.batch, {}, known)
        assert times.of(item, counted, device, item.batch, {}) == alone


def test_a_cap_takes_longer_and_draws_less(intent, given, fleet):
    profile, _, candidate = given
    facts = {"cap_low_w": Fact(value=20.0, unit="W"), "cap_high_w": Fact(value=70.0, unit="W")}
    device = fleet.types["gpu"].model_copy(update=facts)
    around = fleet.model_copy(update={"types": {**fleet.types, "gpu": device}})
    busy = intent.model_copy(update={"load": None})
    on_gpu = candidate.model_copy(update={"device": "gpu", "threads": 0, "nodes": ("rig",)})
    free, capped = price(
        busy, [on_gpu, on_gpu.model_copy(update={"power_mode": "30W"})], {"net": profile}, around, Evidence()
    )
    assert capped.estimates["power"].value < 30 < free.estimates["power"].value
    assert capped.estimates["throughput"].value < free.estimates["throughput"].value
