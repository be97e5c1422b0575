"""Services under load: the number of turns against a simulation, Little's law, bad rows."""

import heapq
from dataclasses import replace

import numpy as np
import pytest

from aios.cost.queue_predictor import PREDICTOR, turns
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


def test_clients_that_fit_one_call_wait_for_the_running_one():
    found = turns(np.array([1.0, 2.0, 10.0, 1000.0]), np.ones(4), np.ones(4), np.full(4, np.inf))
    assert found == pytest.approx([1.0, 1.5, 1.9, 1.999])


def rows(metric, **numbers):
    counts = {"concurrency": 32.0, "batch": 4.0, "instances": 2.0, "largest_batch": 16.0, "compute_time": 0.01}
    return Observations(
        table="t",
        predictor="queue",
        metric=metric,
        unit="s",
        words={"model": np.array(["m"]), "device": np.array(["d"]), "software": np.array(["s"])},
        numbers={role: np.array([number]) for role, number in {**counts, **numbers}.items()},
        types=np.array([""]),
        families=np.array(["m"]),
        lines=np.array([2]),
        values=np.array([0.5]),
    )


def test_littles_law_ties_latency_to_throughput():
    latency, throughput = (
        PREDICTOR.value(item, PREDICTOR.design(item, {}).base)[0] for item in (rows("latency.mean"), rows("throughput"))
    )
    assert latency == pytest.approx(0.01 * 32 * 4 / (2 * 16))
    assert latency * throughput == pytest.approx(32 * 4)


def test_more_clients_never_wait_less():
    bases = [PREDICTOR.design(rows("latency.p99", concurrency=float(n)), {}).base[0] for n in (1, 2, 8, 64, 512)]
    assert bases == sorted(bases)


def test_a_row_without_a_time_of_a_call_says_so():
    for nothing in (np.nan, 0.0):
        design = PREDICTOR.design(rows("latency.mean", compute_time=nothing), {})
        assert design.unknown[0] == "the table states no time of one call"
        assert np.isfinite(design.base).all()


def test_an_answer_before_the_call_ends_is_suspicious():
    design = PREDICTOR.design(rows("latency.mean", compute_time=2.0), {})
    assert PREDICTOR.target(rows("latency.mean"))[0] < design.least[0]
    wide = replace(rows("throughput", compute_time=2.0), values=np.array([1e4]))
    assert PREDICTOR.target(wide)[0] < PREDICTOR.design(wide, {}).least[0]


@pytest.mark.parametrize("metric", PREDICTOR.metrics)
def test_target_and_value_are_inverse(metric):
    assert PREDICTOR.value(rows(metric), PREDICTOR.target(rows(metric)))[0] == pytest.approx(0.5)
