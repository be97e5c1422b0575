"""The checker sees every rule, cap and budget that a selection breaks, without the solver."""

from __future__ import annotations

import pytest

from aios.check import audit
from aios.records.base import Span
from aios.records.fleet import DeviceType, PowerCap
from aios.records.intent import Load
from aios.records.objective import Budget, Objective
from aios.records.where import Companion, PlacementRules, Spread, Survive, Where

WHERE = Span(file="objective.yaml", line=5, column=12)


def fleet_of(make, **more):
    nodes = [
        make.node("n1", {"t4": 2}, count=2, labels={"rack": "r1"}, region="north", jurisdiction=("EU",), **more),
        make.node("n2", {"t4": 2}, labels={"rack": "r2"}, region="south", taints=("gpu=yes:NoSchedule",)),
        make.node("n3", {"t4": 2}),
    ]
    fleet = make.fleet(*nodes)
    return fleet.model_copy(update={"types": {"t4": DeviceType(name="t4", kind="gpu", vendor="NVIDIA")}})


def broken(make, rules, places, fleet=None, budgets=(), metrics=None, intents=("a",), load=None):
    """Return the ids of the clauses that do not hold. places: intent -> machine of each replica"""
    fleet = fleet or fleet_of(make)
    nodes = {instance: node for node in fleet.nodes for instance in node.instances()}
    chosen, placed = {}, {}
    for name, machines in places.items():
        metrics = metrics or {"power": 10.0 * len(machines), "throughput": 6.0 * len(machines)}
        option = make.option(
            f"{name}/1", metrics, device="t4", nodes=("n1", "n2", "n3"), replicas=len(machines), share=0.5
        )
        chosen[name] = option
        slots = [(nodes[machine], machine, ("0",) if name == "a" else ("1",)) for machine in machines]
        placed[name] = (option, slots, [1] * len(machines))
    wanted = [
        make.intent(name, goals=(), placement=rules if name == "a" else PlacementRules(), load=load) for name in intents
    ]
    objective = Objective(name="o", budget=tuple(budgets), where=WHERE)
    ledger = audit(wanted, make.selection(chosen, placed), fleet, objective=objective)
    return [row.clause.id for row in ledger.rows if not row.holds and "/on/" not in row.clause.id]


@pytest.mark.parametrize(
    ("where", "machine", "wrong"),
    [
        (Where(labels={"rack": ("r1", "r3")}), "n1-0", []),
        (Where(labels={"rack": ("r1", "r3")}), "n3", ["a/where/labels.rack"]),
        (Where(regions=("south",)), "n1-0", ["a/where/regions"]),
        (Where(residency=("CN", "EU")), "n1-1", []),
        (Where(residency=("EU",)), "n3", ["a/where/residency"]),
        (Where(vendors=("nvidia",)), "n3", []),
        (Where(vendors=("AMD",)), "n3", ["a/where/vendors"]),
    ],
)
def test_where(make, where, machine, wrong):
    assert broken(make, PlacementRules(where=where), {"a": [machine]}) == wrong


@pytest.mark.parametrize(
    ("tolerate", "holds"),
    [((), False), (("gpu",), True), (("gpu=yes",), True), (("gpu=yes:NoSchedule",), True), (("gpu=no",), False)],
)
def test_taints_that_are_tolerated(make, tolerate, holds):
    option = make.option("a/1", device="t4", nodes=("n2",), share=0.5)
    fleet = fleet_of(make)
    node = next(node for node in fleet.nodes if node.name == "n2")
    selection = make.selection({"a": option}, {"a": (option, [(node, "n2", ("0",))], [1])})
    intent = make.intent("a", goals=(), placement=PlacementRules(where=Where(tolerate=tolerate)))
    assert audit([intent], selection, fleet).holds is holds


def test_spread_counts_the_fullest_domain_and_wants_to_know_it(make):
    rules = PlacementRules(spread=(Spread(over="rack", share=0.5),))
    assert broken(make, rules, {"a": ["n1-0", "n2"]}) == []
    assert broken(make, rules, {"a": ["n1-0", "n1-1", "n2"]}) == ["a/spread/rack"]
    assert broken(make, PlacementRules(spread=(Spread(over="rack", most=9),)), {"a": ["n3"]}) == ["a/spread/rack"]


def test_survive_takes_the_worst_losses(make):
    load = Load(rate_per_s=12.0)
    racks, nodes = (PlacementRules(survive=Survive(losses=1, of=of)) for of in ("rack", "node"))
    assert broken(make, nodes, {"a": ["n1-0", "n1-1", "n2"]}, load=load) == []
    assert broken(make, racks, {"a": ["n1-0", "n1-1", "n2"]}, load=load) == ["a/survive"]
    twice = PlacementRules(survive=Survive(losses=2))
    assert broken(make, twice, {"a": ["n1-0", "n1-1", "n2"]}, load=load) == ["a/survive"]
    assert broken(make, twice, {"a": ["n1-0", "n1-1", "n2"]}) == []
    assert broken(make, racks, {"a": ["n1-0", "n2", "n3"]}, load=load) == ["a/survive"]  # the rack of n3 is unknown


def test_together_and_apart(make):
    by_rack = PlacementRules(together=(Companion(intent="b", by="rack"),), apart=(Companion(intent="b"),))
    assert broken(make, by_rack, {"a": ["n1-0"], "b": ["n1-1"]}, intents="ab") == []
    assert broken(make, by_rack, {"a": ["n1-0"], "b": ["n1-0"]}, intents="ab") == ["a/apart/b/node"]
    assert broken(make, by_rack, {"a": ["n1-0", "n2"], "b": ["n1-1"]}, intents="ab") == ["a/together/b/rack"]
    own = PlacementRules(apart=(Companion(intent="a", by="rack"),))
    assert broken(make, own, {"a": ["n1-0", "n1-1"]}) == ["a/apart/a/rack"]


def test_power_caps(make):
    fleet = fleet_of(make, power_cap_w=(15.0, *[99.0] * 23))
    assert broken(make, PlacementRules(), {"a": ["n1-0", "n1-1"]}, fleet) == []
    assert broken(make, PlacementRules(), {"a": ["n1-0", "n1-0"]}, fleet) == ["capacity/n1-0/power"]
    caps = (PowerCap(cap_w=(25.0,)), PowerCap(by="rack", cap_w=(15.0,)), PowerCap(labels={"rack": "r2"}, cap_w=(5.0,)))
    fleet = fleet_of(make).model_copy(update={"power_caps": caps})
    assert broken(make, PlacementRules(), {"a": ["n1-0", "n1-1", "n3"]}, fleet) == [
        "capacity/power/fleet",
        "capacity/power/rack/r1",
    ]
    assert broken(make, PlacementRules(), {"a": ["n2"]}, fleet) == ["capacity/power/rack=r2"]
    assert broken(make, PlacementRules(), {"a": ["n1-0"]}, fleet, metrics={"cost": 1.0}) == [
        "capacity/power/fleet",
        "capacity/power/rack/r1",
    ]


def test_budgets(make):
    def found(bound, metric="power", **more):
        budget = Budget(metric=metric, bound=bound, text="", where=WHERE)
        return broken(make, PlacementRules(), {"a": ["n1-0"]}, budgets=[budget], **more)

    assert found(10.0) == []
    assert found(9.99) == ["budget/power"]
    assert found(10.0, metrics={"power": (5.0, 10.0, 11.0)}) == ["budget/power"]
    assert found(10.0, "carbon") == ["budget/carbon"]
    assert found(10.0, "expense") == []
