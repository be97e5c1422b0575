"""More demands than one node holds: the best of all choices, and bounds that hold however little is searched."""

from __future__ import annotations

import itertools
import random  # noqa: TID251 -- seeded: which demands are made

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.solve import Limits
from aios.solve.cpsat import Engine
from aios.solve.packing import NO_GROUP, Kind, Nodes, Packing, Problem, Short, pack
from aios.solve.packing.breed import Choice, breed
from aios.solve.packing.core import core_content


def one_node(seed: int, kinds: int, resources: int, most: int = 1) -> Problem:
    """Return demands of which about half fit, worth about what they take, some required."""
    draw = random.Random(seed)
    takes = [tuple(draw.randint(1, 99) for _ in range(resources)) for _ in range(kinds)]
    numbers = [draw.randint(1, most) for _ in range(kinds)]
    has = [sum(n * own[r] for n, own in zip(numbers, takes, strict=True)) // 2 for r in range(resources)]
    return Problem(
        (Nodes(tuple(has), (), 1),),
        tuple(
            Kind(own, 0, 0, ((0, NO_GROUP),), number, sum(own) // resources + draw.randint(1, 50), draw.random() < 0.1)
            for own, number in zip(takes, numbers, strict=True)
        ),
    )


def taken(problem: Problem, counts: tuple[int, ...]) -> list[int]:
    return [
        sum(n * k.takes[r] for n, k in zip(counts, problem.kinds, strict=True))
        for r in range(len(problem.nodes[0].has))
    ]


def best_value(problem: Problem) -> int | None:
    ranges = [range(kind.number if kind.required else 0, kind.number + 1) for kind in problem.kinds]
    has = problem.nodes[0].has
    fitting = (c for c in itertools.product(*ranges) if all(map(int.__le__, taken(problem, c), has)))
    return max((sum(n * kind.value for n, kind in zip(c, problem.kinds, strict=True)) for c in fitting), default=None)


def counts_of(problem: Problem, answer: Packing) -> tuple[int, ...]:
    standing = [item.kind for item in answer.standing]
    return tuple(standing.count(kind) for kind in range(len(problem.kinds)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), most=st.sampled_from([1, 2]))
def test_one_node_is_filled_best(seed, most):
    problem = one_node(seed, 8, 3, most)
    answer, best = pack(problem, Engine(Limits())), best_value(problem)
    if best is None:
        assert isinstance(answer, Short)
        return
    assert isinstance(answer, Packing)
    assert answer.value == answer.bound == best
    assert all(map(int.__le__, taken(problem, counts_of(problem, answer)), problem.nodes[0].has))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_bound_holds_when_the_search_ends_early(seed):
    problem = one_node(seed, 90, 10)
    early, late = (pack(problem, Engine(Limits(deterministic_limit=limit))) for limit in (0.02, 0.5))
    assert isinstance(early, Packing)
    assert isinstance(late, Packing)
    assert early.value < late.value <= early.bound
    assert late.value <= late.bound <= early.bound


@pytest.mark.parametrize("seed", [4])
def test_the_core_alone_comes_near_the_best(seed):
    problem = one_node(seed, 100, 4)
    content = core_content(problem, 0, Engine(Limits(deterministic_limit=1.5)))
    assert content is not None
    value = sum(problem.kinds[kind].value for _, own in content for kind in own)
    whole = pack(problem, Engine(Limits(deterministic_limit=1.5)))
    assert isinstance(whole, Packing)
    assert value >= 0.995 * whole.bound


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_bred_is_best_of_few_fits_and_is_always_the_same(seed):
    problem = one_node(seed, 14, 6)
    has = problem.nodes[0].has
    values = [kind.value for kind in problem.kinds]
    choice = Choice([kind.takes for kind in problem.kinds], has, values, [1.0] * len(has), [0.5] * len(values))
    marks = breed(choice, 40)
    assert marks == breed(choice, 40)
    assert all(map(int.__le__, taken(problem, tuple(map(int, marks))), has))
    optional = problem._replace(kinds=tuple(kind._replace(required=False) for kind in problem.kinds))
    assert sum(value for value, mark in zip(values, marks, strict=True) if mark) == best_value(optional)
