"""Packings at the edges: nothing there, nothing wanted, what fits nowhere, huge numbers."""

from __future__ import annotations

import pytest
from small_packings import DEVICE, faults

from aios.solve import Limits
from aios.solve.cpsat import Engine
from aios.solve.packing import Kind, Nodes, Packing, Problem, Short, pack

NODE = Nodes(has=(8, 64), groups=(2,), number=3)
POD = Kind(takes=(1, 8), devices=1, share=DEVICE, places=((0, 0),), number=4, value=10, required=False)


def packed(nodes: list[Nodes], kinds: list[Kind]) -> Packing | Short:
    problem = Problem(tuple(nodes), tuple(kinds))
    answer = pack(problem, Engine(Limits()))
    if isinstance(answer, Packing):
        assert not faults(problem, answer)
    return answer


def test_nothing_wanted_and_nothing_there():
    assert packed([], []) == Packing((), 0, 0)
    assert packed([NODE], []) == Packing((), 0, 0)
    assert packed([], [POD._replace(places=())]) == Packing((), 0, 0)
    assert packed([NODE._replace(number=0)], [POD]) == Packing((), 0, 0)
    assert packed([NODE], [POD._replace(number=0)]) == Packing((), 0, 0)


@pytest.mark.parametrize(
    "misfit",
    [
        POD._replace(places=()),
        POD._replace(takes=(9, 8)),
        POD._replace(devices=3),
        POD._replace(places=((0, 1),)),
    ],
    ids=["no place", "too large for a node", "too many devices", "no such group"],
)
def test_what_fits_nowhere_is_refused_or_named(misfit):
    answer = packed([NODE], [POD, misfit])
    assert (answer.value, answer.bound) == (40, 40)
    assert packed([NODE], [POD, misfit._replace(required=True)]) == Short({1: 4}, True)


def test_nodes_without_a_resource_hold_what_takes_none():
    empty = NODE._replace(has=(0, 0))
    assert packed([empty], [POD]).value == 0
    assert packed([empty], [POD._replace(takes=(0, 0))]).value == 40


def test_required_demands_that_one_node_too_few_holds():
    whole = POD._replace(devices=2, number=4, required=True)
    assert packed([NODE], [POD, whole]) == Short({1: 1}, True)


def test_a_required_demand_stands_in_place_of_many_worth_more():
    """One that takes a whole node is required, where a thousand that are not would stand worth a million each."""
    node = Nodes(has=(1000,), groups=(), number=1)
    small = Kind((1,), 0, 0, ((0, -1),), 1000, 10**6, False)
    large = Kind((1000,), 0, 0, ((0, -1),), 1, 1, True)
    assert packed([node], [small, large]).value == 1


def test_three_thirds_share_a_device_and_a_fourth_does_not():
    third = POD._replace(takes=(1, 1), share=DEVICE // 3, number=100)
    assert packed([NODE], [third]).value == 10 * 3 * 6


def test_a_demand_may_stand_on_either_group_of_a_node():
    node = Nodes(has=(64, 64), groups=(2, 4), number=2)
    either = POD._replace(takes=(1, 1), places=((0, 0), (0, 1)), number=50)
    assert packed([node], [either]).value == 10 * 12
    assert packed([node], [either, either._replace(places=((0, 1),), number=8, value=11)]).value == 8 * 11 + 4 * 10


def test_a_hundred_thousand_demands_in_pools():
    nodes = [Nodes(has=(96, 512), groups=(8,), number=1000)]
    half = POD._replace(takes=(4, 16), share=DEVICE // 2, number=100_000, value=1)
    whole = POD._replace(takes=(12, 64), number=100_000, value=2)
    answer = packed(nodes, [half, whole])
    assert answer.value == answer.bound == 1000 * 16


@pytest.mark.parametrize("many", [3, 300])
def test_bytes_beyond_what_the_engine_counts(many):
    """An exabyte a node in odd bytes: coarser units must not let one demand too many in."""
    node = Nodes(has=(8, 2**60 + 2**30), groups=(), number=many)
    third = Kind((1, 2**60 // 3), 0, 0, ((0, -1),), 10 * many, 1, False)
    odd = Kind((1, 7), 0, 0, ((0, -1),), many, 1, False)
    answer = packed([node], [third, odd])
    assert answer.value == answer.bound == 4 * many
    tight = Nodes(has=(8, 2**60 - 2), groups=(), number=many)
    assert packed([tight], [third]).value == 2 * many


def test_values_that_cannot_be_added_up_exactly_are_refused():
    with pytest.raises(ValueError, match=r"2\^50"):
        packed([NODE], [POD._replace(value=2**50)])


def test_the_least_allowance_gives_an_answer():
    problem = Problem((NODE,), (POD,))
    answer = pack(problem, Engine(Limits(deterministic_limit=1e-9)))
    assert isinstance(answer, Packing)
    assert not faults(problem, answer)
    assert answer.bound == 40
