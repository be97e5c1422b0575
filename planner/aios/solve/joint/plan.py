"""A plan in the making: which option of every intent, and how many of its parts stand on the machines of which node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from aios.solve.joint.grid import Floats, Grid, Ints
from aios.solve.joint.target import Target

__all__ = ["Plan", "Standing"]

Standing = tuple[tuple[int, int], ...]
"""Columns of one option, and how many parts stand there: more than none, all of them together."""


class Plan:
    """What stands where. of: intent -> its columns · load: row -> what is taken of it, in the grid's units"""

    def __init__(self, grid: Grid, of: Sequence[Standing]) -> None:
        self.grid = grid
        self.of = list(of)
        self.load: Ints = np.zeros(len(grid.capacity), dtype=np.int64)
        for standing in self.of:
            self._add(standing, 1)

    def option(self, intent: int) -> int:
        """Return the option that an intent runs as."""
        return int(self.grid.option[self.of[intent][0][0]])

    def options(self) -> Ints:
        """Return the option that every intent runs as."""
        return self.grid.option[[standing[0][0] for standing in self.of]]

    def parts(self) -> Floats:
        """Return how many parts stand in every column."""
        found = np.zeros(len(self.grid.option))
        for standing in self.of:
            for column, parts in standing:
                found[column] = parts
        return found

    def cost(self, costs: Ints) -> int:
        """Return what the plan costs; costs: per option."""
        return int(costs[self.options()].sum())

    def excess(self, capacity: Ints) -> float:
        """Return by what shares of them rows are exceeded, added up."""
        over = np.maximum(self.load - capacity, 0)
        return float((over / np.maximum(self.grid.capacity, 1)).sum())

    def load_of(self, intents: Iterable[int]) -> Ints:
        """Return what some intents take of every row."""
        load = np.zeros_like(self.load)
        for intent in intents:
            for column, parts in self.of[intent]:
                np.add.at(load, self.grid.rows[column], self.grid.takes[column] * parts)
        return load

    def change(self, new: Mapping[int, Standing]) -> Plan:
        """Return the plan with some intents elsewhere."""
        other = Plan.__new__(Plan)
        other.grid, other.of, other.load = self.grid, list(self.of), self.load.copy()
        for intent, standing in new.items():
            other._add(other.of[intent], -1)
            other.of[intent] = standing
            other._add(standing, 1)
        return other

    def _add(self, standing: Standing, times: int) -> None:
        for column, parts in standing:
            np.add.at(self.load, self.grid.rows[column], self.grid.takes[column] * (parts * times))

    def keeps(self, target: Target) -> bool:
        """Say whether the plan holds open options alone, and every sum that must keep its limit."""
        options = self.options()
        return bool(target.open[options].all()) and all(
            int(held.costs[options].sum()) <= held.limit for held in target.held
        )

    @classmethod
    def near(cls, grid: Grid, values: Sequence[float]) -> Plan:
        """Return the plan that comes nearest to a relaxed one: of every intent the option that has most of it.

        values: column -> its share
        """
        shares = np.asarray(values)
        of: list[Standing] = []
        for intent in range(grid.count):
            first, end = int(grid.first_column[intent]), int(grid.first_column[intent + 1])
            options = grid.option[first:end]
            weights = np.bincount(options - options[0], weights=shares[first:end])
            option = int(options[0] + weights.argmax())
            own = [column for column in range(first, end) if options[column - first] == option]
            of.append(_spread(own, shares[own].tolist(), int(grid.parts[option]), grid.most[own].tolist()))
        return cls(grid, of)


def _spread(columns: Sequence[int], shares: Sequence[float], parts: int, most: Sequence[int]) -> Standing:
    """Put parts onto columns in proportion to their shares, in whole numbers, as many as each can hold."""
    total = sum(shares) or 1.0
    numbers = [min(int(parts * share / total), limit) for share, limit in zip(shares, most, strict=True)]
    order = sorted(range(len(columns)), key=lambda k: numbers[k] - parts * shares[k] / total)
    for place in order * 2:
        missing = parts - sum(numbers)
        one_each = missing if place == order[-1] or (numbers[place] == 0 and len(columns) == 1) else 1
        numbers[place] += max(0, min(one_each, missing, most[place] - numbers[place]))
    for place in order:
        numbers[place] += min(parts - sum(numbers), most[place] - numbers[place])
    return tuple((column, number) for column, number in zip(columns, numbers, strict=True) if number)
