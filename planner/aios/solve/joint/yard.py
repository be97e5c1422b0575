"""Whether what a plan puts on the machines of a node truly stands there, and what rows hold where it does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aios.solve.joint.fill import Filled, Lot, fill
from aios.solve.joint.grid import Grid, Ints
from aios.solve.joint.packed import packed
from aios.solve.joint.plan import Plan
from aios.solve.joint.stock import takes

__all__ = ["Yard"]

_Contents = tuple[tuple[int, int, int], ...]


class Yard:
    """Knows what single machines hold. less: row -> capacity, where machines were found to hold less than the sum"""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.less: dict[int, int] = {}
        self._holds: list[tuple[_Contents, Filled]] = [((), Filled({}, {}))] * len(grid.stocks)

    @property
    def capacity(self) -> Ints:
        """Row -> what single machines are thought to hold of it."""
        capacity = self.grid.capacity.copy()
        for row, less in self.less.items():
            capacity[row] = less
        return capacity

    def holds(self, plan: Plan) -> bool:
        """Say whether single machines hold the plan; where they do not, rows have less capacity from now on."""
        found = True
        for node, contents in enumerate(self._contents(plan)):
            if self.grid.stocks[node].is_single or contents == self._holds[node][0]:
                continue
            stock, lots = self.grid.stocks[node], [self._lot(*own) for own in contents]
            filled = fill(stock, lots)
            if filled.left:
                filled = min((packed(stock, lots) or filled), filled, key=_over)
            if filled.left:
                self._tighten(plan, contents, filled)
                found = False
            else:
                self._holds[node] = (contents, filled)
        return found

    def filled(self, plan: Plan) -> Sequence[Filled]:
        """Return what stands on the machines of every node, of a plan that they hold."""
        found = []
        for node, contents in enumerate(self._contents(plan)):
            known, filled = self._holds[node]
            stock = self.grid.stocks[node]
            found.append(filled if known == contents else fill(stock, [self._lot(*own) for own in contents]))
        return found

    def _contents(self, plan: Plan) -> list[_Contents]:
        on: list[list[tuple[int, int, int]]] = [[] for _ in self.grid.stocks]
        for intent, standing in enumerate(plan.of):
            for column, parts in standing:
                on[int(self.grid.node[column])].append((intent, column, parts))
        return [tuple(own) for own in on]

    def _lot(self, intent: int, column: int, parts: int) -> Lot:
        option, stock = int(self.grid.option[column]), self.grid.stocks[int(self.grid.node[column])]
        device = self.grid.devices[option]
        machine, each = takes(self.grid.needs[option], stock, device)
        return Lot(intent, parts, device, self.grid.wide[option], machine, each)

    def _tighten(self, plan: Plan, contents: _Contents, filled: Filled) -> None:
        """Take from the fullest row what found no place."""
        over = np.zeros_like(plan.load)
        for intent, column, _ in contents:
            if waiting := filled.left.get(intent, 0):
                np.add.at(over, self.grid.rows[column], self.grid.takes[column] * waiting)
        single = len(self.grid.resources)
        full = np.where(over > 0, plan.load / np.maximum(self.grid.capacity, 1), -1.0)
        row = int(full[:single].argmax())
        self.less[row] = min(self.less.get(row, int(self.grid.capacity[row])), int(plan.load[row] - over[row]))


def _over(filled: Filled) -> int:
    return sum(filled.left.values())
