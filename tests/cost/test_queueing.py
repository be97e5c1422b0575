"""The queue against exact formulas and against a discrete-event simulation."""

import heapq
import math
import random  # noqa: TID251 -- seeded: the simulation is an oracle
from collections import deque
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.cost.distribution import mean_of, scv_of, sum_of
from aios.cost.queueing import Replica, Tail, erlang_c, queue_of
from aios.records.measurement import PROBABILITIES

ASKED = (0.5, 0.9, 0.95, 0.99)


def exponential(mean: float) -> tuple[float, ...]:
    return tuple(-mean * math.log(1 - min(p, 0.99995)) for p in PROBABILITIES)


def constant(mean: float) -> tuple[float, ...]:
    return (mean,) * len(PROBABILITIES)


def simulate(
    rate: float,
    arrivals: str,
    service: Callable[[random.Random, int], float],
    replicas: int,
    batch: int,
    requests: int = 40_000,
) -> list[float]:
    """Sorted latencies of a queue whose free replica takes min(batch, waiting) requests at once; warm-up left out."""
    rng = random.Random(7)
    latencies: list[float] = []
    waiting: deque[float] = deque()
    running: list[tuple[float, list[float]]] = []
    free, following = replicas, rng.expovariate(rate)
    while len(latencies) < requests:
        if running and running[0][0] <= following:
            now, batch_of = heapq.heappop(running)
            free += 1
            latencies.extend(now - sent for sent in batch_of)
        else:
            now = following
            waiting.append(now)
            following += rng.expovariate(rate) if arrivals == "poisson" else 1 / rate
        while free and waiting:
            items = [waiting.popleft() for _ in range(min(batch, len(waiting)))]
            heapq.heappush(running, (now + service(rng, len(items)), items))
            free -= 1
    return sorted(latencies[requests // 20 :])


def predicted(rate: float, arrivals: str, base: tuple[float, ...], replica: Replica, replicas: int) -> list[float]:
    queue = queue_of(rate, arrivals, replica, replicas)  # type: ignore[arg-type]  # parametrised over the two words
    assert queue is not None
    return Tail(base).percentiles(queue, ASKED)


def test_erlang_c_of_two_servers_at_one_erlang_is_a_third() -> None:
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(1, 0.3) == pytest.approx(0.3)
    assert erlang_c(3, 3.0) == 1.0


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9])
def test_m_m_1_mean_and_percentiles_are_exact(load: float) -> None:
    # Latency of M/M/1 is exponential with mean S / (1 - load).
    queue = queue_of(load, "poisson", Replica(1.0, 1.0, 1, 1.0), 1)
    assert queue is not None
    assert 1 + queue.wait_s == pytest.approx(1 / (1 - load))
    mean = 1 / (1 - load)
    for found, p in zip(predicted(load, "poisson", exponential(1.0), Replica(1.0, 1.0, 1, 1.0), 1), ASKED, strict=True):
        assert found == pytest.approx(-mean * math.log(1 - p), rel=0.02)


def test_m_d_1_mean_wait_is_half_of_m_m_1() -> None:
    queue = queue_of(0.8, "poisson", Replica(1.0, 1.0, 1, 0.0), 1)
    assert queue is not None
    assert queue.wait_s == pytest.approx(0.8 / (2 * 0.2))
    # The decay rate of M/D/1 solves rate (exp(theta) - 1) = theta; Allen and Cunneen alone would give 2 (1 - rho).
    assert 0.8 * math.expm1(queue.decay) == pytest.approx(queue.decay, rel=1e-3)


def test_d_m_1_decay_is_exact_and_wait_is_close() -> None:
    # D/M/1 at half load: sigma = exp(-2 (1 - sigma)) = 0.2032, mean wait sigma / (1 - sigma).
    queue = queue_of(0.5, "constant", Replica(1.0, 1.0, 1, 1.0), 1)
    assert queue is not None
    assert queue.decay == pytest.approx(1 - 0.2032, abs=1e-3)
    assert queue.wait_s == pytest.approx(0.2032 / 0.7968, rel=0.02)


def test_evenly_spaced_arrivals_of_constant_work_never_wait() -> None:
    assert predicted(0.9, "constant", constant(1.0), Replica(1.0, 1.0, 1, 0.0), 1) == [1.0] * 4


def test_no_steady_state_at_or_above_capacity() -> None:
    assert queue_of(1.0, "poisson", Replica(1.0, 1.0, 1, 0.1), 1) is None
    assert queue_of(4.0, "poisson", Replica(1.0, 2.0, 8, 0.1), 1) is None
    assert queue_of(3.9, "poisson", Replica(1.0, 2.0, 8, 0.1), 1) is not None


