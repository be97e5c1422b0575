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
from aios.solve.refusing import is_refusal

__all__ = ["Floats", "Grid", "Ints", "Row"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Row = tuple[int, str, str]
"""Index of the node, type of device or nothing, resource."""

_NO_LIMIT = 1 << 60
"""More than anything takes."""
_FINEST = 1 << 40
"""Units of a row's capacity, at most: coarser ones are rounded so that sums of them stay exact in the engine."""


class Grid:
    """Options in the problem's order, one after the other; columns in the order of their options, then of nodes.

    of_intent: option -> intent · first_option: intent -> its first option (and one more for the end) · parts: option ->
    how many are placed · needs, devices, wide: option -> what a part takes, of which devices, of how many ·
    option: column -> option · node: column -> node · most: column -> parts that an empty node holds ·
    first_column: intent -> its first column · rows: [column, slot] -> row · takes: [column, slot] -> whole units of
    that row that one part takes · capacity: row -> whole units · sums: that, without limit where a row is no resource ·
    names: row -> what it is · resources: the rows of resources, which come first · possible: option -> whether an empty
    fleet holds it. The last row is nobody's, for slots without use.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.count = len(problem.intents)
        priced = [option.priced for row in problem.options for option in row]
        self.of_intent: Ints = np.repeat(np.arange(self.count), [len(row) for row in problem.options])
        self.first_option: Ints = np.concatenate([[0], np.cumsum([len(row) for row in problem.options])])
        self.needs: list[Need] = [need_of(item.demand) for item in priced]
        self.wide = [item.candidate.devices for item in priced]
        tiers = {name for need in self.needs for name, _ in need.tiers}
        self.stocks = stocks_of(problem.fleet, tiers)
        # To refuse an intent takes nothing: one part of nothing, on any device.
        anywhere = next(((s.node.name, device) for s in self.stocks for device in sorted(s.devices)), ("", ""))
        refusals = [is_refusal(item) for item in priced]
        self.devices = [anywhere[1] if no else item.candidate.device for item, no in zip(priced, refusals, strict=True)]
        nodes = [(anywhere[0],) if no else item.candidate.nodes for item, no in zip(priced, refusals, strict=True)]
        self.parts: Ints = np.array(
            [1 if no else item.candidate.parts for item, no in zip(priced, refusals, strict=True)], dtype=np.int64
        )
        self._rows: dict[Row, int] = {}
        self._sizes: dict[int, tuple[Ints, Ints, Ints]] = {}
        self._add_columns(self._groups(nodes))
        self._add_rows()

    def _groups(self, nodes: Sequence[tuple[str, ...]]) -> list[tuple[int, str, Ints]]:
        """Return every node and type of device there, with the options that may stand on them."""
        number = {stock.node.name: index for index, stock in enumerate(self.stocks)}
        alike: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for option, key in enumerate(zip(self.devices, nodes, strict=True)):
            alike.setdefault(key, []).append(option)
        found: dict[tuple[int, str], list[int]] = {}
        for (device, names), options in alike.items():
            for node in {number[name] for name in names if name in number}:
                if device in self.stocks[node].devices:
                    found.setdefault((node, device), []).extend(options)
        return [(node, device, np.array(sorted(own), dtype=np.int64)) for (node, device), own in sorted(found.items())]

    def _add_columns(self, groups: Sequence[tuple[int, str, Ints]]) -> None:
        amounts = _amounts(self.needs)
        wide: Ints = np.array(self.wide, dtype=np.int64)
        rows, takes_, most = list[Ints](), list[Ints](), list[Ints]()
        for node, device, options in groups:
            stock = self.stocks[node]
            each = {name: amounts[f"each {name}"][options] for name in stock.devices[device].has}
            machine = {name: amounts[f"machine {name}"][options] for name in stock.has}
            for name in set(each) & set(machine):
                if name.startswith("tier "):  # of the device, where it has one of that name
                    machine[name] = np.zeros_like(options)
            most.append(_most_of(stock, device, wide[options], machine, each))
            own: list[tuple[Row, Ints]] = [((node, "", name), amount) for name, amount in machine.items()]
            for name, amount in each.items():
                own.append(((node, device, name), amount * (1 if name.startswith("tier ") else wide[options])))
            taken = [(self._row(row), amount) for row, amount in own if amount.any()]
            rows.append(np.array([[row for row, _ in taken]] * len(options), dtype=np.int64).reshape(len(options), -1))
            takes_.append(np.column_stack([np.zeros((len(options), 0), dtype=np.int64), *(own for _, own in taken)]))
        self._lay_out(groups, most, rows, takes_)

    def _lay_out(
        self, groups: Sequence[tuple[int, str, Ints]], most: list[Ints], rows: list[Ints], takes_: list[Ints]
    ) -> None:
        """Put the columns that hold any part in order."""
        nobody, slots = len(self._rows), max((own.shape[1] for own in rows), default=1)
        none: Ints = np.zeros(0, dtype=np.int64)
        option = np.concatenate([none, *(options for _, _, options in groups)])
        node = np.concatenate([none, *(np.full(len(options), node) for node, _, options in groups)])
        holds = np.concatenate([none, *most])
        all_rows = np.concatenate(
            [np.zeros((0, slots), dtype=np.int64), *(_padded(own, slots, nobody) for own in rows)]
        )
        all_takes = np.concatenate([np.zeros((0, slots), dtype=np.int64), *(_padded(own, slots, 0) for own in takes_)])
        all_rows[all_takes == 0] = nobody
        order = np.lexsort((node, option))
        order = order[holds[order] > 0]
        self.option: Ints = option[order]
        self.node: Ints = node[order]
        self.most: Ints = holds[order]
        self.rows: Ints = all_rows[order]
        self.takes: Ints = all_takes[order]
        held = np.zeros(len(self.parts), dtype=np.int64)
        np.add.at(held, self.option, self.most)
        self.possible = held >= self.parts
        self.first_column: Ints = np.searchsorted(self.of_intent[self.option], np.arange(self.count + 1))

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
        self.sums = self.capacity.copy()

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
        self.sums = np.insert(self.sums, row, _NO_LIMIT)
        free = self.rows[columns] == row + 1
        slot = int(np.argmax(free.all(axis=0))) if free.all(axis=0).any() else self.rows.shape[1]
        if slot == self.rows.shape[1]:
            self.rows = np.column_stack([self.rows, np.full(len(self.rows), row + 1)])
            self.takes = np.column_stack([self.takes, np.zeros(len(self.rows), dtype=np.int64)])
        self.rows[columns, slot] = row
        self.takes[columns, slot] = takes


def _amounts(needs: Sequence[Need]) -> dict[str, Ints]:
    """Return resource of a machine or of each device -> what a part of every option takes of it."""
    found: dict[str, Ints] = {}
    for name, of in (
        ("machine cores", [need.cores for need in needs]),
        ("machine memory", [need.node_memory for need in needs]),
        ("each share", [need.share for need in needs]),
        ("each memory", [need.device_memory for need in needs]),
    ):
        found[name] = np.array(of, dtype=np.int64)
    for tier in {name for need in needs for name, _ in need.tiers}:
        own: Ints = np.array([need.of_tier(tier) for need in needs], dtype=np.int64)
        found[f"machine tier {tier}"] = found[f"each tier {tier}"] = own
    return found


def _padded(own: Ints, slots: int, with_: int) -> Ints:
    found: Ints = np.pad(own, ((0, 0), (0, slots - own.shape[1])), constant_values=with_)
    return found


def _most_of(stock: Stock, device: str, wide: Ints, machine: dict[str, Ints], each: dict[str, Ints]) -> Ints:
    """Return how many equal parts the empty machines of a node hold, of every option."""
    own = stock.devices[device]
    room: Ints = np.full((len(wide), len(own.ids)), 1 << 30, dtype=np.int64)
    for name, amount in each.items():
        takes_any = amount > 0
        has = np.array(own.has[name], dtype=np.int64)
        room[takes_any] = np.minimum(room[takes_any], has // amount[takes_any][:, None])
    blocks = np.zeros(len(wide), dtype=np.int64)
    for many in np.unique(wide).tolist():
        alike, number = wide == many, len(own.ids) // many
        blocks[alike] = room[alike, : number * many].reshape(-1, number, many).min(axis=2).sum(axis=1) if number else 0
    for name, amount in machine.items():
        takes_any = amount > 0
        blocks[takes_any] = np.minimum(blocks[takes_any], stock.has[name] // amount[takes_any])
    return stock.node.count * blocks
