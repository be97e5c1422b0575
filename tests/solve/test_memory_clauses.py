"""The clauses on memory, of the machine and of its devices."""

from __future__ import annotations

import pytest

from aios.solve import Limits, choose

GIB = 2.0**30
WHERE = {"memory": {"memory": 2 * GIB}, "gpu/memory": {"device_memory": 2 * GIB}}


def fleet_of(make, what, gib):
    if what == "memory":
        return make.fleet(make.node("n", {"gpu": 1}, memory_bytes=gib * GIB))
    return make.fleet(make.node("n", {"gpu": 1}), memory={"gpu": gib * GIB})


def solve(make, what, gib, replicas=2):
    option = make.option("a/1", {"power": 1}, device="gpu", nodes=("n",), replicas=replicas, share=0.1, **WHERE[what])
    return choose([make.intent("a")], {"a": [option]}, fleet_of(make, what, gib), Limits())


@pytest.mark.parametrize("what", WHERE)
def test_holds_trivially(make, what):
    assert solve(make, what, 8).status == "optimal"


@pytest.mark.parametrize("what", WHERE)
def test_holds_exactly(make, what):
    assert solve(make, what, 4).status == "optimal"


@pytest.mark.parametrize("what", WHERE)
def test_must_fail_and_says_how_much_would_do(make, what):
    found = solve(make, what, 3)
    assert [clause.id for clause in found.conflict.clauses] == [f"capacity/n/{what}"]
    assert [r.to for r in found.conflict.relaxations] == ["4 GiB instead of 3 GiB"]


@pytest.mark.parametrize("what", WHERE)
def test_indifferent_to_the_other_memory(make, what):
    other = next(key for key in WHERE if key != what)
    option = make.option("a/1", {"power": 1}, device="gpu", nodes=("n",), share=0.1, **WHERE[other])
    assert choose([make.intent("a")], {"a": [option]}, fleet_of(make, what, 1), Limits()).status == "optimal"


@pytest.mark.parametrize("what", WHERE)
def test_turns_the_objective_to_what_fits(make, what):
    small = make.option("a/small", {"power": 5}, device="gpu", nodes=("n",), share=0.1)
    large = make.option("a/large", {"power": 1}, device="gpu", nodes=("n",), share=0.1, **WHERE[what])
    found = choose([make.intent("a")], {"a": [small, large]}, fleet_of(make, what, 1), Limits())
    assert found.chosen["a"] == small


def test_device_memory_is_per_device(make):
    fleet = make.fleet(make.node("n", {"gpu": 2}), memory={"gpu": 3 * GIB})
    option = make.option("a/1", device="gpu", nodes=("n",), replicas=2, share=0.1, device_memory=2 * GIB)
    found = choose([make.intent("a")], {"a": [option]}, fleet, Limits())
    assert [(p.devices, p.replicas) for p in found.placement["a"]] == [(("0",), 1), (("1",), 1)]
