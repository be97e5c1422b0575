"""Makes a plan better: a few intents at a time choose again, where the bound says that something is lost.

What a plan costs above the bound is what each intent pays above the least it could at the prices of what is scarce, and
what is scarce but left unused. The nodes where most is lost are taken in turn, with others beside them: what
stands there chooses again among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aios.solve.cpsat import Engine
from aios.solve.joint.again import Again, Limited, choose_again
from aios.solve.joint.grid import Floats, Grid
from aios.solve.joint.plan import Plan
from aios.solve.joint.prices import Prices
from aios.solve.joint.target import Target

__all__ = ["Site", "all_again", "mended", "some_again"]

_GOLDEN = 0.618034
"""Steps of this share of a circle come close to every point of it, and to none soon again."""
_TOGETHER = 30
"""Intents that choose again at a time."""
_WORK = 1 / 400
"""Share of the engine's allowance for choosing again once."""


class Site(NamedTuple):
    """What every search looks at. limits: of rows, and what exceeding them costs"""

    grid: Grid
    target: Target
    prices: Prices
    limits: Limited
    engine: Engine

    def stricter(self, times: float) -> Site:
        """Return the site where exceeding rows costs so many times as much."""
        return self._replace(limits=self.limits._replace(fines=self.limits.fines * times))

    def columns(self, plan: Plan, intent: int, beyond: float) -> list[int]:
        """Return its own columns, and those that cost at most so much more than its cheapest at the prices."""
        first, end = int(self.grid.first_column[intent]), int(self.grid.first_column[intent + 1])
        near = first + np.flatnonzero(self.prices.reduced[first:end] <= beyond)
        return sorted({*near.tolist(), *(column for column, _ in plan.of[intent])})

    def beyond(self, per_intent: float) -> float:
        """Return the reduced cost up to which there are so many columns per intent."""
        number = min(int(per_intent * self.grid.count), len(self.prices.reduced)) - 1
        return float(np.partition(self.prices.reduced, number)[number])


def all_again(site: Site, plan: Plan, beyond: float, share: float) -> Again:
    """Let all intents choose again at once, among the columns that are nearly their cheapest."""
    free = {intent: site.columns(plan, intent, beyond) for intent in range(site.grid.count)}
    return choose_again(plan, site.target, free, site.limits, site.engine, share)


def some_again(site: Site, plan: Plan, step: int, beyond: float) -> Plan:
    """Let what stands on some nodes choose again among them: on one where much is lost, and on others beside it."""
    grid = site.grid
    on = _standing(plan, len(grid.stocks))
    order = _losses(site, plan).argsort(kind="stable")[::-1].tolist()
    nodes = [order[step % len(order)]]
    for hop in range(4 * len(order)):
        if sum(len(on[node]) for node in nodes) >= _TOGETHER:
            break
        place = (_GOLDEN * (0.37 * step * step + 7 * step + hop) + 0.1 * step) % 1.0
        if (node := order[int(len(order) * place)]) not in nodes:
            nodes.append(node)
    among = set(nodes)
    free: dict[int, Sequence[int]] = {}
    for intent in sorted({intent for node in nodes for intent in on[node]})[: 4 * _TOGETHER]:
        own = {column for column, _ in plan.of[intent]}
        near = site.columns(plan, intent, beyond)
        free[intent] = [column for column in near if int(grid.node[column]) in among or column in own]
    return choose_again(plan, site.target, free, site.limits, site.engine, _WORK).plan


def _standing(plan: Plan, nodes: int) -> list[list[int]]:
    on: list[list[int]] = [[] for _ in range(nodes)]
    for intent, standing in enumerate(plan.of):
        for column, _ in standing:
            on[int(plan.grid.node[column])].append(intent)
    return on


def _losses(site: Site, plan: Plan) -> Floats:
    """Return what is lost on every node: paid above the least, and scarce but unused."""
    grid, lost = site.grid, np.zeros(len(site.grid.stocks))
    for standing in plan.of:
        total = sum(parts for _, parts in standing)
        for column, parts in standing:
            lost[grid.node[column]] += site.prices.reduced[column] * parts / total
    unused = np.maximum(0.0, 1.0 - plan.load / np.maximum(grid.capacity, 1)) * site.prices.row_prices
    for row, (node, _, _) in enumerate(grid.names):
        lost[node] += unused[row]
    return lost


def mended(site: Site, plan: Plan) -> Plan:
    """Let what stands on nodes that hold less than stands there choose again, one node after the other."""
    for per_intent in (3.0, 8.0, 30.0):
        beyond = site.beyond(per_intent)
        over = np.flatnonzero(plan.load > site.limits.capacity)
        for node in sorted({site.grid.names[row][0] for row in over.tolist()}):
            intents = _standing(plan, len(site.grid.stocks))[node]
            free = {intent: site.columns(plan, intent, beyond) for intent in sorted(set(intents))}
            plan = choose_again(plan, site.target, free, site.limits, site.engine, _WORK).plan
        if not plan.excess(site.limits.capacity):
            break
    return plan
