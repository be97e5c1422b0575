"""The clause on memory tiers, of a machine and of its devices."""

from __future__ import annotations

from aios.check import audit
from aios.solve import Limits, choose

GIB = 2.0**30


def solve(make, gib, replicas=2, **more):
    option = make.option("a/1", {"power": 1}, nodes=("n",), replicas=replicas, share=0.1, tiers={"cxl": 2 * GIB})
    fleet = make.fleet(make.node("n", memory_tiers=(make.tier("cxl", gib),), cores=8, **more))
    return choose([make.intent("a")], {"a": [option]}, fleet, Limits())


def test_holds_trivially_and_exactly(make):
    assert solve(make, 8).status == "optimal"
    assert solve(make, 4).status == "optimal"


def test_must_fail_and_says_how_much_would_do(make):
    found = solve(make, 3)
    assert [clause.id for clause in found.conflict.clauses] == ["capacity/n/cxl/memory"]
    assert found.conflict.clauses[0].text == "node n has 3 GiB of cxl"
    assert [r.to for r in found.conflict.relaxations] == ["4 GiB instead of 3 GiB"]


def test_indifferent_to_tiers_that_nobody_uses(make):
    option = make.option("a/1", {"power": 1}, nodes=("n",), share=0.1)
    fleet = make.fleet(make.node("n", memory_tiers=(make.tier("cxl", 0.001),), cores=8))
    assert choose([make.intent("a")], {"a": [option]}, fleet, Limits()).status == "optimal"


def test_turns_the_objective_to_what_fits(make):
    near = make.option("a/near", {"power": 5}, nodes=("n",), share=0.1)
    far = make.option("a/far", {"power": 1}, nodes=("n",), share=0.1, tiers={"cxl": 2 * GIB})
    fleet = make.fleet(make.node("n", memory_tiers=(make.tier("cxl", 1),), cores=8))
    assert choose([make.intent("a")], {"a": [near, far]}, fleet, Limits()).chosen["a"] == near


def test_a_devices_own_tier_is_each_devices(make):
    option = make.option("a/1", {}, device="gpu", nodes=("n",), replicas=2, share=0.1, tiers={"lpddr": 2 * GIB})
    fleet = make.fleet(make.node("n", {"gpu": 2}))
    gpu = fleet.types["gpu"].model_copy(update={"memory_tiers": (make.tier("lpddr", 3),)})
    fleet = fleet.model_copy(update={"types": {"gpu": gpu}})
    found = choose([make.intent("a")], {"a": [option]}, fleet, Limits())
    assert [(part.devices, part.replicas) for part in found.placement["a"]] == [(("0",), 1), (("1",), 1)]
    assert audit([make.intent("a")], found, fleet).holds


def test_the_checker_finds_what_is_too_much(make):
    found = solve(make, 8)
    smaller = make.fleet(make.node("n", memory_tiers=(make.tier("cxl", 3),), cores=8))
    ledger = audit([make.intent("a")], found, smaller)
    assert [row.clause.text for row in ledger.rows if not row.holds] == ["n has 3 GiB of cxl"]
    nowhere = make.fleet(make.node("n", cores=8))
    assert not audit([make.intent("a")], found, nowhere).holds
