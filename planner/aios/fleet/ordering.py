"""One order for every list whose order says nothing: equal fleets are equal records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from aios.records.base import Record
from aios.records.fleet import DeviceType, PowerCap, Topology, Used
from aios.records.hosts import natural_order

__all__ = ["by_name", "caps_in_order", "order_counts", "topology_in_order", "type_in_order", "used_of"]

Named = TypeVar("Named", bound=Record)

_LISTS = {"memory_tiers": "name", "interconnects": "kind", "partitions": "name"}
"""Lists of a device type that come in the order of names -> what their items are called."""


def by_name(items: Iterable[Named], name: str = "name") -> tuple[Named, ...]:
    """Return records in the natural order of their names, those of one name in the order of all else that they say."""
    return tuple(sorted(items, key=lambda item: (natural_order(getattr(item, name)), item.model_dump_json())))


def type_in_order(device: DeviceType) -> DeviceType:
    """Return a device type with its lists in order: features each once, power modes from the highest limit down."""
    lists: dict[str, Any] = {
        field: by_name(getattr(device, field), name) for field, name in _LISTS.items() if getattr(device, field)
    }
    lists["power_modes"] = tuple(sorted(by_name(device.power_modes), key=lambda mode: -mode.cap_w.value))
    lists["features"] = tuple(sorted(set(device.features)))
    changed = {field: items for field, items in lists.items() if items != getattr(device, field)}
    return device.model_copy(update=changed) if changed else device


def order_counts(topology: Topology) -> bool:
    """Say whether a topology is another one when its members come in another order: groups are counted off in order,
    and what has neighbours has them in order.
    """
    level: Topology | None = topology
    while level is not None:
        if level.group is not None or level.kind not in ("full", "switch"):
            return True
        level = level.between
    return False


def topology_in_order(topology: Topology) -> Topology:
    """Return a topology with its members in order where their order says nothing."""
    if not topology.members or order_counts(topology):
        return topology
    members = tuple(sorted(topology.members, key=lambda name: (natural_order(name), name)))
    return topology if members == topology.members else topology.model_copy(update={"members": members})


def caps_in_order(caps: Iterable[PowerCap]) -> tuple[PowerCap, ...]:
    """Return power caps, those on all machines first, then by label; each once."""
    labelled = [cap.model_copy(update={"labels": dict(sorted(cap.labels.items()))}) for cap in caps]
    found = {cap.model_dump_json(exclude={"where"}): cap for cap in labelled}
    order = sorted(found.items(), key=lambda item: (item[1].by is not None or bool(item[1].labels), item[0]))
    return tuple(cap for _, cap in order)


def used_of(used: Used | None) -> Used | None:
    """Return what is taken without the devices of which nothing is; None where nothing at all is taken."""
    if used is None:
        return None
    taken = {id_: used.devices[id_] for id_ in sorted(used.devices) if used.devices[id_]}
    if taken != used.devices:
        used = used.model_copy(update={"devices": taken})
    return None if used == Used() else used
