"""Costs as whole numbers: how far they are off, and that figures of any ratio are weighed rightly."""

from itertools import product

import pytest
from build_instances import fleet, intent, node, option
from hypothesis import given
from hypothesis import strategies as st

from aios.check import audit
from aios.solve import Limits, choose
from aios.solve.costs import scaled

FIGURES = st.floats(min_value=1e-9, max_value=1e9, allow_nan=False)
ROWS = st.dictionaries(st.integers(0, 4), st.lists(FIGURES, min_size=1, max_size=4), min_size=1)


@given(ROWS)
def test_whole_costs_are_off_by_no_more_than_they_say(rows):
    costs = scaled(rows, {intent: [True] * len(row) for intent, row in rows.items()})
    plans = [dict(zip(rows, picked, strict=True)) for picked in product(*(range(len(row)) for row in rows.values()))]
    real = {tuple(plan.values()): sum(rows[i][k] for i, k in plan.items()) for plan in plans}
    chosen = min(plans, key=costs.of)
    slack = 1e-12 * sum(map(max, rows.values()))  # sums of floats in another order
    assert real[tuple(chosen.values())] <= min(real.values()) + costs.error + slack
    for plan in plans:
        assert abs(costs.real(costs.of(plan)) - real[tuple(plan.values())]) <= costs.error / 2 + slack


@pytest.mark.parametrize("dear", [1e9, 1e6, 10.0])
@pytest.mark.parametrize("small", [1e-9, 1e-3, 1.0])
def test_a_dear_way_out_does_not_blur_small_differences(dear, small):
    """Two intents, one device: who takes it is decided by small differences beside what is a million times as dear.

    The dear options need nothing, so that they are kept; the best plan is found by trying all.
    """
    figures = {"a": (small, 1.04 * small, dear), "b": (small, 1.03 * small, 2 * dear)}
    shares = (0.6, 0.4, 0.01)
    options = {
        name: [option(f"{name}/{k}", {"power": watts}, share=shares[k]) for k, watts in enumerate(row)]
        for name, row in figures.items()
    }
    intents, place = [intent("a"), intent("b")], fleet(node())
    found = choose(intents, options, place, Limits())
    best = min(figures["a"][i] + figures["b"][k] for i, k in product(range(3), repeat=2) if shares[i] + shares[k] <= 1)
    (row,) = found.objective
    assert found.status == "optimal"
    assert row.value == pytest.approx(best, rel=1e-9)
    assert row.gap == 0
    assert audit(intents, found, place).holds
