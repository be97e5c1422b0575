"""What is to be packed: kinds of demands onto kinds of nodes, each with a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

__all__ = [
    "NO_GROUP",
    "WHOLE",
    "Content",
    "Kind",
    "Nodes",
    "Packing",
    "Place",
    "Problem",
    "Short",
    "Standing",
    "fits_alone",
    "held",
]

WHOLE = 9_009_000_000
"""Units of a device, the least common multiple of a million and of 1 to 16: shares with six decimals, and parts that
fill a device such as thirds and sixths, are whole numbers of them."""
NO_GROUP = -1
"""In place of a group of devices, for demands that need none."""

Place = tuple[int, int]
"""Index of the nodes, and of the group of devices there or ``NO_GROUP``."""

Content = tuple[tuple[int, tuple[int, ...]], ...]
"""What stands on one node: group, and kinds that share a device of it, or one kind alone, as often as it is there; in
order."""


class Nodes(NamedTuple):
    """Nodes that are alike.

    has: of each resource, in whole units · groups: of equal devices, how many each node has · rooms: of each group,
    units that are free of one of its devices, below ``WHOLE`` where only shares may stand; empty: all of each
    """

    has: tuple[int, ...]
    groups: tuple[int, ...]
    number: int
    rooms: tuple[int, ...] = ()

    def room(self, group: int) -> int:
        """Return how many units are free of one device of a group."""
        return self.rooms[group] if self.rooms else WHOLE


class Kind(NamedTuple):
    """Demands that are alike.

    takes: of each resource of its node · devices: of one group; several are always taken whole, one next to nobody else
    where ``share`` is ``WHOLE`` · share: of one device, in units · places: where it may stand, best first ·
    number: of such demands · value: of one that is admitted · required: whether all must be
    """

    takes: tuple[int, ...]
    devices: int
    share: int
    places: tuple[Place, ...]
    number: int
    value: int
    required: bool

    @property
    def is_shared(self) -> bool:
        """Whether it takes a part of one device."""
        return self.devices == 1 and self.share < WHOLE


class Problem(NamedTuple):
    """Everything to pack."""

    nodes: tuple[Nodes, ...]
    kinds: tuple[Kind, ...]


class Standing(NamedTuple):
    """One demand on one node. instance: which of equal nodes · devices: positions in the group"""

    kind: int
    nodes: int
    instance: int
    group: int
    devices: tuple[int, ...]


class Packing(NamedTuple):
    """A packing. value: of all that stands · bound: no packing is worth more"""

    standing: Sequence[Standing]
    value: int
    bound: int


class Short(NamedTuple):
    """No packing holds all required demands. kinds: kind -> how many of them the best attempt left over ·
    proved: that none can, rather than that none was found"""

    kinds: dict[int, int]
    proved: bool


def held(content: Content) -> Counter[int]:
    """Return how many of each kind a content holds."""
    return Counter(kind for _, own in content for kind in own)


def fits_alone(problem: Problem, kind: Kind, place: Place) -> bool:
    """Say whether an empty node holds one demand of a kind."""
    nodes, group = place
    pool = problem.nodes[nodes]
    if kind.devices:
        there = pool.groups[group] if 0 <= group < len(pool.groups) else 0
        if kind.devices > there or (kind.share if kind.is_shared else WHOLE) > pool.room(group):
            return False
    return pool.number > 0 and all(map(int.__le__, kind.takes, pool.has))
