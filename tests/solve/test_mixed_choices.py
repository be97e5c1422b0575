"""Services and stated demands are chosen for as one: against trying everything, and by hand."""

from __future__ import annotations

import pytest
from mixed_choices import best_mix, in_order, random_mix
from stated_demands import wishes

from aios.candidates import sites_of
from aios.check import audit
from aios.solve import Limits, choose_together


def chosen(intents, options, demands, place, objective=None):
    """Choose, and have it checked."""
    sites = sites_of(demands, place).sites
    found = choose_together(intents, options, demands, sites, objective, place, Limits())
    broken = [row.clause.text for row in audit(intents, found, place, demands, objective).rows if not row.holds]
    assert not broken
    return found


@pytest.mark.parametrize("seed", range(60))
def test_as_good_as_trying_everything(seed):
    intents, options, demands, place, goals = random_mix(seed)
    found = chosen(intents, options, demands, place, wishes(*goals) if goals else None)
    order = in_order(goals, intents, demands)
    best = best_mix(intents, options, demands, place, order)
    if best is None:
        assert found.status == "infeasible"
        assert found.conflict.clauses
        return
    assert found.status == "optimal"
    assert all(row.gap == 0 for row in found.objective)
    rows = {row.goal: row.value for row in found.objective}
    values = [rows.get(text, 0.0) * (-1 if text.startswith("minimize") else 1) for text in order]
    assert values == pytest.approx([float(value) for value in best], abs=1e-6)
