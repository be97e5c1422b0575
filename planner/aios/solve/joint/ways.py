"""The ways of every intent to stand, those first that cost least at the prices of what is scarce."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from aios.solve.joint.grid import Floats, Grid

__all__ = ["Way", "Ways"]

_COLUMNS = 60
"""Columns of an intent that are looked at, at most, where it need not be placed at any price."""


class Way(NamedTuple):
    """An option, and the columns that it may stand in, the cheapest first. cost: of that, above the intent's least"""

    cost: float
    option: int
    columns: tuple[int, ...]


class Ways:
    """Knows them by the reduced costs of columns: what they cost above the least that their intent pays at prices."""

    def __init__(self, grid: Grid, reduced: Floats) -> None:
        self.grid = grid
        self.reduced = reduced
        self._few: dict[int, tuple[Way, ...]] = {}

    def few(self, intent: int) -> tuple[Way, ...]:
        """Return the cheapest ways."""
        if intent not in self._few:
            self._few[intent] = self._ways(intent, _COLUMNS)
        return self._few[intent]

    def all(self, intent: int) -> tuple[Way, ...]:
        """Return every way."""
        return self._ways(intent, None)

    def _ways(self, intent: int, most: int | None) -> tuple[Way, ...]:
        first, end = int(self.grid.first_column[intent]), int(self.grid.first_column[intent + 1])
        reduced = self.reduced[first:end]
        order = first + reduced.argsort(kind="stable")[:most]
        found: dict[int, list[int]] = {}
        for column in [*order.tolist(), *self._stay(intent)]:
            if not np.isfinite(self.reduced[column]) or column in found.get(int(self.grid.option[column]), ()):
                continue
            found.setdefault(int(self.grid.option[column]), []).append(column)
        return tuple(Way(float(self.reduced[own[0]]), option, tuple(own)) for option, own in found.items())

    def _stay(self, intent: int) -> list[int]:
        """Return the columns in which an intent stays: what stands is looked at wherever it is."""
        if not self.grid.pins:
            return []
        options = range(int(self.grid.first_option[intent]), int(self.grid.first_option[intent + 1]))
        return [column for option in options if option in self.grid.pins for column in self.grid.columns_of(option)]
