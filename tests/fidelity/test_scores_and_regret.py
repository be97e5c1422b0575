import itertools

import numpy as np
import pytest

from aios.fidelity import Predictions, compared, configurations, decisions, derived, score
from aios.fidelity.scoring import right_of
from aios.records.fleet import DeviceType, Fact
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
    assert found.width == pytest.approx(1.2 / 0.9)
    assert found.median_error == pytest.approx(0.15)


def test_of_differences_the_whole_counts():
    found = score(
        np.array([-0.01]), np.array([-0.02]), np.array([-0.05]), np.array([0.0]), (np.array([0.99]), np.array([0.98]))
    )
    assert found.median_ape == pytest.approx(0.01 / 0.99)
    assert found.width is None
    assert found.median_error == pytest.approx(0.01)


def test_nothing_has_no_error():
    assert score(*[np.array([])] * 4) == (0, *[None] * 6)


def test_yes_and_no_are_judged_apart():
    assert right_of(np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 0, 1])) == (pytest.approx(2 / 3), 0.5)
    assert right_of(np.array([1.0]), np.array([0.0])) == (0.0, None)


def observed(metric, values, lines=None, numbers=None, **words):
    n = len(values)
    names = {role: np.array(column) for role, column in words.items()}
    stated = {role: np.array(column, dtype=float) for role, column in (numbers or {}).items()}
    types = np.array(names.get("device", [""] * n))
    places = np.array(lines if lines is not None else range(n))
    return Observations("t", "p", metric, "", names, stated, types, np.full(n, ""), places, np.array(values))


def told(metric, measured, value, margin=0.0, **stated):
    value = np.array(value, dtype=float)
    rows = observed(metric, np.array(measured, dtype=float), **stated)
    return Predictions(rows, value, value * (1 - margin), value * (1 + margin), value)


def decided(predicted, within, bound, goal, seed=0, types=None, relative=False):
    rows = configurations({item.observations.metric: [item] for item in predicted})
    limited, wanted = ((name, derived(rows, name, types or {}, within)) for name in (bound, goal))
    bounds, first = ([], [limited]) if relative else ([limited], [])
    found = decisions(rows, within, bounds, wanted, seed, first)
    return found and (found.pessimistic, found.roofline)


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
    found, _ = decided([told("latency.mean", TIME, TIME), told("energy", ENERGY, ENERGY)], (), "latency.mean", "energy")
    assert (found.intents, found.undecided, found.impossible) == (2000, 0, 0)
    assert (found.feasible_share, found.regret_median, found.regret_p90) == (1.0, 0.0, 0.0)


ORDERS = ([0, 1, 2, 3, 4, 5], [1, 0, 2, 3, 5, 4])


@pytest.mark.parametrize(("margin", "order"), list(itertools.product((0.0, 0.3), ORDERS)))
def test_regret_is_that_of_brute_force(margin, order):
    time, energy = TIME[order], ENERGY[list(reversed(order))]
    parts = [told("latency.mean", TIME, time, margin), told("energy", ENERGY, energy)]
    found, physics = decided(parts, (), "latency.mean", "energy", 3)
    limits = np.quantile(TIME, np.linspace(0.1, 0.9, 4001))
    for got, high in ((found, time * (1 + margin)), (physics, time)):  # physics states no interval
        feasible, regret = by_brute_force(TIME, high, ENERGY, energy, limits)
        assert got.intents == 2000
        assert got.feasible_share == pytest.approx(feasible, abs=0.04)
        assert got.regret_median == pytest.approx(regret, abs=0.02)


def test_what_is_surely_met_by_nothing_is_undecided():
    parts = [told("latency.mean", TIME, TIME, margin=20.0), told("energy", ENERGY, ENERGY)]
    found, physics = decided(parts, (), "latency.mean", "energy")
    assert (found.undecided, found.feasible_share) == (2000, None)
    assert physics.undecided == 0


def test_sets_are_decided_apart_and_small_ones_not_at_all():
    device = ["a", "a", "a", "b", "b", "b"]
    parts = [told("latency.mean", TIME, TIME, device=device), told("energy", ENERGY, ENERGY, device=device)]
    assert decided(parts, ("device",), "latency.mean", "energy") is None


