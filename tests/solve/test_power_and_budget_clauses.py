"""Power caps and budgets: each where it trivially holds, must fail, is indifferent, and turns the goal."""

from __future__ import annotations

import pytest

from aios.check import audit
from aios.records.base import Span
from aios.records.fleet import PowerCap
from aios.records.objective import Budget, Objective
from aios.solve import Limits, choose
from aios.solve.shadow import shadow_values

WHERE = Span(file="objective.yaml", line=5, column=12)


def fleet_of(make, *caps, each=()):
    nodes = [
        make.node(f"n{k}", {"t4": 2}, count=2, cores=8, labels={"rack": f"r{k}"}, power_cap_w=each) for k in (1, 2)
    ]
    return make.fleet(*nodes).model_copy(update={"power_caps": caps})


def option(make, id, watts, replicas=1, **more):
    metrics = {"power": watts, **more.pop("metrics", {})} if watts is not None else more.pop("metrics", {})
    return make.option(id, metrics, device="t4", nodes=("n1", "n2"), replicas=replicas, share=1.0, **more)


def solve(make, fleet, *options, budgets=(), intents=("a",), **more):
    wanted = [make.intent(name, **more) for name in intents]
    named = {name: [o for o in options if o.candidate.intent == name] for name in intents}
    objective = within(budgets)
    found = choose(wanted, named, fleet, Limits(), objective)
    assert audit(wanted, found, fleet, objective=objective).holds
    return found


def within(budgets):
    return Objective(name="o", budget=tuple(budgets), where=WHERE)


def standing(found, name="a"):
    return [(part.node, part.replicas) for part in found.placement[name]]


def told(found):
    return [(item.clause, item.to) for item in found.conflict.relaxations]


def test_a_cap_of_each_machine_spreads_what_draws(make):
    option_ = option(make, "a/1", 40.0, replicas=2)
    assert standing(solve(make, fleet_of(make), option_)) == [("n1-0", 1), ("n1-0", 1)]
    assert standing(solve(make, fleet_of(make, each=(30.0,)), option_)) == [("n1-0", 1), ("n1-1", 1)]


def test_a_cap_of_racks_and_of_one_of_them(make):
    option_ = option(make, "a/1", 40.0, replicas=2)
    found = solve(make, fleet_of(make, PowerCap(by="rack", cap_w=(30.0,))), option_)
    assert [node[:2] for node, _ in standing(found)] == ["n1", "n2"]
    found = solve(make, fleet_of(make, PowerCap(labels={"rack": "r1"}, cap_w=(10.0,))), option_)
    assert [node[:2] for node, _ in standing(found)] == ["n2", "n2"]


def test_the_lowest_hour_holds(make):
    cap = PowerCap(cap_w=(100.0,) * 23 + (39.0,), where=WHERE)
    found = solve(make, fleet_of(make, cap), option(make, "a/1", 40.0))
    assert told(found) == [("capacity/power/fleet", "40 W instead of 39 W")]
    assert found.conflict.clauses[0].text == "the fleet draws at most 39 W"
    assert found.conflict.clauses[0].where == WHERE


def test_the_pessimistic_end_counts(make):
    cap = PowerCap(cap_w=(40.0,))
    assert solve(make, fleet_of(make, cap), option(make, "a/1", (20.0, 30.0, 41.0))).status == "infeasible"
    assert solve(make, fleet_of(make, cap), option(make, "a/1", (20.0, 30.0, 40.0))).status == "optimal"


def test_three_thirds_of_a_cap_are_the_cap(make):
    cap = PowerCap(cap_w=(10.0,))
    assert solve(make, fleet_of(make, cap), option(make, "a/1", 10.0, replicas=3)).status == "optimal"
    parts = [option(make, f"{name}/1", 10.0 / 3) for name in "abc"]
    assert solve(make, fleet_of(make, cap), *parts, intents="abc").status == "optimal"


def test_an_unknown_power_keeps_no_cap_and_stands_where_there_is_none(make):
    nowhere = solve(make, fleet_of(make, PowerCap(cap_w=(10.0,))), option(make, "a/1", None))
    assert nowhere.status == "infeasible"
    assert any("power is unknown for every option of a" in note for note in nowhere.conflict.notes)
    beside = fleet_of(make, PowerCap(labels={"rack": "r1"}, cap_w=(10.0,)))
    assert standing(solve(make, beside, option(make, "a/1", None))) == [("n2-0", 1)]


