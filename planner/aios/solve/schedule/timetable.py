"""What is taken of every machine and kept of every cap over time, as jobs are entered one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from aios.solve.schedule.hours import Hours
from aios.solve.schedule.problem import ALWAYS, Card, Machine, Mode, Problem

__all__ = ["Part", "Stay", "Timetable"]


class Part(NamedTuple):
    """A part of a job on a machine (its index in the pool) and the ids of the devices that it takes."""

    machine: int
    devices: tuple[str, ...]


class Stay(NamedTuple):
    """Where a task runs, and from when on."""

    mode: Mode
    start: int
    parts: tuple[Part, ...]

    @property
    def end(self) -> int:
        """The step at which it has ended."""
        return self.start + self.mode.length


_Taken = tuple[int, int, tuple[int, ...]]
"""Start, end, amounts."""


class Timetable:
    """Machines and caps over time. ends: of all that was entered, at which something becomes free"""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._cards: dict[tuple[int, int, str], list[_Taken]] = {}
        self._machines: dict[tuple[int, int], list[_Taken]] = {}
        self._groups: list[list[_Taken]] = [[(0, 1 << 62, (group.watts,))] for group in problem.groups]
        self.ends: set[int] = set()

    def parts(self, mode: Mode, start: int, among: Sequence[int] | None = None) -> tuple[Part, ...] | None:
        """Return where a job may stand from ``start`` on; None where there is no room or a cap is broken.

        The machine that has the least left to give is taken first, and of its devices the first. among: machines that
        may be taken, one for each part; None: any
        """
        end = start + mode.length
        if not self._keeps_groups(mode, start, end):
            return None
        pool = self._problem.pools[mode.pool]
        found: list[Part] = []
        wanted = range(len(pool.machines)) if among is None else among
        rooms = [(number, room) for number in sorted(set(wanted)) if (room := self._room(mode, number, start, end))]
        if among is not None:
            limits = {number: among.count(number) for number in set(among)}
            rooms = [(number, room[: limits[number]]) for number, room in rooms]
        for number, room in sorted(rooms, key=lambda item: (len(item[1]), item[0])):
            found += [Part(number, devices) for devices in room[: mode.parts - len(found)]]
        return tuple(found) if len(found) == mode.parts else None

    def enter(self, stay: Stay) -> None:
        """Take what a job takes."""
        mode, end = stay.mode, stay.end
        each = self._watts(mode)
        for part in stay.parts:
            key = (mode.pool, part.machine)
            self._machines.setdefault(key, []).append((stay.start, end, (mode.cores, mode.memory, each)))
            for device in part.devices:
                row = (stay.start, end, (mode.units, mode.device_memory))
                self._cards.setdefault((*key, device), []).append(row)
        for number, group in enumerate(self._problem.groups):
            if mode.pool in group.pools:
                self._groups[number].append((stay.start, end, (mode.watts or 0,)))
        if end < ALWAYS:
            self.ends.add(end)

    def _watts(self, mode: Mode) -> int:
        return -(-(mode.watts or 0) // mode.parts)

    def _keeps_groups(self, mode: Mode, start: int, end: int) -> bool:
        for number, group in enumerate(self._problem.groups):
            if mode.pool not in group.pools:
                continue
            if mode.watts is None or not _keeps(self._groups[number], group.cap, mode.watts, start, end):
                return False
        return True

    def _room(self, mode: Mode, number: int, start: int, end: int) -> list[tuple[str, ...]]:
        """Return the devices of each part that finds room on a machine."""
        pool = self._problem.pools[mode.pool]
        machine = pool.machines[number]
        taken = self._machines.get((mode.pool, number), [])
        most = min(mode.parts, self._fitting(mode, machine, taken, start, end))
        if pool.cap is not None:
            each, rows = self._watts(mode), [*taken, (0, 1 << 62, (0, 0, machine.watts))]
            while most and not _keeps([(a, b, (row[2],)) for a, b, row in rows], pool.cap, each * most, start, end):
                most -= 1
        if not mode.devices or most == 0:
            return [()] * most
        return self._blocks(mode, number, machine.cards.get(mode.device or "", ()), start, end)[:most]

    def _fitting(self, mode: Mode, machine: Machine, taken: list[_Taken], start: int, end: int) -> int:
        """Return how many parts the machine has cores and memory for."""
        most = mode.parts
        for position, (need, free) in enumerate(((mode.cores, machine.cores), (mode.memory, machine.memory))):
            if need and free is not None:
                most = min(most, max(0, (free - _most(taken, position, start, end)) // need))
        return most

    def _blocks(self, mode: Mode, number: int, cards: Sequence[Card], start: int, end: int) -> list[tuple[str, ...]]:
        """Return disjoint sets of devices, or of a part of a device as often as it finds room there."""
        free: list[str] = []
        for card in cards:
            taken = self._cards.get((mode.pool, number, card.id), [])
            times = (card.units - _most(taken, 0, start, end)) // mode.units if mode.units else mode.parts
            if mode.device_memory and card.memory is not None:
                times = min(times, (card.memory - _most(taken, 1, start, end)) // mode.device_memory)
            free += [card.id] * min(max(times, 0), 1 if mode.devices > 1 else mode.parts)
        whole = len(free) // mode.devices
        return [tuple(free[k * mode.devices : (k + 1) * mode.devices]) for k in range(whole)]


def _most(taken: Iterable[_Taken], position: int, start: int, end: int) -> int:
    """Return the most that is taken at once between two steps."""
    return max((amount for _, amount in _levels(taken, position, start, end)), default=0)


def _levels(taken: Iterable[_Taken], position: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield from which step on how much is taken."""
    rows = [(max(a, start), min(b, end), row[position]) for a, b, row in taken if a < end and b > start]
    for at in sorted({start, *(a for a, _, _ in rows)}):
        yield at, sum(amount for a, b, amount in rows if a <= at < b)


def _keeps(taken: Sequence[_Taken], cap: Hours, more: int, start: int, end: int) -> bool:
    """Say whether a cap is kept while so much more is drawn."""
    if len(set(cap.values)) == 1:
        return _most(taken, 0, start, end) + more <= cap.values[0]
    end = min(end, start + len(cap.values) * cap.hour + max((b for _, b, _ in taken if b < ALWAYS), default=0))
    return all(_most(taken, 0, a, b) + more <= value for a, b, value in cap.pieces(start, end))
