"""What stands on single machines and devices: a plan in the making, which they truly hold at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from aios.solve.joint.grid import Floats, Grid, Ints, Spot
from aios.solve.joint.stock import takes
from aios.solve.joint.target import Target

__all__ = ["Spot", "Standing", "Where", "Yard"]

_SUM_OF_MACHINE = 0.5
"""How much what is left of a machine matters beside what is left of a device, when a place is chosen."""


Standing = tuple[Spot, ...]
"""Where all parts of one intent stand; nowhere, of one that waits."""


class Where(NamedTuple):
    """Parts of an intent's only option, on any grid. node: name · machine, block, number: see ``Spot``"""

    node: str
    machine: int
    block: int
    number: int


class _Taking(NamedTuple):
    """What one part takes of a machine and of each of its devices. *_at: of which resources it takes any"""

    node: int
    device: str
    wide: int
    machine: Ints
    each: Ints
    machine_at: Sequence[int]
    each_at: Sequence[int]


class Yard:
    """The machines of every node. of: intent -> where it stands · load: row -> what is taken, in the grid's units ·
    leaning: how much what is left of a machine matters"""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.of: list[Standing] = [()] * grid.count
        self.load: Ints = np.zeros(len(grid.capacity), dtype=np.int64)
        self.leaning = _SUM_OF_MACHINE
        self._takings: dict[int, _Taking] = {}
        self._names = [sorted(stock.has) for stock in grid.stocks]
        self._kinds = [{name: sorted(own.has) for name, own in stock.devices.items()} for stock in grid.stocks]
        self._machines: list[Ints] = []
        self._devices: list[dict[str, Ints]] = []
        for node, number in enumerate(_machines_of(grid)):
            stock, kinds = grid.stocks[node], self._kinds[node]
            has = np.array([stock.has[name] for name in self._names[node]], dtype=np.int64)
            self._machines.append(np.tile(has, (number, 1)))
            each = {name: [own.has[kind] for kind in kinds[name]] for name, own in stock.devices.items()}
            self._devices.append(
                {name: np.tile(np.array(own, dtype=np.int64).T, (number, 1, 1)) for name, own in each.items()}
            )
        self._scale: list[Floats] = [1.0 / np.maximum(own[0], 1) for own in self._machines]
        self._scales: list[dict[str, Floats]] = [
            {name: 1.0 / np.maximum(free[0].max(axis=0), 1) for name, free in own.items()} for own in self._devices
        ]

    @property
    def waiting(self) -> list[int]:
        """Intents that stand nowhere."""
        return [intent for intent, standing in enumerate(self.of) if not standing]

    def option(self, intent: int) -> int:
        """Return the option that an intent runs as; -1 where it stands nowhere."""
        return int(self.grid.option[self.of[intent][0].column]) if self.of[intent] else -1

    def cost(self, costs: Ints) -> int:
        """Return what the plan costs; costs: per option."""
        return int(costs[[option for intent in range(self.grid.count) if (option := self.option(intent)) >= 0]].sum())

    def keeps(self, target: Target) -> bool:
        """Say whether the plan is whole, holds open options alone, and keeps every sum that must keep its limit."""
        options = [self.option(intent) for intent in range(self.grid.count)]
        if -1 in options:
            return False
        return bool(target.open[options].all()) and all(
            int(held.costs[options].sum()) <= held.limit for held in target.held
        )

    def put_together(self, lot: Mapping[int, int]) -> list[Spot]:
        """Put all parts of some columns of a node on one machine, the first that has room; return where they stand.

        lot: column -> parts · nothing is put where no machine has room. ``of`` is as before.
        """
        for machine in range(len(self._machines[self._taking(next(iter(lot))).node])):
            done = [spot for column, number in lot.items() for spot in self.put(column, number, machine)]
            if sum(spot.number for spot in done) == sum(lot.values()):
                return done
            self.take(done, -1)
        return []

    def put(self, column: int, number: int, only: int | None = None) -> list[Spot]:
        """Put as many parts as there is room for where they leave least; return where they stand. ``of`` is as before.

        number: of parts, at most · only: machine that they are to stand on; None for any
        """
        taking = self._taking(column)
        machines, own = self._machines[taking.node], self._free(taking)
        room = _times(machines, taking.machine, taking.machine_at, number)
        times = _times(own, taking.each, taking.each_at, number)
        blocks = own.shape[1]
        at = np.flatnonzero(((times > 0) & (room > 0)[:, None]).ravel())
        at = at if only is None else at[at // blocks == only]
        left = (own @ self._scales[taking.node][taking.device]).ravel()[at]
        left += self.leaning * (machines @ self._scale[taking.node])[at // blocks]
        done: list[Spot] = []
        for place in at[left.argsort(kind="stable")].tolist():
            machine, block = divmod(place, blocks)
            here = min(number, int(times[machine, block]), int(room[machine]))
            if here > 0:
                room[machine] -= here
                number -= here
                done.append(Spot(column, machine, block, here))
                if not number:
                    break
        self.take(done, 1)
        return done

    def stand(self, intent: int, columns: Sequence[tuple[int, int]], parts: int) -> bool:
        """Put an intent onto some columns of one option in turn, all parts or none; say whether it stands.

        Where the intent stays in that option, first onto the places where it stands. columns: column -> parts that it
        is to hold at most
        """
        done: list[Spot] = []
        for spot in self.grid.pins.get(int(self.grid.option[columns[0][0]]), ()) if columns else ():
            if not parts:
                break
            here = spot._replace(number=min(spot.number, parts))
            if not self._holds(here):
                self.take(done, -1)
                return False
            self.take((here,), 1)
            done.append(here)
            parts -= here.number
        if done and not parts:
            self.of[intent] = tuple(done)
            return True
        for column, most in columns:
            if most and self.has_room(column):
                new = self.put(column, min(parts, most))
                done += new
                parts -= sum(spot.number for spot in new)
                if not parts:
                    self.of[intent] = tuple(done)
                    return True
        self.take(done, -1)
        return False

    def _holds(self, spot: Spot) -> bool:
        """Say whether there is room for parts at one place."""
        taking = self._taking(spot.column)
        first, number = spot.block * taking.wide, spot.number
        own = self._devices[taking.node][taking.device][spot.machine, first : first + taking.wide]
        return bool(
            (self._machines[taking.node][spot.machine] >= taking.machine * number).all()
            and (own >= taking.each * number).all()
        )

    def has_room(self, column: int) -> bool:
        """Say whether a part may find room, by the sums of what is free."""
        rows = self.grid.rows[column]
        return bool((self.load[rows] + self.grid.takes[column] <= self.grid.sums[rows]).all())

    def wheres(self, intent: int) -> list[Where]:
        """Return where the parts of an intent stand, for a grid of other intents."""
        stocks, node = self.grid.stocks, self.grid.node
        return [Where(stocks[int(node[column])].node.name, *rest) for column, *rest in self.of[intent]]

    def standing(self, intent: int, parts: Sequence[Where]) -> Standing:
        """Return the same places of an intent that has one option."""
        first, end = (int(self.grid.first_column[place]) for place in (intent, intent + 1))
        columns = {self.grid.stocks[int(self.grid.node[column])].node.name: column for column in range(first, end)}
        return tuple(Spot(columns[node], *rest) for node, *rest in parts)

    def leave(self, intent: int) -> Standing:
        """Let an intent stand nowhere; return where it stood."""
        standing = self.of[intent]
        self.take(standing, -1)
        self.of[intent] = ()
        return standing

    def back(self, intent: int, standing: Standing) -> None:
        """Let an intent that stands nowhere stand where it stood."""
        self.take(standing, 1)
        self.of[intent] = standing

    def take(self, spots: Iterable[Spot], times: int) -> None:
        """Take what stands there from what is free; give it back where ``times`` is -1."""
        for column, group in groupby(spots, itemgetter(0)):
            taking, total = self._taking(column), 0
            machines, free = self._machines[taking.node], self._devices[taking.node][taking.device]
            for _, machine, block, number in group:
                signed, first = number * times, block * taking.wide
                total += signed
                machines[machine] -= taking.machine * signed
                free[machine, first : first + taking.wide] -= taking.each * signed
            # No column has a row twice but the last one, which is nobody's.
            self.load[self.grid.rows[column]] += self.grid.takes[column] * total

    def _free(self, taking: _Taking) -> Ints:
        """Return [machine, block, kind] -> what is free of each of the devices that a part takes together."""
        free, wide = self._devices[taking.node][taking.device], taking.wide
        if wide == 1:
            return free
        blocks = free.shape[1] // wide
        found: Ints = free[:, : blocks * wide].reshape(len(free), blocks, wide, -1).min(axis=2)
        return found

    def _taking(self, column: int) -> _Taking:
        known = self._takings.get(column)
        if known is None:
            grid = self.grid
            option, node = int(grid.option[column]), int(grid.node[column])
            device = grid.devices[option]
            of_machine, of_each = takes(grid.need(option), grid.stocks[node], device)
            machine: Ints = np.array([of_machine.get(name, 0) for name in self._names[node]], dtype=np.int64)
            each: Ints = np.array([of_each.get(kind, 0) for kind in self._kinds[node][device]], dtype=np.int64)
            at = (np.flatnonzero(machine).tolist(), np.flatnonzero(each).tolist())
            known = self._takings[column] = _Taking(node, device, grid.wide[option], machine, each, *at)
        return known


def _machines_of(grid: Grid) -> list[int]:
    """Return of every node how many machines there may be parts on."""
    most = np.zeros((grid.count, len(grid.stocks)), dtype=np.int64)
    np.maximum.at(most, (grid.of_intent[grid.option], grid.node), grid.parts[grid.option])
    many: Ints = most.sum(axis=0)
    for spot in (spot for spots in grid.pins.values() for spot in spots):
        many[grid.node[spot.column]] = max(many[grid.node[spot.column]], spot.machine + 1)
    return [max(1, min(stock.node.count, int(parts))) for stock, parts in zip(grid.stocks, many, strict=True)]


def _times(free: Ints, takes_: Ints, at: Sequence[int], number: int) -> Ints:
    """Return how often what is taken fits into what is free, its last axis; ``number`` where nothing is taken."""
    if not at:
        return np.full(free.shape[:-1], number, dtype=np.int64)
    found: Ints = free[..., at[0]] // takes_[at[0]]
    for kind in at[1:]:
        found = np.minimum(found, free[..., kind] // takes_[kind])
    return found
