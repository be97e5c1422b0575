"""Copies that stand stay where they are, and others take what is left beside them, where it leaves least."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.current import Moving
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet, Node
from aios.solve.admission.stock import Taken
from aios.solve.amounts import CORE_UNITS, MEMORY_UNITS, rounded_down, rounded_up, share_units
from aios.solve.packing import WHOLE

__all__ = ["Kept", "kept"]

_Place = tuple[str, tuple[str, ...]]
_PLENTY = 1 << 80
"""Room of what nobody knows."""


class Kept(NamedTuple):
    """stands: demand -> place -> copies · refused: demand -> copies that found no place beside those that stay ·
    staying: copies that stay"""

    stands: Mapping[str, Counter[_Place]]
    refused: Mapping[str, int]
    staying: int


def kept(
    demands: Sequence[Demanded],
    sites: Mapping[str, Sequence[Site]],
    fleet: Fleet,
    taken: Mapping[str, Taken],
    moving: Moving,
) -> Kept:
    """Return where everything stands if what stands stays; taken: machine -> what services take of it.

    Required copies come before others, then those of higher priority, then what takes most.
    """
    room = _Room(fleet, taken)
    stands: dict[str, Counter[_Place]] = {demand.name: Counter() for demand in demands}
    for demand in sorted(demands, key=lambda demand: demand.name):
        standing, left = moving.standing.get(demand.name), demand.copies
        allowed = {(site.node, site.device) for site in sites[demand.name]}
        for part in standing.placement if standing else ():
            for _ in range(min(part.replicas, left)):
                if room.allows(demand, part.node, part.devices, allowed) and room.take(demand, part.node, part.devices):
                    stands[demand.name][part.node, part.devices] += 1
                    left -= 1
    staying = sum(own.total() for own in stands.values())
    refused, full = {}, set[tuple[object, ...]]()
    for demand in sorted(demands, key=_order):
        missing = demand.copies - stands[demand.name].total()
        alike = (room.needs(demand), tuple(sites[demand.name]))
        while missing and alike not in full:
            place = room.place(demand, sites[demand.name])
            if place is None:
                full.add(alike)  # room only shrinks: nothing that takes as much finds any later
            else:
                stands[demand.name][place] += 1
                missing -= 1
        if missing:
            refused[demand.name] = missing
    return Kept(stands, refused, staying)


def _order(demand: Demanded) -> tuple[bool, int, float, float, float, str]:
    wanted = demand.accelerators
    devices = wanted.count * wanted.share if wanted else 0.0
    return not demand.required, -demand.priority, -devices, -demand.cores, -demand.memory_bytes, demand.name


class _Room:
    """What is free of every machine: units of cores and memory, and of each device."""

    def __init__(self, fleet: Fleet, taken: Mapping[str, Taken]) -> None:
        self.node_of: dict[str, Node] = {}
        self.machines: dict[str, list[str]] = defaultdict(list)
        self.has: dict[str, list[int]] = {}
        self.devices: dict[str, dict[str, dict[str, int]]] = {}
        nothing = Taken()
        for node in fleet.nodes:
            for name in node.instances():
                gone = taken.get(name, nothing)
                self.node_of[name] = node
                self.machines[node.name].append(name)
                self.has[name] = [
                    _PLENTY if node.free_cores is None else rounded_down(CORE_UNITS * (node.free_cores - gone.cores)),
                    _PLENTY
                    if node.free_memory_bytes is None
                    else rounded_down(MEMORY_UNITS * (node.free_memory_bytes - gone.memory_bytes)),
                ]
                self.devices[name] = {
                    slot.type: {
                        id_: 0 if id_ in gone.devices else min(WHOLE, rounded_down(node.free_share(id_) * WHOLE))
                        for id_ in slot.ids
                    }
                    for slot in node.devices
                }

    def needs(self, demand: Demanded) -> tuple[int, int, int, int]:
        """Return units of cores, of memory, how many devices, and units of each."""
        wanted = demand.accelerators
        return (
            rounded_up(demand.cores * CORE_UNITS),
            rounded_up(demand.memory_bytes * MEMORY_UNITS),
            wanted.count if wanted else 0,
            share_units(wanted.share) if wanted else 0,
        )

    def allows(self, demand: Demanded, name: str, ids: Sequence[str], allowed: set[tuple[str, str]]) -> bool:
        """Say whether a copy may stand on these devices of a machine."""
        node, wanted = self.node_of.get(name), demand.accelerators
        if node is None or len(ids) != (wanted.count if wanted else 0):
            return False
        types = {slot.type for slot in node.devices if set(ids) & set(slot.ids)} if ids else {""}
        return len(types) == 1 and (node.name, *types) in allowed

    def take(self, demand: Demanded, name: str, ids: Sequence[str]) -> bool:
        """Take what a copy takes of a machine and its devices; where there is not that much say so and take nothing."""
        cores, memory, _, share = self.needs(demand)
        has = self.has[name]
        own = [devices for devices in self.devices[name].values() if set(ids) & set(devices)]
        if has[0] < cores or has[1] < memory or any(devices[id_] < share for devices in own for id_ in ids):
            return False
        has[0] -= cores
        has[1] -= memory
        for id_ in ids:
            own[0][id_] -= share
        return True

    def place(self, demand: Demanded, sites: Sequence[Site]) -> _Place | None:
        """Put a copy where it leaves least of devices, then of cores; None where there is no room for it."""
        cores, memory, count, share = self.needs(demand)
        best: tuple[float, float, str, tuple[str, ...]] | None = None
        for site in sites:
            for name in self.machines.get(site.node, ()):
                has = self.has[name]
                if has[0] < cores or has[1] < memory:
                    continue
                own = self.devices[name].get(site.device, {}) if count else {}
                fits = sorted((left, id_) for id_, left in own.items() if left >= share)[:count]
                if len(fits) < count:
                    continue
                over = sum(own.values()) if count > 1 or share == WHOLE else (fits[0][0] if fits else 0)
                found = (float(over), math.fsum(has), name, tuple(id_ for _, id_ in sorted(fits, key=lambda f: f[1])))
                best = found if best is None or found < best else best
        if best is None:
            return None
        self.take(demand, best[2], best[3])
        return best[2], best[3]
