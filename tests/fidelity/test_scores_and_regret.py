import itertools

import numpy as np
import pytest

from aios.fidelity import Predictions, compared, decisions, score
from aios.fidelity.scoring import right_of
from aios.records.observation import Observations


def test_errors_worked_by_hand():
    measured = np.array([1.0, 2.0, 4.0, 10.0])
    predicted = np.array([1.1, 1.8, 4.0, 20.0])
    found = score(measured, predicted, predicted * 0.9, predicted * 1.2)
    assert found.rows == 4
    assert found.median_ape == pytest.approx(0.1)
    assert found.p90_ape == pytest.approx(0.1 + 0.7 * 0.9)
    assert found.bias == pytest.approx(0.05)
    assert found.coverage == pytest.approx(0.75)
    assert found.median_error == pytest.approx(0.15)


def test_of_differences_the_whole_counts():
    found = score(
        np.array([-0.01]), np.array([-0.02]), np.array([-0.05]), np.array([0.0]), (np.array([0.99]), np.array([0.98]))
    )
    assert found.median_ape == pytest.approx(0.01 / 0.99)
    assert found.median_error == pytest.approx(0.01)


def test_nothing_has_no_error():
    assert score(*[np.array([])] * 4) == (0, None, None, None, None, None)


def test_yes_and_no_are_judged_apart():
    assert right_of(np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 0, 1])) == (pytest.approx(2 / 3), 0.5)
    assert right_of(np.array([1.0]), np.array([0.0])) == (0.0, None)


def observed(metric, values, lines=None, **words):
    n = len(values)
    names = {role: np.array(column) for role, column in words.items()}
    return Observations(
        "t", "p", metric, "", names, {}, np.full(n, ""), np.full(n, ""), np.array(lines or range(n)), np.array(values)
    )


def told(metric, measured, value, margin=0.0, **words):
    value = np.array(value, dtype=float)
    return Predictions(observed(metric, measured, **words), value, value * (1 - margin), value * (1 + margin))


TIME = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
ENERGY = np.array([9.0, 7.0, 8.0, 3.0, 4.0, 1.0])


def by_brute_force(time, high, energy, guess, limits):
    """The rule again, written for one bound at a time."""
    regrets, feasible = [], []
    for limit in limits:
        allowed = [n for n in range(len(time)) if high[n] <= limit]
        if not allowed:
            continue
        choice = min(allowed, key=lambda n: guess[n])
        feasible.append(time[choice] <= limit)
        best = min(energy[n] for n in range(len(time)) if time[n] <= limit)
        if feasible[-1]:
            regrets.append(energy[choice] / best - 1)
    return np.mean(feasible), np.median(regrets)


def test_who_knows_everything_regrets_nothing():
    parts = {"latency.mean": [told("latency.mean", TIME, TIME)], "energy": [told("energy", ENERGY, ENERGY)]}
    found = decisions(parts, (), ("latency.mean",), ("energy",), None, 0)
    assert found == (2000, 0, 1.0, 0.0, 0.0)


ORDERS = ([0, 1, 2, 3, 4, 5], [1, 0, 2, 3, 5, 4])


@pytest.mark.parametrize(("margin", "order"), list(itertools.product((0.0, 0.3), ORDERS)))
def test_regret_is_that_of_brute_force(margin, order):
    time, energy = TIME[order], ENERGY[list(reversed(order))]
    parts = {
        "latency.mean": [told("latency.mean", TIME, time, margin)],
        "energy": [told("energy", ENERGY, energy)],
    }
    found = decisions(parts, (), ("latency.mean",), ("energy",), None, 3)
    limits = np.quantile(TIME, np.linspace(0.1, 0.9, 4001))
    feasible, regret = by_brute_force(TIME, time * (1 + margin), ENERGY, energy, limits)
    assert found.intents == 2000
    assert found.feasible_share == pytest.approx(feasible, abs=0.04)
    assert found.regret_median == pytest.approx(regret, abs=0.02)


def test_sets_are_decided_apart_and_small_ones_not_at_all():
    device = ["a", "a", "a", "b", "b", "b"]
    parts = {
        "latency.mean": [told("latency.mean", TIME, TIME, device=device)],
        "energy": [told("energy", ENERGY, ENERGY, device=device)],
    }
    assert decisions(parts, ("device",), ("latency.mean",), ("energy",), None, 0) is None
    assert decisions(parts, (), ("latency.mean",), ("throughput",), None, 0) is None


def test_throughput_is_better_higher():
    parts = {"latency.mean": [told("latency.mean", TIME, TIME)], "throughput": [told("throughput", TIME, -TIME + 10)]}
    found = decisions(parts, (), ("latency.mean",), ("throughput",), None, 0)
    assert found.regret_median > 0.3


def test_changes_of_a_report():
    row = {"table": "t", "predictor": "p", "metric": "m", "level": "calibrated", "rows": 5}
    old = [{**row, "median_ape": 0.2, "coverage": 0.8}, {**row, "table": "gone", "median_ape": 0.1}]
    found = {(item.key[0], item.figure): item for item in compared(old, [{**row, "median_ape": 0.1, "coverage": 0.7}])}
    assert found["t", "median_ape"].better is True
    assert found["t", "coverage"].better is False
    assert found["gone", "rows"].new is None
    assert ("t", "rows") not in found
