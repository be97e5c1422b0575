"""The problem in arrays: options, the columns that they may stand in, the rows of capacity that these take from.

A column is an option on the machines of one node. A row is one resource of all machines of a node, added up: what a
plan takes of it never exceeds the sum, so nothing that rows allow less than a true plan is lost; what they promise too
much shows when parts are put on single machines.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aios.solve.joint.stock import Stock, stocks_of, takes
from aios.solve.problem import Need, Problem, need_of

__all__ = ["Floats", "Grid", "Ints", "Row"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Row = tuple[int, str, str]
"""Index of the node, type of device or nothing, resource."""

_FINEST = 1 << 40
"""Units of a row's capacity, at most: coarser ones are rounded so that sums of them stay exact in the engine."""


class Grid:
    """Options in the problem's order, one after the other; columns in the order of their options, then of nodes.

    of_intent: option -> intent · first_option: intent -> its first option (and one more for the end) · parts: option ->
    how many are placed · needs, devices, wide: option -> what a part takes, of which devices, of how many ·
    option: column -> option · node: column -> node · most: column -> parts that an empty node holds ·
    first_column: intent -> its first column · rows: [column, slot] -> row · takes: [column, slot] -> whole units of
    that row that one part takes · capacity: row -> whole units · names: row -> what it is · resources: those of single
    resources, which come first · possible: option -> whether
    an empty fleet holds it. The last row is nobody's, for slots without use.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.count = len(problem.intents)
        priced = [option.priced for row in problem.options for option in row]
        self.of_intent: Ints = np.repeat(np.arange(self.count), [len(row) for row in problem.options])
        self.first_option: Ints = np.concatenate([[0], np.cumsum([len(row) for row in problem.options])])
        self.needs: list[Need] = [need_of(item.demand) for item in priced]
        self.devices = [item.candidate.device for item in priced]
        self.wide = [item.candidate.devices for item in priced]
        self.parts: Ints = np.array([item.candidate.parts for item in priced], dtype=np.int64)
        tiers = {name for need in self.needs for name, _ in need.tiers}
        self.stocks = stocks_of(problem.fleet, tiers)
        self._rows: dict[Row, int] = {}
        self._sizes: dict[int, tuple[Ints, Ints, Ints]] = {}
        self._add_columns(self._places([item.candidate.nodes for item in priced]))
        self._add_rows()

    def _places(self, nodes: Sequence[tuple[str, ...]]) -> list[tuple[int, int]]:
        """Return every pair of an option and a node that has its device, in order."""
        number = {stock.node.name: index for index, stock in enumerate(self.stocks)}
        known: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        pairs: list[tuple[int, int]] = []
        for option, key in enumerate(zip(self.devices, nodes, strict=True)):
            if key not in known:
                own = sorted({number[name] for name in key[1] if name in number})
                known[key] = [node for node in own if key[0] in self.stocks[node].devices]
            pairs += [(option, node) for node in known[key]]
        return pairs

    def _add_columns(self, pairs: Sequence[tuple[int, int]]) -> None:
        kept: list[tuple[int, int, int]] = []
        terms: list[list[tuple[int, int]]] = []
        for option, node in pairs:
            stock, device, wide = self.stocks[node], self.devices[option], self.wide[option]
            machine, each = takes(self.needs[option], stock, device)
            most = most_of(stock, device, wide, machine, each)
            if most:
                kept.append((option, node, most))
                own = [(self._row((node, "", name)), amount) for name, amount in machine.items()]
                for name, amount in each.items():
                    times = 1 if name.startswith("tier ") else wide
                    own.append((self._row((node, device, name)), amount * times))
                terms.append(own)
        slots = max(map(len, terms), default=1)
        nobody = len(self._rows)
        self.option: Ints = np.array([option for option, _, _ in kept], dtype=np.int64)
        self.node: Ints = np.array([node for _, node, _ in kept], dtype=np.int64)
        self.most: Ints = np.array([most for _, _, most in kept], dtype=np.int64)
        self.rows: Ints = np.full((len(kept), slots), nobody, dtype=np.int64)
        self.takes: Ints = np.zeros((len(kept), slots), dtype=np.int64)
        for column, own in enumerate(terms):
            for slot, (row, amount) in enumerate(own):
                self.rows[column, slot] = row
                self.takes[column, slot] = amount
        held = np.zeros(len(self.parts), dtype=np.int64)
        np.add.at(held, self.option, self.most)
        self.possible = held >= self.parts
        owner = self.of_intent[self.option]
        self.first_column: Ints = np.searchsorted(owner, np.arange(self.count + 1))

    def _row(self, row: Row) -> int:
        return self._rows.setdefault(row, len(self._rows))

    def _add_rows(self) -> None:
        self.names = list(self._rows)
        self.resources = tuple(self.names)
        sums = [self._sum(row) for row in self.names]
        self.capacity: Ints = np.array([*sums, 1], dtype=np.int64)
        # Coarser units where that is exact, or where sums would grow too large.
        common = np.zeros(len(self.capacity), dtype=np.int64)
        for slot in range(self.rows.shape[1]):
            np.gcd.at(common, self.rows[:, slot], self.takes[:, slot])
        common = np.maximum(common, 1)
        fine = self.capacity // common > _FINEST
        common[fine] = self.capacity[fine] // _FINEST + 1
        self.takes = -(-self.takes // common[self.rows])
        self.capacity = self.capacity // common

    def _sum(self, row: Row) -> int:
        node, device, name = row
        stock = self.stocks[node]
        return stock.node.count * (sum(stock.devices[device].has[name]) if device else stock.has[name])

    def sizes(self, row: int) -> tuple[Ints, Ints, Ints]:
        """Return the columns that take of a resource, what one part takes of one machine or device, and of how many."""
        if row not in self._sizes:
            self._sizes[row] = self._measure(row)
        return self._sizes[row]

    def _measure(self, row: int) -> tuple[Ints, Ints, Ints]:
        node, device, name = self.names[row]
        columns = np.flatnonzero((self.node == node) & (self.rows == row).any(axis=1))
        sizes, times = [], []
        for option in self.option[columns].tolist():
            machine, each = takes(self.needs[option], self.stocks[node], self.devices[option])
            sizes.append(each[name] if device else machine[name])
            times.append(self.wide[option] if device and not name.startswith("tier ") else 1)
        return columns, np.array(sizes, dtype=np.int64), np.array(times, dtype=np.int64)

    def add_row(self, name: Row, columns: Ints, takes: Ints, capacity: int) -> None:
        """Add a row that some columns take from, per part."""
        row = len(self.names)
        nobody = self.rows == row
        self.rows[nobody] = row + 1
        self.names.append(name)
        self.capacity = np.insert(self.capacity, row, capacity)
        free = self.rows[columns] == row + 1
        slot = int(np.argmax(free.all(axis=0))) if free.all(axis=0).any() else self.rows.shape[1]
        if slot == self.rows.shape[1]:
            self.rows = np.column_stack([self.rows, np.full(len(self.rows), row + 1)])
            self.takes = np.column_stack([self.takes, np.zeros(len(self.rows), dtype=np.int64)])
        self.rows[columns, slot] = row
        self.takes[columns, slot] = takes


def most_of(stock: Stock, device: str, wide: int, machine: dict[str, int], each: dict[str, int]) -> int:
    """Return how many equal parts the empty machines of a node hold."""
    own = stock.devices[device]
    room = [
        min([own.has[name][place] // amount for name, amount in each.items()], default=1 << 30)
        for place in range(len(own.ids) // wide * wide)
    ]
    blocks = sum(min(room[start : start + wide]) for start in range(0, len(room), wide))
    return stock.node.count * min([blocks, *(stock.has[name] // amount for name, amount in machine.items())])
