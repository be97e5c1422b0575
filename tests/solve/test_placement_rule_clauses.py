"""Spread, survive, together and apart: each where it trivially holds, must fail, is indifferent, and turns the goal."""

from __future__ import annotations

import pytest

from aios.check import audit
from aios.records.base import Span
from aios.records.intent import Load
from aios.records.where import Companion, PlacementRules, Spread, Survive
from aios.solve import Limits, choose

RATE = Load(rate_per_s=10.0)


def racks(make, *counts, cores=8):
    """One node per rack, of so many machines with a card each."""
    nodes = [
        make.node(f"n{number}", {"t4": 1}, count=count, cores=cores, labels={"rack": f"r{number}"})
        for number, count in enumerate(counts, 1)
    ]
    return make.fleet(*nodes)


def anywhere(make, id, fleet, metrics=None, **more):
    names = tuple(node.name for node in fleet.nodes)
    return make.option(id, metrics, device="t4", nodes=names, share=more.pop("share", 1.0), **more)


def solve(make, fleet, rules, *options, **more):
    intent = make.intent("a", placement=rules, **more)
    found = choose([intent], {"a": list(options)}, fleet, Limits())
    assert audit([intent], found, fleet).holds
    return found


def standing(found, name="a"):
    return [(part.node, part.replicas) for part in found.placement[name]]


def told(found):
    return [(item.clause, item.to) for item in found.conflict.relaxations]


def test_spread_holds_trivially(make):
    fleet = racks(make, 2, 2)
    rules = PlacementRules(spread=(Spread(over="rack", most=3),))
    assert standing(solve(make, fleet, rules, anywhere(make, "a/1", fleet, replicas=3))) == [
        ("n1-0", 1),
        ("n1-1", 1),
        ("n2-0", 1),
    ]


def test_spread_turns_the_placement(make):
    fleet = racks(make, 3, 3)
    rules = PlacementRules(spread=(Spread(over="rack", share=0.5),))
    found = solve(make, fleet, rules, anywhere(make, "a/1", fleet, replicas=4))
    assert standing(found) == [("n1-0", 1), ("n1-1", 1), ("n2-0", 1), ("n2-1", 1)]


def test_spread_over_machines_shares_no_machine_that_it_could(make):
    fleet = racks(make, 2)
    rules = PlacementRules(spread=(Spread(over="node", most=1),))
    option = anywhere(make, "a/1", fleet, replicas=2, share=0.5)
    assert standing(solve(make, fleet, PlacementRules(), option)) == [("n1-0", 2)]
    assert standing(solve(make, fleet, rules, option)) == [("n1-0", 1), ("n1-1", 1)]


def test_spread_must_fail_and_says_what_would_do(make):
    fleet = racks(make, 3, 1)
    option = anywhere(make, "a/1", fleet, replicas=4)
    found = solve(make, fleet, PlacementRules(spread=(Spread(over="rack", most=1),)), option)
    assert ("a/spread/rack", "3 instead of 1") in told(found)
    found = solve(make, fleet, PlacementRules(spread=(Spread(over="rack", share=0.5),)), option)
    assert ("a/spread/rack", "75 % instead of 50 %") in told(found)


def test_spread_turns_the_objective_to_more_replicas(make):
    fleet = racks(make, 3, 3)
    options = [
        anywhere(make, "a/one", fleet, {"power": 1}, replicas=1),
        anywhere(make, "a/two", fleet, {"power": 2}, replicas=2),
    ]
    found = solve(make, fleet, PlacementRules(spread=(Spread(over="rack", share=0.5),)), *options)
    assert found.objective[0].value == 2.0


def test_survive_holds_trivially_without_a_load_where_two_stand_apart(make):
    fleet = racks(make, 2)
    found = solve(make, fleet, PlacementRules(survive=Survive(losses=1)), anywhere(make, "a/1", fleet, replicas=2))
    assert standing(found) == [("n1-0", 1), ("n1-1", 1)]


@pytest.mark.parametrize(("losses", "replicas", "status"), [(1, 3, "optimal"), (2, 3, "infeasible"), (2, 4, "optimal")])
def test_survive_counts_the_replicas_that_the_load_needs(make, losses, replicas, status):
    """Each sustains 6 of 10 requests a second, so two must be left."""
    fleet = racks(make, 4)
    option = anywhere(make, "a/1", fleet, {"throughput": 6.0 * replicas}, replicas=replicas)
    found = solve(make, fleet, PlacementRules(survive=Survive(losses=losses)), option, load=RATE)
    assert found.status == status
    if status == "infeasible":
        assert told(found) == [("a/survive", "1 instead of 2")]


def test_survive_counts_the_fullest_racks_and_not_the_mean(make):
    """Of 5 replicas 4 must be left: with two racks the fuller one has 3, with five each has one."""
    option = {"metrics": {"throughput": 12.5}, "replicas": 5}
    rules = PlacementRules(survive=Survive(losses=1, of="rack"))
    wide, narrow = racks(make, 1, 1, 1, 1, 1), racks(make, 3, 3)
    assert solve(make, wide, rules, anywhere(make, "a/1", wide, **option), load=RATE).status == "optimal"
    found = solve(make, narrow, rules, anywhere(make, "a/1", narrow, **option), load=RATE)
    assert told(found) == [("a/survive", "0 instead of 1")]


def test_survive_compares_the_pessimistic_end_unless_told_otherwise(make):
    fleet = racks(make, 2)
    option = anywhere(make, "a/1", fleet, {"throughput": (18.0, 20.0, 22.0)}, replicas=2)
    rules = PlacementRules(survive=Survive(losses=1))
    assert solve(make, fleet, rules, option, load=RATE).status == "infeasible"
    assert solve(make, fleet, rules, option, load=RATE, risk="expected").status == "optimal"


