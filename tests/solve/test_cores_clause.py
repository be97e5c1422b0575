"""The cores clause: replicas on a machine take no more cores, and no more of its cpu, than it has."""

from __future__ import annotations

from aios.solve import Limits, choose


def solve(make, fleet, **options):
    return choose([make.intent(name) for name in options], {n: [o] for n, o in options.items()}, fleet, Limits())


def test_holds_trivially(make):
    found = solve(make, make.fleet(make.node(cores=4)), a=make.option("a/1", cores=2, share=0.5, replicas=2))
    assert found.status == "optimal"


def test_must_fail_and_says_how_many_cores_would_do(make):
    found = solve(make, make.fleet(make.node(cores=2)), a=make.option("a/1", cores=3, share=1.5, replicas=2))
    assert [clause.text for clause in found.conflict.clauses] == ["node local has 2 cores"]
    assert [(r.clause, r.to) for r in found.conflict.relaxations] == [("capacity/local/cores", "6 cores instead of 2")]


def test_two_intents_that_crowd_each_other_are_named(make):
    fleet = make.fleet(make.node(cores=2))
    one, other = (make.option(f"{name}/1", cores=2, share=1.0) for name in "ab")
    found = solve(make, fleet, a=one, b=other)
    assert [clause.text for clause in found.conflict.clauses] == ["a runs", "b runs", "node local has 2 cores"]
    assert [r.to for r in found.conflict.relaxations] == ["4 cores instead of 2"]


def test_indifferent_where_the_cores_are_unknown(make):
    found = solve(make, make.fleet(make.node()), a=make.option("a/1", cores=64, share=0.5))
    assert found.status == "optimal"


def test_a_pooled_machine_has_to_hold_one_replica(make):
    fleet = make.fleet(make.node("n", count=9, cores=2))
    fine = make.option("a/1", cores=2, share=1.0, replicas=3, nodes=("n",))
    found = solve(make, fleet, a=fine)
    assert [(p.node, p.replicas) for p in found.placement["a"]] == [("n-0", 1), ("n-1", 1), ("n-2", 1)]
    large = make.option("a/1", cores=3, share=1.5, nodes=("n",))
    found = solve(make, fleet, a=large)
    assert [clause.text for clause in found.conflict.clauses] == ["each node n has 2 cores"]
    assert [r.to for r in found.conflict.relaxations] == ["3 cores instead of 2"]


def test_turns_the_objective_to_what_fits(make):
    options = [make.option("a/many", {"power": 1}, cores=4), make.option("a/few", {"power": 2}, cores=2)]
    found = choose([make.intent("a")], {"a": options}, make.fleet(make.node(cores=2)), Limits())
    assert found.objective[0].value == 2.0
