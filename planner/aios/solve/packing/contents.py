"""What single nodes may hold, found as it is worth having: for nodes whose pool promises too much."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.solve.cpsat import Engine, Model
from aios.solve.packing.nodes import add_node, most, told
from aios.solve.packing.problem import Content, Problem, held
from aios.solve.packing.relaxed import Relaxed

__all__ = ["Found", "better_content"]

_STEPS = 10**6
"""Whole steps that the largest price is counted in."""
_WORK = 1 / 3000
"""Share of the engine's allowance for one search."""


class Found(NamedTuple):
    """content: worth more than a node costs, or None where none was found · over: that none is worth more than that
    above what a node costs"""

    content: Content | None
    over: float


def better_content(problem: Problem, nodes: int, kinds: Sequence[int], relaxed: Relaxed, engine: Engine) -> Found:
    """Look for a content that is worth more than a node of that kind costs. kinds: that may stand there"""
    prices = {kind: problem.kinds[kind].value - relaxed.kind_prices[kind] for kind in kinds}
    wanted = {kind: problem.kinds[kind].number for kind in _worthwhile(problem, nodes, prices)}
    cost = relaxed.content_prices[nodes]
    if not wanted:
        return Found(None, max(0.0, -cost))
    step = max(prices[kind] for kind in wanted) / _STEPS
    model = Model()
    node = add_node(problem, model, nodes, wanted)
    model.minimize([(variable, -round(prices[kind] / step)) for (kind, _), variable in node.numbers.items()])
    answer = engine.solve(model, _WORK)
    if not answer.values or answer.bound is None:
        return Found(None, math.inf)
    content = told(problem, node, answer.values)
    worth = sum(prices[kind] * count for kind, count in held(content).items())
    over = (_most_rounded(problem, nodes, wanted) - answer.bound) * step - cost
    return Found(content if worth - cost > 1e-4 * max(1.0, abs(cost)) else None, max(0.0, over))


def _worthwhile(problem: Problem, nodes: int, prices: Mapping[int, float]) -> Iterator[int]:
    """Yield the kinds worth something, without those in whose place as many of others as a node holds may stand, each
    of which is worth as much and takes no more."""
    groups = {kind: [group for place, group in problem.kinds[kind].places if place == nodes] for kind in prices}
    kept: dict[tuple[int, int, tuple[int, ...]], list[int]] = {}
    wanted = (kind for kind, price in prices.items() if price > 1e-9)
    for kind in sorted(wanted, key=lambda kind: (-prices[kind], problem.kinds[kind].takes, kind)):
        demand = problem.kinds[kind]
        alike = kept.setdefault((demand.devices, demand.share, tuple(groups[kind])), [])
        better = [problem.kinds[k] for k in alike if all(map(int.__le__, problem.kinds[k].takes, demand.takes))]
        lightest = demand._replace(
            takes=tuple(map(min, zip(demand.takes, *(other.takes for other in better), strict=True))),
            number=sum(other.number for other in better) + 1,
        )
        if sum(most(problem, nodes, lightest, group) for group in groups[kind]) >= lightest.number:
            alike.append(kind)
            yield kind


def _most_rounded(problem: Problem, nodes: int, kinds: Iterable[int]) -> float:
    """Return how many steps the worth of a content may be off: half of one for each demand that a node may hold."""
    return 0.5 * sum(
        most(problem, nodes, problem.kinds[kind], group)
        for kind in kinds
        for n, group in problem.kinds[kind].places
        if n == nodes
    )