def test_an_unknown_throughput_survives_nothing(make):
    fleet = racks(make, 2)
    found = solve(make, fleet, PlacementRules(survive=Survive(losses=1)), anywhere(make, "a/1", fleet), load=RATE)
    assert [clause.id for clause in found.conflict.clauses] == ["a/survive"]


def test_survive_turns_the_objective(make):
    fleet = racks(make, 4)
    options = [
        anywhere(make, f"a/{n}", fleet, {"power": n, "throughput": 10.0 * n}, replicas=n, share=0.5) for n in (1, 2, 3)
    ]
    found = solve(make, fleet, PlacementRules(survive=Survive(losses=2)), *options, load=RATE)
    assert found.objective[0].value == 3.0
    assert standing(found) == [("n1-0", 1), ("n1-1", 1), ("n1-2", 1)]


def test_a_replica_over_two_machines_is_lost_with_either(make):
    """Two replicas of two parts: one lost machine may end one replica, two lost machines both."""
    fleet = racks(make, 4)
    option = anywhere(make, "a/1", fleet, {"throughput": 20.0}, replicas=2, machines=2)
    assert solve(make, fleet, PlacementRules(survive=Survive(losses=1)), option, load=RATE).status == "optimal"
    assert solve(make, fleet, PlacementRules(survive=Survive(losses=2)), option, load=RATE).status == "infeasible"


def pair(make, fleet, rules, of_b=None, **more):
    """``a`` under rules, and ``b``, which takes a whole card of the last node unless told otherwise."""
    intents = [make.intent("a", placement=rules), make.intent("b")]
    last = (fleet.nodes[-1].name,)
    options = {
        "a": [anywhere(make, "a/1", fleet, share=0.5, **more)],
        "b": [of_b or make.option("b/1", device="t4", nodes=last, share=0.5)],
    }
    found = choose(intents, options, fleet, Limits())
    assert audit(intents, found, fleet).holds
    return found


def test_together_brings_an_intent_where_the_other_is(make):
    fleet = racks(make, 1, 2)
    assert standing(pair(make, fleet, PlacementRules())) == [("n1", 1)]
    found = pair(make, fleet, PlacementRules(together=(Companion(intent="b"),)))
    assert standing(found) == standing(found, "b") == [("n2-0", 1)]


def test_together_by_rack_needs_no_common_machine(make):
    fleet = racks(make, 1, 2)
    whole = make.option("b/1", device="t4", nodes=("n2",), share=1.0)
    found = pair(make, fleet, PlacementRules(together=(Companion(intent="b", by="rack"),)), of_b=whole)
    assert (standing(found), standing(found, "b")) == ([("n2-0", 1)], [("n2-1", 1)])


def test_together_must_fail_where_there_is_no_room_beside_the_other(make):
    fleet = racks(make, 1, 2)
    whole = make.option("b/1", device="t4", nodes=("n2",), share=1.0)
    found = pair(make, fleet, PlacementRules(together=(Companion(intent="b"),)), of_b=whole)
    assert "a stands on no node without b" in [clause.text for clause in found.conflict.clauses]
    assert ("a/together/b/node", "leave it out: it stands alone on 1 x node then") in told(found)


def test_together_with_an_intent_that_is_not_planned_restricts_nothing(make):
    fleet = racks(make, 1)
    rules = PlacementRules(together=(Companion(intent="z"),), apart=(Companion(intent="z"),))
    assert solve(make, fleet, rules, anywhere(make, "a/1", fleet)).status == "optimal"


def test_apart_keeps_off_the_machine_or_the_rack_of_the_other(make):
    fleet = racks(make, 2)
    assert standing(pair(make, fleet, PlacementRules())) == [("n1-0", 1)]
    found = pair(make, fleet, PlacementRules(apart=(Companion(intent="b"),)))
    assert (standing(found), standing(found, "b")) == ([("n1-0", 1)], [("n1-1", 1)])
    found = pair(make, fleet, PlacementRules(apart=(Companion(intent="b", by="rack"),)))
    assert ("a/apart/b/rack", "leave it out: they share 1 x rack then") in told(found)


def test_apart_from_itself_is_one_replica_a_machine(make):
    fleet = racks(make, 2)
    rules = PlacementRules(apart=(Companion(intent="a"),))
    option = anywhere(make, "a/1", fleet, replicas=2, share=0.5)
    assert standing(solve(make, fleet, rules, option)) == [("n1-0", 1), ("n1-1", 1)]
    found = solve(make, fleet, rules, anywhere(make, "a/1", fleet, replicas=3, share=0.5))
    assert told(found)[0] == ("a/apart/a/node", "leave it out: they share 1 x node then")


def test_a_clause_points_at_where_it_is_written(make):
    fleet = racks(make, 1)
    spans = {
        "spec.spread.max": Span(file="a.yaml", line=9, column=24),
        "spec.survive": Span(file="a.yaml", line=10, column=12),
    }
    rules = PlacementRules(spread=(Spread(over="rack", most=1),), survive=Survive(losses=1))
    found = solve(make, fleet, rules, anywhere(make, "a/1", fleet, replicas=2, share=0.5), spans=spans)
    lines = {clause.id: clause.where.line for clause in found.conflict.clauses if clause.where}
    assert lines.items() <= {"a/spread/rack": 9, "a/survive": 10}.items()
    assert lines
