"""A bound that sees every machine as the knapsack that it is, where nodes are single machines with one device.

Sums that a relaxed plan keeps may be kept by halves of intents. Here every node takes the set of whole intents that is
worth most to it, by dynamic programming over what its dearest resource holds; other resources have their prices. What
an intent pays is raised where no node takes it, and lowered where several do (Lagrange's relaxation of choosing once,
as in Fisher, Jaikumar and Van Wassenhove, A multiplier adjustment method for the generalized assignment problem,
Management Science 32, 1986). That is never worse than the bound of prices, and often much better.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from aios.solve.interrupting import came
from aios.solve.joint.grid import Floats, Grid, Ints
from aios.solve.joint.prices import Prices, Relaxation
from aios.solve.joint.target import Target

__all__ = ["dive_into_knapsacks", "with_knapsacks"]

_UNITS = 2000
"""Units of a knapsack, at most: coarser ones round what intents take down, so that the bound holds."""
_STEPS = 250
"""Steps along the slope, at most."""
_CELLS = 3e8
"""Cells of the tables that are filled at most, all steps together: about six seconds."""
_AGAIN = 20
"""Steps after each time that intents were fixed."""
_FEWEST = 5
"""With fewer than that nothing good is found."""
_WORK = 4e-8
"""Deterministic seconds of a step for every intent and unit of the largest knapsack."""
_HOPED = 0.2
"""Share of what a plan costs above the bound that these steps hope for."""
_MOSTLY = 0.5
"""How much of the time a node has taken an intent of late for that to be fixed beside the surest of all."""
_OF_LATE = 0.1
"""Weight of the last step in that."""
_VAIN = 8
"""Steps that raise nothing, after which they become half as long."""
_SHORTEST = 1e-3
"""Length of steps, as a share of the first, from which on they are not worth their while."""


class _Nodes(NamedTuple):
    """Columns of every node, padded to a table. columns: [node, place] -> column, -1 where there is none · owner, cost,
    weight: the intent of each, what it costs with the prices of other resources, what it takes · room: of every node ·
    rest: what the prices of other resources are worth"""

    columns: Ints
    owner: Ints
    cost: Floats
    weight: Ints
    room: Ints
    rest: float


def with_knapsacks(grid: Grid, target: Target, prices: Prices, upper: float) -> Prices:
    """Return better bound and reduced costs for the prices, where all nodes are single and every option has one part.

    upper: what a plan that is known costs, in whole steps
    """
    if not _are_knapsacks(grid, target):
        return prices
    relaxation = Relaxation(grid, target, grid.capacity)
    nodes = _nodes(relaxation, prices.prices)
    begin = relaxation.price(prices.prices).least
    bound, pays = _climb(nodes, begin, np.ones(grid.count), upper / relaxation.scale, _STEPS)
    bound *= relaxation.scale
    bound -= 1e-9 * abs(bound)
    if bound <= prices.bound:
        return prices
    reduced = np.full(len(grid.option), np.inf)
    for node in range(len(nodes.room)):
        here = nodes.columns[node] >= 0
        gains = pays[nodes.owner[node, here]] - nodes.cost[node, here]
        reduced[nodes.columns[node, here]] = _lost(gains, nodes.weight[node, here], int(nodes.room[node]))
    return prices._replace(bound=bound, reduced=reduced * relaxation.scale)


def _nodes(relaxation: Relaxation, prices: Floats) -> _Nodes:
    grid = relaxation.grid
    usable = np.flatnonzero(np.isfinite(relaxation.own))
    main: Ints = np.full(len(grid.stocks), -1, dtype=np.int64)
    for row, (node, *_) in enumerate(grid.names):
        if main[node] < 0 or prices[row] > prices[main[node]]:
            main[node] = row
    others = prices[: relaxation.size].copy()
    others[main[main >= 0]] = 0.0
    cost = relaxation.own + np.einsum("ij,ij->i", relaxation.shares, others[grid.rows])
    weight = np.where(grid.rows == main[grid.node][:, None], grid.takes, 0).sum(axis=1)
    room = np.where(main >= 0, grid.capacity[main], 0)
    coarse = room // _UNITS + 1
    weight, room = weight // coarse[grid.node], room // coarse
    many = np.bincount(grid.node[usable], minlength=len(grid.stocks))
    order = usable[np.argsort(grid.node[usable], kind="stable")]
    table: Ints = np.full((len(grid.stocks), max(int(many.max(initial=0)), 1)), -1, dtype=np.int64)
    table[np.arange(table.shape[1])[None, :] < many[:, None]] = order
    return _Nodes(table, relaxation.owner[table], cost[table], weight[table], room, float(others.sum()))


class Dive(NamedTuple):
    """fixed: intent -> column, of most intents · work: what it took, in deterministic seconds"""

    fixed: Mapping[int, int]
    work: float


def dive_into_knapsacks(
    grid: Grid, target: Target, prices: Prices, upper: float, share: float, allowance: float
) -> Dive:
    """Return what nodes truly hold: step by step those intents are fixed that nodes take most surely.

    upper: what a plan that is known costs, in whole steps · share: of all intents, that are fixed at once at most ·
    allowance: of deterministic seconds; nothing is tried where that is too little
    """
    if not _are_knapsacks(grid, target):
        return Dive({}, 0.0)
    relaxation = Relaxation(grid, target, grid.capacity)
    nodes = _nodes(relaxation, prices.prices)
    work = _WORK * grid.count * (int(nodes.room.max()) + 1) / share
    steps = min(_AGAIN, int(allowance / work))
    if steps < _FEWEST:
        return Dive({}, 0.0)
    pays, free = relaxation.price(prices.prices).least, np.ones(grid.count)
    hoped = _HOPED * (upper - prices.bound) / relaxation.scale
    weight, cost = np.zeros(len(grid.option), dtype=np.int64), np.full(len(grid.option), np.inf)
    here = nodes.columns >= 0
    weight[nodes.columns[here]], cost[nodes.columns[here]] = nodes.weight[here], nodes.cost[here]
    often, fixed, bound = np.zeros(len(grid.option)), dict[int, int](), prices.bound / relaxation.scale
    while free.any() and not came():
        bound, pays = _climb(nodes, pays, free, bound + hoped, steps, often)
        open_ = np.flatnonzero((free[relaxation.owner] > 0) & np.isfinite(cost) & (weight <= nodes.room[grid.node]))
        before, room, rest = len(fixed), nodes.room.copy(), nodes.rest
        for column in open_[np.argsort(-often[open_], kind="stable")].tolist():
            node, intent = int(grid.node[column]), int(relaxation.owner[column])
            if len(fixed) > before and (often[column] < _MOSTLY or len(fixed) - before >= share * grid.count):
                break
            if free[intent] and weight[column] <= room[node]:
                fixed[intent], free[intent] = column, 0.0
                room[node] -= weight[column]
                rest -= float(cost[column])
        if len(fixed) == before:
            break
        pays = pays * free
        left = np.where((nodes.columns >= 0) & (free[nodes.owner] > 0), nodes.columns, -1)
        nodes = nodes._replace(columns=left, room=room, rest=rest)
    return Dive(fixed, work * steps)


def _are_knapsacks(grid: Grid, target: Target) -> bool:
    return not target.held and all(stock.is_single for stock in grid.stocks) and not bool((grid.parts > 1).any())


def _climb(
    nodes: _Nodes, pays: Floats, free: Floats, upper: float, steps: int, often: Floats | None = None
) -> tuple[float, Floats]:
    """Return the best bound found, and what every intent pays there.

    free: 1 for intents that are to be taken, else 0 · often: column -> how much of the time a node took it, of late; it
    is kept up
    """
    best, best_pays, way = -np.inf, pays, np.zeros(len(pays))
    length, vain, cells = 1.0, 0, 0.0
    for _ in range(steps):
        fits = (nodes.columns >= 0) & (nodes.weight <= nodes.room[:, None])
        gains = np.where(fits, pays[nodes.owner] - nodes.cost, -1.0)
        many = max(int((gains > 0).sum(axis=1).max()), 1)
        cells += many * len(nodes.room) * (int(nodes.room.max()) + 1)
        if cells > _CELLS:
            break
        order = np.argsort(-gains, axis=1, kind="stable")[:, :many]
        some = (np.take_along_axis(gains, order, 1), np.take_along_axis(nodes.weight, order, 1))
        worth, chosen = _filled(*some, nodes.room)
        bound = float(pays.sum() - worth.sum()) - nodes.rest
        if often is not None:
            often *= 1 - _OF_LATE
            often[np.take_along_axis(nodes.columns, order, 1)[chosen]] += _OF_LATE
        if bound > best:
            best, best_pays, vain = bound, pays, 0
        else:
            vain += 1
        if vain >= _VAIN:
            length, vain, pays, way = length / 2, 0, best_pays, np.zeros(len(pays))
        taken = np.bincount(np.take_along_axis(nodes.owner, order, 1)[chosen], minlength=len(pays))
        slope = free - taken
        way = 0.5 * way + slope
        # Earlier steps may nearly cancel the slope: without a least steepness the next one would have no end.
        steep = max(float(way @ way), 0.25 * float(slope @ slope))
        if not slope.any() or length < _SHORTEST or upper <= bound:
            break
        pays = pays + length * (upper - bound) / steep * way
    return best, best_pays


def _filled(gains: Floats, weights: Ints, room: Ints) -> tuple[Floats, np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """Fill every knapsack with what is worth most; return its worth, and [knapsack, place] -> whether it is in."""
    number, many = gains.shape
    units = np.arange(int(room.max()) + 1)
    best, everyone = np.zeros((number, len(units))), np.arange(number)
    took = np.zeros((many, number, len(units)), dtype=bool)
    for place in range(many):
        left = units - weights[:, place, None]
        more = np.take_along_axis(best, np.maximum(left, 0), 1) + gains[:, place, None]
        took[place] = (left >= 0) & (more > best)
        best = np.where(took[place], more, best)
    chosen, left = np.zeros((number, many), dtype=bool), room.copy()
    for place in range(many - 1, -1, -1):
        chosen[:, place] = took[place, everyone, left]
        left = left - np.where(chosen[:, place], weights[:, place], 0)
    return best[everyone, room], chosen


def _lost(gains: Floats, weights: Ints, room: int) -> Floats:
    """Return what a knapsack is worth less if each is in it, whatever else; infinite where it does not fit."""
    some = np.flatnonzero((gains > 0) & (weights <= room)).tolist()
    before, after = np.zeros((len(some) + 1, room + 1)), np.zeros((len(some) + 1, room + 1))
    for place, item in enumerate(some):
        _add(before[place], before[place + 1], float(gains[item]), int(weights[item]))
    for place in range(len(some) - 1, -1, -1):
        _add(after[place + 1], after[place], float(gains[some[place]]), int(weights[some[place]]))
    most = float(before[-1, room])
    lost: Floats = np.full(len(gains), np.inf)
    fits = weights <= room
    lost[fits] = most - gains[fits] - before[-1, room - weights[fits]]
    for place, item in enumerate(some):
        left = room - int(weights[item])
        others = before[place, : left + 1] + after[place + 1, left::-1]
        lost[item] = most - float(gains[item]) - float(others.max())
    return np.maximum(lost, 0.0)


def _add(before: Floats, after: Floats, gain: float, weight: int) -> None:
    """Write what knapsacks of every size are worth with one thing more to put into them."""
    after[:] = before
    np.maximum(before[weight:], before[: len(before) - weight] + gain, out=after[weight:])
