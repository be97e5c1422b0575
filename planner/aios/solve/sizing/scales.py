"""What a part takes of a machine of each shape, and how many such parts one machine holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet, Node
from aios.solve.problem import SHARE_UNITS, devices_of
from aios.solve.sizing.problem import Footprint, Place

__all__ = ["Part", "Scale", "copies_of", "footprint_of", "part_of"]

UNITS = 10**6
"""What a machine has of a resource in whole units, so that sums stay small; what is taken of it is rounded down."""
_CUTS = (1, 2, 3)
"""Dual feasible functions that tell how badly shares of a device go together: k = 1 says that no two shares of more
than a half do. Fekete and Schepers, New classes of fast lower bounds for bin packing problems, Mathematical
Programming 91 (2001): floor((k + 1) x) / k, here with the largest whole number below (k + 1) x, which holds for all x.
"""
_MANY = 10**7
"""More parts than any plan has."""
_WRITTEN = 1e-6
"""By how much a share may lie above what fills a device and still go there: a third may be written as 0.333333."""


class Part(NamedTuple):
    """What stands on one machine. nodes: of which · device: its type, none where ``devices`` is 0 · share: of each
    device"""

    nodes: frozenset[str]
    device: str
    devices: int
    share: float
    cores: float
    device_memory_bytes: float
    node_memory_bytes: float
    tier_bytes: Mapping[str, float]


def part_of(priced: Priced) -> Part:
    """Return what each part of an option takes."""
    candidate, demand = priced.candidate, priced.demand
    return Part(
        frozenset(candidate.nodes),
        candidate.device,
        candidate.devices,
        demand.share,
        demand.cores,
        demand.device_memory_bytes,
        demand.node_memory_bytes,
        demand.tier_bytes,
    )


def copies_of(demand: Demanded, sites: Sequence[Site]) -> list[Part]:
    """Return what each copy of a stated demand takes, for every type of device that it may take."""
    nodes: dict[str, set[str]] = {}
    for site in sites:
        nodes.setdefault(site.device, set()).add(site.node)
    wanted = demand.accelerators
    count, share = (wanted.count, wanted.share) if wanted else (0, 0.0)
    rest = demand.cores, 0.0, demand.memory_bytes, dict[str, float]()
    return [Part(frozenset(own), device, count, share, *rest) for device, own in sorted(nodes.items())]


def footprint_of(part: Part, scales: Sequence[Scale]) -> Footprint:
    """Return where a part may stand, and what it takes there."""
    places = (scale.place(index, part) for index, scale in enumerate(scales))
    return tuple(place for place in places if place is not None)


class _Resource(NamedTuple):
    """Something of which a machine has ``has``, and a part takes ``takes`` of it; both in the resource's own unit."""

    has: float
    takes: Callable[[Part], float]
    device: str | None = None


class Scale:
    """The resources of one shape. has: of each, in whole units."""

    def __init__(self, node: Node, fleet: Fleet) -> None:
        self._node = node
        self._devices = {name: len(ids) for name, ids in devices_of(node).items()}
        self._memory = {
            name: fact.value for name in self._devices if (fact := fleet.types[name].memory_bytes) is not None
        }
        self._resources = [*self._of_machine(), *(item for name in self._devices for item in self._of_device(name))]
        self.has = [math.floor(item.has * UNITS) if item.device else UNITS for item in self._resources]

    def _of_machine(self) -> Iterator[_Resource]:
        if self._node.cores is not None:
            yield _Resource(self._node.cores, lambda part: part.cores)
        if self._node.memory_bytes is not None:
            yield _Resource(self._node.memory_bytes, lambda part: part.node_memory_bytes)
        for tier in self._node.memory_tiers:
            yield _Resource(tier.bytes.value, partial(_of_tier, tier.name))

    def _of_device(self, name: str) -> Iterator[_Resource]:
        number, memory = self._devices[name], self._memory.get(name)
        yield _Resource(number, lambda part: part.share * part.devices, name)
        for k in _CUTS:
            yield _Resource(number, partial(_cut, k), name)
        if memory is not None:
            yield _Resource(number, partial(_of_device_memory, memory), name)

    def place(self, index: int, part: Part) -> Place | None:
        """Return what a part takes of a machine of this shape; None where it does not stand there."""
        most = self._most(part) if self._node.name in part.nodes else 0
        if not most:
            return None
        takes = []
        for number, item in enumerate(self._resources):
            if item.device in (None, part.device):
                unit = 1.0 if item.device else item.has
                amount = math.floor(item.takes(part) / unit * UNITS + 1e-6)
                if amount:
                    takes.append((number, amount))
        return Place(index, tuple(takes), most)

    def _most(self, part: Part) -> int:
        """Return how many such parts one machine holds when it holds nothing else."""
        most = _MANY  # not the number of these parts: others that take the same stand beside them
        if part.devices:
            blocks = self._devices.get(part.device, 0) // part.devices
            shares = _times(1.0, part.share - _WRITTEN)
            most = min(most, blocks * min(shares, _times(self._memory.get(part.device), part.device_memory_bytes)))
        held = (_times(item.has, item.takes(part)) for item in self._resources if item.device is None)
        return min((most, *held))


def _of_tier(name: str, part: Part) -> float:
    return part.tier_bytes.get(name, 0.0)


def _of_device_memory(memory: float, part: Part) -> float:
    return part.device_memory_bytes / memory * part.devices


def _cut(k: int, part: Part) -> float:
    share = math.floor((part.share - _WRITTEN) * SHARE_UNITS)
    return max(0, ((k + 1) * share - 1) // SHARE_UNITS) / k * part.devices


def _times(has: float | None, takes: float) -> int:
    """Return how often ``takes`` goes into ``has``; very often where it takes nothing, or ``has`` is unknown."""
    return 1 << 40 if has is None or takes <= 0 else math.floor(has / takes + 1e-9)
