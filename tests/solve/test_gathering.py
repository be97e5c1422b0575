"""Equal machines counted together: never better than a brute force, never worse than its own bound; and idle caps."""

from __future__ import annotations

import random  # noqa: TID251 -- seeded: which rules and wishes there are
from importlib import import_module

import build_instances as make
import pytest
import ruled_instances
from hypothesis import HealthCheck, given, settings

from aios.check import audit
from aios.records.base import Span
from aios.records.fleet import PowerCap
from aios.records.intent import Goal
from aios.records.objective import Budget, Objective
from aios.records.where import Companion, PlacementRules, Spread, Survive
from aios.solve import Limits, choose
from aios.solve.binding import binding
from aios.solve.gathering import choose_gathered
from aios.solve.problem import Beside, pose

WHERE = Span(file="o", line=1, column=1)
RANDOM = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RANDOM
@given(instance=ruled_instances.instances())
def test_its_bound_is_below_every_plan_and_what_it_places_is_one(instance):
    intents, options, fleet, budgets = instance
    problem = pose(intents, options, fleet, Beside(budgets=budgets), "fleet")
    found = choose_gathered(problem, Limits())
    plans = list(ruled_instances.plans(intents, options, fleet, budgets))
    if found.chosen.status == "infeasible":
        assert not plans
    if found.placement is None:
        return
    assert found.chosen.picked is not None
    chosen = {i.name: problem.options[k][found.chosen.picked[k]].priced for k, i in enumerate(problem.intents)}
    assert tuple(chosen[intent.name] for intent in intents) in plans
    if len({intent.goal[0].metric for intent in intents}) == 1 and found.chosen.rows:
        goal, row = intents[0].goal[0].metric, found.chosen.rows[0]
        known = [plan for plan in plans if all(goal in priced.estimates for priced in plan)]
        if all(goal in priced.estimates for priced in chosen.values()):
            best = min(sum(priced.estimates[goal].value for priced in plan) for plan in known)
            assert row.bound <= best * (1 + 1e-9)
            assert row.value >= best * (1 - 1e-9)


def services(number, rules, racks=4, each=6):
    """Services of three replicas, each of half a device, on racks of alike machines; a cheap and a dear way."""
    fleet = make.fleet(
        *(make.node(f"r{k}-{kind}", {kind: 2}, count=each, cores=64, labels={"rack": f"r{k}"}) for k in range(racks)
          for kind in ("old", "new"))
    )  # fmt: skip
    options = {}
    for k in range(number):
        name = f"s{k:02}"
        options[name] = [
            make.option(
                f"{name}/{kind}/{copies}", {"power": power * copies + k, "throughput": 10.0 * copies}, device=kind,
                nodes=tuple(f"r{r}-{kind}" for r in range(racks)), replicas=copies, share=share,
            )
            for kind, power, share in (("old", 10.0, 0.55), ("new", 14.0, 0.35))
            for copies in (2, 3, 4)
        ]  # fmt: skip
    intents = [make.intent(name, placement=rules(k)) for k, name in enumerate(options)]
    return intents, options, fleet


@pytest.mark.parametrize(
    "rules",
    [
        lambda _: PlacementRules(spread=(Spread(over="rack", share=0.5),)),
        lambda _: PlacementRules(spread=(Spread(over="node", most=1),)),
        lambda _: PlacementRules(survive=Survive(losses=1)),
        lambda _: PlacementRules(survive=Survive(losses=2, of="rack")),
        lambda k: PlacementRules(apart=(Companion(intent=f"s{k - 1:02}"),) if k % 2 else ()),
        lambda k: PlacementRules(together=(Companion(intent=f"s{k - 1:02}", by="rack"),) if k % 2 else ()),
        lambda k: PlacementRules(together=(Companion(intent=f"s{k - 1:02}"),) if k % 2 else ()),
    ],
    ids=["rack", "node", "survive", "two", "apart", "together", "beside"],
)
def test_many_services_under_rules_are_nearly_best_and_checked(rules):
    intents, options, fleet = services(20, rules)
    found = choose(intents, options, fleet, Limits(deterministic_limit=20))
    assert found.status in ("optimal", "feasible")
    assert audit(intents, found, fleet).holds
    assert found.objective[0].gap <= 0.01


