"""Services under load: the number of turns against a simulation, Little's law, bad rows."""

import heapq
from dataclasses import replace

import numpy as np
import pytest

from aios.cost.queue_predictor import PREDICTOR, turns
from aios.records.fleet import DeviceType, Fact
from aios.records.observation import Observations


def simulated(clients, batch, instances, largest, calls=4000):
    """Return the mean latency, in times of one call, of clients that each send the next request after an answer.

    A free instance takes what waits at once, up to its largest batch; a call takes 1, whatever it holds.
    """
    waiting, running, now, done = [0.0] * clients, [], 0.0, []
    free = instances
    while len(done) < calls:
        while free and waiting:
            count = min(len(waiting), max(1, largest // batch))
            heapq.heappush(running, (now + 1, len(running), waiting[:count]))
            waiting, free = waiting[count:], free - 1
        ready, _, served = heapq.heappop(running)
        now, free = ready, free + 1
        done += [now - since for since in served]
        waiting += [now] * len(served)
        while running and running[0][0] <= now:
            _, _, others = heapq.heappop(running)
            done, waiting, free = done + [now - since for since in others], waiting + [now] * len(others), free + 1
    return float(np.mean(done[calls // 4 :]))


@pytest.mark.parametrize(
    ("clients", "batch", "instances", "largest"),
    [(1, 1, 1, 8), (2, 4, 2, 64), (16, 1, 1, 4), (64, 2, 2, 16), (40, 1, 4, 1), (256, 16, 2, 64)],
)
def test_turns_against_a_simulation(clients, batch, instances, largest):
    found = turns(*(np.array([float(number)]) for number in (clients, batch, instances, largest)))
    assert found[0] == pytest.approx(simulated(clients, batch, instances, largest), rel=0.05)


def test_clients_wait_for_the_next_of_the_running_calls():
    found = turns(np.full(3, 1e6), np.ones(3), np.array([1.0, 2.0, 4.0]), np.full(3, np.inf))
    assert found == pytest.approx([2.0, 1.5, 1.25])


def test_clients_that_fit_one_call_wait_for_the_running_one():
    found = turns(np.array([1.0, 2.0, 10.0, 1000.0]), np.ones(4), np.ones(4), np.full(4, np.inf))
    assert found == pytest.approx([1.0, 1.5, 1.9, 1.999])


GPU = DeviceType(
    name="gpu",
    kind="gpu",
    peak_ops_per_s={"fp32": Fact(value=10e12, unit="1/s")},
    memory_bandwidth_bytes_per_s=Fact(value=1e12, unit="B/s"),
)


def rows(metric, software="s", **numbers):
    counts = {"concurrency": 32.0, "batch": 4.0, "instances": 2.0, "largest_batch": 16.0, "compute_time": 0.01}
    return Observations(
        table="t",
        predictor="queue",
        metric=metric,
        unit="s",
        words={"model": np.array(["m"]), "device": np.array(["d"]), "software": np.array([software])},
        numbers={role: np.array([number]) for role, number in {**counts, **numbers}.items()},
        types=np.array(["gpu"]),
        families=np.array(["m"]),
        lines=np.array([2]),
        values=np.array([0.5]),
    )


def test_littles_law_ties_latency_to_throughput():
    latency, throughput = (
        PREDICTOR.value(item, PREDICTOR.design(item, {}).base)[0] for item in (rows("latency.mean"), rows("throughput"))
    )
    assert latency == pytest.approx(0.01 * 32 * 4 / (2 * 16) + 32 * 1.7e-4)
    assert latency * throughput == pytest.approx(32 * 4)


def test_more_clients_never_wait_less():
    bases = [PREDICTOR.design(rows("latency.p99", concurrency=float(n)), {}).base[0] for n in (1, 2, 8, 64, 512)]
    assert bases == sorted(bases)


def test_a_row_without_a_time_of_a_call_says_so():
    for nothing in (np.nan, 0.0):
        design = PREDICTOR.design(rows("latency.mean", compute_time=nothing), {})
        assert design.unknown[0] == "neither the time of one call nor the arithmetic of its network is stated"
        assert np.isfinite(design.base).all()


def test_a_network_of_known_arithmetic_is_estimated():
    """A thousand times the arithmetic of a call that takes long takes a thousand times as long."""
    work = {"compute_time": np.nan, "activations": 1e6, "parameters": 1e6}
    small, large = (
        PREDICTOR.design(rows("latency.mean", **work, macs=macs, concurrency=1.0), {"gpu": GPU})
        for macs in (1e12, 1e15)
    )
    assert small.unknown[0] == large.unknown[0] == ""
    assert np.exp(large.base - small.base)[0] == pytest.approx(1000, rel=0.02)  # handling it takes as long as before


def test_engines_that_do_not_wait_state_the_time_of_starting():
    work = {"macs": 1e12, "activations": 1e6, "parameters": 1e6, "concurrency": 1.0}
    waiting, starting = (
        PREDICTOR.design(rows("latency.mean", software, **work), {"gpu": GPU})
        for software in ("NVIDIA TensorRT", "PyTorch -")
    )
    assert np.exp(waiting.base[0]) == pytest.approx(0.01 + 1.7e-4)
    assert np.exp(starting.base[0]) > 4 * 2e12 / 10e12  # four items, at the peak
    assert starting.least[0] == -np.inf


def test_starting_bounds_what_is_quick_on_the_device():
    work = {"macs": 1e6, "activations": 1e3, "parameters": 1e3, "concurrency": 1.0}
    design = PREDICTOR.design(rows("latency.mean", "PyTorch", **work), {"gpu": GPU})
    assert np.exp(design.base[0]) == pytest.approx(0.01 + 1.7e-4)


def test_an_answer_before_the_call_ends_is_suspicious():
    design = PREDICTOR.design(rows("latency.mean", compute_time=2.0), {})
    assert PREDICTOR.target(rows("latency.mean"))[0] < design.least[0]
    wide = replace(rows("throughput", compute_time=2.0), values=np.array([1e4]))
    assert PREDICTOR.target(wide)[0] < PREDICTOR.design(wide, {}).least[0]


@pytest.mark.parametrize("metric", PREDICTOR.metrics)
def test_target_and_value_are_inverse(metric):
    assert PREDICTOR.value(rows(metric), PREDICTOR.target(rows(metric)))[0] == pytest.approx(0.5)
