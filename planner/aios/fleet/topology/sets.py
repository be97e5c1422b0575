"""The best-connected sets of devices: an NVLink island before PCIe before the network.

What makes one set better than another; the first difference decides:

1. the level of the closest domain that holds them all (a Fabric has its domains in this order);
2. fewer parts: domains just inside that level which the set is spread over;
3. the bandwidth between its worst pair, on a path over the set's own devices and over switches (the widest path); 0
   where the set hangs together only through other devices;
4. in a mesh or torus, a box (rectangle) before any other shape; then fewer hops, over all pairs;
5. what stays free is least broken up: the sum over all domains of the squares of their free devices (so a hole of just
   the size before a larger one), then the number of links between free devices;
6. the order of the devices.

Devices that could change places without a change to anything else are interchangeable, and one choice stands for all.
Where that leaves at most ``MOST_TRIED`` choices in a domain all of them are tried: the result is the best there is.
Elsewhere the domains inside are filled, the largest first; in a mesh or torus the most compact free boxes are compared;
without one, and in a ring, the set grows from up to ``MOST_SEEDS`` devices. Of many equally close domains those with
the fewest free devices come first, until ``_MOST_IN_ALL`` choices.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, groupby
from typing import NamedTuple

from aios.fleet.topology.grid import Grid
from aios.fleet.topology.neighbourhood import Layout, Neighbourhood
from aios.records.fabric import Fabric
from aios.records.ways import Network

__all__ = ["MOST_SEEDS", "MOST_TRIED", "DeviceSet", "best_sets", "connections", "largest_set"]

MOST_TRIED = 4_000
"""Choices tried in one domain; each takes some 50 us."""

MOST_SEEDS = 32
"""Devices that a set is grown from where there are too many choices to try."""

_MOST_IN_ALL = 10_000
"""Choices after which no further, equally close domain is looked into."""

_MOST_STEPS = 4_000_000
"""Vertices visited for one set's hops (about a second); hops of larger sets do not count."""

_MOST_DESCRIBED = 512
"""Devices of a set in which every pair is looked at to say which is farthest apart (about a second)."""


class DeviceSet(NamedTuple):
    """Devices to be used together.

    devices: in the fabric's order · level: name of the closest domain that holds them all · bandwidth: bytes/s that one
    message gets between the worst pair, None where nobody states it · hops, latency: of a message between the pair that
    is farthest apart; latency in s; None without a path, or for sets too large to look at every pair · split: how many
    are in each of the domains just inside that level, most first; a single number when nothing inside divides them
    """

    devices: tuple[str, ...]
    level: str
    bandwidth: float | None
    hops: int | None
    latency: float | None
    split: tuple[int, ...]


def best_sets(fabric: Fabric, size: int, free: Collection[str] | None = None, most: int = 1) -> tuple[DeviceSet, ...]:
    """Return at most ``most`` sets of ``size`` devices, best first; none where no domain holds as many free ones.

    free: devices that may be used; None for all. Sets of interchangeable devices are listed once.
    """
    layout = Layout(fabric, [device for device in fabric.devices if free is None or device in free])
    found: dict[tuple[str, ...], tuple[float, ...]] = {}
    fitting = [index for index, count in enumerate(layout.free_in) if count >= size > 0]
    for rank, group in groupby(sorted(fitting, key=lambda index: layout.rank[index]), key=layout.rank.__getitem__):
        tried = 0
        for index in sorted(group, key=lambda index: (layout.free_in[index], index)):
            if tried > _MOST_IN_ALL:
                break
            near = _Near(layout, index)
            for devices in near.choices(size):
                tried += 1
                innermost = layout.innermost(devices)
                if innermost is not None and layout.rank[innermost] == rank:
                    found[devices] = (rank, *near.score(devices))
        if len(found) >= most:
            break
    order = {devices: [layout.number[device] for device in devices] for devices in found}
    best = sorted(found, key=lambda devices: (found[devices], order[devices]))[:most]
    described = _Described(layout)
    return tuple(known for devices in best if (known := described.of(devices)))


def connections(fabric: Fabric, devices: Sequence[str]) -> Mapping[tuple[str, str], DeviceSet]:
    """Return how every two of the devices are connected; pairs that no domain holds are left out."""
    described = _Described(Layout(fabric, ()))
    found = {(a, b): described.of((a, b)) for a, b in combinations(devices, 2)}
    return {pair: known for pair, known in found.items() if known is not None}


def largest_set(fabric: Fabric, free: Collection[str] | None = None) -> int:
    """Return how many free devices the domain with most of them holds; there are no sets of more."""
    return max((sum(free is None or it in free for it in domain.members) for domain in fabric.domains), default=0)


