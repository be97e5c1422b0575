"""What probes found on this machine -> Fleet."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aios.fleet.catalogue import Catalogue
from aios.fleet.devices import completed
from aios.fleet.making import fleet_of
from aios.fleet.partitions import parts_of, slots_of
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, MemoryTier, Node, Topology, Used
from aios.spi.probe import Discovery, Found

__all__ = ["Described", "describe"]


class Described(NamedTuple):
    """A machine as a fleet. doubts: one sentence for each device that could be one of several of the catalogue."""

    fleet: Fleet
    doubts: tuple[str, ...]


def describe(discoveries: Sequence[Discovery], catalogue: Catalogue) -> Described:
    """Return this machine as a fleet of one node, ``local``, with its cpu as device ``cpu0``.

    Facts that discovery cannot read (what a device draws, its peak rates) come from the catalogue entry that fits; a
    fact that was read stands. A processor that is only of the same generation as an entry gets the entry's power and
    memory bandwidth per core, marked ``assumed``. Devices that are cut into parts which nobody describes count as taken
    altogether, as in imports: nothing can be given to them as a whole.
    """
    memory_bytes = next((item.memory_bytes for item in discoveries if item.memory_bytes is not None), None)
    machine = _Machine(catalogue, memory_bytes)
    for discovery in discoveries:
        machine.take(discovery)
    node = Node(
        name="local",
        address="local",
        cores=next((item.cores for item in discoveries if item.cores is not None), None),
        memory_bytes=memory_bytes,
        memory_tiers=tuple(machine.tiers.values()),
        devices=tuple(machine.slots),
        topology=tuple(machine.topology),
        used=Used(devices=machine.taken) if machine.taken else None,
    )
    return Described(fleet_of("local", [node], machine.types, [], "this machine"), tuple(machine.doubts))


@dataclass
class _Machine:
    """What has been found so far. memory_bytes: of the machine · taken: device id -> share · doubts: see Described"""

    catalogue: Catalogue
    memory_bytes: float | None
    types: dict[str, DeviceType] = field(default_factory=dict)
    slots: list[DeviceSlot] = field(default_factory=list)
    tiers: dict[str, MemoryTier] = field(default_factory=dict)
    topology: list[Topology] = field(default_factory=list)
    taken: dict[str, float] = field(default_factory=dict)
    doubts: dict[str, None] = field(default_factory=dict)
    next_id: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})  # of cpus, of all other devices

    def take(self, discovery: Discovery) -> None:
        first = dict(self.next_id)
        for found in discovery.devices:
            self._devices(found)
        for tier in discovery.memory_tiers:
            name = _free(tier.name, self.tiers)
            self.tiers[name] = tier.model_copy(update={"name": name})
        cpus, others = (range(first[cpu], self.next_id[cpu]) for cpu in (True, False))
        self.topology += [_numbered(topology, cpus, others) for topology in discovery.topology]

    def _devices(self, found: Found) -> None:
        device = _unique(self._completed(found.type), self.types)
        self.types[device.name] = device
        cpu = device.kind == "cpu"
        numbers = range(self.next_id[cpu], self.next_id[cpu] + found.count)
        self.next_id[cpu] += found.count
        ids = tuple(_id(number, cpu) for number in numbers)
        known = set(found.partitions) <= {partition.name for partition in device.partitions}
        if found.partitions and known:
            self.types.update(parts_of(device, found.partitions))
            self.slots += slots_of(device.name, numbers, found.partitions)
            ids_of_each = [[f"{id_}.{part}" for part in range(len(found.partitions))] for id_ in ids]
        else:
            self.slots.append(DeviceSlot(type=device.name, ids=ids))
            ids_of_each = [[id_] for id_ in ids]
        used = found.used if known else (1.0,) * found.count
        for share, found_ids in zip(used, ids_of_each, strict=False):
            self.taken.update(dict.fromkeys(found_ids, min(1.0, share)) if share > 0 else {})

    def _completed(self, device: DeviceType) -> DeviceType:
        """Return a device with the facts of the entry that fits, if one does."""
        own = device.memory_bytes.value if device.memory_bytes is not None else None
        memory_bytes = self.memory_bytes if device.kind == "cpu" else own
        match = self.catalogue.match(device.kind, device.identity, memory_bytes)
        if match.doubt is not None:
            self.doubts[f"{match.doubt}; only what was read of it is known"] = None
        if match.type is None:
            return device
        if device.kind == "cpu":
            return device.model_copy(update=_share_of_cores(device, match.type, match.by_name))
        return completed(device.model_copy(update={"name": match.type.name}), match.type)


def _id(number: int, cpu: bool) -> str:
    return f"cpu{number}" if cpu else str(number)


def _numbered(topology: Topology, cpus: range, others: range) -> Topology:
    """Return a topology over the ids that its devices have on the node, of which its probe found some."""
    members = tuple(
        _id(cpus.start + int(id_.removeprefix("cpu")), True)
        if id_.startswith("cpu")
        else _id(others.start + int(id_), False)
        for id_ in topology.members
    ) or tuple(_id(number, False) for number in others)
    return topology.model_copy(update={"members": members})


def _free(name: str, taken: Container[str]) -> str:
    """Return ``name``, numbered if it is taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def _share_of_cores(device: DeviceType, part: DeviceType, by_name: bool) -> dict[str, Fact]:
    """Return power and memory bandwidth of the cores that are there, as their share of the part in the catalogue.

    by_name: it is this part; else one of the same generation
    """
    here = float(device.identity.get("physical_cores", device.cores or 0))
    whole = by_name and here == part.cores
    facts: dict[str, Fact] = {}
    for name in ("tdp_w", "idle_w", "memory_bandwidth_bytes_per_s"):
        fact: Fact | None = getattr(part, name)
        if fact is None or getattr(device, name) is not None or not part.cores or not here:
            continue
        share = f"{here:g} of {part.cores} cores of {part.model or part.name} with {fact.value:g} {fact.unit}"
        same = "" if by_name else ", which is of the same generation"
        facts[name] = (
            fact
            if whole
            else Fact(
                value=float(f"{fact.value * here / part.cores:.4g}"),
                unit=fact.unit,
                source="assumed",
                ref=f"{share}{same} ({fact.source}: {fact.ref})",
                as_of=fact.as_of,
            )
        )
    return facts


def _unique(device: DeviceType, types: dict[str, DeviceType]) -> DeviceType:
    """Return ``device`` under a name that no different type has."""
    name, number = device.name, 2
    while name in types and types[name] != device.model_copy(update={"name": name}):
        name, number = f"{device.name}-{number}", number + 1
    return device if name == device.name else device.model_copy(update={"name": name})
