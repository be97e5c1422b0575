"""Pipelines on many machines: by kinds of machines first. Never better than brute force, and its bound never worse."""

from __future__ import annotations

import staged_pipelines as staged
from hypothesis import HealthCheck, given, settings

from aios.check import audit
from aios.records.fabric import Edge, Fabric
from aios.records.joins import Joins
from aios.solve import Limits, choose
from aios.solve.clauses import pipeline as clause
from aios.solve.coarse.choose import choose_coarsely
from aios.solve.coarse.ways import Ways
from aios.solve.contenders import contenders
from aios.solve.cpsat import Engine
from aios.solve.problem import outline

RANDOM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RANDOM
@given(instance=staged.instances())
def test_a_plan_keeps_all_bounds_and_its_bound_is_none_that_a_plan_is_below(instance):
    of, intents, options, fleet, links = instance
    joins = staged.joins_of(links)
    few = contenders(intents, options, fleet)
    best = staged.cheapest(of, options, fleet, links, intents[0].goal[0].metric)
    if not all(few.values()):
        return
    found = choose_coarsely(outline(intents, few, fleet), joins, Engine(Limits()))
    if found.placement is None:
        assert found.chosen.status != "infeasible" or best is None
        return
    problem, chosen = found.problem, found.chosen
    picked = {i.name: problem.options[k][chosen.picked[k]].priced for k, i in enumerate(problem.intents)}
    assert staged.keeps(of, picked, found.placement, links)
    (row,) = chosen.rows
    assert best is not None
    assert row.bound - 1e-6 <= best <= row.value + 1e-9


def racks(fleet, each):
    """Machines in racks of so many: ports of 10 bytes/s and 0.1 s, and 1 s more from rack to rack."""
    names = [name for node in fleet.nodes for name in node.instances()]
    ports = [Edge(f"{name}#host", f"#rack-{k // each}", 10.0, 0.1, None) for k, name in enumerate(names)]
    spines = [Edge(f"#rack-{k}", "#spine", 100.0, 0.5, None) for k in range(-(-len(names) // each))]
    return Joins(Fabric(devices=(), edges=(*ports, *spines)), names)


def test_ways_between_kinds_are_the_slowest_and_the_quickest(make):
    fleet = make.fleet(make.node("n", count=3), make.node("m", count=3))
    joins = racks(fleet, 2)  # n-0 n-1 | n-2 m-0 | m-1 m-2
    for safe, pair, latency in (
        (True, ("n", "m"), 1.2),
        (False, ("n", "m"), 0.2),
        (True, ("n", "n"), 1.2),
        (False, ("n", "n"), 0.0),
    ):
        assert abs(Ways(joins, fleet, safe=safe).between(*pair).latency - latency) < 1e-12
    assert joins.unlike(fleet.nodes[0].instances()) == ["n-0", "n-1", "n-2"]
    assert racks(fleet, 6).unlike(fleet.nodes[0].instances()) == ["n-0", "n-1"]


def test_stages_share_a_machine_where_nobody_knows_how_long_handing_over_takes(make):
    """80 machines of two cores, no network: the two stages of each of 4 pipelines stand on one machine."""
    fleet = make.fleet(*(make.node(f"n{k}", {f"cpu{k}": 1}, cores=2, count=20) for k in range(4)))
    intents, options = [], {}
    for name in "pqrs":
        of = staged.pipeline(
            staged.stage("a", produces=1.0),
            staged.stage("b", "a"),
            require=[make.requirement("latency.p99", 2.0)],
            name=name,
        )
        intents += staged.intents_of(of)
        for place, own in enumerate(of.stages):
            called = of.called(own)
            options[called] = [
                staged.option(
                    called,
                    kind,
                    {"latency.p99": 1.0, "power": 1.0 + (kind + place) % 4},
                    device=f"cpu{kind}",
                    nodes=(f"n{kind}",),
                    cores=1,
                )
                for kind in range(4)
            ]
    joins = Joins(Fabric(devices=(), edges=()), ())
    few = contenders(intents, options, fleet)
    found = choose_coarsely(outline(intents, few, fleet), joins, Engine(Limits()))
    nodes = {name: {part.node for part in parts} for name, parts in found.placement.items()}
    assert all(nodes[f"{name}/a"] == nodes[f"{name}/b"] and len(nodes[f"{name}/a"]) == 1 for name in "pqrs")
    assert found.chosen.rows[0].value == 12.0  # kind 0: 1 + 2, for each of four
    whole = choose(intents, options, fleet, Limits(), joins=joins)
    assert audit(intents, whole, fleet, joins=joins).holds


def test_bounds_of_a_problem_are_listed_once_per_pipeline(make):
    of = staged.pipeline(staged.stage("a"), staged.stage("b", "a"), require=[make.requirement("latency.p99", 2.0)])
    intents = staged.intents_of(of)
    problem = outline(intents, {intent.name: [] for intent in intents}, make.fleet())
    (bound,) = clause.bounds_of(problem)
    assert dict(bound.members) == {"a": 0, "b": 1}
