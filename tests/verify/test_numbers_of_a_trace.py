"""From traces and answers to numbers, on cases worked by hand."""

import numpy as np
import pytest

from aios.records.measurement import PROBABILITIES, Subject
from aios.spi.executor import Trace
from aios.verify import arrival_times, burst_capacity, latency_values, serving_measurement


def trace(latency, queue=None, compute=None):
    latency = np.asarray(latency, dtype=float)
    nothing = np.full(len(latency), np.nan)
    return Trace(
        latency_s=latency,
        queue_s=nothing if queue is None else np.asarray(queue, dtype=float),
        compute_s=nothing if compute is None else np.asarray(compute, dtype=float),
        outputs={},
        errors={},
    )


def test_percentiles_are_order_statistics():
    values = latency_values(trace(np.arange(1, 1001) / 1000))
    assert values["latency.p50"].value == 0.500
    assert values["latency.p99"].value == 0.990
    # Ranks 989 ± 1.645 sqrt(1000 x 0.99 x 0.01) = 989 ± 5.18.
    assert (values["latency.p99"].low, values["latency.p99"].high) == (0.984, 0.996)
    assert values["latency.mean"].value == pytest.approx(0.5005)


def test_a_percentile_among_failures_does_not_exist():
    values = latency_values(trace([0.001] * 98 + [np.inf] * 2))
    assert values["latency.p95"].value == 0.001
    assert "latency.p99" not in values
    assert "latency.mean" not in values


def test_the_interval_covers_the_true_percentile_as_often_as_it_says():
    generator = np.random.default_rng(7)
    truth = -np.log(0.05)  # 95th percentile of the unit exponential
    inside = 0
    for _ in range(400):
        value = latency_values(trace(generator.exponential(size=500)))["latency.p95"]
        inside += value.low <= truth <= value.high
    assert 0.85 <= inside / 400 <= 0.95


def test_capacity_of_bursts():
    # One answer every 10 ms, the last of 32 after 320 ms: 100 a second, whether or not they arrive bunched.
    steady, bunched = trace(0.01 * np.arange(1, 33)), trace(np.full(32, 0.32))
    assert burst_capacity([steady, bunched]).value == pytest.approx(100)


def test_capacity_of_nothing():
    assert burst_capacity([trace([np.inf] * 4)]) is None


def test_poisson_arrivals():
    times = arrival_times(200, 50, "poisson", np.random.default_rng(3))
    gaps = np.diff(times)
    assert np.all(gaps >= 0)
    assert times[-1] < 50
    assert len(times) == pytest.approx(10_000, rel=0.05)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05), "exponential gaps: deviation equals mean"
    again = arrival_times(200, 50, "poisson", np.random.default_rng(3))
    assert np.array_equal(times, again)


def test_constant_arrivals():
    assert np.allclose(arrival_times(4, 1, "constant", np.random.default_rng(0)), [0, 0.25, 0.5, 0.75])


def test_serving_measurement_splits_latency():
    subject = Subject(
        kind="serving", model="m", precision="fp32", quantization="none", device="d", executor="e", engine="e 1"
    )
    run = trace([0.005] * 100, queue=[0.001] * 100, compute=[0.003] * 100)
    capacity = burst_capacity([trace(0.01 * np.arange(1, 5))])
    found = serving_measurement(
        subject,
        run,
        capacity,
        energy_j=2.0,
        meter="RAPL package",
        scope="package",
        memory_bytes=80e6,
        conditions={"rate": "10/s"},
        as_of="2026-01-01",
    )
    assert found.values["energy"].value == pytest.approx(0.02)
    assert found.values["energy"].scope == "package"
    assert found.values["capacity"].value == pytest.approx(100)
    assert found.distributions["compute"] == pytest.approx([0.003] * len(PROBABILITIES))
    assert found.distributions["overhead"] == pytest.approx([0.001] * len(PROBABILITIES))
    assert found.distributions["lone"] == pytest.approx([0.004] * len(PROBABILITIES))