_RULES = (
    PlacementRules(),
    PlacementRules(spread=(Spread(over="rack", share=0.5),)),
    PlacementRules(spread=(Spread(over="node", most=1),)),
    PlacementRules(survive=Survive(losses=1)),
    PlacementRules(survive=Survive(losses=1, of="rack")),
    PlacementRules(apart=(Companion(intent="s00"),)),
    PlacementRules(together=(Companion(intent="s00", by="rack"),)),
)
_POLICIES = (None, "fair-share", "max-min", "priority", "model-aware")


@pytest.mark.parametrize("seed", range(12))
def test_counted_together_or_not_the_same_is_chosen_of_what_may_be_refused(seed, monkeypatch):
    draw = random.Random(seed)
    intents, options, fleet = services(8, lambda k: draw.choice(_RULES[: 7 if k else 5]), racks=2, each=1)
    intents = [
        intent.model_copy(update={"required": draw.random() < 0.5, "priority": draw.choice((1, 2))})
        for intent in intents
    ]
    watts = draw.choice((100.0, 200.0, 1000.0))
    objective = Objective(
        name="o",
        goal=draw.choice(((), (Goal(direction="maximize", metric="admitted"),))),
        policy=draw.choice(_POLICIES),
        budget=(Budget(metric="power", bound=watts, text="", where=WHERE),),
        where=WHERE,
    )
    found = []
    for few in (0, 10**9):
        monkeypatch.setattr(import_module("aios.solve.choose"), "_FEW", few)
        found.append(choose(intents, options, fleet, Limits(), objective))
        assert not found[-1].chosen or audit(intents, found[-1], fleet, (), objective).holds
    rows = [[(row.goal, round(row.value, 6)) for row in selection.objective] for selection in found]
    assert found[0].status == found[1].status
    assert rows[0] == rows[1]


def test_more_domains_than_there_are_is_told_without_a_search():
    intents, options, fleet = services(12, lambda _: PlacementRules(survive=Survive(losses=9, of="rack")))
    found = choose(intents, options, fleet, Limits(deterministic_limit=1))
    assert found.status == "infeasible"
    assert [clause.id for clause in found.conflict.clauses] == ["s00/survive"]


def test_caps_and_budgets_that_nothing_could_break_are_left_out():
    fleet = make.fleet(make.node("n", {"gpu": 2}, count=3, labels={"rack": "a"}, power_cap_w=(100.0,)))
    fleet = fleet.model_copy(
        update={
            "power_caps": (
                PowerCap(cap_w=(200.0,)),
                PowerCap(by="rack", cap_w=(199.0,)),
                PowerCap(by="zone", cap_w=(1.0,)),
            )
        }
    )
    # Two parts of 50 W, each half a device: a machine draws 100 W at most, as both devices could be full twice over.
    half = {"device": "gpu", "nodes": ("n",), "replicas": 2, "share": 0.5}
    options = {
        "a": [make.option("a/1", {"power": 100.0, "cost": 3.0}, **half)],
        "b": [make.option("b/1", {"power": 100.0, "cost": 2.0}, **half)],
    }
    intents = [make.intent("a"), make.intent("b")]
    budgets = (
        Budget(metric="cost", bound=5.0, text="", where=WHERE),
        Budget(metric="cost", bound=4.9, text="", where=WHERE),
    )
    bound, kept = binding(intents, options, fleet, budgets)
    assert [budget.bound for budget in kept] == [4.9]
    assert [cap.cap_w for cap in bound.power_caps] == [(199.0,)]
    assert bound.nodes[0].power_cap_w == (100.0,)  # 4 x 50 W could stand on one machine
    loose = fleet.model_copy(update={"nodes": (fleet.nodes[0].model_copy(update={"power_cap_w": (200.0,)}),)})
    assert binding(intents, options, loose, ())[0].nodes[0].power_cap_w == ()


def test_a_cap_stays_where_somebody_s_power_is_unknown():
    fleet = make.fleet(make.node("n", {"gpu": 2})).model_copy(update={"power_caps": (PowerCap(cap_w=(1e9,)),)})
    options = {"a": [make.option("a/1", {"cost": 3.0}, device="gpu", nodes=("n",), share=0.5)]}
    budgets = (Budget(metric="carbon", bound=1e9, text="", where=WHERE),)
    bound, kept = binding([make.intent("a")], options, fleet, budgets)
    assert bound.power_caps
    assert kept == budgets
    found = choose([make.intent("a")], options, fleet, Limits(), Objective(name="o", budget=budgets, where=WHERE))
    assert found.status == "infeasible"
