"""Starts and ways of jobs as variables of the engine, with what machines and caps leave them.

The machines of a node are first taken as one: no more of its devices, cores, memory and watts is taken at any time than
all of them have together. Where that finds starts that no machines in particular have room for, the same model is made
again with how many parts stand on each machine (``exact``). Whatever the first cannot, the second cannot either, so
that its bounds hold for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import gcd
from typing import NamedTuple

from aios.solve.cpsat import Model, Term
from aios.solve.problem import SHARE_UNITS
from aios.solve.schedule.hours import Hours
from aios.solve.schedule.problem import Card, Machine, Mode, Problem
from aios.solve.schedule.timetable import Part

__all__ = ["Chosen", "Decisions", "Ruled"]

Chosen = Mapping[int, tuple[int, int]]
"""Task -> index of its mode, start."""


class Ruled(NamedTuple):
    """Which clauses hold; all of them unless one looks for what contradicts itself.

    deadlines, orders: tasks whose deadline, and whose waiting for others, holds · groups, pools: caps on several nodes
    together, and nodes (indexes), that hold
    """

    deadlines: frozenset[int]
    orders: frozenset[int]
    groups: frozenset[int]
    pools: frozenset[int]

    @staticmethod
    def all_of(problem: Problem) -> Ruled:
        """Return that every clause holds."""
        tasks = frozenset(range(len(problem.tasks)))
        return Ruled(tasks, tasks, frozenset(range(len(problem.groups))), frozenset(range(len(problem.pools))))


_Interval = tuple[int, int, Mode]
"""Index of the interval, of the variable that says whether it is taken, and the mode."""
_Amount = Callable[[Mode], int]
_Take = tuple[int, int | None, int]
_Resource = tuple[_Amount, Callable[[Machine], int | None]]
_BITS = 30
"""Of a capacity in the engine, which multiplies it by lengths of time."""


class Decisions:
    """The model of a problem whose horizon is known. starts: by task · taken: by task and mode"""

    def __init__(self, problem: Problem, ruled: Ruled | None = None, *, exact: bool = False) -> None:
        self.problem = problem
        self.model = Model()
        self.starts: list[int] = []
        self.taken: list[list[int]] = []
        self._ruled = ruled or Ruled.all_of(problem)
        self._on: list[list[_Interval]] = [[] for _ in problem.pools]
        self._counts: dict[tuple[int, int, str | None], int] = {}
        self._areas: list[tuple[list[tuple[int, int]], int]] = []
        for number in range(len(problem.tasks)):
            self._add_task(number)
        self._add_orders()
        for number in sorted(self._ruled.pools):
            if exact:
                self._add_machines(number)
            else:
                self._add_pool(number)
        for number in sorted(self._ruled.groups):
            self._add_group(number)

    def latest(self, number: int) -> int:
        """Return the step by which a task has ended."""
        latest = self.problem.tasks[number].latest
        return self.problem.horizon if latest is None or number not in self._ruled.deadlines else latest

    def length(self, number: int) -> list[Term]:
        """Return the steps that a task takes."""
        task = self.problem.tasks[number]
        return [(taken, mode.length) for taken, mode in zip(self.taken[number], task.modes, strict=True)]

    def chosen(self, values: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Return what the engine found."""
        return {
            number: (next(k for k, variable in enumerate(taken) if values[variable]), values[start])
            for number, (start, taken) in enumerate(zip(self.starts, self.taken, strict=True))
        }

    def values(self, chosen: Chosen, parts: Mapping[int, Sequence[Part]]) -> list[int]:
        """Return the values of the variables for a schedule, in their order. parts: of each task"""
        found: list[int] = []
        standing: dict[int, Sequence[Part]] = {}
        for number, taken in enumerate(self.taken):
            mode, start = chosen[number]
            found += [start, *(int(k == mode) for k in range(len(taken)))]
            standing[taken[mode]] = parts[number]
        for taken_, machine, card in self._counts:
            here = [part for part in standing.get(taken_, ()) if part.machine == machine]
            found.append(len(here) if card is None else sum(card in part.devices for part in here))
        return found

    def end_after(self, last: int, tasks: Sequence[int]) -> None:
        """Let the variable ``last`` be no sooner than the end of each of these tasks.

        Also, of everything that can run out, no more is taken by them until then than there is in all that time.
        """
        for number in tasks:
            after = [(last, 1), (self.starts[number], -1), *((v, -w) for v, w in self.length(number))]
            self.model.linear(after, low=0)
        lengths = {taken: steps for number in tasks for taken, steps in self.length(number)}
        for amounts, capacity in self._areas:
            area = [(taken, amount * lengths[taken]) for taken, amount in amounts if taken in lengths]
            self.model.linear([*area, (last, -capacity)], high=0)

    def parts(self, values: Sequence[int]) -> dict[int, list[Part]]:
        """Return where each part of each task stands, as the exact model has it; without devices that are not shared,
        of which any will do."""
        found: dict[int, list[Part]] = {}
        for number, (mode, _) in self.chosen(values).items():
            taken = self.taken[number][mode]
            own = {key[1:]: values[variable] for key, variable in self._counts.items() if key[0] == taken}
            found[number] = [
                Part(machine, devices)
                for (machine, card), many in own.items()
                if card is None
                for devices in _dealt([(id_, n) for (at, id_), n in own.items() if at == machine and id_], many)
            ]
        return found

    def _add_task(self, number: int) -> None:
        task, model = self.problem.tasks[number], self.model
        shortest = min((mode.length for mode in task.modes), default=0)
        high = 0 if task.standing else max(task.earliest, self.latest(number) - shortest)
        start = model.variable(task.earliest, high)
        self.starts.append(start)
        self.taken.append([model.variable(0, 1) for _ in task.modes])
        model.exactly_one(self.taken[number])
        model.linear([(start, 1), *self.length(number)], high=self.latest(number))
        for mode, taken in zip(task.modes, self.taken[number], strict=True):
            self._on[mode.pool].append((model.interval(start, mode.length, taken), taken, mode))

    def _add_orders(self) -> None:
        for number in sorted(self._ruled.orders):
            for other in self.problem.tasks[number].after:
                gap = [(self.starts[number], 1), (self.starts[other], -1)]
                self.model.linear([*gap, *((v, -w) for v, w in self.length(other))], low=0)

    def add_symmetry(self) -> None:
        """Let equal jobs start in their order: nothing is lost, and much need not be tried."""
        tasks = self.problem.tasks
        followers = [tuple(k for k, other in enumerate(tasks) if number in other.after) for number in range(len(tasks))]
        last: dict[object, int] = {}
        for number, task in enumerate(tasks):
            ways = tuple(task.job.ways[mode.way] for mode in task.modes)
            alike = (
                task.job.intent, tuple(m._replace(way=0) for m in task.modes), tuple(w.usd_per_h for w in ways),
                tuple(w.g_per_h for w in ways), task.earliest, task.latest, task.after, task.job.goals,
                task.job.priority, followers[number],
            )  # fmt: skip
            if alike in last and not task.standing:
                self.model.linear([(self.starts[number], 1), (self.starts[last[alike]], -1)], low=0)
            last[alike] = number

    def _add_pool(self, number: int) -> None:
        """Take the machines of a node as one."""
        pool = self.problem.pools[number]
        self._add_areas(number)
        for amount, capacity in _resources([mode for _, _, mode in self._on[number]]):
            of_each = [capacity(machine) for machine in pool.machines]
            self._cumulative(self._on[number], amount, sum(value for value in of_each if value is not None), of_each)
        if pool.cap is not None:
            many = len(pool.machines)
            cap = pool.cap._replace(values=tuple(value * many for value in pool.cap.values))
            self._cap(self._on[number], cap, sum(machine.watts for machine in pool.machines))

    def _add_machines(self, number: int) -> None:
        """Say how many parts stand on each machine of a node."""
        pool, on = self.problem.pools[number], self._on[number]
        self._add_areas(number)
        kinds = _resources([mode for _, _, mode in on])
        shared = {mode.device for _, _, mode in on if mode.device and mode.units < SHARE_UNITS}
        counts: list[list[int]] = [[] for _ in pool.machines]
        for _, taken, mode in on:
            for index, machine in enumerate(pool.machines):
                counts[index].append(self.model.variable(0, _most_parts(mode, machine)))
                self._counts[taken, index, None] = counts[index][-1]
            self.model.linear([*((row[-1], 1) for row in counts), (taken, -mode.parts)], low=0, high=0)
        for index, machine in enumerate(pool.machines):
            for amount, capacity in kinds:
                self._cumulative(on, amount, capacity(machine), counts[index], each=True)
            for device in sorted(name for name in shared if name):
                self._add_cards(on, counts[index], index, device, machine.cards.get(device, ()))
            if pool.cap is not None:
                self._cap(on, pool.cap, machine.watts, counts[index])

    def _add_cards(
        self, on: Sequence[_Interval], counts: Sequence[int], index: int, device: str, cards: Sequence[Card]
    ) -> None:
        """Say how many parts stand on each device of a machine, where devices are shared.

        So many parts of as many devices each find distinct ones if no device is in more of them than there are parts.
        """
        own = [
            (interval, taken, mode, counts[k]) for k, (interval, taken, mode) in enumerate(on) if mode.device == device
        ]
        rows: list[list[int]] = [[] for _ in own]
        for card in cards:
            for row, (_, taken, mode, count) in zip(rows, own, strict=True):
                row.append(self.model.variable(0, mode.parts))
                self._counts[taken, index, card.id] = row[-1]
                self.model.linear([(row[-1], 1), (count, -1)], high=0)
            for free, amount in ((card.units, _units_each), (card.memory, _memory_each)):
                taking: list[_Take] = [
                    (interval, row[-1], amount(mode))
                    for row, (interval, _, mode, _) in zip(rows, own, strict=True)
                    if amount(mode)
                ]
                if free is not None and taking:
                    self.model.cumulative(*_handy(taking, free))
        for row, (_, _, mode, count) in zip(rows, own, strict=True):
            self.model.linear([*((variable, 1) for variable in row), (count, -mode.devices)], low=0, high=0)

    def _add_areas(self, number: int) -> None:
        """Note what each mode takes of everything that all machines of a node have together."""
        for amount, capacity in _resources([mode for _, _, mode in self._on[number]]):
            of_each = [capacity(machine) for machine in self.problem.pools[number].machines]
            taken: list[_Take] = [
                (taken, None, amount(mode) * mode.parts) for _, taken, mode in self._on[number] if amount(mode)
            ]
            if taken and None not in of_each:
                handy, whole = _handy(taken, max(0, sum(value for value in of_each if value is not None)))
                self._areas.append(([(variable, amount) for variable, _, amount in handy], whole))

    def _cumulative(
        self,
        on: Sequence[_Interval],
        amount: _Amount,
        capacity: int | None,
        counts: Sequence[int | None],
        *,
        each: bool = False,
    ) -> None:
        """Keep a capacity. counts: variables that say how many parts stand there, where it is of each machine"""
        if capacity is None or (not each and None in counts):
            return
        rows = [(interval, mode, k) for k, (interval, _, mode) in enumerate(on) if amount(mode)]
        taken: list[_Take]
        if each:
            taken = [(interval, counts[k], amount(mode)) for interval, mode, k in rows]
        else:
            taken = [(interval, None, amount(mode) * mode.parts) for interval, mode, _ in rows]
        if taken:
            self.model.cumulative(*_handy(taken, max(0, capacity)))

    def _cap(self, on: Sequence[_Interval], cap: Hours, services: int, counts: Sequence[int] | None = None) -> None:
        """Keep a power cap: where it is lower than its highest, the difference is taken by what always stands there."""
        if any(mode.watts is None for _, _, mode in on):
            self.model.forbid([taken for _, taken, mode in on if mode.watts is None])
        taken: list[_Take] = []
        for k, (interval, _, mode) in enumerate(on):
            if mode.watts and counts is None:
                taken.append((interval, None, mode.watts))
            elif mode.watts and counts is not None:
                taken.append((interval, counts[k], -(-mode.watts // mode.parts)))
        if not taken:
            return
        highest = max(cap.values)
        lower = [
            (self.model.interval(None, end - start, offset=start), None, highest - value)
            for start, end, value in cap.pieces(0, self.problem.horizon)
            if value < highest
        ]
        # Services draw what they draw; where that is more than a cap in some hour, jobs have nothing left there.
        room = highest - services
        blocked = [(interval, times, min(amount, max(0, room))) for interval, times, amount in lower]
        self.model.cumulative([*taken, *blocked], max(0, room))

    def _add_group(self, number: int) -> None:
        group = self.problem.groups[number]
        on = [row for pool in sorted(group.pools) for row in self._on[pool]]
        self._cap(on, group.cap, group.watts)


def _resources(modes: Sequence[Mode]) -> list[_Resource]:
    """Return what can run out: how much of it a part takes, how much a machine has (None: nobody knows)."""
    found: list[_Resource] = []
    for device in sorted({mode.device for mode in modes if mode.device}):
        own = [mode for mode in modes if mode.device == device]
        whole = all(mode.units >= SHARE_UNITS for mode in own)
        found.append((_units_of(device), _free_units(device, whole)))
        if not whole and any(mode.device_memory for mode in own):
            found.append((_device_memory_of(device), _free_device_memory(device)))
    found.append((lambda mode: mode.cores, lambda machine: machine.cores))
    found.append((lambda mode: mode.memory, lambda machine: machine.memory))
    return found


def _handy(taken: Sequence[_Take], capacity: int) -> tuple[list[_Take], int]:
    """Divide amounts and capacity by what divides all amounts, and on until amounts times steps fit the engine.

    Rounding is in favour of what would fit by less than 1e-9 of the capacity: a timetable of whole bytes has the say.
    """
    unit = max(gcd(*(amount for _, _, amount in taken)), capacity >> _BITS)
    return [(interval, times, amount // unit) for interval, times, amount in taken], capacity // unit


def _dealt(cards: Sequence[tuple[str, int]], parts: int) -> list[tuple[str, ...]]:
    """Return the devices of each part, all different in one, from how often each device is taken."""
    listed = [card for card, many in cards for _ in range(many)]
    return [tuple(listed[part::parts]) for part in range(parts)]


def _units_each(mode: Mode) -> int:
    return mode.units


def _memory_each(mode: Mode) -> int:
    return mode.device_memory


def _units_of(device: str) -> _Amount:
    return lambda mode: mode.units * mode.devices if mode.device == device else 0


def _device_memory_of(device: str) -> _Amount:
    return lambda mode: mode.device_memory * mode.devices if mode.device == device else 0


def _free_units(device: str, whole: bool) -> Callable[[Machine], int | None]:
    """Return what is free of a machine's devices; where none is shared, those of which nothing is taken."""

    def free(machine: Machine) -> int:
        units = [card.units for card in machine.cards.get(device, ())]
        return sum(SHARE_UNITS for one in units if one >= SHARE_UNITS) if whole else sum(units)

    return free


def _free_device_memory(device: str) -> Callable[[Machine], int | None]:
    def free(machine: Machine) -> int | None:
        sizes = [card.memory for card in machine.cards.get(device, ())]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    return free


def _most_parts(mode: Mode, machine: Machine) -> int:
    """Return how many parts a machine has devices for when it is empty."""
    if not mode.devices:
        return mode.parts
    cards = [
        card
        for card in machine.cards.get(mode.device or "", ())
        if card.memory is None or card.memory >= mode.device_memory
    ]
    if mode.units >= SHARE_UNITS or mode.devices > 1:
        return min(mode.parts, sum(card.units >= mode.units for card in cards) // mode.devices)
    return min(mode.parts, sum(card.units // max(1, mode.units) for card in cards))