def test_bounds_come_from_all_sets_and_what_nothing_meets_is_counted_apart():
    """Board a is fast and b slow: bounds of b are loose for a, those of a are met by nothing of b.

    Quantiles between 0.1 and 0.9 of all twelve are below b's first with a chance of (6 / 11 - 0.1) / 0.8, and likewise
    above a's last; half of the intents are of each board.
    """
    time, device = np.concatenate([TIME, 100 + TIME]), ["a"] * 6 + ["b"] * 6
    energy = told("energy", np.tile(ENERGY, 2), np.tile(ENERGY, 2), device=device)
    right, _ = decided([told("latency.mean", time, time, device=device), energy], ("device",), "latency.mean", "energy")
    assert right.intents + right.impossible == 2000
    assert right.impossible == pytest.approx(557, abs=70)
    assert right.loose == pytest.approx(557, abs=70)
    assert (right.undecided, right.promised, right.feasible_share) == (0, 0, 1.0)
    # Who takes b for as fast as a promises what nothing can keep.
    guess = told("latency.mean", time, np.tile(TIME, 2), device=device)
    wrong, _ = decided([guess, energy], ("device",), "latency.mean", "energy")
    assert wrong.promised == wrong.impossible == right.impossible
    assert wrong.feasible_share < 0.8


def test_honest_intervals_keep_their_promise_even_where_sets_differ_less_than_predictions_err():
    """Errors of a whole set by a factor of two (one sigma), configurations 20 % apart: 95 % of choices hold."""
    random = np.random.default_rng(5)
    sets, each = 400, 6
    device = np.repeat([f"d{number}" for number in range(sets)], each)
    time = np.exp(np.repeat(random.normal(0, 1.5, sets), each) + random.normal(0, 0.2, sets * each))
    value = time / np.exp(np.repeat(random.normal(0, 0.7, sets), each))
    rows = observed("latency.mean", time, device=device)
    guess = Predictions(rows, value, value / np.exp(1.645 * 0.7), value * np.exp(1.645 * 0.7), value)
    energy = random.uniform(1, 2, sets * each)
    found, physics = decided(
        [guess, told("energy", energy, energy, device=device)], ("device",), *("latency.mean", "energy")
    )
    assert found.feasible_share > 0.95
    assert physics.feasible_share < 0.9


def test_of_models_with_accuracies_those_without_are_left_out():
    stated = {"accuracy": [0.7, 0.8, np.nan, 0.9, 0.7, np.nan]}
    words = {"model": ["a", "b", "c", "d", "e", "f"]}
    parts = [
        told(metric, values, values, numbers=stated, **words)
        for metric, values in (("latency.mean", TIME), ("energy", TIME))
    ]
    found, _ = decided(parts, (), "latency.mean", "energy")
    assert found.feasible_share == 1.0
    few = {"accuracy": [0.7, np.nan, np.nan, 0.9, np.nan, np.nan]}
    parts = [told(metric, TIME, TIME, numbers=few, **words) for metric in ("latency.mean", "energy")]
    assert decided(parts, (), "latency.mean", "energy") is None
    alike = [told(metric, TIME, TIME, numbers=few, model=["a"] * 6) for metric in ("latency.mean", "energy")]
    assert decided(alike, (), "latency.mean", "energy") is not None


def test_a_first_goal_is_kept_within_its_tolerance():
    """Times of which the second is 20 % and the third 10 % above the best; energies the reverse. Tolerances are uniform
    between 5 and 30 %: half of them beyond 17.5 %, a fifth below 10 %."""
    time, energy = np.array([1.0, 1.2, 1.1, 9.0]), np.array([8.0, 4.0, 6.0, 1.0])
    energies = told("energy", energy, energy)
    right, _ = decided([told("latency.mean", time, time), energies], (), "latency.mean", "energy", relative=True)
    assert (right.intents, right.undecided, right.feasible_share, right.regret_p90) == (2000, 0, 1.0, 0.0)
    # The slower of two is taken for the faster: wrong wherever only one of them is fast enough.
    guess = told("latency.mean", time, np.array([1.0, 1.1, 1.2, 9.0]), margin=0.9)
    wrong, _ = decided([guess, energies], (), "latency.mean", "energy", relative=True)
    assert wrong.feasible_share == pytest.approx(1 - 0.4, abs=0.04)  # tolerances of 10 to 20 % of 5 to 30 %
    assert wrong.undecided == 0  # goals count at expected values, however wide their intervals


def test_throughput_is_better_higher():
    parts = [told("latency.mean", TIME, TIME), told("throughput", TIME, -TIME + 10)]
    found, _ = decided(parts, (), "latency.mean", "throughput")
    assert found.regret_median > 0.3


