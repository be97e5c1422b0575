"""Prices of what is scarce, and the bound that they prove.

Every row of capacity gets a price; an option then costs what it costs, and the price of what it takes. What intents pay
at least, each on its own, less what all capacity is worth, is Lagrange's bound: no plan costs less, whatever the
prices. Good prices are found in two steps: by following the slope, which is quick but vague, and then by a linear
programme over the few columns that look cheap, which is enlarged until no other column is worth having.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aios.solve.joint.grid import Floats, Grid, Ints
from aios.solve.joint.target import Target
from aios.solve.lp import LinearProgram

__all__ = ["Prices", "Relaxation", "best_prices", "cheapest"]

_STEPS = 160
"""Steps along the slope."""
_ROUNDS = 12
"""Times that the linear programme is enlarged, at most."""
_FIRST, _MORE = 5, 3
"""Columns of an intent that the linear programme begins with, and that may come in a round."""
_CLOSE = 1e-7
"""Share of the bound that columns left out may still promise when the linear programme is good enough."""
_EXCESS = 20.0
"""What exceeding the whole of a row costs, in the costs of a plan."""


class Prices(NamedTuple):
    """reduced: column -> its cost with all prices, less what its intent pays at least · bound: in whole steps, that no
    plan falls below · values: column -> share of its intent in the relaxed plan · prices: of all of each row, then of
    each held sum, in the relaxation's scale · pool: columns that are in the linear programme"""

    reduced: Floats
    bound: float
    values: Floats
    prices: Floats
    pool: Ints


class _Priced(NamedTuple):
    columns: Floats
    least: Floats
    bound: float


class Relaxation:
    """The problem with prices instead of capacities. Costs are as shares of ``scale``."""

    def __init__(self, grid: Grid, target: Target, capacity: Ints) -> None:
        self.grid = grid
        self.capacity = capacity
        taken = grid.takes * grid.parts[grid.option][:, None]
        self.shares: Floats = taken / np.maximum(capacity, 1)[grid.rows]
        self.size = len(grid.capacity)
        self.starts = grid.first_column[:-1]
        self.owner = grid.of_intent[grid.option]
        usable = target.open[grid.option]
        own = np.where(usable, target.costs[grid.option].astype(float), np.inf)
        spread = np.where(usable, own, -np.inf)
        widest = np.maximum.reduceat(spread, self.starts) - np.minimum.reduceat(own, self.starts)
        self.scale = max(float(widest.max()), 1.0)
        self.own: Floats = own / self.scale
        self.held = [held for held in target.held if held.limit > 0]
        self.held_shares: list[Floats] = [held.costs[grid.option] / held.limit for held in self.held]

    def price(self, prices: Floats) -> _Priced:
        """Price every column. prices: of the rows, then of the held sums, each of all of it"""
        columns = self.own + np.einsum("ij,ij->i", self.shares, prices[: self.size][self.grid.rows])
        for shares, price in zip(self.held_shares, prices[self.size :], strict=True):
            if price:
                columns = columns + shares * price
        least: Floats = np.minimum.reduceat(columns, self.starts)
        return _Priced(columns, least, float(least.sum() - prices.sum()))

    def taken(self, columns: Floats, least: Floats) -> Floats:
        """Return what the cheapest columns take of every row, as shares."""
        hits = np.flatnonzero(columns <= least[self.owner])
        _, first = np.unique(self.owner[hits], return_index=True)
        chosen = hits[first]
        taken = np.bincount(self.grid.rows[chosen].ravel(), weights=self.shares[chosen].ravel(), minlength=self.size)
        held = [float(shares[chosen].sum()) for shares in self.held_shares]
        return np.concatenate([taken, held])

    def climb(self) -> Floats:
        """Return good prices: along the slope, in steps as long as the hoped-for rise allows (Polyak's)."""
        prices = np.zeros(self.size + len(self.held))
        free = np.ones(len(prices))
        free[self.size - 1] = 0.0
        best, best_prices = -np.inf, prices
        hoped = max(1.0, 0.05 * self.grid.count)
        way = np.zeros(len(prices))
        waiting = 0
        for _ in range(_STEPS):
            priced = self.price(prices)
            if priced.bound > best:
                waiting = 0 if priced.bound > best + 0.1 * hoped else waiting + 1
                best, best_prices = priced.bound, prices
            else:
                waiting += 1
            if waiting >= 6:
                hoped, waiting, prices = hoped / 2, 0, best_prices
                priced = self.price(prices)
            slope = (self.taken(priced.columns, priced.least) - 1.0) * free
            way = 0.5 * way + slope
            way = np.where((prices <= 0) & (way < 0), 0.0, way)
            length = float(way @ way)
            if not length:
                break
            prices = np.maximum(prices + (best + hoped - priced.bound) / length * way, 0.0) * free
        return best_prices

    def rest(self, load: Ints, held: Sequence[int]) -> Floats:
        """Return the share of every row, then of every held sum, that is left beside what is taken of it."""
        rows = 1.0 - load / np.maximum(self.capacity, 1)
        sums = [1.0 - taken / own.limit for taken, own in zip(held, self.held, strict=True)]
        found: Floats = np.maximum(np.concatenate([rows, sums]), 0.0)
        return found

    def solve(self, pool: Ints, rest: Floats | None = None) -> tuple[Floats, Floats, float]:
        """Return the relaxed plan of the owners of some columns in these, prices, and what rows are exceeded by.

        rest: share of every row and held sum that there is; all of it where it is not given
        """
        program = LinearProgram()
        for column in pool:
            program.variable(worth=-float(self.own[column]))
        over: dict[int, int] = {}
        numbered: dict[int, int] = {}
        for row, terms in sorted(self._terms(pool).items()):
            over[row] = program.variable(worth=-_EXCESS * self.grid.count)
            high = 1.0 if rest is None else float(rest[row])
            numbered[row] = program.row([*terms, (over[row], -1.0)], high=high)
        _, first = np.unique(self.owner[pool], return_index=True)
        for start, end in zip(first.tolist(), [*first[1:].tolist(), len(pool)], strict=True):
            program.row([(variable, 1.0) for variable in range(start, end)], 1.0, 1.0)
        best = program.maximize()
        if best is None:
            raise RuntimeError("a relaxation that always has a solution has none")
        values = np.zeros(len(self.own))
        values[pool] = best.values[: len(pool)]
        prices = np.zeros(self.size + len(self.held))
        for row, own in numbered.items():
            prices[row] = max(best.prices[own], 0.0)
        return values, prices, float(sum(best.values[variable] for variable in over.values()))

    def _terms(self, pool: Ints) -> dict[int, list[tuple[int, float]]]:
        """Return row, or held sum after them -> variables, by their place in the pool, with what they take of it."""
        terms: dict[int, list[tuple[int, float]]] = {}
        rows, shares = self.grid.rows[pool].tolist(), self.shares[pool].tolist()
        for variable, (own, taken) in enumerate(zip(rows, shares, strict=True)):
            for row, share in zip(own, taken, strict=True):
                if share:
                    terms.setdefault(row, []).append((variable, share))
        for number, held in enumerate(self.held_shares):
            costs = held[pool].tolist()
            terms[self.size + number] = [(variable, cost) for variable, cost in enumerate(costs) if cost]
        return terms


