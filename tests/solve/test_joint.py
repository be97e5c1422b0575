"""Choosing jointly agrees with brute force where that can be done, and always with the checker."""

from __future__ import annotations

import importlib
import itertools

import brute_force
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aios.check import audit
from aios.records.selection import Selection, Termination
from aios.solve import Limits, choose
from aios.solve.contenders import contenders
from aios.solve.cpsat import Engine
from aios.solve.joint.choose import choose_jointly
from aios.solve.joint.grid import Grid
from aios.solve.joint.knapsacks import with_knapsacks
from aios.solve.joint.prices import best_prices
from aios.solve.joint.size import LARGE, variables_of
from aios.solve.joint.target import target_of
from aios.solve.problem import outline

choosing = importlib.import_module("aios.solve.choose")
"""The module: the package has the function of that name."""
RANDOM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ENDED = Termination(stopped="limit", found=True, seed=0, workers=1, deterministic_limit=60.0, version="test")


def jointly(intents, options, fleet) -> Selection | None:
    """Return the joint choice, whatever the size; None where it finds no plan."""
    problem = outline(intents, contenders(intents, options, fleet), fleet)
    chosen, placement = choose_jointly(problem, Engine(Limits()))
    if chosen.picked is None or placement is None:
        return None
    return Selection(
        status="optimal" if chosen.status == "optimal" else "feasible",
        chosen={i.name: problem.options[k][chosen.picked[k]].priced for k, i in enumerate(problem.intents)},
        placement=placement,
        objective=chosen.rows,
        termination=ENDED,
    )


@RANDOM
@given(data=st.data())
def test_is_never_better_than_brute_force_and_its_bound_never_worse(make, data):
    intents, options, fleet = data.draw(make.instances())
    ordered = sorted(intents, key=lambda i: (-i.priority, i.name))
    best = brute_force.best_plans(ordered, options, fleet)
    found = jointly(intents, options, fleet)
    if not best:
        assert found is None
        return
    if found is None:
        return  # tiny fleets are the exact search's; it is asked when nothing was found
    assert audit(intents, found, fleet).holds
    if found.status == "optimal":
        assert [found.chosen[i.name] for i in ordered] in [list(plan) for plan in best]


@RANDOM
@given(data=st.data())
def test_order_of_input_never_matters(make, data):
    intents, options, fleet = data.draw(make.instances())
    other = data.draw(st.permutations(intents))
    shuffled = {name: data.draw(st.permutations(options[name])) for name in reversed(options)}
    assert jointly(intents, options, fleet) == jointly(other, shuffled, fleet)


def assignment(make, costs, weights, capacities):
    """Return jobs and agents: one option for each agent, which takes so many of its cores."""
    fleet = make.fleet(*(make.node(f"agent-{a}", {"unit": 1}, cores=cores) for a, cores in enumerate(capacities)))
    jobs = [f"job-{j:02d}" for j in range(len(costs))]
    options = {
        job: [
            make.option(f"{job}/{a}", {"cost": float(c)}, device="unit", nodes=(f"agent-{a}",), cores=w)
            for a, (c, w) in enumerate(zip(own, taken, strict=True))
        ]
        for job, own, taken in zip(jobs, costs, weights, strict=True)
    }
    return [make.intent(job, goals=("minimize cost",)) for job in jobs], options, fleet


def test_assigns_by_hand(make):
    # Both want agent 0 (cost 1), which holds one of them: the one that loses less (5 - 1 against 9 - 1) goes elsewhere.
    intents, options, fleet = assignment(make, [[1, 5], [1, 9]], [[3, 3], [3, 3]], [4, 4])
    found = jointly(intents, options, fleet)
    assert found is not None
    assert found.status == "optimal"
    assert found.objective[0].value == found.objective[0].bound == 6.0
    assert found.placement["job-00"][0].node == "agent-1"


def test_a_third_that_fits_nowhere_is_no_plan(make):
    # Three jobs of 3 cores on two agents of 4: in all 8 >= 9 is false already.
    intents, options, fleet = assignment(make, [[1, 1]] * 3, [[3, 3]] * 3, [4, 4])
    assert jointly(intents, options, fleet) is None


def test_single_machines_are_seen_through_the_sum(make):
    # Two machines with one device each: shares of 0.6 add up to 1.8 <= 2, but a third 0.2 fits, a third 0.6 does not.
    fleet = make.fleet(make.node("good", {"fast": 1}, count=2), make.node("dear", {"slow": 1}, count=5))
    intents = [make.intent(name, goals=("minimize cost",)) for name in ("a", "b", "c")]
    options = {
        name: [
            make.option(f"{name}/fast", {"cost": 1.0}, device="fast", nodes=("good",), share=0.6),
            make.option(f"{name}/slow", {"cost": 3.0}, device="slow", nodes=("dear",), share=0.6),
        ]
        for name in ("a", "b", "c")
    }
    found = jointly(intents, options, fleet)
    assert found is not None
    assert audit(intents, found, fleet).holds
    assert found.objective[0].value == 5.0
    assert found.objective[0].bound == pytest.approx(5.0)


def test_parts_of_one_option_are_split_over_nodes(make):
    fleet = make.fleet(make.node("x", {"gpu": 1}, count=2), make.node("y", {"gpu": 1}, count=2))
    intents = [make.intent("a", goals=("minimize cost",))]
    options = {"a": [make.option("a/1", {"cost": 1.0}, device="gpu", nodes=("x", "y"), share=1.0, replicas=4)]}
    found = jointly(intents, options, fleet)
    assert found is not None
    assert audit(intents, found, fleet).holds
    assert {part.node for part in found.placement["a"]} == {"x-0", "x-1", "y-0", "y-1"}


