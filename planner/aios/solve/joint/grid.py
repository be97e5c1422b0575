"""The problem in arrays: options, the columns that they may stand in, the rows of capacity that these take from.

A column is an option on the machines of one node. A row is one resource of all machines of a node, added up: what a
plan takes of it never exceeds the sum, so nothing that rows allow less than a true plan is lost; what they promise too
much shows when parts are put on single machines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aios.records.candidate import Demand
from aios.solve.joint.stock import Stock, stocks_of, takes
from aios.solve.problem import SHARE_UNITS, Need, Option, Problem, need_of

__all__ = ["Floats", "Grid", "Ints", "Row", "Spot"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Row = tuple[int, str, str]
"""Index of the node, type of device or nothing, resource."""

_NO_LIMIT = 1 << 60
"""More than anything takes."""
_FINEST = 1 << 40
"""Units of a row's capacity, at most: coarser ones are rounded so that sums of them stay exact in the engine."""


class Spot(NamedTuple):
    """Parts of one option on devices next to each other. machine: which of equal ones · block: which of as many devices
    as a part takes"""

    column: int
    machine: int
    block: int
    number: int


class Grid:
    """Options in the problem's order, one after the other; columns in the order of their options, then of nodes.

    of_intent: option -> intent · first_option: intent -> its first option (and one more for the end) · parts: option ->
    how many are placed · devices, wide: option -> of which devices a part takes, of how many ·
    option: column -> option · node: column -> node · most: column -> parts that an empty node holds ·
    first_column: intent -> its first column · rows: [column, slot] -> row · takes: [column, slot] -> whole units of
    that row that one part takes · capacity: row -> whole units · sums: that, without limit where a row is no resource ·
    names: row -> what it is · resources: the rows of resources, which come first · possible: option -> whether an empty
    fleet holds it · pins: option in which its intent stays -> where it stands. The last row is nobody's, for slots
    without use.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.count = len(problem.intents)
        options = [option for row in problem.options for option in row]
        candidates = [option.priced.candidate for option in options]
        self._demands = [option.priced.demand for option in options]
        self.of_intent: Ints = np.repeat(np.arange(self.count), [len(row) for row in problem.options])
        self.first_option: Ints = np.concatenate([[0], np.cumsum([len(row) for row in problem.options])])
        self.wide = [candidate.devices for candidate in candidates]
        self.stocks = stocks_of(problem.fleet, {name for demand in self._demands for name in demand.tier_bytes})
        # To refuse an intent takes nothing: one part of nothing, on any device.
        anywhere = next(((s.node.name, device) for s in self.stocks for device in sorted(s.devices)), ("", ""))
        self.devices = [candidate.device for candidate in candidates]
        nodes = [candidate.nodes for candidate in candidates]
        self.parts: Ints = np.array([own.replicas * own.machines for own in candidates], dtype=np.int64)
        for number in np.flatnonzero(self.parts == 0).tolist():
            self.devices[number], nodes[number] = anywhere[1], (anywhere[0],)
        self.parts[self.parts == 0] = 1
        self._homes = _Homes(problem, self.stocks)
        stays = [number for number, option in enumerate(options) if option.stays]
        for number in stays:
            nodes[number] = self._homes.nodes(int(self.of_intent[number]), options[number])
        self._rows: dict[Row, int] = {}
        self._sizes: dict[int, tuple[Ints, Ints, Ints]] = {}
        self._add_columns(self._groups(nodes))
        self._add_rows()
        self.pins = {number: self._pins(number, int(self.of_intent[number])) for number in stays}

    def need(self, option: int) -> Need:
        """Return what a part of an option takes."""
        return need_of(self._demands[option])

    def columns_of(self, option: int) -> range:
        """Return the columns of an option."""
        first, end = np.searchsorted(self.option, (option, option + 1)).tolist()
        return range(first, end)

    def _pins(self, option: int, intent: int) -> tuple[Spot, ...]:
        column_on = {int(self.node[column]): column for column in self.columns_of(option)}
        spots = self._homes.spots(intent, self.devices[option], self.wide[option])
        self.possible[option] &= all(node in column_on for node, *_ in spots) and bool(spots)
        return tuple(Spot(column_on[node], *rest) for node, *rest in spots if node in column_on)

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
        amounts = _amounts(self._demands)
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
            machine, each = takes(self.need(option), self.stocks[node], self.devices[option])
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


class _Homes:
    """Where intents stand, as the grid numbers machines."""

    def __init__(self, problem: Problem, stocks: Sequence[Stock]) -> None:
        self.stocks = stocks
        self.standing = [problem.moving.standing.get(intent.name) for intent in problem.intents]
        used = {part.node for own in self.standing if own for part in own.placement}
        self.at = {
            name: (node, machine)
            for node, stock in enumerate(stocks if used else ())
            for machine, name in enumerate(stock.node.instances())
            if name in used
        }

    def nodes(self, intent: int, option: Option) -> tuple[str, ...]:
        """Return the nodes that an option may stand on: where it stays, unless it grows, those where it stands."""
        candidate, own = option.priced.candidate, self.standing[intent]
        if not option.stays or own is None or candidate.parts > sum(part.replicas for part in own.placement):
            return candidate.nodes
        return tuple(sorted({self.stocks[self.at[part.node][0]].node.name for part in own.placement}))

    def spots(self, intent: int, device: str, wide: int) -> list[tuple[int, int, int, int]]:
        """Return node, machine, block and number of the parts that stand; nothing where any is on no such devices."""
        found, own = list[tuple[int, int, int, int]](), self.standing[intent]
        for part in own.placement if own else ():
            node, machine = self.at[part.node]
            stock = self.stocks[node].devices.get(device)
            ids = stock.ids if stock else ()
            block = ids.index(part.devices[0]) // wide if set(part.devices) <= set(ids) and part.devices else 0
            if not part.devices or ids[block * wide : (block + 1) * wide] != part.devices:
                return []
            found.append((node, machine, block, part.replicas))
        return found


def _amounts(demands: Sequence[Demand]) -> dict[str, Ints]:
    """Return resource of a machine or of each device -> what a part of every option takes of it, as ``need_of`` says"""
    found: dict[str, Ints] = {}
    for name, of in (
        ("machine cores", [demand.cores for demand in demands]),
        ("machine memory", [math.ceil(demand.node_memory_bytes) for demand in demands]),
        ("each share", [math.floor(demand.share * SHARE_UNITS) for demand in demands]),
        ("each memory", [math.ceil(demand.device_memory_bytes) for demand in demands]),
    ):
        found[name] = np.array(of, dtype=np.int64)
    for tier in {name for demand in demands for name in demand.tier_bytes}:
        own: Ints = np.array([math.ceil(demand.tier_bytes.get(tier, 0)) for demand in demands], dtype=np.int64)
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
