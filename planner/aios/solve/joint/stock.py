"""What the machines of a node hold, and what one part of an option takes of it, resource by resource."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

from aios.records.fleet import DeviceType, Fleet, Node
from aios.solve.problem import SHARE_UNITS, Need, devices_of

__all__ = ["Devices", "Stock", "stocks_of", "takes"]


class Devices(NamedTuple):
    """Devices of one type on a machine, the freest first. has: resource -> whole units of each device"""

    ids: tuple[str, ...]
    has: Mapping[str, tuple[int, ...]]


class Stock(NamedTuple):
    """Equal machines. has: resource -> whole units of each machine · devices: by type"""

    node: Node
    has: Mapping[str, int]
    devices: Mapping[str, Devices]

    @property
    def is_single(self) -> bool:
        """Whether all resources are those of one machine with one device: sums that hold then say that all fits."""
        return self.node.count == 1 and sum(len(own.ids) for own in self.devices.values()) == 1


def stocks_of(fleet: Fleet, tiers: Collection[str]) -> list[Stock]:
    """Return what every node holds, in fleet order; what nobody knows limits nothing and is left out.

    tiers: names of the memory tiers that any option uses
    """
    return [_stock(fleet.types, node, tiers) for node in fleet.nodes]


def _stock(types: Mapping[str, DeviceType], node: Node, tiers: Collection[str]) -> Stock:
    has: dict[str, int] = {}
    if node.free_cores is not None:
        has["cores"] = int(node.free_cores)
    if node.free_memory_bytes is not None:
        has["memory"] = math.floor(node.free_memory_bytes)
    has |= {f"tier {tier.name}": math.floor(tier.bytes.value) for tier in node.memory_tiers if tier.name in tiers}
    devices = {name: Devices(ids, _of_each(types[name], node, ids, tiers)) for name, ids in devices_of(node).items()}
    return Stock(node, has, devices)


def _of_each(type_: DeviceType, node: Node, ids: tuple[str, ...], tiers: Collection[str]) -> dict[str, tuple[int, ...]]:
    has = {"share": tuple(math.floor(node.free_share(id_) * SHARE_UNITS) for id_ in ids)}
    if type_.kind == "cpu" and node.cores is not None:
        # A share of a cpu is a share of the machine's cores.
        free = math.floor(SHARE_UNITS * (node.free_cores or 0.0)) // (node.cores or 1)
        has["share"] = (free,) * len(ids)
    if type_.memory_bytes is not None:
        has["memory"] = (math.floor(type_.memory_bytes.value),) * len(ids)
    for tier in type_.memory_tiers:
        if tier.name in tiers:
            has[f"tier {tier.name}"] = (math.floor(tier.bytes.value),) * len(ids)
    return has


def takes(need: Need, stock: Stock, device: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return what one part takes of its machine and of its (first) device, of all that is limited there."""
    own = stock.devices[device].has
    machine = {"cores": need.cores, "memory": need.node_memory}
    each = {"share": need.share, "memory": need.device_memory}
    for tier, size in need.tiers:
        (each if f"tier {tier}" in own else machine)[f"tier {tier}"] = size
    return (
        {name: amount for name, amount in machine.items() if amount and name in stock.has},
        {name: amount for name, amount in each.items() if amount and name in own},
    )
