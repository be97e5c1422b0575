"""Capacities as cells, so that many sets of clauses can be tried without making a model for each.

A *cell* is a capacity on one machine: a device's share, a machine's cores. Equal cells of a node's machines, that one
limit of one clause speaks of, are a *family*. What only its shape says of an option decides whether it fits, so here
an intent chooses among shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from aios.solve.clauses import Rule
from aios.solve.problem import Need, Problem, Shape

__all__ = ["Cells", "Family", "Profile", "Standing", "Takes"]

_ENDLESS = 1 << 80
"""Room of a cell whose clause does not hold: more than anything takes."""
_MANY = 1 << 30
"""More parts than an option has."""

Standing = tuple[tuple[int, int], ...]
"""Where the parts of an option stand: place (index into its shape's places) and how many there."""


class Family(NamedTuple):
    """Equal cells. rule: index of the clause · amount: what a part takes · scale: see ``Limit`` · cells: how many"""

    rule: int
    amount: Callable[[Need], int]
    capacity: int
    scale: int
    cells: int


class Takes(NamedTuple):
    """What a part takes at a place. sums: of cells that parts share · alone: of cells that each part has to itself"""

    sums: tuple[tuple[int, int], ...]
    alone: tuple[tuple[int, int], ...]


class Profile(NamedTuple):
    """What a part takes at equal places. weights: (family, amount) · broken: clauses that even one part breaks there"""

    weights: tuple[tuple[int, int], ...]
    broken: frozenset[int]


class Cells:
    """The cells of a problem. capacity, family: per cell · families: all, in order of their clauses"""

    def __init__(self, problem: Problem, rules: Sequence[Rule]) -> None:
        self.problem = problem
        self.capacity: list[int] = []
        self.family: list[int] = []
        self.families: list[Family] = []
        self._of_bin: list[list[int]] = [[] for _ in problem.bins]
        self._amounts: dict[tuple[int, int, bool], int] = {}
        self._takes: dict[tuple[int, int], Takes] = {}
        self._all_takes: dict[int, list[Takes]] = {}
        self._zones: dict[frozenset[int], int] = {}
        self._zone_of: dict[int, int | None] = {}
        self._profiles: dict[int, tuple[Profile, ...]] = {}
        for index, rule in enumerate(rules):
            self._add(index, rule)

    def _add(self, index: int, rule: Rule) -> None:
        if rule.node is None:
            return
        for groups, amount, capacity, scale, _ in rule.limits:
            count = 0
            for machine in self.problem.machines_of(rule.node):
                for bins in groups(machine):
                    for place in bins:
                        self._of_bin[place].append(len(self.capacity))
                    self.capacity.append(capacity)
                    self.family.append(len(self.families))
                    count += 1
            self.families.append(Family(index, amount, capacity, scale, count))

    def room(self, off: Collection[int], given: Mapping[int, int]) -> list[int]:
        """Return the room of every cell. off: clauses that do not hold · given: clause -> its own figure, changed"""
        if not off and not given:
            return list(self.capacity)
        levels = [
            _ENDLESS
            if family.rule in off
            else given[family.rule] * family.scale
            if family.rule in given
            else family.capacity
            for family in self.families
        ]
        return [levels[family] for family in self.family]

    def takes(self, shape: int, place: int) -> Takes:
        """Return what a part of this shape takes at one of its places."""
        key = (shape, place)
        if key not in self._takes:
            self._takes[key] = self._taken(shape, place)
        return self._takes[key]

    def _taken(self, shape: int, place: int) -> Takes:
        first, *others = self.problem.shapes[shape].places[place]
        pooled = self.problem.machines[self.problem.bins[first].machine].pooled
        each = [(cell, self._amount(shape, cell, beside=False)) for cell in self._of_bin[first]]
        each += [(cell, self._amount(shape, cell, beside=True)) for other in others for cell in self._of_bin[other]]
        if pooled:
            return Takes((), tuple(item for item in each if item[1]))
        sums: dict[int, int] = {}
        for cell, amount in each:
            sums[cell] = sums.get(cell, 0) + amount
        return Takes(tuple(item for item in sums.items() if item[1]), ())

    def _amount(self, shape: int, cell: int, *, beside: bool) -> int:
        key = (shape, self.family[cell], beside)
        if key not in self._amounts:
            need = self.problem.shapes[shape].need
            self._amounts[key] = self.families[key[1]].amount(need.beside() if beside else need)
        return self._amounts[key]

    def profiles(self, shape: int) -> tuple[Profile, ...]:
        """Return what a part takes at each kind of its places."""
        if shape not in self._profiles:
            kinds: dict[Profile, None] = {}
            for place in range(len(self.problem.shapes[shape].places)):
                sums, alone = self.takes(shape, place)
                weights = tuple((self.family[cell], amount) for cell, amount in sums)
                broken = (cell for cell, amount in (*sums, *alone) if amount > self.capacity[cell])
                kinds[Profile(weights, frozenset(self.families[self.family[cell]].rule for cell in broken))] = None
            self._profiles[shape] = tuple(kinds)
        return self._profiles[shape]

    def zone(self, shape: int) -> int | None:
        """Return the zone of a shape: equal for all whose parts have a cell to themselves, each in the same families.

        None where parts may share cells with others.
        """
        if shape not in self._zone_of:
            own = [self._own(item) for item in self.profiles(shape)]
            families = frozenset(family for family in own if family is not None)
            whole = bool(own) and None not in own
            self._zone_of[shape] = self._zones.setdefault(families, len(self._zones)) if whole else None
        return self._zone_of[shape]

    def _own(self, profile: Profile) -> int | None:
        """Return a family of which a part takes more than half a cell."""
        taken = (family for family, amount in profile.weights if 2 * amount > self.families[family].capacity)
        return min(taken, default=None)

    def zone_families(self, zone: int) -> frozenset[int]:
        """Return the families whose cells make a zone."""
        return list(self._zones)[zone]

    def put(self, room: list[int], shape: int) -> Standing | None:
        """Put all parts of an option where there is room, and take it; None, and nothing taken, where that is not.

        On the fullest place that has room first. One option alone finds room in this way if there is any: its parts
        are equal, places do not overlap, and a device's cells lie within its machine's.
        """
        pins = self.problem.shapes[shape].pins
        found = [(place, least) for place, (least, _) in enumerate(pins) if least]
        if not self.fits(room, shape, tuple(found)):
            return None
        for place, count in found:
            self.take(room, shape, place, count)
        left = self.problem.shapes[shape].parts - sum(count for _, count in found)
        for fits, place in sorted(self._open(room, shape)) if left else ():
            most = left if not pins else min(left, pins[place][1] - pins[place][0])
            count = min(most, self._fitting(room, shape, place, left) if found and fits else fits)
            if count:
                found.append((place, count))
                self.take(room, shape, place, count)
                left -= count
            if not left:
                break
        if not left:
            return tuple(found)
        for place, count in found:
            self.take(room, shape, place, -count)
        return None

    def _open(self, room: Sequence[int], shape: int) -> list[tuple[int, int]]:
        """Return how many parts each place has room for, where it has any, and the place."""
        if shape not in self._all_takes:
            self._all_takes[shape] = [self.takes(shape, k) for k in range(len(self.problem.shapes[shape].places))]
        found = []
        for place, (sums, alone) in enumerate(self._all_takes[shape]):
            most = _MANY
            for cell, amount in sums:
                if room[cell] < amount:
                    break
                most = min(most, room[cell] // amount)
            else:
                if not any(amount > room[cell] for cell, amount in alone):
                    found.append((most, place))
        return found

    def _fitting(self, room: Sequence[int], shape: int, place: int, most: int) -> int:
        sums, alone = self.takes(shape, place)
        if any(amount > room[cell] for cell, amount in alone):
            return 0
        for cell, amount in sums:
            if room[cell] < amount * most:
                most = room[cell] // amount
        return most

    def take(self, room: list[int], shape: int, place: int, count: int) -> None:
        """Take what so many parts take at a place."""
        for cell, amount in self.takes(shape, place).sums:
            room[cell] -= amount * count

    def fits(self, room: Sequence[int], shape: int, standing: Standing) -> bool:
        """Say whether parts may stand like this."""
        used: dict[int, int] = {}
        for place, count in standing:
            sums, alone = self.takes(shape, place)
            if any(amount > room[cell] for cell, amount in alone):
                return False
            for cell, amount in sums:
                used[cell] = used.get(cell, 0) + amount * count
        return all(amount <= room[cell] for cell, amount in used.items())

    def lean(self, shapes: Collection[int]) -> tuple[int, ...]:
        """Return those that are worth trying: with a place, and no other one takes less in everything."""
        kept: list[int] = []
        for index in sorted(set(shapes), key=lambda index: (self.problem.shapes[index].parts, index)):
            shape = self.problem.shapes[index]
            if shape.places and not any(_no_more(self.problem.shapes[other], shape) for other in kept):
                kept = [other for other in kept if not _no_more(shape, self.problem.shapes[other])]
                kept.append(index)
        return tuple(kept)


def _no_more(one: Shape, other: Shape) -> bool:
    """Say whether one shape may stand where the other may, and takes no more."""
    if one.places is not other.places or one.pins != other.pins or one.parts > other.parts or one.at != other.at:
        return False
    mine, theirs, others = one.need, other.need, dict(other.need.tiers)
    return (
        mine.share <= theirs.share
        and mine.cores <= theirs.cores
        and mine.device_memory <= theirs.device_memory
        and mine.node_memory <= theirs.node_memory
        and all(size <= others.get(tier, 0) for tier, size in mine.tiers)
    )
