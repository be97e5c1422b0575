"""Packings of few nodes are the best there are; those of many keep every capacity and their bound."""

from __future__ import annotations

import random  # noqa: TID251 -- seeded: the order that a problem is told in

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_packings import best_value, faults, partly_used, random_problem

from aios.solve import Limits
from aios.solve.cpsat import Engine
from aios.solve.packing import Packing, Problem, Short, pack

SEEDS = st.integers(0, 10**6)


def packed(problem: Problem, allowance: float = 60.0) -> Packing | Short:
    return pack(problem, Engine(Limits(deterministic_limit=allowance)))


def larger(seed: int) -> Problem:
    """Return a problem with too many nodes to be packed all at once."""
    problem = random_problem(seed)
    nodes = tuple(pool._replace(number=pool.number * 60) for pool in problem.nodes)
    return Problem(nodes, tuple(kind._replace(number=kind.number * 70, required=False) for kind in problem.kinds))


@pytest.mark.parametrize("made", [random_problem, partly_used])
@settings(max_examples=50, deadline=None)
@given(seed=SEEDS)
def test_few_nodes_are_packed_best(made, seed):
    problem = made(seed)
    answer, best = packed(problem), best_value(problem)
    if best is None:
        assert isinstance(answer, Short)
        assert answer.proved
        assert all(problem.kinds[kind].required and number > 0 for kind, number in answer.kinds.items())
        assert answer.kinds
    else:
        assert isinstance(answer, Packing)
        assert not faults(problem, answer)
        assert answer.value == answer.bound == best


@settings(max_examples=6, deadline=None)
@given(seed=SEEDS)
def test_many_nodes_keep_capacities_and_come_near_the_bound(seed):
    """Near, where demands need devices: the bound of what needs none is that of pools, which is not as near."""
    problem = larger(seed)
    problem = problem._replace(kinds=tuple(kind for kind in problem.kinds if kind.devices))
    answer = packed(problem, 2.0)
    assert isinstance(answer, Packing)
    assert not faults(problem, answer)
    assert answer.value >= 0.97 * answer.bound


@settings(max_examples=4, deadline=None)
@given(seed=SEEDS)
def test_the_order_of_what_is_given_changes_nothing(seed):
    problem = larger(seed)
    draw = random.Random(seed)
    nodes, kinds = list(range(len(problem.nodes))), list(problem.kinds)
    draw.shuffle(nodes)
    draw.shuffle(kinds)
    moved = Problem(
        tuple(problem.nodes[old] for old in nodes),
        tuple(kind._replace(places=tuple((nodes.index(n), group) for n, group in kind.places)) for kind in kinds),
    )
    first, again, second = packed(problem, 2.0), packed(problem, 2.0), packed(moved, 2.0)
    assert first == again
    assert (first.value, first.bound) == (second.value, second.bound)
    assert not faults(moved, second)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_twice_as_much_of_everything_holds_at_least_as_large_a_share(seed):
    problem = random_problem(seed)
    double = Problem(
        tuple(pool._replace(number=2 * pool.number) for pool in problem.nodes),
        tuple(kind._replace(number=2 * kind.number) for kind in problem.kinds),
    )
    once, twice = packed(problem), packed(double)
    if isinstance(once, Packing):
        assert isinstance(twice, Packing)
        assert not faults(double, twice)
        assert twice.value >= 2 * once.value


@pytest.mark.parametrize("unit", [1, 3, 2**40 + 1])
def test_units_of_resources_change_nothing(unit):
    problem = larger(7)

    def scaled(amounts):
        return tuple(unit * amount for amount in amounts)

    other = Problem(
        tuple(pool._replace(has=scaled(pool.has)) for pool in problem.nodes),
        tuple(kind._replace(takes=scaled(kind.takes)) for kind in problem.kinds),
    )
    assert packed(other) == packed(problem)
