"""What a pool left over, put onto its nodes after all: a few are filled anew with what stands there and one more.

What shares a device stays together, so that this is packing of vectors into a few bins, decided exactly.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence

from aios.solve.cpsat import Engine, Model
from aios.solve.packing.spread import Bundle, Pool

__all__ = ["mend"]

_TOGETHER = 8
"""Nodes that are filled anew at a time."""
_MORE = 4
"""Bundles that are to find a place there at a time."""
_WORK = 1 / 6000
"""Share of the engine's allowance for filling them once."""
_VAIN = 6
"""Times in a row that nothing may find a place before a pool is given up: it promises too much."""


def mend(pool: Pool, left: Sequence[Bundle], engine: Engine) -> list[Bundle]:
    """Let bundles that were left over stand on a pool's nodes, others changing place; return those that cannot."""
    waiting, found = list(left), list[Bundle]()
    rooms = [pool.room(node) for node in range(len(pool.free))] if left else []
    vain = 0
    while waiting and vain < _VAIN:
        placed: list[Bundle] = []
        for nodes in _choices(pool, waiting[0], rooms):
            placed = _fill(pool, waiting[:_MORE], nodes, engine)
            if placed:
                for node in nodes:
                    rooms[node] = pool.room(node)
                break
        vain = 0 if placed else vain + 1
        for bundle in placed:
            waiting.remove(bundle)
        if not placed:
            found.append(waiting.pop(0))
    return found + waiting


def _choices(pool: Pool, bundle: Bundle, rooms: Sequence[float]) -> Iterator[Sequence[int]]:
    """Yield nodes that together have room for one more bundle: those with free devices, beside those with most room."""
    free = [node for node, devices in enumerate(pool.devices) if not bundle.devices or devices[bundle.group]]
    roomy = heapq.nlargest(_TOGETHER, range(len(rooms)), key=rooms.__getitem__)
    sign = 1 if bundle.devices else -1
    first = heapq.nlargest(_TOGETHER, free, key=rooms.__getitem__)
    second = heapq.nlargest(_TOGETHER, free, key=lambda node: (sign * sum(pool.devices[node]), rooms[node]))
    for own in (first, second):
        for number in (_TOGETHER // 2, _TOGETHER):
            nodes = list(dict.fromkeys([*own[:number], *roomy]))[:_TOGETHER]
            if nodes and _room_for(pool, nodes, bundle):
                yield nodes


def _room_for(pool: Pool, nodes: Sequence[int], bundle: Bundle) -> bool:
    if bundle.devices and sum(pool.devices[node][bundle.group] for node in nodes) < bundle.devices:
        return False
    return all(sum(pool.free[node][resource] for node in nodes) >= t for resource, t in enumerate(bundle.takes))


def _fill(pool: Pool, more: Sequence[Bundle], nodes: Sequence[int], engine: Engine) -> list[Bundle]:
    """Fill nodes anew with all that stands on them and some more bundles; return which of those stand there now."""
    old = Counter(own for node in nodes for own in pool.stands[node])
    stock = old + Counter(more)
    kinds = sorted(stock)
    model = Model()
    numbers = [[model.variable(0, stock[own]) for own in kinds] for _ in nodes]
    for own in numbers:
        for resource, has in enumerate(pool.has):
            takes = ((variable, kind.takes[resource]) for variable, kind in zip(own, kinds, strict=True))
            model.linear([term for term in takes if term[1]], high=has)
        for group, size in enumerate(pool.problem.nodes[pool.kind].groups):
            devices = ((v, kind.devices) for v, kind in zip(own, kinds, strict=True) if kind.group == group)
            model.linear([term for term in devices if term[1]], high=size)
    for place, kind in enumerate(kinds):
        model.linear([(own[place], 1) for own in numbers], old[kind], stock[kind])
    model.minimize([(variable, -1) for own in numbers for variable in own])
    model.hint([pool.stands[node].count(kind) for node in nodes for kind in kinds])
    answer = engine.solve(model, _WORK)
    if not answer.values or sum(answer.values) == old.total():
        return []
    for node, own in zip(nodes, numbers, strict=True):
        pool.clear(node)
        for variable, kind in zip(own, kinds, strict=True):
            for _ in range(answer.values[variable]):
                pool.put(node, kind)
    now = Counter(own for node in nodes for own in pool.stands[node])
    return list((now - old).elements())
