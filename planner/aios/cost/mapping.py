"""Which device each rank of a communicating program gets: short ways, and no link busier than it must be.

Starts: the devices in their order; a greedy placement (Hoefler and Snir, "Generic topology mapping strategies for
large-scale parallel architectures", ICS 2011): the rank that talks most to those that are placed goes where its traffic
travels least; and dual recursive bisection (Pellegrini, "Static mapping by dual recursive bisection of process and
architecture graphs", SHPCC 1994): devices and ranks are halved together, the ranks so that little is said between the
halves. On a mesh or torus also every way to cut it into equal boxes, each of which takes consecutive ranks along a
cycle: programs number the ranks of their innermost rings one after another. In the best of these, ranks change places
as long as that lessens the sum over links of (seconds busy) to the fourth power, which the busiest links dominate. No
chance is involved: the same input gives the same mapping.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from aios.cost.rings import snake
from aios.cost.routing import Network, network_of
from aios.records.errors import InputError
from aios.records.fabric import Fabric

__all__ = ["Traffic", "TrafficMap", "map_traffic", "weigh"]

Traffic = Mapping[tuple[int, int], float]
"""(from rank, to rank) -> bytes."""

_POWER = 4
"""Of the seconds that links are busy: high enough for the busiest links to decide, low enough to see the others."""

_MOST_ROUNDS = 30
"""Rounds of changes; each lets every rank try the places near those that it talks to. Few cases need ten."""


_MOST_MOVED = 512
"""Ranks, over all starts, that change places: two starts of 256, which takes seconds, and dozens of few."""


class TrafficMap(NamedTuple):
    """A mapping with what it costs.

    devices: of each rank · hop_bytes: sum over all traffic of bytes x links passed · busiest_s: seconds that the
    busiest link needs for its bytes, in the direction that has more
    """

    devices: tuple[str, ...]
    hop_bytes: float
    busiest_s: float


def map_traffic(
    fabric: Fabric | Network, traffic: Traffic, devices: Sequence[str], starts: Sequence[Sequence[int]] = ()
) -> TrafficMap:
    """Return a mapping of ranks 0, 1... to ``devices`` that is never worse than taking the devices in order.

    starts: further mappings to begin from, as positions in ``devices``. Raises InputError where there are more ranks
    than devices, or two ranks that talk sit on devices that nothing joins.
    """
    load = _Load(network_of(fabric), traffic, devices)
    begun = [list(range(load.size)), load.greedy(), load.bisected(), *load.tiled(), *map(list, starts)]
    begun.sort(key=load.badness)
    chosen = begun[: max(2, _MOST_MOVED // max(1, load.size))]
    best = min([begun[0], *map(load.improved, chosen)], key=load.badness)
    return weigh(load.network, traffic, [devices[place] for place in best[: load.ranks]])


def weigh(fabric: Fabric | Network, traffic: Traffic, devices: Sequence[str]) -> TrafficMap:
    """Return what a mapping costs. devices: of each rank. Raises InputError as ``map_traffic``."""
    load = _Load(network_of(fabric), traffic, devices)
    seconds = load.seconds(list(range(load.size)))
    hop_bytes = sum(size * len(load.way(a, b)) for (a, b), size in load.traffic.items())
    return TrafficMap(tuple(devices), hop_bytes, max(seconds.values(), default=0.0))


class _Load:
    """Traffic on a network. Places are positions in ``devices``; a placement is the place of each rank.

    Ranks beyond those that talk stand for devices that stay free, so that a change of places is always a swap.
    """

    def __init__(self, network: Network, traffic: Traffic, devices: Sequence[str]) -> None:
        self.network = network
        self.devices = devices
        self.size = len(devices)
        self.traffic = {pair: size for pair, size in sorted(traffic.items()) if size > 0 and pair[0] != pair[1]}
        self.ranks = max((rank + 1 for pair in traffic for rank in pair), default=0)
        if self.ranks > self.size:
            raise InputError(f"{self.ranks} ranks cannot be mapped to {self.size} devices")
        self._number: dict[tuple[str, str], int] = {}
        self._width: list[float] = []
        self._ways: dict[tuple[int, int], tuple[int, ...]] = {}
        self.flows: dict[int, list[tuple[int, int, float]]] = defaultdict(list)
        self._weight: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for (a, b), size in self.traffic.items():
            self.flows[a].append((a, b, size))
            self.flows[b].append((a, b, size))
            self._weight[a][b] += size
            self._weight[b][a] += size
        self._grid = _grid(network.fabric, devices)

    def way(self, a: int, b: int) -> tuple[int, ...]:
        """Return the links, by number, between two places."""
        if (a, b) not in self._ways:
            hops = self.network.route(self.devices[a], self.devices[b])
            for hop in hops:
                if (hop.source, hop.target) not in self._number:
                    self._number[hop.source, hop.target] = len(self._width)
                    self._width.append(hop.bandwidth)
            self._ways[a, b] = tuple(self._number[hop.source, hop.target] for hop in hops)
        return self._ways[a, b]

    def seconds(self, placement: Sequence[int]) -> dict[int, float]:
        """Return how long each link is busy."""
        busy: dict[int, float] = defaultdict(float)
        for (a, b), size in self.traffic.items():
            for link in self.way(placement[a], placement[b]):
                busy[link] += size / self._width[link]
        return busy

    def badness(self, placement: Sequence[int]) -> tuple[float, float]:
        """Return what placements are compared by: the busiest link, then all of them."""
        busy = self.seconds(placement).values()
        return max(busy, default=0.0), sum(busy)

    def greedy(self) -> list[int]:
        """Return a placement that puts rank after rank where its traffic to those placed travels least."""
        weight = self._weight
        free = dict.fromkeys(range(self.size))
        placed: dict[int, int] = {}
        pull = dict.fromkeys(self.flows, 0.0)
        while pull:
            rank = max(pull, key=lambda it: (pull[it], sum(weight[it].values()), -it))
            del pull[rank]
            near = [(placed[other], size) for other, size in weight[rank].items() if other in placed]
            place = min(free, key=lambda it: (sum(size * len(self.way(it, at)) for at, size in near), it))
            placed[rank] = place
            del free[place]
            for other, size in weight[rank].items():
                if other in pull:
                    pull[other] += size
        left = iter(free)
        return [placed[rank] if rank in placed else next(left) for rank in range(self.size)]

    def bisected(self) -> list[int]:
        """Return a placement by halving places and ranks together until one of each is left."""
        everything = list(range(self.size))
        within = dict.fromkeys(everything, everything)  # rank -> places that it may get
        ahead = [(everything, everything)]
        while ahead:
            deeper: list[tuple[list[int], list[int]]] = []
            for ranks, places in ahead:
                if len(places) < 2:
                    continue
                one, other = self._halves(places)
                first, second = self._separated(ranks, len(one))
                options = [(first, one, second, other)]
                if len(one) == len(other):
                    options.append((first, other, second, one))
                a, there, b, elsewhere = min(options, key=lambda it: self._strain(it, within))
                within.update(dict.fromkeys(a, there))
                within.update(dict.fromkeys(b, elsewhere))
                deeper += [(a, there), (b, elsewhere)]
            ahead = deeper
        return [within[rank][0] for rank in range(self.size)]

    def _halves(self, places: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the two halves of some places: across the longest side in a mesh or torus, else in their order."""
        axis = 0
        if self._grid:
            points = [self._grid[place] for place in places]
            spans = [len({point[axis] for point in points}) for axis in range(len(points[0]))]
            axis = max(range(len(spans)), key=lambda it: (spans[it], -it))
            ordered = sorted(places, key=lambda place: (self._grid[place][axis], place))
        else:
            ordered = list(places)
        half = (len(ordered) + 1) // 2
        return sorted(ordered[:half]), sorted(ordered[half:])

    def _separated(self, ranks: Sequence[int], count: int) -> tuple[list[int], list[int]]:
        """Return ``count`` of the ranks and the rest: one after another, the one that says most to those chosen."""
        own = set(ranks)
        pull = dict.fromkeys(ranks, 0.0)
        chosen: list[int] = []
        while len(chosen) < count:
            rank = max(pull, key=lambda it: (pull[it], -it))
            del pull[rank]
            own.discard(rank)
            chosen.append(rank)
            for other, size in self._weight[rank].items():
                if other in own:
                    pull[other] += size
        return chosen, sorted(own)

    def _strain(
        self, option: tuple[list[int], list[int], list[int], list[int]], within: Mapping[int, Sequence[int]]
    ) -> float:
        """Return the bytes x links of an option, every rank standing in the middle of its places."""
        first, one, second, other = option
        inside = {*first, *second}
        total = 0.0
        for ranks, places in ((first, one), (second, other)):
            middle = places[len(places) // 2]
            for rank in ranks:
                for partner, size in self._weight[rank].items():
                    if partner not in inside:
                        at = within[partner]
                        total += size * len(self.way(middle, at[len(at) // 2]))
        return total

    def tiled(self) -> Iterator[list[int]]:
        """Yield the placements of ranks, in order, on boxes that a mesh or torus is cut into; none elsewhere."""
        points = {point: place for place, point in self._grid.items()}
        along = [sorted(set(axis)) for axis in zip(*points, strict=True)]
        sizes = tuple(map(len, along))
        if not points or math.prod(sizes) != self.size:
            return
        for box in product(*([side for side in range(1, size + 1) if size % side == 0] for size in sizes)):
            boxes = tuple(size // side for size, side in zip(sizes, box, strict=True))
            inside = [_point(number, box) for number in snake(box)]
            for order in dict.fromkeys((tuple(range(math.prod(boxes))), tuple(snake(boxes)))):
                corners = [[at * side for at, side in zip(_point(it, boxes), box, strict=True)] for it in order]
                at = (map(sum, zip(corner, offset, strict=True)) for corner in corners for offset in inside)
                yield [points[tuple(line[it] for line, it in zip(along, point, strict=True))] for point in at]

    def improved(self, placement: Sequence[int]) -> list[int]:
        """Return the placement after all swaps that help, each rank trying the places around those it talks to."""
        at = list(placement)
        holds = {place: rank for rank, place in enumerate(at)}
        busy = self.seconds(at)
        around = self._around()
        for _ in range(_MOST_ROUNDS):
            changed = False
            for rank in list(self.flows):
                partners = {at[other] for flow in self.flows[rank] for other in flow[:2] if other != rank}
                near = dict.fromkeys(place for partner in sorted(partners) for place in around[partner])
                for place in near:
                    if place != at[rank] and self._swap(at, holds, busy, rank, place):
                        changed = True
            if not changed:
                break
        return at

    def _swap(self, at: list[int], holds: dict[int, int], busy: dict[int, float], rank: int, place: int) -> bool:
        """Let ``rank`` change with the rank at ``place`` if that lessens the sum of powers; return whether it did."""
        other = holds[place]
        flows = {*self.flows.get(rank, ()), *self.flows.get(other, ())}
        change: dict[int, float] = defaultdict(float)
        for a, b, size in flows:
            for link in self.way(at[a], at[b]):
                change[link] -= size / self._width[link]
        at[rank], at[other] = place, at[rank]
        for a, b, size in flows:
            for link in self.way(at[a], at[b]):
                change[link] += size / self._width[link]
        gain = sum(busy[link] ** _POWER - (busy[link] + by) ** _POWER for link, by in change.items())
        if gain <= 1e-9 * sum(busy[link] ** _POWER for link in change):
            at[rank], at[other] = at[other], place
            return False
        for link, by in change.items():
            busy[link] += by
        holds[place], holds[at[other]] = rank, other
        return True

    def _around(self) -> dict[int, list[int]]:
        """Return for every place those that are nearest to it, at most eight."""
        near: dict[int, list[int]] = {}
        for place in range(self.size):
            ordered = sorted((len(self.way(place, it)), it) for it in range(self.size) if it != place)
            near[place] = [it for hops, it in ordered[:8] if hops <= ordered[0][0] + 1]
        return near


def _point(position: int, shape: Sequence[int]) -> list[int]:
    """Return the coordinates of a position in a box, the last dimension fastest."""
    point = []
    for size in reversed(shape):
        position, at = divmod(position, size)
        point.append(at)
    return point[::-1]


def _grid(fabric: Fabric, devices: Sequence[str]) -> dict[int, tuple[int, ...]]:
    """Return the coordinates of each place, where one mesh or torus holds all the devices; else nothing."""
    for domain in fabric.domains:
        if len(domain.shape) > 1 and set(devices) <= set(domain.members):
            points = dict(zip(domain.members, product(*map(range, domain.shape)), strict=True))
            return {place: points[device] for place, device in enumerate(devices)}
    return {}