CASES = [
    # arrivals, scv, replicas, batch, full batch / single, utilisation, tolerance of p90..p99
    ("poisson", 0.0, 1, 1, 1.0, 0.3, 0.06),
    ("poisson", 0.0, 1, 1, 1.0, 0.7, 0.08),
    ("poisson", 0.25, 2, 1, 1.0, 0.6, 0.08),
    ("poisson", 0.0, 4, 1, 1.0, 0.6, 0.08),
    ("constant", 0.25, 1, 1, 1.0, 0.8, 0.08),
    ("poisson", 0.0, 1, 4, 2.0, 0.6, 0.12),
    ("poisson", 0.25, 1, 8, 2.0, 0.6, 0.14),
    ("poisson", 0.0, 1, 8, 2.0, 0.85, 0.14),
    ("poisson", 0.25, 2, 4, 3.0, 0.6, 0.3),
    ("poisson", 0.0, 2, 16, 4.0, 0.6, 0.35),
]


@cache
def sampled(scv: float) -> tuple[float, ...]:
    if scv == 0:
        return constant(1.0)
    rng = random.Random(3)
    draws = sorted(rng.gammavariate(1 / scv, scv) for _ in range(20_000))
    return tuple(draws[min(len(draws) - 1, int(p * len(draws)))] for p in PROBABILITIES)


@pytest.mark.parametrize(("arrivals", "scv", "replicas", "batch", "full", "load", "tolerance"), CASES)
def test_percentiles_agree_with_simulation(
    arrivals: str, scv: float, replicas: int, batch: int, full: float, load: float, tolerance: float
) -> None:
    replica = Replica(1.0, full, batch, scv)

    def service(rng: random.Random, items: int) -> float:
        mean = replica.time_s(items)
        return rng.gammavariate(1 / scv, mean * scv) if scv else mean

    rate = load * replicas * replica.capacity
    latencies = simulate(rate, arrivals, service, replicas, batch)
    found = predicted(rate, arrivals, sampled(scv), replica, replicas)
    for p, value in list(zip(ASKED, found, strict=True))[1:]:
        assert value == pytest.approx(latencies[int(p * len(latencies))], rel=tolerance), p
    queue = queue_of(rate, arrivals, replica, replicas)  # type: ignore[arg-type]  # parametrised over the two words
    assert queue is not None
    mean = 1 + queue.wait_s + queue.waiting * queue.grown_s
    assert mean == pytest.approx(sum(latencies) / len(latencies), rel=0.2 if batch > 1 else 0.08)


loads = st.floats(0.02, 0.97)
replicas_ = st.integers(1, 12)
scvs = st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0])


@settings(max_examples=100, deadline=None)
@given(load=loads, more=st.floats(1.001, 2.0), count=replicas_, scv=scvs, batch=st.sampled_from([1, 2, 8, 32]))
def test_more_load_never_lowers_percentiles(load: float, more: float, count: int, scv: float, batch: int) -> None:
    replica = Replica(1.0, 1.0 + 0.2 * (batch - 1), batch, scv)
    rate = load * count * replica.capacity
    higher = min(rate * more, 0.98 * count * replica.capacity)
    base = sampled(0.25)
    below, above = (predicted(r, "poisson", base, replica, count) for r in (rate, max(rate, higher)))
    for a, b in zip(below, above, strict=True):
        assert b >= a * (0.995 if batch == 1 else 0.98)


@settings(max_examples=100, deadline=None)
@given(load=loads, count=replicas_, more=st.integers(1, 6), scv=scvs, batch=st.sampled_from([1, 2, 8, 32]))
def test_more_replicas_never_worsen(load: float, count: int, more: int, scv: float, batch: int) -> None:
    replica = Replica(1.0, 1.0 + 0.2 * (batch - 1), batch, scv)
    rate = load * count * replica.capacity
    few, many = (predicted(rate, "poisson", sampled(0.25), replica, n) for n in (count, count + more))
    for a, b in zip(few, many, strict=True):
        assert b <= a * (1.005 if batch == 1 else 1.02)


@settings(max_examples=100, deadline=None)
@given(load=loads, count=replicas_, scv=scvs)
def test_percentiles_are_ordered_and_at_least_the_lone_latency(load: float, count: int, scv: float) -> None:
    base = sampled(0.25)
    found = predicted(load * count, "poisson", base, Replica(1.0, 1.0, 1, scv), count)
    assert found == sorted(found)
    for p, value in zip(ASKED, found, strict=True):
        assert value >= np.interp(p, PROBABILITIES, base) * 0.999


def test_sum_of_two_constants_and_of_exponentials() -> None:
    both = sum_of(constant(2.0), constant(3.0))
    assert both[0] == both[-1] == pytest.approx(5.0)
    # Erlang-2 with mean 2: p50 = 1.678, p90 = 3.890, p99 = 6.638.
    erlang = sum_of(exponential(1.0), exponential(1.0))
    for p, value in ((0.5, 1.678), (0.9, 3.890), (0.99, 6.638)):
        assert np.interp(p, PROBABILITIES, erlang) == pytest.approx(value, rel=0.03)
    assert mean_of(erlang) == pytest.approx(2.0, rel=0.02)


def test_scv_of_known_distributions() -> None:
    assert scv_of(constant(3.0)) == pytest.approx(0.0, abs=1e-12)
    uniform = tuple(p for p in PROBABILITIES)
    assert scv_of(uniform) == pytest.approx(1 / 3, rel=1e-3)
