"""Rows that say what sums over many machines hide: of parts that take more than half of a device, one fits on each.

Sizes have prices such that no pattern, which is a set of them that fits onto one device together, is worth more than 1.
Then all that stands on so many devices is worth no more than their number. The prices that the relaxed plan breaks most
are those of the cutting-stock problem with what stands there in it (Gilmore and Gomory, 1961). A size without a price
has that of the next smaller one, in whose place it fits nowhere better.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from aios.solve.joint.grid import Floats, Grid, Ints
from aios.solve.lp import LinearProgram
from aios.solve.packing.patterns import NO_MORE, best_pattern, first_patterns

__all__ = ["add_cuts", "pattern_prices"]

_WHOLE = 10**6
"""Units of a price of 1."""
_LEAST = 1e-3
"""Share by which a row must be exceeded to be added."""
_SMALL = 12
"""Sizes that fit more often than that into one have no price: they fill whatever is left."""
_ROUNDS = 60
"""Patterns that are added at most to find prices."""
_FULL = 0.7
"""Share of a resource that must be taken for patterns to be looked at."""
_SURELY = 1e-9
"""Amounts below it are none."""


class _Bins(NamedTuple):
    """Equal machines, or equal devices on them. number: of them · has: of the resource, each · columns: that take of it
    · sizes: what one part takes of one of them · times: of how many"""

    number: int
    has: int
    columns: Ints
    sizes: Ints
    times: Ints


def add_cuts(grid: Grid, parts: Floats) -> int:
    """Add, for every resource, the row that a plan breaks most; return how many were added.

    parts: column -> how many stand there, not always a whole number
    """
    added = 0
    taken = np.bincount(grid.rows.ravel(), (grid.takes * parts[:, None]).ravel(), len(grid.capacity))
    full = taken[: len(grid.resources)] >= _FULL * grid.capacity[: len(grid.resources)]
    for row in np.flatnonzero(full).tolist():
        bins = _bins(grid, row)
        if bins is None:
            continue
        standing = parts[bins.columns] * bins.times
        worth = _worth(bins, standing)
        if float((standing * worth).sum()) > _WHOLE * bins.number * (1 + _LEAST):
            node, device, name = grid.names[row]
            grid.add_row((node, device, f"{name} in patterns"), bins.columns, worth * bins.times, _WHOLE * bins.number)
            added += 1
    return added


def _bins(grid: Grid, row: int) -> _Bins | None:
    """Return what a row adds up, where that is equal and more than one."""
    node, device, name = grid.names[row]
    stock = grid.stocks[node]
    of_each = stock.devices[device].has[name] if device else (stock.has[name],)
    if len(set(of_each)) > 1 or stock.node.count * len(of_each) == 1 or not of_each[0]:
        return None
    columns, sizes, times = grid.sizes(row)
    return _Bins(stock.node.count * len(of_each), of_each[0], columns, sizes, times)


def _worth(bins: _Bins, standing: Floats) -> Ints:
    """Return the price of each column's size, rounded down, in units of which ``_WHOLE`` are 1."""
    amounts: dict[int, float] = {}
    for size, amount in zip(bins.sizes.tolist(), standing.tolist(), strict=True):
        if amount > _SURELY and size * _SMALL > bins.has:
            amounts[size] = amounts.get(size, 0.0) + amount
    prices = pattern_prices(amounts, bins.has)
    sizes = sorted(prices)
    steps = np.maximum.accumulate(np.array([0.0, *(prices[size] for size in sizes)]))
    found: Ints = np.floor(steps[np.searchsorted(sizes, bins.sizes, "right")] * _WHOLE).astype(np.int64)
    return found


def pattern_prices(amounts: Mapping[int, float], room: int) -> dict[int, float]:
    """Return prices of sizes at which these amounts are worth most while no pattern is worth more than 1."""
    if not amounts:
        return {}
    sizes = sorted(amounts)
    program = LinearProgram()
    rows = {size: program.row([], low=amounts[size]) for size in sizes}
    waiting = list(first_patterns(sizes, room))
    prices: dict[int, float] = {}
    worth = 1.0
    for _ in range(_ROUNDS):
        for pattern in waiting:
            variable = program.variable(worth=-1.0)
            for size, count in pattern:
                program.extend(rows[size], variable, float(count))
        best = program.maximize()
        if best is None:
            return {}
        prices = {size: max(0.0, -best.prices[row]) for size, row in rows.items()}
        worth, better = best_pattern(prices, room)
        if worth <= 1 + 1e-6:
            break
        waiting = [better]
    # No pattern is worth more than the best, up to what its search may miss.
    return {size: price / max(1.0, worth + NO_MORE) for size, price in prices.items()}
