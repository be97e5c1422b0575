"""From pools to single nodes: what stands on nodes of a kind is spread over them, heavy things first, evenly.

Demands of several devices come first, the largest onto the nodes with the fewest free devices that still hold them, as
powers of two then leave no gaps. Shares of a device are brought together as the patterns say, heavy with light; these
and demands of one device go, the heaviest first, to the node with most room per device. What finds no node may still
change places with something lighter. Demands without devices take what is left, the fullest node first.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.solve.packing.patterns import Pattern
from aios.solve.packing.problem import Content, Place, Problem

__all__ = ["Bundle", "Pool", "bundles_of"]

_TRIES = 20
"""Nodes with most room that are tried for one bundle."""


class Bundle(NamedTuple):
    """What stands or falls together: one demand, or several that share a device. takes: of each resource"""

    group: int
    devices: int
    takes: tuple[int, ...]
    kinds: tuple[int, ...]


class Pool:
    """Nodes that are alike, one by one: what is free on each, and what stands there."""

    def __init__(self, problem: Problem, nodes: int) -> None:
        self.problem = problem
        self.kind = nodes
        pool = problem.nodes[nodes]
        self.has = pool.has
        self.free = [list(pool.has) for _ in range(pool.number)]
        self.devices = [list(pool.groups) for _ in range(pool.number)]
        self.stands: list[list[Bundle]] = [[] for _ in range(pool.number)]

    def fits(self, node: int, bundle: Bundle) -> bool:
        """Say whether a node has room for a bundle."""
        if bundle.devices and self.devices[node][bundle.group] < bundle.devices:
            return False
        return self._holds(node, bundle.takes)

    def put(self, node: int, bundle: Bundle) -> None:
        """Let a bundle stand on a node."""
        self._count(node, bundle, -1)
        self.stands[node].append(bundle)

    def take(self, node: int, bundle: Bundle) -> None:
        """Take a bundle off its node."""
        self._count(node, bundle, 1)
        self.stands[node].remove(bundle)

    def _count(self, node: int, bundle: Bundle, sign: int) -> None:
        if bundle.devices:
            self.devices[node][bundle.group] += sign * bundle.devices
        free = self.free[node]
        for resource, amount in enumerate(bundle.takes):
            free[resource] += sign * amount

    def room(self, node: int) -> float:
        """Return what is free of the scarcest resource of a node, as a share."""
        return min((free / has for free, has in zip(self.free[node], self.has, strict=True) if has), default=1.0)

    def weight(self, takes: Sequence[int]) -> float:
        """Return the largest share of a node's resource that is taken."""
        return max((amount / has for amount, has in zip(takes, self.has, strict=True) if has), default=0.0)

    def spread(self, bundles: Sequence[Bundle]) -> list[Bundle]:
        """Let bundles stand where there is room; return those that found none."""
        left = self._spread_large([bundle for bundle in bundles if bundle.devices > 1])
        return left + self._spread_small([bundle for bundle in bundles if bundle.devices <= 1])

    def _spread_large(self, bundles: Sequence[Bundle]) -> list[Bundle]:
        left = []
        counts = Counter(bundles)
        for bundle in sorted(counts, key=lambda bundle: (-bundle.devices, -self.weight(bundle.takes), bundle)):
            heap = [
                (self.devices[node][bundle.group], -self.room(node), node)
                for node in range(len(self.free))
                if self.fits(node, bundle)
            ]
            heapq.heapify(heap)
            waiting = counts[bundle]
            while waiting and heap:
                _, _, node = heapq.heappop(heap)
                self.put(node, bundle)
                waiting -= 1
                if self.fits(node, bundle):
                    heapq.heappush(heap, (self.devices[node][bundle.group], -self.room(node), node))
            left += [bundle] * waiting
        return left

    def _spread_small(self, bundles: Sequence[Bundle]) -> list[Bundle]:
        left = []
        counts = Counter(bundles)
        heap = [(-self.ease(node), node) for node, devices in enumerate(self.devices) if any(devices)]
        heapq.heapify(heap)
        for bundle in sorted(counts, key=lambda bundle: (-self.weight(bundle.takes), bundle)):
            waiting = [bundle] * counts[bundle]
            if not bundle.devices:
                waiting = self.fill(waiting, [node for node, devices in enumerate(self.devices) if not any(devices)])
            while waiting and self._put_easiest(heap, bundle):
                waiting.pop()
            left += waiting
        return left

    def _put_easiest(self, heap: list[tuple[float, int]], bundle: Bundle) -> bool:
        """Let a bundle stand on the node with most room per free device, of some that hold it."""
        tried: list[tuple[float, int]] = []
        found = False
        while heap and len(tried) < _TRIES and not found:
            entry = heapq.heappop(heap)
            found = self.fits(entry[1], bundle)
            if not found:
                tried.append(entry)
            else:
                self.put(entry[1], bundle)
                if any(self.devices[entry[1]]):
                    tried.append((-self.ease(entry[1]), entry[1]))
        for entry in tried:
            heapq.heappush(heap, entry)
        return found

    def ease(self, node: int) -> float:
        """Return how much room there is for each free device."""
        return self.room(node) / max(1, sum(self.devices[node]))

    def fill(self, bundles: Sequence[Bundle], nodes: Sequence[int] | None = None) -> list[Bundle]:
        """Let bundles stand on the fullest nodes (of some) that hold them; return those that found none."""
        among = range(len(self.free)) if nodes is None else nodes
        left = []
        counts = Counter(bundles)
        for bundle in sorted(counts, key=lambda bundle: (-self.weight(bundle.takes), bundle)):
            waiting = counts[bundle]
            fitting = sorted((self.room(node), node) for node in among if self.fits(node, bundle))
            for _, node in fitting:
                while waiting and self.fits(node, bundle):
                    self.put(node, bundle)
                    waiting -= 1
                if not waiting:
                    break
            left += [bundle] * waiting
        return left

    def join(self, kind: int, group: int, waiting: int) -> int:
        """Let demands of a share stand beside others on devices of a group with room; return how many found none."""
        demand, kinds = self.problem.kinds[kind], self.problem.kinds
        room = self.problem.nodes[self.kind].room(group)
        for node, bundles in enumerate(self.stands):
            for bundle in tuple(bundles) if self._holds(node, demand.takes) else ():
                shares = [kinds[other].share for other in bundle.kinds if kinds[other].is_shared]
                if not shares or bundle.group != group:
                    continue
                fits = min(waiting, (room - sum(shares)) // demand.share)
                while fits and not all(f >= fits * t for f, t in zip(self.free[node], demand.takes, strict=True)):
                    fits -= 1
                if fits:
                    self.take(node, bundle)
                    takes = tuple(a + fits * b for a, b in zip(bundle.takes, demand.takes, strict=True))
                    self.put(node, bundle._replace(takes=takes, kinds=(*bundle.kinds, *[kind] * fits)))
                    waiting -= fits
                if not waiting:
                    return 0
        return waiting

    def _holds(self, node: int, takes: Sequence[int]) -> bool:
        return all(map(int.__ge__, self.free[node], takes))

    def contents(self) -> Iterator[Content]:
        """Yield what stands on each node."""
        for node in range(len(self.stands)):
            yield self.content(node)

    def content(self, node: int) -> Content:
        """Return what stands on a node."""
        return tuple(sorted((bundle.group, bundle.kinds) for bundle in self.stands[node]))

    def clear(self, node: int) -> None:
        """Take everything off a node."""
        for bundle in tuple(self.stands[node]):
            self.take(node, bundle)

    def refill(self, node: int, content: Content) -> None:
        """Let something else stand on a node than does."""
        self.clear(node)
        kinds = self.problem.kinds
        for group, own in content:
            takes = tuple(map(sum, zip(*(kinds[kind].takes for kind in own), strict=True)))
            self.put(node, Bundle(group, kinds[own[0]].devices, takes, own))


def bundles_of(
    pool: Pool, numbers: Mapping[tuple[int, int], int], patterns: Mapping[Place, Mapping[Pattern, int]]
) -> list[Bundle]:
    """Return what stands in a pool as bundles. numbers: (kind, group) -> how many · patterns: as of ``Whole``"""
    kinds, found = pool.problem.kinds, list[Bundle]()
    shared: dict[int, list[int]] = {}
    for (kind, group), number in sorted(numbers.items()):
        if kinds[kind].is_shared:
            shared.setdefault(group, []).extend([kind] * number)
        else:
            found += [Bundle(group, kinds[kind].devices, kinds[kind].takes, (kind,))] * number
    for group, own in shared.items():
        found += _together(pool, group, own, patterns.get((pool.kind, group), {}))
    return found


def _together(pool: Pool, group: int, demands: Sequence[int], patterns: Mapping[Pattern, int]) -> list[Bundle]:
    """Bring demands that take shares together on devices: of each size the heaviest onto the lightest device."""
    kinds = pool.problem.kinds
    devices = [dict(pattern) for pattern, count in sorted(patterns.items()) for _ in range(count)]
    takes = [[0] * len(pool.has) for _ in devices]
    held: list[list[int]] = [[] for _ in devices]
    for size in sorted({kinds[kind].share for kind in demands}, reverse=True):
        own = sorted((k for k in demands if kinds[k].share == size), key=lambda k: (-pool.weight(kinds[k].takes), k))
        heap = [(pool.weight(takes[place]), place) for place, device in enumerate(devices) if device.get(size)]
        heapq.heapify(heap)
        for kind in own:
            _, place = heapq.heappop(heap)
            devices[place][size] -= 1
            held[place].append(kind)
            takes[place] = [a + b for a, b in zip(takes[place], kinds[kind].takes, strict=True)]
            if devices[place][size]:
                heapq.heappush(heap, (pool.weight(takes[place]), place))
    return [Bundle(group, 1, tuple(taken), tuple(own)) for taken, own in zip(takes, held, strict=True) if own]
