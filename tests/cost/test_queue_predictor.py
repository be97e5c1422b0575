"""Services under load: the number of turns against a simulation, Little's law, bad rows."""

import heapq
from dataclasses import replace

import numpy as np
import pytest
from observed import observed

from aios.cost.queue_predictor import PREDICTOR, turns
from aios.records.fleet import DeviceType, Fact


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
    counts = {"concurrency": 32.0, "batch": 4.0, "instances": 2.0, "largest_batch": 16.0}
    counts |= {"macs": 1e12, "activations": 1e6, "parameters": 1e6}
    words = {"model": "m", "device": "d", "software": software}
    return observed("queue", ["gpu"], words, {**counts, **numbers}, 0.5, metric)


def told(*items):
    return [PREDICTOR.value(item, PREDICTOR.design(item, {"gpu": GPU}).base)[0] for item in items]


def test_littles_law_ties_latency_to_throughput():
    latency, throughput = told(rows("latency.mean"), rows("throughput"))
    assert latency * throughput == pytest.approx(32 * 4)


def test_the_device_works_on_all_that_is_outstanding():
    """128 items of 2e12 operations at 10 Tops/s, and 32 requests that are handled one after the other."""
    parts = PREDICTOR.design(rows("latency.mean"), {"gpu": GPU}).parts
    assert parts["products"][0] == pytest.approx(128 * 0.2, rel=1e-3)
    assert parts["handled"][0] == pytest.approx(32 * 1.7e-4)


def test_weights_are_read_once_for_what_a_call_holds():
    """32 clients of 4 items at 2 instances that take 16: 8 calls, each of which reads 2 GB at 1 TB/s."""
    heavy = {"parameters": 1e9, "macs": 1e3, "activations": 1e3}
    parts = PREDICTOR.design(rows("latency.mean", **heavy), {"gpu": GPU}).parts
    assert parts["weights"][0] == pytest.approx(8 * 2e-3, rel=0.02)


def test_more_clients_never_wait_less():
    bases = told(*(rows("latency.p99", concurrency=float(n)) for n in (1, 2, 8, 64, 512)))
    assert bases == sorted(bases)


def test_a_network_that_nobody_knows_says_so():
    design = PREDICTOR.design(rows("latency.mean", macs=np.nan), {"gpu": GPU})
    assert design.unknown[0] == "the arithmetic of its network is not stated"
    assert np.isfinite(design.base).all()


def test_a_thousand_times_the_arithmetic_takes_a_thousand_times_as_long():
    small, large = told(*(rows("latency.mean", macs=macs, concurrency=1.0) for macs in (1e12, 1e15)))
    assert large / small == pytest.approx(1000, rel=0.02)  # handling it takes as long as before


def test_what_the_run_itself_measured_changes_nothing():
    """The time of its calls is known after a run alone: a row that states it is predicted as any other."""
    plain, stated = (
        PREDICTOR.design(item, {"gpu": GPU}) for item in (rows("latency.mean"), rows("latency.mean", compute_time=1e-3))
    )
    assert plain.base == stated.base
    assert plain.least == stated.least
    assert set(plain.features) == set(stated.features)


def test_an_answer_before_the_device_can_be_done_is_suspicious():
    own = rows("latency.mean")
    assert PREDICTOR.target(own)[0] < PREDICTOR.design(own, {"gpu": GPU}).least[0]
    wide = replace(rows("throughput"), values=np.array([1e4]))
    assert PREDICTOR.target(wide)[0] < PREDICTOR.design(wide, {"gpu": GPU}).least[0]
    slow = replace(own, values=np.array([100.0]))
    assert PREDICTOR.target(slow)[0] > PREDICTOR.design(slow, {"gpu": GPU}).least[0]


@pytest.mark.parametrize("metric", PREDICTOR.metrics)
def test_target_and_value_are_inverse(metric):
    assert PREDICTOR.value(rows(metric), PREDICTOR.target(rows(metric)))[0] == pytest.approx(0.5)
