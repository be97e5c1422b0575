"""What an importer read, without the values that no hardware has: the rules are those of fleet files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from aios.fleet.files.plausible import (
    DELAY,
    FIELDS,
    LINK,
    MEMORY,
    RENT,
    Bound,
    Doubt,
    clashes,
    doubts_of_device,
    doubts_of_tiers,
)
from aios.fleet.forms.device import MOST
from aios.fleet.forms.fleet import MOST_OF_A_TYPE, is_taint
from aios.records.base import Record
from aios.records.checking import dotted
from aios.records.fleet import DeviceType, Fact, Link, Topology
from aios.records.units import format_quantity
from aios.spi.importer import Inventory, Machine
from aios.spi.probe import Found

__all__ = ["believable", "place_of"]

AnyRecord = TypeVar("AnyRecord", bound=Record)

_OF_TIER = {"read": "read_bytes_per_s", "write": "write_bytes_per_s", "latency": "latency_s"}
"""What a memory tier need not say, as it is written -> field."""


def believable(inventory: Inventory, origin: str) -> Inventory:
    """Return the inventory without impossible values; ``left_out`` has a sentence for each, with machine and line.

    origin: the file that it was read from
    """
    left_out = list(inventory.left_out)
    machines = []
    for machine in inventory.machines:
        believed = _machine(machine)
        left_out += (f"{place_of(machine, origin)}: {text}" for text in believed.said)
        machines.append(believed.what)
    topology = [_topology(item) for item in inventory.topology]
    links = [_link(item) for item in inventory.links]
    left_out += (text for believed in (*topology, *links) for text in believed.said)
    update = {
        "machines": tuple(machines),
        "topology": tuple(believed.what for believed in topology),
        "links": tuple(believed.what for believed in links if believed.what is not None),
        "left_out": tuple(left_out),
    }
    return inventory.model_copy(update=update) if len(left_out) > len(inventory.left_out) else inventory


def place_of(machine: Machine, origin: str) -> str:
    """Return a machine with the line that describes it; of several files, nobody says which one its line is in."""
    at = "" if machine.line is None or ", " in origin else f" ({origin}:{machine.line})"
    return f"machine `{machine.name}`{at}"


class _Believed(NamedTuple):
    """A record without what is impossible, and a sentence for each value that was left out of it."""

    what: Any
    said: Sequence[str] = ()


def _machine(machine: Machine) -> _Believed:
    said: list[str] = []
    update: dict[str, Any] = {}
    if machine.cores is not None and not 1 <= machine.cores <= MOST:
        update["cores"] = None
        said.append(f"`cores` of {machine.cores} is impossible: a machine has 1 to {MOST:,}")
    for name, field, bound in (("memory", "memory_bytes", MEMORY), ("price", "price_usd_per_h", RENT)):
        value = getattr(machine, field)
        if value is not None and bound.why_not(value) is not None:
            update[field] = None
            said.append(_impossible(name, value, bound))
    unwritable = [taint for taint in machine.taints if not is_taint(taint)]
    if unwritable:
        update["taints"] = tuple(taint for taint in machine.taints if taint not in unwritable)
        said += (f"`{taint}` is no taint: these are `key=value:Effect`" for taint in unwritable)
    tiers = _tiers(machine)
    devices = [_found(item) for item in machine.devices]
    topology = [_topology(item) for item in machine.topology]
    said += (text for believed in (tiers, *devices, *topology) for text in believed.said)
    if not said:
        return _Believed(machine)
    update["memory_tiers"] = tiers.what.memory_tiers
    update["devices"] = tuple(believed.what for believed in devices if believed.what is not None)
    update["topology"] = tuple(believed.what for believed in topology)
    return _Believed(machine.model_copy(update=update), said)


def _tiers(machine: Machine) -> _Believed:
    said = []
    while doubt := next(doubts_of_tiers(machine.memory_tiers), None):
        tier = machine.memory_tiers[int(doubt.path[1])]
        said.append(_doubted(doubt, f" of memory tier `{tier.name}`"))
        machine = _without(machine, doubt.path)
    return _Believed(machine, said)


def _found(found: Found) -> _Believed:
    """Return devices as they may be; None for a number of them that no machine has."""
    called = found.type.identity.get("name") or found.type.model or found.type.name
    if not 1 <= found.count <= MOST_OF_A_TYPE:
        return _Believed(None, [f"{found.count} of `{called}` are impossible: a machine has 1 to {MOST_OF_A_TYPE:,}"])
    device = _device(found.type, f" of `{called}`")
    return _Believed(found.model_copy(update={"type": device.what}) if device.said else found, device.said)


def _device(device: DeviceType, of: str) -> _Believed:
    said: list[str] = []
    if device.cores is not None and not 1 <= device.cores <= MOST:
        said.append(f"`cores` of {device.cores}{of} is impossible: a processor has 1 to {MOST:,}")
        device = device.model_copy(update={"cores": None})
    while True:
        if doubt := next(doubts_of_device(device), None):
            said.append(_doubted(doubt, of))
            device = _without(device, doubt.path)
        elif clash := next(clashes(device), None):
            said.append(f"`{dotted(clash.path)}`{of} is left out: {clash.summary}")
            device = _without(device, clash.path)
        else:
            return _Believed(device, said)


def _topology(topology: Topology) -> _Believed:
    bandwidth = _carried(topology.bandwidth_bytes_per_s, LINK, "bandwidth", f" of `{topology.name}`")
    latency = _carried(topology.latency_s, DELAY, "latency", f" of `{topology.name}`")
    between = _Believed(None) if topology.between is None else _topology(topology.between)
    update = {"bandwidth_bytes_per_s": bandwidth.what, "latency_s": latency.what, "between": between.what}
    said = [*bandwidth.said, *latency.said, *between.said]
    return _Believed(topology.model_copy(update=update) if said else topology, said)


def _link(link: Link) -> _Believed:
    """Return a link as it may be; None without a bandwidth, which is all that it says."""
    of = f" of the link {' - '.join(link.ends)}"
    bandwidth = _carried(link.bandwidth_bytes_per_s, LINK, "bandwidth", of)
    latency = _carried(link.latency_s, DELAY, "latency", of)
    known = None if bandwidth.what is None else link.model_copy(update={"latency_s": latency.what})
    return _Believed(known, [*bandwidth.said, *latency.said])


def _carried(fact: Fact | None, bound: Bound, name: str, of: str) -> _Believed:
    if fact is None or bound.why_not(fact.value) is None:
        return _Believed(fact)
    return _Believed(None, [_impossible(name, fact.value, bound, of)])


def _doubted(doubt: Doubt, of: str) -> str:
    name = next(step for step in reversed(doubt.path) if isinstance(step, str))
    return _impossible(name, doubt.value, doubt.bound, of)


def _impossible(name: str, value: float, bound: Bound, of: str = "") -> str:
    return f"`{name}` of {format_quantity(value, bound.dimension)}{of} is impossible: {bound.why_not(value)}"


def _without(record: AnyRecord, path: Sequence[str | int]) -> AnyRecord:
    """Return a device type or a machine without the value at a path of a file; without a list's item if it needs it."""
    name, *inner = path
    if name == "power_cap":
        return record.model_copy(update={f"cap_{inner[0]}_w": None})
    field = FIELDS.get(str(name), str(name))
    value = getattr(record, field)
    left: object = None
    if isinstance(value, Mapping):
        left = {key: fact for key, fact in value.items() if key != inner[0]}
    elif isinstance(value, tuple):
        index = int(inner[0])
        optional = _OF_TIER.get(str(inner[-1]))
        kept = [value[index].model_copy(update={optional: None})] if optional else []
        left = (*value[:index], *kept, *value[index + 1 :])
    return record.model_copy(update={field: left})