def test_an_accuracy_is_asked_for_where_it_is_stated():
    """The one that takes least is never accurate enough: of all others the next is best and is chosen."""
    accuracy = {"accuracy": [0.1, 0.9, 0.9, 0.9, 0.9, 0.9]}
    parts = [told("latency.mean", TIME, TIME, numbers=accuracy), told("energy", TIME, TIME, numbers=accuracy)]
    found, _ = decided(parts, (), "latency.mean", "energy")
    assert found.feasible_share == 1.0
    assert found.regret_p90 == 0.0
    assert found.intents < 2000  # bounds below 2 with that accuracy are met by nothing


def test_metrics_of_one_line_belong_together_and_words_tell_apart_what_stands_on_it_twice():
    time = told("latency.mean", [1, 2, 3, 4], [1, 2, 3, 4], lines=[7, 7, 8, 8], precision=["a", "b", "a", "b"])
    energy = told("energy", [5, 6], [5, 6], lines=[8, 7], precision=["b", "a"])
    rows = configurations({"latency.mean": [time], "energy": [energy]})
    assert rows.metrics["latency.mean"].measured.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(rows.metrics["energy"].measured, [6, np.nan, np.nan, 5])
    plain = configurations(
        {
            "power": [told("power", [1, 2], [1, 2], scenario=["x", "x"])],
            "energy": [told("energy", [3, 4], [3, 4], scenario=["y", "y"])],
        }
    )
    assert len(plain) == 2  # one number of each on a line: whatever they are called, it is one configuration


def test_what_follows_from_a_rate():
    numbers = {"batch": [8, 16], "devices": [1, 2], "price": [100, 300]}
    rate = told("throughput", [4.0, 8.0], [2.0, 16.0], margin=0.5, numbers=numbers)
    power = told("power", [10.0, 20.0], [10.0, 20.0], numbers=numbers)
    rows = configurations({"throughput": [rate], "power": [power]})
    time = derived(rows, "latency.mean", {})
    assert time.measured.tolist() == [2.0, 4.0]  # 8 / 4, 16 x 2 / 8
    assert time.value.tolist() == [4.0, 2.0]
    assert time.high.tolist() == [8.0, 4.0]  # at half the rate
    assert derived(rows, "energy", {}).measured.tolist() == [2.5, 2.5]
    assert derived(rows, "cost", {}).measured.tolist() == [25.0, 37.5]
    assert derived(rows, "memory", {}) is None


def test_time_of_devices_is_what_they_cost_where_they_are_alike():
    numbers = {"tensor_parallel": [2, 4], "data_parallel": [1, 2], "concurrency": [8, 8], "output_tokens": [11, 11]}
    each = told("latency.tpot.mean", [0.1, 0.05], [0.1, 0.05], numbers=numbers, device=["x", "x"])
    first = told("latency.ttft.mean", [0.1, 0.5], [0.1, 0.5], numbers=numbers, device=["x", "x"])
    rows = configurations({"latency.tpot.mean": [each], "latency.ttft.mean": [first]})
    rate = derived(rows, "throughput", {}).measured
    np.testing.assert_allclose(rate, [8 * 11 / (0.1 + 10 * 0.1), 8 * 11 / (0.5 + 10 * 0.05)])
    np.testing.assert_allclose(derived(rows, "cost", {}, ("device",)).measured, [2 / rate[0], 8 / rate[1]])
    assert derived(rows, "cost", {}) is None  # of another device nobody knows the price


def test_prices_of_the_catalogue():
    def priced(**facts):
        prices = {name: Fact(value=value, unit="USD", source="assumed") for name, value in facts.items()}
        return DeviceType(name="d", kind="gpu", **prices)

    types = {"a": priced(price_usd=100.0), "b": priced(price_usd=300.0, price_usd_per_h=2.0)}
    rows = configurations({"throughput": [told("throughput", [2.0, 3.0], [2.0, 3.0], device=["a", "b"])]})
    assert derived(rows, "cost", types).measured.tolist() == [50.0, 100.0]


def test_changes_of_a_report():
    row = {"table": "t", "predictor": "p", "metric": "m", "level": "calibrated", "rows": 5}
    old = [{**row, "median_ape": 0.2, "coverage": 0.8}, {**row, "table": "gone", "median_ape": 0.1}]
    found = {(item.key[0], item.figure): item for item in compared(old, [{**row, "median_ape": 0.1, "coverage": 0.7}])}
    assert found["t", "median_ape"].better is True
    assert found["t", "coverage"].better is False
    assert found["gone", "rows"].new is None
    assert ("t", "rows") not in found
