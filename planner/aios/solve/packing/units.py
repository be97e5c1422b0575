"""A problem in its own order and units, so that neither the order of what is given nor its units change the answer."""

from __future__ import annotations

import math
from typing import NamedTuple

from aios.solve.packing.problem import Kind, Nodes, Packing, Place, Problem, Short, fits_alone

__all__ = ["Normal", "normal"]

_MOST = 1 << 50
"""Units of a resource that all nodes may have together: sums of products stay exact in the engine's 64 bits."""
_MOST_VALUE = 1 << 50
"""Value that all demands may have together, for the same reason."""


class Normal(NamedTuple):
    """problem: what to pack · rounded: the same in coarser units if it had to be, every packing of which is one of
    ``problem`` · kinds, nodes: index there -> index in what was given"""

    problem: Problem
    rounded: Problem
    kinds: tuple[int, ...]
    nodes: tuple[int, ...]

    def given(self, answer: Packing | Short) -> Packing | Short:
        """Tell an answer in the indices of what was given."""
        if isinstance(answer, Short):
            return answer._replace(kinds={self.kinds[kind]: number for kind, number in sorted(answer.kinds.items())})
        standing = tuple(
            item._replace(kind=self.kinds[item.kind], nodes=self.nodes[item.nodes]) for item in answer.standing
        )
        return answer._replace(standing=standing)


def normal(problem: Problem) -> Normal:
    """Return a problem in order: only places where a demand fits, resources in the largest exact units.

    Dividing by the greatest common divisor of what the demands take, with what nodes have rounded down, loses nothing.
    Where a resource still has too many units, what is taken is rounded up and what is there down, by at most one unit
    of 2^-50 of all that is there.

    Raises ValueError where the values of all demands together are too large to be added up exactly.
    """
    if sum(kind.value * kind.number for kind in problem.kinds) > _MOST_VALUE:
        raise ValueError(f"the values of all demands together are above 2^50 ({_MOST_VALUE:,})")
    exact = problem
    for resource in range(len(problem.nodes[0].has) if problem.nodes else 0):
        divisor = math.gcd(*(kind.takes[resource] for kind in problem.kinds))
        exact = _divided(exact, resource, divisor or 1)
    nodes = sorted(range(len(exact.nodes)), key=lambda index: exact.nodes[index])
    position = {old: new for new, old in enumerate(nodes)}
    own = [kind._replace(places=_places(exact, kind, position)) for kind in exact.kinds]
    kinds = sorted(range(len(own)), key=lambda index: own[index])
    ordered = Problem(tuple(exact.nodes[index] for index in nodes), tuple(own[index] for index in kinds))
    rounded = ordered
    for resource in range(len(problem.nodes[0].has) if problem.nodes else 0):
        total = sum(pool.has[resource] * pool.number for pool in ordered.nodes)
        rounded = _divided(rounded, resource, -(-total // _MOST) or 1)
    rounded = rounded._replace(kinds=tuple(kind._replace(places=_still(rounded, kind)) for kind in rounded.kinds))
    return Normal(ordered, rounded, tuple(kinds), tuple(nodes))


def _places(problem: Problem, kind: Kind, position: dict[int, int]) -> tuple[Place, ...]:
    return tuple((position[place[0]], place[1]) for place in dict.fromkeys(_still(problem, kind)))


def _still(problem: Problem, kind: Kind) -> tuple[Place, ...]:
    return tuple(place for place in kind.places if fits_alone(problem, kind, place))


def _divided(problem: Problem, resource: int, divisor: int) -> Problem:
    """Return a problem with one resource in units ``divisor`` times as large."""
    if divisor == 1:
        return problem

    def changed(amounts: tuple[int, ...], amount: int) -> tuple[int, ...]:
        return (*amounts[:resource], amount, *amounts[resource + 1 :])

    nodes = tuple(_smaller(pool, changed(pool.has, pool.has[resource] // divisor)) for pool in problem.nodes)
    kinds = tuple(
        kind._replace(takes=changed(kind.takes, -(-kind.takes[resource] // divisor))) for kind in problem.kinds
    )
    return Problem(nodes, kinds)


def _smaller(pool: Nodes, has: tuple[int, ...]) -> Nodes:
    return pool._replace(has=has)
