"""The requirement clause: it holds trivially, must fail, leaves things alone, and shapes the objective."""

from __future__ import annotations

import pytest

from aios.solve import Limits, choose


def solve(make, intent, *options):
    return choose([intent], {intent.name: options}, make.fleet(), Limits())


def test_holds_trivially(make):
    found = solve(make, make.intent("a", {"latency.p99": 1.0}), make.option("a/1", {"latency.p99": 0.5, "power": 3}))
    assert found.status == "optimal"


@pytest.mark.parametrize(("metric", "bound", "value"), [("latency.p99", 0.01, 0.011), ("accuracy.top1", 0.97, 0.96)])
def test_must_fail(make, metric, bound, value):
    found = solve(make, make.intent("a", {metric: bound}), make.option("a/1", {metric: value, "power": 3}))
    assert found.status == "infeasible"
    assert [clause.id for clause in found.conflict.clauses] == [f"a/{metric}"]
    assert [(r.clause, r.value) for r in found.conflict.relaxations] == [(f"a/{metric}", value)]


def test_indifferent_to_other_metrics(make):
    found = solve(make, make.intent("a", {"latency.p99": 1.0}), make.option("a/1", {"latency.p99": 0.5, "memory": 9e9}))
    assert found.status == "optimal"


def test_turns_the_objective_away_from_a_cheaper_option(make):
    cheap = make.option("a/cheap", {"latency.p99": 0.02, "power": 1})
    fast = make.option("a/fast", {"latency.p99": 0.01, "power": 3})
    free = solve(make, make.intent("a"), cheap, fast)
    bound = solve(make, make.intent("a", {"latency.p99": 0.01}), cheap, fast)
    assert (free.chosen["a"], bound.chosen["a"]) == (cheap, fast)
    assert [(row.goal, row.value, row.bound, row.gap, row.unit) for row in bound.objective] == [
        ("minimize power", 3.0, 3.0, 0.0, "W")
    ]


def test_the_pessimistic_end_counts_unless_risk_is_expected(make):
    uncertain = make.option("a/1", {"latency.p99": (0.008, 0.010, 0.012), "accuracy.top1": (0.90, 0.95, 0.99)})
    for bound in ({"latency.p99": 0.011}, {"accuracy.top1": 0.94}):
        assert solve(make, make.intent("a", bound), uncertain).status == "infeasible"
        assert solve(make, make.intent("a", bound, risk="expected"), uncertain).status == "optimal"


def test_an_unknown_metric_keeps_no_bound_and_the_note_says_what_to_run(make):
    lacking = make.option("a/1", {"power": 3}, unknown={"latency.p99": "no profile of m on cpu"})
    fleet = make.fleet()
    here = tuple(node.model_copy(update={"address": "local"}) for node in fleet.nodes)
    intent = make.intent("a", {"latency.p99": 1.0})
    found = choose([intent], {"a": [lacking]}, fleet.model_copy(update={"nodes": here}), Limits())
    assert found.status == "infeasible"
    assert found.conflict.relaxations == ()
    note = found.conflict.notes[0]
    assert "every option of a" in note
    assert "no profile of m on cpu" in note
    assert note.endswith("aios profile intent.yaml")


def test_rounding_of_a_percentage_breaks_no_bound(make):
    bound = 57 * 0.01  # 0.5700000000000001
    found = solve(make, make.intent("a", {"accuracy.top1": bound}), make.option("a/1", {"accuracy.top1": 0.57}))
    assert found.status == "optimal"


def test_two_bounds_on_one_metric_are_two_clauses(make):
    bounds = [make.requirement("latency.p99", 0.02), make.requirement("latency.p99", 0.01, line=10)]
    found = solve(make, make.intent("a", bounds), make.option("a/1", {"latency.p99": 0.015}))
    assert [clause.id for clause in found.conflict.clauses] == ["a/latency.p99#2"]
