"""Makes a plan better: some intents leave their machines and choose again, as long as that makes it no worse.

Two ways. Where nodes have many machines, few intents of one or two nodes leave and find places one after the other,
largest first, the ways tried in the order of their costs at the prices of what is scarce, a little shuffled (ruin and
recreate: Schrimpf and others, 2000). That is quick, and machines hold what it finds. Where sums say all (nodes of one
machine), more intents choose again at once by the engine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aios.solve.cpsat import Engine
from aios.solve.interrupting import came
from aios.solve.joint.again import choose_again
from aios.solve.joint.grid import Floats
from aios.solve.joint.target import Target
from aios.solve.joint.ways import Way, Ways
from aios.solve.joint.yard import Standing, Yard

__all__ = ["Site", "choose_some_again", "shake"]

_ANY = 1e300
"""More than any cost at prices of a way that may be chosen at all."""
_WAYS = 15
"""Ways of an intent that are tried when it chooses again: dearer ones are hardly ever worth their while."""
_SKIPPED = 0.05
"""Share of ways that are passed over, so that not always the same is found."""
_LEANINGS = (0.2, 0.5, 1.0, 2.0)
"""How much what is left of a machine may matter beside what is left of a device."""
_REGRETFUL, _COMPARED = 0.5, 4
"""Share of times that one which pays much above its least is let choose again, and among how many it is looked for."""
_NOISE = 0.05
"""Mean of what is added to the cost of a way at most, in what an intent pays on average."""


class Draw:
    """Numbers that look drawn, always the same ones (Knuth's linear congruential generator, MMIX)."""

    def __init__(self, seed: int) -> None:
        self._state = seed * 2 + 1

    def share(self) -> float:
        """Return a number from 0 on and below 1."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self._state >> 11) / (1 << 53)

    def below(self, number: int) -> int:
        """Return a whole number below another."""
        return int(self.share() * number)

    def some(self, of: list[int], number: int) -> list[int]:
        """Return some of a list, in any order."""
        left, found = list(of), list[int]()
        while left and len(found) < number:
            found.append(left.pop(self.below(len(left))))
        return found


class Site(NamedTuple):
    """What every search looks at. sizes: intent -> share of a node that it takes · average: cost of an intent · fixed:
    intents that stay where they stand"""

    yard: Yard
    target: Target
    ways: Ways
    sizes: Floats
    average: float
    draw: Draw
    fixed: frozenset[int] = frozenset()

    def on(self) -> list[set[int]]:
        """Return the intents that stand on every node, and may leave it."""
        found: list[set[int]] = [set() for _ in self.yard.grid.stocks]
        for intent, standing in enumerate(self.yard.of):
            for spot in standing if intent not in self.fixed else ():
                found[int(self.yard.grid.node[spot.column])].add(intent)
        return found


def shake(site: Site, pieces: int) -> None:
    """Let few intents of one or two nodes choose again, so many times."""
    yard, draw, on = site.yard, site.draw, site.on()
    waiting = set(yard.waiting)
    regrets = [_regret(site, intent) for intent in range(yard.grid.count)]
    for _ in range(pieces):
        if came():
            return
        some = draw.some(sorted(waiting), 2)
        if not some and draw.share() < _REGRETFUL:
            some = [max((draw.below(len(regrets)) for _ in range(_COMPARED)), key=regrets.__getitem__)]
        home = on[_home(site, some)] | (on[draw.below(len(on))] if draw.share() < 0.5 else set())
        before = {intent: yard.leave(intent) for intent in {*draw.some(sorted(home), 2 + draw.below(8)), *some}}
        yard.leaning = _LEANINGS[draw.below(len(_LEANINGS))]
        if not _recreated(site, before):
            for intent, standing in before.items():
                yard.leave(intent)
                yard.back(intent, standing)
            continue
        for intent, standing in before.items():
            for nodes, add in ((standing, False), (yard.of[intent], True)):
                for node in {int(yard.grid.node[spot.column]) for spot in nodes}:
                    (on[node].add if add else on[node].discard)(intent)
            (waiting.discard if yard.of[intent] else waiting.add)(intent)
            regrets[intent] = _regret(site, intent)


def _regret(site: Site, intent: int) -> float:
    """Return what an intent pays above the least that it would, at prices."""
    spots = site.yard.of[intent]
    return max((float(site.ways.reduced[spot.column]) for spot in spots), default=_ANY)


def _home(site: Site, some: Sequence[int]) -> int:
    """Return a node: one that the first of some intents would like to stand on, or any."""
    grid, draw = site.yard.grid, site.draw
    if some:
        few = site.ways.few(some[0])
        if few:
            columns = few[int(draw.share() ** 2 * min(len(few), 8))].columns
            return int(grid.node[columns[draw.below(len(columns))]])
    return draw.below(len(grid.stocks))


def _recreated(site: Site, before: dict[int, Standing]) -> bool:
    """Let intents that stand nowhere find places; say whether the plan is no worse than before."""
    yard, draw, costs = site.yard, site.draw, site.target.costs
    by_size = draw.share() < 0.6
    keys = {i: draw.share() * (0.3 if by_size else 1.0) + (float(site.sizes[i]) if by_size else 0.0) for i in before}
    noise = 2 * _NOISE * site.average * draw.share() ** 2
    may_wait = sum(float(site.sizes[intent]) for intent, standing in before.items() if not standing)
    waits = 0.0
    for intent in sorted(before, key=lambda i: -keys[i]):
        if not _inserted(site, intent, noise):
            waits += float(site.sizes[intent])
            if waits > may_wait:
                return False
    grid = yard.grid
    new = [option for intent in before if (option := yard.option(intent)) >= 0]
    old = [int(grid.option[standing[0].column]) for standing in before.values() if standing]
    if any(yard.cost(held.costs) > held.limit for held in site.target.held):
        return False
    return waits < may_wait or int(costs[new].sum()) <= int(costs[old].sum())


def _inserted(site: Site, intent: int, noise: float) -> bool:
    yard, draw = site.yard, site.draw
    few = [w for k, w in enumerate(site.ways.few(intent)) if k < _WAYS or w.option in yard.grid.pins]

    def key(way: Way) -> float:
        return way.cost - noise * math.log(1.0 - draw.share())

    for way in sorted(few, key=key):
        parts = int(yard.grid.parts[way.option])
        if draw.share() >= _SKIPPED and yard.stand(intent, [(column, parts) for column in way.columns], parts):
            return True
    return False


def choose_some_again(site: Site, engine: Engine, number: int, share: float, beyond: float) -> bool:
    """Let about so many intents choose again by the engine; say whether fewer wait, or costs fell.

    Those on some nodes among these nodes; in every other turn any of them among their cheapest columns.
    beyond: reduced cost of columns that cannot be in a better plan
    """
    yard, draw, grid = site.yard, site.draw, site.yard.grid
    chosen = set(draw.some(yard.waiting, 4))
    nodes = set(range(len(grid.stocks)))
    if draw.share() < 0.5:
        chosen |= set(draw.some([index for index in range(grid.count) if index not in site.fixed], number))
        beyond = min(beyond, _beyond(site, 3.0))
    else:
        nodes = _some_nodes(site, chosen, number)
    free = {}
    for intent in sorted(chosen):
        first, end = int(grid.first_column[intent]), int(grid.first_column[intent + 1])
        near = first + np.flatnonzero(site.ways.reduced[first:end] <= (beyond if yard.of[intent] else _ANY))
        own = {spot.column for spot in yard.of[intent]}
        free[intent] = sorted(own | {column for column in near.tolist() if int(grid.node[column]) in nodes})
    cost, waiting = yard.cost(site.target.costs), len(yard.waiting)
    choose_again(yard, site.target, free, engine, share)
    return (len(yard.waiting), yard.cost(site.target.costs)) < (waiting, cost)


def _some_nodes(site: Site, chosen: set[int], number: int) -> set[int]:
    """Return some nodes, and add what stands on them to those that are chosen, until these are enough."""
    on, draw = site.on(), site.draw
    order = draw.some(list(range(len(on))), len(on))
    if chosen:
        order.insert(0, _home(site, sorted(chosen)))
    nodes: set[int] = set()
    for node in order:
        nodes.add(node)
        chosen |= on[node]
        if len(chosen) >= number:
            break
    return nodes


def _beyond(site: Site, per_intent: float) -> float:
    """Return the reduced cost up to which there are so many columns per intent."""
    reduced = site.ways.reduced
    number = min(int(per_intent * site.yard.grid.count), len(reduced)) - 1
    return float(np.partition(reduced, number)[number])
