"""What a cap does to watts and seconds, against hand-worked numbers and the power traces of Zeus."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.cost.energy.capping import capped, freedom, stretched
from aios.cost.energy.intensity import intensity

SAMPLE = Path(__file__).parent / "data" / "zeus_power_sample.csv"
WATTS = st.floats(1.0, 2000.0)


def traces() -> dict[tuple[str, ...], np.ndarray]:
    """Return workload -> rows of (cap in W, mean W, seconds per epoch), caps ascending."""
    with SAMPLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    found = defaultdict(list)
    for row in rows:
        key = (row["gpu"], row["network"], row["batch_size"])
        found[key].append([float(row[name]) for name in ("power_limit_w", "avg_power_w", "time_per_epoch_s")])
    return {key: np.array(sorted(measured)) for key, measured in found.items()}


def test_a_cap_at_the_demand_takes_a_sixth_and_a_far_one_nothing() -> None:
    assert capped(200.0, 200.0) == pytest.approx(200.0 / 2**0.25)
    assert capped(200.0, float("inf")) == 200.0
    assert capped(100.0, 400.0) == pytest.approx(100.0, rel=0.002)


@given(WATTS, WATTS, WATTS)
def test_capped_power_is_below_both_and_grows_with_both(demand: float, cap: float, more: float) -> None:
    kept = capped(demand, cap)
    assert kept <= min(demand, cap) * (1 + 1e-12)
    assert capped(demand + more, cap) >= kept * (1 - 1e-12)
    assert capped(demand, cap + more) >= kept * (1 - 1e-12)


@given(st.floats(10.0, 500.0), st.floats(10.0, 500.0))
def test_freedom_is_the_slope_of_capped_power_in_percent(demand: float, cap: float) -> None:
    slope = (np.log(capped(demand * 1.0001, cap)) - np.log(capped(demand, cap))) / np.log(1.0001)
    assert freedom(demand, cap) == pytest.approx(slope, abs=1e-3)
    assert freedom(demand, float("inf")) == 1.0


def test_half_the_dynamic_power_costs_a_third_more_time_of_work_that_goes_with_the_clock() -> None:
    cap = 150 / (1 - (150 / 250) ** 4) ** 0.25  # leaves 150 of 250 W: half of what lies above an idle 50
    demand, limit, idle = (np.array([watts]) for watts in (250.0, cap, 50.0))
    assert stretched(demand, limit, idle, np.ones(1))[0] == pytest.approx(2 ** (1 / 2.5), rel=1e-6)
    assert stretched(demand, limit, idle, np.zeros(1))[0] == 1.0


def test_intensity_lies_between_its_parts() -> None:
    assert intensity(1.0, 0.0, 0.0) == 0.9
    assert intensity(0.0, 0.0, 1.0) == 0.2
    assert intensity(1.0, 0.0, 1.0) == pytest.approx((0.9 + 0.2) / 2)


def demand_behind(mean_w: float, cap_w: float) -> float:
    """What a workload would draw without a cap that draws ``mean_w`` under one: the inverse of ``capped``."""
    low, high = mean_w, 2.5 * cap_w
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if capped(middle, cap_w) < mean_w else (low, middle)
    return low


def test_power_at_every_cap_follows_from_power_at_the_highest() -> None:
    errors, naive = [], []
    for measured in traces().values():
        caps, watts = measured[:, 0], measured[:, 1]
        demand = demand_behind(watts[-1], caps[-1])
        errors += list(np.abs(capped(np.full(len(caps), demand), caps) / watts - 1)[:-1])
        naive += list(np.abs(np.minimum(caps, watts[-1]) / watts - 1)[:-1])
    assert np.median(errors) < 0.04
    assert np.quantile(errors, 0.9) < np.quantile(naive, 0.9)


def test_the_cap_chosen_by_prediction_saves_nearly_as_much_as_the_best_and_is_as_fast() -> None:
    for measured in traces().values():
        caps, watts, seconds = measured.T
        demand = np.full(len(caps), demand_behind(watts[-1], caps[-1]))
        slower = stretched(demand, caps, np.full(len(caps), 35.0), np.full(len(caps), 0.9))
        slower /= slower[-1]
        energy = np.where(slower <= 1.1, capped(demand, caps) * slower, np.inf)
        chosen = int(np.argmin(energy))
        joules = watts * seconds
        best = joules[seconds <= 1.1 * seconds[-1]].min()
        assert seconds[chosen] <= 1.15 * seconds[-1]
        assert joules[chosen] <= 1.2 * best