def test_a_cap_turns_the_objective(make):
    options = [
        option(make, "a/fast", 40.0, metrics={"throughput": 9.0}),
        option(make, "a/slow", 20.0, metrics={"throughput": 5.0}),
    ]
    free = solve(make, fleet_of(make), *options, goals=["maximize throughput"])
    capped = solve(make, fleet_of(make, PowerCap(cap_w=(30.0,))), *options, goals=["maximize throughput"])
    assert (free.objective[0].value, capped.objective[0].value) == (9.0, 5.0)


@pytest.mark.parametrize("watts", [1e-9, 1e9])
def test_absurd_powers_do_not_overflow(make, watts):
    for cap in (1e-9, 1e12):
        found = solve(make, fleet_of(make, PowerCap(cap_w=(cap,))), option(make, "a/1", watts, replicas=4))
        assert found.status == ("optimal" if watts <= cap else "infeasible")


def budget(metric, bound):
    return Budget(metric=metric, bound=bound, text=f"{metric} <= {bound:g}", where=WHERE)


def test_a_budget_is_of_all_intents_together_and_says_what_would_do(make):
    options = [option(make, "a/1", 20.0), option(make, "b/1", (20.0, 25.0, 30.0))]
    assert solve(make, fleet_of(make), *options, intents="ab", budgets=[budget("power", 50.0)]).status == "optimal"
    found = solve(make, fleet_of(make), *options, intents="ab", budgets=[budget("power", 49.0)])
    assert [clause.id for clause in found.conflict.clauses] == ["a/runs", "b/runs", "budget/power"]
    assert told(found) == [("budget/power", "50 W")]


def test_a_budget_turns_the_objective(make):
    options = [option(make, f"a/{watts}", watts, metrics={"throughput": watts}) for watts in (10.0, 20.0, 30.0)]
    found = solve(make, fleet_of(make), *options, goals=["maximize throughput"], budgets=[budget("power", 25.0)])
    assert found.objective[0].value == 20.0


def test_an_unknown_value_keeps_no_budget(make):
    found = solve(make, fleet_of(make), option(make, "a/1", 10.0), budgets=[budget("cost", 1.0)])
    assert any("cost is unknown for every option of a" in note for note in found.conflict.notes)


def test_what_is_spent_in_all_is_asked_of_jobs_alone(make):
    found = solve(make, fleet_of(make), option(make, "a/1", 10.0), budgets=[budget("expense", 1.0)])
    assert found.status == "optimal"


def test_a_budget_of_nothing_is_kept_by_what_costs_nothing(make):
    free, dear = (option(make, f"a/{cost}", 1.0 / (1 + cost), metrics={"cost": float(cost)}) for cost in (0, 1))
    assert solve(make, fleet_of(make), free, dear, budgets=[budget("cost", 0.0)]).objective[0].value == 1.0
    assert solve(make, fleet_of(make), dear, budgets=[budget("cost", 0.0)]).status == "infeasible"


def test_shadow_values_say_what_one_percent_more_is_worth(make):
    """At 100 the plan draws 10 W; 101 admits the option of 100.5 and 8 W: 2 W for 1 more."""
    rows = [("a/1", 10.0, 100.0), ("a/2", 8.0, 100.5), ("a/3", 1.0, 200.0)]
    options = {"a": [option(make, id, watts, metrics={"cost": cost}) for id, watts, cost in rows]}
    budgets = [budget("cost", 100.0), budget("power", 20.0)]
    found = shadow_values([make.intent("a")], options, fleet_of(make), within(budgets), Limits())
    assert [(item.metric, item.goal, item.gain) for item in found] == [
        ("cost", "minimize power", 2.0),
        ("power", "minimize power", 0.0),
    ]
    assert found[0].per_unit == pytest.approx(2.0)


def test_shadow_values_are_of_the_first_goal_and_better_is_more(make):
    rows = [("a/1", 100.0, 3.0), ("a/2", 101.0, 4.0)]
    options = {"a": [option(make, id, watts, metrics={"throughput": rate}) for id, watts, rate in rows]}
    intents = [make.intent("a", goals=["maximize throughput", "minimize power"])]
    (found,) = shadow_values(intents, options, fleet_of(make), within([budget("power", 100.0)]), Limits())
    assert (found.goal, found.gain) == ("maximize throughput", 1.0)


def test_where_there_is_no_plan_nothing_has_a_shadow_value(make):
    found = shadow_values([make.intent("a")], {"a": []}, fleet_of(make), within([budget("power", 1.0)]), Limits())
    assert found == ()
