"""A first plan: the relaxed one is made whole from the large intents to the small, which fill what those leave.

Few intents of a relaxed plan are split between ways to run. Of those that choose first, the largest, every one takes
the way that it has most of and stands on machines from then on; the others are relaxed again around them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aios.solve.joint.grid import Floats, Grid
from aios.solve.joint.prices import Relaxation, cheapest
from aios.solve.joint.target import Target
from aios.solve.joint.ways import Way, Ways
from aios.solve.joint.yard import Yard

__all__ = ["dive", "sizes_of"]

_UNTIL = (0.15, 0.3, 0.5, 0.65, 0.8, 0.9, 0.95, 1.0)
"""Share of all intents that stand after each step."""
_PER_INTENT = 16
"""Columns of an intent that a relaxed plan may take, the cheapest."""
_SURELY = 1e-6
"""Shares of a column below it are none."""


def sizes_of(grid: Grid, reduced: Floats) -> Floats:
    """Return what every intent takes of the row that it takes most of, as a share of it, in its cheapest column."""
    taken = grid.takes * grid.parts[grid.option][:, None] / np.maximum(grid.capacity, 1)[grid.rows]
    most = taken.max(axis=1, initial=0.0)
    owner = grid.of_intent[grid.option]
    order = np.lexsort((reduced, owner))
    found: Floats = most[order[grid.first_column[:-1]]]
    return found


def dive(yard: Yard, target: Target, prices: Floats, room: float, sizes: Floats) -> Floats:
    """Put intents that stand nowhere onto machines, as many as find room; return the last prices of rows.

    prices: of rows and held sums, to begin with · room: share of all capacity that relaxed plans may take
    """
    grid = yard.grid
    relaxation = Relaxation(grid, target, np.maximum((grid.capacity * room).astype(np.int64), 1))
    is_left = np.array([not standing for standing in yard.of], dtype=bool)
    order = np.lexsort((np.arange(grid.count), -sizes))
    order = order[is_left[order]]
    done = 0
    for until in _UNTIL:
        last = round(until * len(order))
        if last == done:
            continue
        columns = relaxation.price(prices).columns
        pool = cheapest(relaxation, columns, _PER_INTENT)
        pool = np.sort(pool[is_left[relaxation.owner[pool]]])
        rest = relaxation.rest(yard.load, [yard.cost(held.costs) for held in relaxation.held])
        values, prices, _ = relaxation.solve(pool, rest)
        shares = dict(zip(pool.tolist(), values[pool].tolist(), strict=True))
        ways = Ways(grid, relaxation.price(prices).columns)
        for intent in order[done:last].tolist():
            _put(yard, ways, intent, shares)
        is_left[order[done:last]] = False
        done = last
    return prices


def _put(yard: Yard, ways: Ways, intent: int, shares: Mapping[int, float]) -> bool:
    """Let an intent stand in the way that it has most of in the relaxed plan, else in the cheapest that has room."""
    few = ways.few(intent)
    worth = [round(sum(shares.get(column, 0.0) for column in way.columns) / _SURELY) for way in few]
    ranked = sorted(range(len(few)), key=lambda place: (-worth[place], place))
    parts = ways.grid.parts
    return any(
        yard.stand(intent, _split(few[k], shares, int(parts[few[k].option])), int(parts[few[k].option])) for k in ranked
    ) or any(yard.stand(intent, [(c, 1 << 40) for c in w.columns], int(parts[w.option])) for w in ways.all(intent))


def _split(way: Way, shares: Mapping[int, float], parts: int) -> Sequence[tuple[int, int]]:
    """Return columns with the parts that each is to hold: as in the relaxed plan, then whatever there is room for."""
    total = sum(shares.get(column, 0.0) for column in way.columns)
    ranked = sorted(way.columns, key=lambda column: -shares.get(column, 0.0))
    whole = [(column, parts) for column in ranked]
    if total < _SURELY:
        return whole
    return [(column, round(parts * shares.get(column, 0.0) / total)) for column in ranked] + whole