class _Near(Neighbourhood):
    """A domain in which sets are looked for."""

    def __init__(self, layout: Layout, index: int) -> None:
        super().__init__(layout, index)
        domain = layout.fabric.domains[index]
        self.grid = Grid(domain.members, domain.shape, domain.wraps) if len(domain.shape) > 1 else None
        self.inside = layout.inside(index)
        self.part_of = {it: part for part in self.inside for it in layout.fabric.domains[part].members}

    def split(self, devices: Sequence[str]) -> tuple[int, ...]:
        """Return how many of the devices are in each domain inside; one outside of all of them counts alone."""
        held: dict[str | int, int] = {}
        for device in devices:
            part = self.part_of.get(device, device if self.inside else -1)
            held[part] = held.get(part, 0) + 1
        return tuple(sorted(held.values(), reverse=True))

    def score(self, devices: Sequence[str]) -> tuple[float, ...]:
        """Return what sets of this domain are compared by; less is better."""
        return (
            len(self.split(devices)),
            -(self.bandwidth(devices) or 0.0),
            0 if self.grid and self.grid.is_box(devices) else 1,
            self._hops(devices),
            self.layout.fragmentation(devices),
            self.links_lost(devices),
        )

    def _hops(self, devices: Sequence[str]) -> int:
        if len(devices) * len(self.edges) > _MOST_STEPS:
            return 0
        unjoined = len(self.ways)
        return sum(self.reached(a).get(b, (unjoined, 0.0))[0] for a in devices for b in devices) // 2

    def choices(self, size: int) -> Iterator[tuple[str, ...]]:
        """Yield the sets to compare: every one, or where these are too many those that look good."""
        classes = self.interchangeable()
        sets: Iterable[Sequence[str]]
        if _count(classes, size) <= MOST_TRIED:
            sets = _picks(classes, size)
        elif self.inside:
            sets = [self._filled(size)]
        elif self.grid and (boxes := self.grid.boxes(size, self.free)):
            sets = sorted(boxes, key=self.links_lost)[:MOST_SEEDS]
        else:
            sets = [self._grown(seed, size) for seed in self.free[:: -(-len(self.free) // MOST_SEEDS)]]
        for chosen in sets:
            yield tuple(sorted(chosen, key=self.layout.number.__getitem__))

    def _filled(self, size: int) -> list[str]:
        """Take whole domains inside, largest first, and the rest out of the one that it leaves fewest in."""
        domains = self.layout.fabric.domains
        holes = [[it for it in domains[part].members if it in self.layout.free] for part in self.inside]
        parts = dict(zip(self.inside, holes, strict=True))
        loose = [device for device in self.free if device not in self.part_of]
        chosen: list[str] = []
        while size > len(chosen) and (open_parts := [part for part in parts if parts[part]]):
            wanted = size - len(chosen)
            fitting = [part for part in open_parts if len(parts[part]) >= wanted]
            if fitting:
                part = min(fitting, key=lambda part: (self.layout.rank[part], len(parts[part])))
                near = _Near(self.layout, part)
                best: tuple[str, ...] = min(near.choices(wanted), key=near.score)
                chosen += best
            else:
                part = max(open_parts, key=lambda part: len(parts[part]))
                chosen += parts.pop(part)
        return chosen + loose[: size - len(chosen)]

    def _grown(self, seed: str, size: int) -> list[str]:
        """Add one device after another: most links into the set, then nearest to it, then fewest other neighbours."""
        free = set(self.free)
        chosen, inside = [seed], {seed}
        distance = dict.fromkeys(self.free, 0)
        while len(chosen) < size:
            reached = self.reached(chosen[-1])
            for device in distance:
                distance[device] += reached.get(device, (len(self.ways), 0.0))[0]
            edge = {way[0] for it in chosen for way in self.ways[it] if way[0] in free and way[0] not in inside}
            best = min(edge or free - inside, key=lambda device: self._growth(device, inside, distance[device]))
            chosen.append(best)
            inside.add(best)
        return chosen

    def _growth(self, device: str, inside: set[str], distance: int) -> tuple[int, int, int, int]:
        near = [way[0] for way in self.ways[device] if way[0] in self.layout.free]
        links = sum(1 for other in near if other in inside)
        return (-links, distance, len(near), self.layout.number[device])


def _count(classes: Sequence[Sequence[str]], size: int) -> int:
    """Return in how many ways ``size`` devices can be taken when only their number out of each class counts."""
    ways = [1] + [0] * size
    for group in classes:
        ways = [sum(ways[total - taken] for taken in range(min(len(group), total) + 1)) for total in range(size + 1)]
        if ways[size] > MOST_TRIED:
            break
    return ways[size]


def _picks(classes: Sequence[Sequence[str]], size: int) -> Iterator[list[str]]:
    """Yield one choice for every way to take ``size`` devices out of the classes."""
    if not classes:
        if size == 0:
            yield []
        return
    left = sum(len(group) for group in classes[1:])
    for taken in range(min(len(classes[0]), size), max(0, size - left) - 1, -1):
        for rest in _picks(classes[1:], size - taken):
            yield [*classes[0][:taken], *rest]


class _Described:
    """Says of sets how they are connected, by the ways that data takes in the closest domain that holds them all."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._network = Network(layout.fabric)
        self._near: dict[int, _Near] = {}

    def of(self, devices: tuple[str, ...]) -> DeviceSet | None:
        """Return what is known of a set; None where no domain holds it."""
        index = self._network.domain(*devices) if len(devices) == 2 else None
        index = self._layout.innermost(devices) if index is None else index
        if index is None:
            return None
        if index not in self._near:
            self._near[index] = _Near(self._layout, index)
        near = self._near[index]
        # Of widest ways the narrowest pair is found among those with any one device.
        bandwidth = min((self._network.width(devices[0], other, index) for other in devices[1:]), default=0.0) or None
        level = self._layout.fabric.domains[index].name
        hops, latency = self._farthest(devices, bandwidth)
        return DeviceSet(devices, level, bandwidth, hops, latency, near.split(devices))

    def _farthest(self, devices: Sequence[str], bandwidth: float | None) -> tuple[int, float] | tuple[None, None]:
        """Return hops and latency between the pair that is farthest apart."""
        if len(devices) == 1:
            return 0, 0.0
        if bandwidth is None or len(devices) > _MOST_DESCRIBED:
            return None, None
        farthest = (0, 0.0)
        for source in devices:
            for last, reached in self._network.routes(source, devices):
                ways = {source: (0, 0.0)}
                for vertex, hop in last.items():
                    hops, seconds = ways[hop.source]
                    ways[vertex] = (hops + 1, seconds + hop.latency)
                farthest = max(farthest, *(ways[device] for device in reached))
        return farthest
