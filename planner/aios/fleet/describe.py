"""What probes found on this machine -> Fleet."""

from __future__ import annotations

from collections.abc import Sequence

from aios.fleet.catalogue import Catalogue, Match
from aios.fleet.compile import fleet_of
from aios.fleet.devices import completed
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node
from aios.spi.probe import Discovery, Found

__all__ = ["describe"]


def describe(discoveries: Sequence[Discovery], catalogue: Catalogue) -> Fleet:
    """Return this machine as a fleet of one node, ``local``, with its cpu as device ``cpu0``.

    Facts that discovery cannot read (what a device draws, its peak rates) come from the catalogue entry that fits; a
    fact that was read stands. A processor that is only of the same generation as an entry gets the entry's power and
    memory bandwidth per core, marked ``assumed``.
    """
    types: dict[str, DeviceType] = {}
    slots: list[DeviceSlot] = []
    next_id = {True: 0, False: 0}  # of cpus and of all other devices
    for found in (found for discovery in discoveries for found in discovery.devices):
        device = _unique(_completed(found, catalogue), types)
        types[device.name] = device
        cpu = device.kind == "cpu"
        numbers = range(next_id[cpu], next_id[cpu] + found.count)
        next_id[cpu] += found.count
        slots.append(DeviceSlot(type=device.name, ids=tuple(f"cpu{n}" if cpu else str(n) for n in numbers)))
    node = Node(
        name="local",
        address="local",
        cores=next((item.cores for item in discoveries if item.cores is not None), None),
        memory_bytes=next((item.memory_bytes for item in discoveries if item.memory_bytes is not None), None),
        devices=tuple(slots),
    )
    return fleet_of("local", [node], types, [], "this machine")


def _completed(found: Found, catalogue: Catalogue) -> DeviceType:
    device = found.type
    match = catalogue.match(device.kind, device.identity)
    if match is None:
        return device
    if device.kind == "cpu":
        return device.model_copy(update=_share_of_cores(device, match))
    return completed(device.model_copy(update={"name": match.type.name}), match.type)


def _share_of_cores(device: DeviceType, match: Match) -> dict[str, Fact]:
    """Return power and memory bandwidth of the cores that are there, as their share of the part in the catalogue."""
    part, here = match.type, float(device.identity.get("physical_cores", device.cores or 0))
    whole = match.by_name and here == part.cores
    facts: dict[str, Fact] = {}
    for field in ("tdp_w", "idle_w", "memory_bandwidth_bytes_per_s"):
        fact: Fact | None = getattr(part, field)
        if fact is None or getattr(device, field) is not None or not part.cores or not here:
            continue
        share = f"{here:g} of {part.cores} cores of {part.model or part.name} with {fact.value:g} {fact.unit}"
        same = "" if match.by_name else ", which is of the same generation"
        facts[field] = (
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
