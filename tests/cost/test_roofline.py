"""The roofline worked by hand on round numbers."""

import pytest

from aios.cost.roofline import Unknown, roofline
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType, Fact
from aios.records.model import ModelProfile


def expected(profile: ModelProfile, device: DeviceType, candidate: Candidate, batch: int = 1) -> float:
    found = roofline(profile, device, candidate, batch)
    assert not isinstance(found, Unknown)
    assert found.low <= found.value <= found.high
    return found.value


def test_compute_bound_convolutions_on_two_of_four_threads(
    profile: ModelProfile, cpu: DeviceType, candidate: Candidate
) -> None:
    # Conv: 2e8 FLOP / (400e9 x 2/4 / 1.06 x 0.6); memory: 2 threads draw half of 20e9 x 0.7.
    conv = 2e8 / (400e9 * 0.5 / 1.06 * 0.6)
    add = max(3e5 / (20e9 * 0.7 * 0.5), 1e5 / (400e9 * 0.5 / 1.06 * 0.6))
    assert expected(profile, cpu, candidate) == pytest.approx(10 * (conv + 2e-6) + 2 * (add + 2e-6))


def test_batch_multiplies_flops_and_activations_but_not_weights(
    profile: ModelProfile, cpu: DeviceType, candidate: Candidate
) -> None:
    heavy = profile.operators[0].model_copy(update={"flops": 1.0, "weight_bytes": 1e8, "count": 1})
    bound = profile.model_copy(update={"operators": (heavy,)})
    one, eight = (expected(bound, cpu, candidate, batch) for batch in (1, 8))
    rate = 20e9 * 0.7 * 0.5
    assert one == pytest.approx((1e8 + 2e5) / rate + 2e-6)
    assert eight == pytest.approx((1e8 + 8 * 2e5) / rate + 2e-6)


def test_a_fixed_batch_is_paid_in_full(profile: ModelProfile, cpu: DeviceType, candidate: Candidate) -> None:
    fixed = profile.model_copy(update={"batch_axis": None, "fixed_batch": 4})
    assert expected(fixed, cpu, candidate) == pytest.approx(expected(profile, cpu, candidate, 4))


def test_weights_and_activations_in_cache_move_faster(
    profile: ModelProfile, cpu: DeviceType, candidate: Candidate
) -> None:
    light = tuple(item.model_copy(update={"flops": 1.0}) for item in profile.operators)
    bound = profile.model_copy(update={"operators": light})
    cached = cpu.model_copy(update={"cache_bytes": {"l3": Fact(value=32e6, unit="B")}})
    assert expected(bound, cached, candidate) < expected(bound, cpu, candidate) / 2


def test_more_threads_are_faster_and_scale_less_than_evenly(
    profile: ModelProfile, cpu: DeviceType, candidate: Candidate
) -> None:
    one, four = (expected(profile, cpu, candidate.model_copy(update={"threads": n})) for n in (1, 4))
    assert one / 4 < four < one


def test_a_power_mode_scales_the_peak(profile: ModelProfile, gpu: DeviceType, candidate: Candidate) -> None:
    full = candidate.model_copy(update={"device": "gpu", "threads": 0})
    half = full.model_copy(update={"power_mode": "half"})
    conv = 2e8 / (8e12 * 0.35)
    assert expected(profile, gpu, half) - expected(profile, gpu, full) == pytest.approx(10 * conv, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"peak_ops_per_s": {}}, "fp32 peak"),
        ({"memory_bandwidth_bytes_per_s": None}, "memory bandwidth"),
        ({"cores": None}, "cores"),
    ],
)
def test_a_missing_fact_leaves_the_time_unknown(
    profile: ModelProfile, cpu: DeviceType, candidate: Candidate, change: dict[str, object], word: str
) -> None:
    found = roofline(profile, cpu.model_copy(update=change), candidate, 1)
    assert isinstance(found, Unknown)
    assert word in found.reason
    assert "nothing like it was measured" in found.reason


def test_static_int8_beats_dynamic_beats_nothing_on_memory(
    profile: ModelProfile, cpu: DeviceType, candidate: Candidate
) -> None:
    static, dynamic = (
        expected(profile, cpu, candidate.model_copy(update={"precision": "int8", "quantization": quantization}))
        for quantization in ("static", "dynamic")
    )
    assert static < dynamic