def test_size_counts_options_and_places(make):
    fleet = make.fleet(make.node("x", {"gpu": 4}, count=3))
    intents = [make.intent("a")]
    options = {"a": [make.option("a/1", {"power": 1.0}, device="gpu", nodes=("x",), share=1.0, replicas=9)]}
    assert variables_of(outline(intents, options, fleet)) == 1 + 12
    few = {"a": [make.option("a/1", {"power": 1.0}, device="gpu", nodes=("x",), share=1.0, replicas=2)]}
    assert variables_of(outline(intents, few, fleet)) == 1 + 4  # machines are pooled
    assert LARGE > 100


def value_of(costs, weights, capacities) -> float | None:
    """Return the least cost of an assignment by trying all; None where none fits."""
    found = []
    for agents in itertools.product(range(len(capacities)), repeat=len(costs)):
        load = [0] * len(capacities)
        for job, agent in enumerate(agents):
            load[agent] += weights[job][agent]
        if all(map(int.__le__, load, capacities)):
            found.append(float(sum(costs[job][agent] for job, agent in enumerate(agents))))
    return min(found, default=None)


@RANDOM
@given(data=st.data())
def test_bound_and_value_enclose_the_best_assignment(make, data):
    agents, jobs = data.draw(st.integers(2, 3)), data.draw(st.integers(2, 6))
    table = st.lists(st.lists(st.integers(1, 9), min_size=agents, max_size=agents), min_size=jobs, max_size=jobs)
    costs, weights = data.draw(table), data.draw(table)
    capacities = data.draw(st.lists(st.integers(4, 14), min_size=agents, max_size=agents))
    best = value_of(costs, weights, capacities)
    intents, options, fleet = assignment(make, costs, weights, capacities)
    chosen, _ = choose_jointly(outline(intents, options, fleet), Engine(Limits()))
    if best is None:
        assert chosen.status == "infeasible"
        return
    # Costs without a common unit are rounded for the engine, so that a proof may miss by a rounding.
    assert chosen.status in ("optimal", "feasible")
    assert chosen.rows[0].value == pytest.approx(best)
    assert best * (1 - 1e-4) <= chosen.rows[0].bound <= best * (1 + 1e-9)


@RANDOM
@given(data=st.data())
def test_knapsacks_never_promise_too_little(make, data):
    agents, jobs = data.draw(st.integers(2, 3)), data.draw(st.integers(2, 6))
    table = st.lists(st.lists(st.integers(1, 9), min_size=agents, max_size=agents), min_size=jobs, max_size=jobs)
    costs, weights = data.draw(table), data.draw(table)
    capacities = data.draw(st.lists(st.integers(9, 14), min_size=agents, max_size=agents))
    best = value_of(costs, weights, capacities)
    assume(best is not None)
    assert best is not None
    grid = Grid(outline(*assignment(make, costs, weights, capacities)))
    own = np.array([cost for row in costs for cost in row], dtype=np.int64)
    target = target_of(grid, own, {job: [True] * agents for job in range(jobs)}, ())
    slope = best_prices(grid, target)
    better = with_knapsacks(grid, target, slope, 2 * best)
    assert slope.bound <= better.bound <= best * (1 + 1e-6)
    # A plan with a job where it is costs no less than the bound and what putting it there adds; there may be none.
    far = 10**6
    for column, option in enumerate(grid.option.tolist()):
        job, agent = divmod(option, agents)
        forced = [
            row if k != job else [c if a == agent else far for a, c in enumerate(row)] for k, row in enumerate(costs)
        ]
        least = value_of(forced, weights, capacities)
        assert least >= far or better.bound + better.reduced[column] <= least * (1 + 1e-6)


def test_knapsacks_see_what_sums_do_not(make):
    # Agent 0 holds one of the jobs of 3 and 4, and three quarters of the other one if jobs could be cut.
    grid = Grid(outline(*assignment(make, [[1, 9], [1, 9]], [[3, 3], [4, 4]], [6, 6])))
    target = target_of(grid, np.array([1, 9, 1, 9]), {0: [True, True], 1: [True, True]}, ())
    slope = best_prices(grid, target)
    assert slope.bound == pytest.approx(2 + 8 / 4)
    assert with_knapsacks(grid, target, slope, 18.0).bound == pytest.approx(10.0, rel=1e-3)


@pytest.mark.parametrize("needs", [3, 6])
def test_what_cannot_hold_ends_with_a_conflict(make, monkeypatch, needs):
    # Six jobs, each of 3 (or 6) cores, on three agents of 5: one job on each agent, or none at all.
    monkeypatch.setattr(choosing, "LARGE", 0)
    intents, options, fleet = assignment(make, [[1, 2, 3]] * 6, [[needs] * 3] * 6, [5, 5, 5])
    selection = choose(intents, options, fleet, Limits())
    assert selection.status == "infeasible"
    assert selection.conflict is not None


def test_an_intent_that_may_be_refused_is_refused_where_it_finds_no_room(make, monkeypatch):
    monkeypatch.setattr(choosing, "LARGE", 0)
    intents, options, fleet = assignment(make, [[1, 1]] * 3, [[3, 3]] * 3, [4, 4])
    optional = [*intents[:2], intents[2].model_copy(update={"required": False})]
    selection = choose(optional, options, fleet, Limits())
    assert sorted(selection.chosen) == ["job-00", "job-01"]
    assert dict(selection.refused) == {"job-02": 1}
    assert audit(optional, selection, fleet).holds