def best_prices(grid: Grid, target: Target, pooled: Ints | None = None, close: float = _CLOSE) -> Prices:
    """Return prices whose bound is nearly as good as any, with the relaxed plan that goes with them.

    pooled: columns to begin with, where some are known · close: share of the bound that may still be gained
    """
    relaxation = Relaxation(grid, target, grid.capacity)
    prices = np.zeros(relaxation.size + len(relaxation.held)) if pooled is not None else relaxation.climb()
    best, best_at = relaxation.price(prices), prices
    pool = np.zeros(len(grid.option), dtype=bool)
    pool[cheapest(relaxation, best.columns, _FIRST) if pooled is None else pooled] = True
    standing = np.array([spot.column for spots in grid.pins.values() for spot in spots], dtype=np.int64)
    pool[standing[np.isfinite(relaxation.own[standing])]] = True
    values = np.zeros(len(grid.option))
    for _ in range(_ROUNDS):
        values, prices, excess = relaxation.solve(np.flatnonzero(pool))
        priced = relaxation.price(prices)
        if priced.bound > best.bound:
            best, best_at = priced, prices
        cost = float((np.where(values > 0, relaxation.own, 0.0) * values).sum()) + _EXCESS * grid.count * excess
        if cost - best.bound <= close * max(abs(cost), 1.0):
            break
        new = cheapest(relaxation, priced.columns, _MORE)
        if pool[new].all():
            break
        pool[new] = True
    reduced = (best.columns - best.least[relaxation.owner]) * relaxation.scale
    bound = best.bound * relaxation.scale
    return Prices(reduced, bound - 1e-9 * abs(bound), values, best_at, np.flatnonzero(pool))


def cheapest(relaxation: Relaxation, columns: Floats, number: int) -> Ints:
    """Return the cheapest columns of every intent, as many as that, of those that may be chosen at all."""
    order = np.lexsort((columns, relaxation.owner))
    rank = np.arange(len(order)) - relaxation.starts[relaxation.owner[order]]
    found: Ints = order[(rank < number) & np.isfinite(columns[order])]
    return found
