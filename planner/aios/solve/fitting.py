"""Puts parts onto machines one after the other, within sums that they may not exceed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.solve.model import Decisions, Load

__all__ = ["Fitted", "Room", "fitted"]

_ROUNDS = 6
"""How often it is begun anew with those first that found no room before."""


class Room:
    """What is left of every sum. left: intent -> parts without a place · values: of the loads' variables

    What stays has its place before all others.
    """

    def __init__(self, decisions: Decisions, loads: Sequence[Load]) -> None:
        self.room = [capacity for _, capacity in decisions.sums]
        self._has = [max(capacity, 1) for _, capacity in decisions.sums]
        self._takes: dict[int, list[tuple[int, int]]] = {}
        for index, (terms, _) in enumerate(decisions.sums):
            for variable, each in terms:
                if each:
                    self._takes.setdefault(variable, []).append((index, each))
        self._against: dict[int, list[tuple[int, int]]] = {}
        self._count: dict[tuple[int, int], int] = {}
        for index, pair in enumerate(decisions.exclusive):
            for side, terms in enumerate(pair):
                for variable, _ in terms:
                    self._against.setdefault(variable, []).append((index, side))
        options = decisions.problem.options
        self.left = {load.intent: options[load.intent][0].priced.candidate.parts for load in loads}
        self.values: dict[int, int] = {}
        for load in loads:
            self.put(load, load.least)

    def most(self, load: Load) -> int:
        """Return how often a load's variable may still be counted up."""
        if any(self._count.get((index, 1 - side)) for index, side in self._against.get(load.variable, ())):
            return 0
        fits = (self.room[index] // each for index, each in self._takes.get(load.variable, ()))
        least = load.least if load.variable in self.values else 0
        return min(self.left[load.intent] // load.times, *fits, load.most - least)

    def put(self, load: Load, count: int) -> None:
        """Count a load's variable up."""
        self.values[load.variable] = self.values.get(load.variable, 0) + count
        self.left[load.intent] -= count * load.times
        if count:
            for index, each in self._takes.get(load.variable, ()):
                self.room[index] -= each * count
            for key in self._against.get(load.variable, ()):
                self._count[key] = self._count.get(key, 0) + count

    def size(self, load: Load) -> float:
        """Return what one more takes of the sum that it takes most of, as a share of all there was."""
        return max((each / self._has[index] for index, each in self._takes.get(load.variable, ())), default=0.0)

    def rest(self, load: Load) -> float:
        """Return what would be left beside one more, as shares added up."""
        takes = self._takes.get(load.variable, ())
        return sum((self.room[index] - each) / self._has[index] for index, each in takes)


class Fitted(NamedTuple):
    """values: of the loads' variables · failed: groups of machines on which some part found no room"""

    values: Mapping[int, int]
    failed: frozenset[int]


def fitted(decisions: Decisions, groups: Sequence[tuple[int, int, Sequence[Load]]]) -> Fitted:
    """Put every part where it leaves least, the largest first; who found no room comes first the next time.

    groups: number of the group of machines, parts that are to stand there, what may stand of one intent there
    """
    loads = [load for _, _, own in groups for load in own]
    empty = Room(decisions, loads)
    sizes = [max(map(empty.size, own), default=0.0) for _, _, own in groups]
    order = sorted(range(len(groups)), key=lambda k: (-sizes[k], k))
    best: Fitted | None = None
    for _ in range(_ROUNDS):
        room = Room(decisions, loads)
        failed = [k for k in order if not _put_all(room, groups[k][1], groups[k][2])]
        found = Fitted(room.values, frozenset(groups[k][0] for k in failed))
        if best is None or len(found.failed) < len(best.failed):
            best = found
        if not failed:
            break
        order = [*failed, *(k for k in order if k not in failed)]
    assert best is not None
    return best


def _put_all(room: Room, parts: int, loads: Sequence[Load]) -> bool:
    """Put so many parts, one after the other."""
    fits = [(room.rest(load), place) for place, load in enumerate(loads) if room.most(load) > 0]
    for _, place in sorted(fits):
        load = loads[place]
        count = min(room.most(load), parts // load.times)
        if count > 0:
            room.put(load, count)
            parts -= count * load.times
        if not parts:
            return True
    return not parts
