"""Where a device type stands in the fleet and how many replicas find room there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aios.candidates.rejections import Rejections
from aios.records.fleet import DeviceType, Fleet

__all__ = ["Host", "hosts_of", "replicas_that_fit"]


class Host(NamedTuple):
    """A node of the fleet, seen as a holder of one device type.

    machines: how many equal ones · devices: of the type, on one machine · cores: CPU cores of one machine, None if
    unknown · memory_bytes: what one device can hold (a cpu: the machine's DRAM), None if unknown
    """

    node: str
    machines: int
    devices: int
    cores: int | None
    memory_bytes: float | None


def hosts_of(device: DeviceType, fleet: Fleet, rejections: Rejections) -> tuple[Host, ...]:
    """Return the nodes that hold ``device`` and may be used, by name."""
    hosts = []
    for node in sorted(fleet.nodes, key=lambda node: node.name):
        devices = sum(len(slot.ids) for slot in node.devices if slot.type == device.name)
        if not devices or not rejections.allows("node", node.name, f"node {node.name}"):
            continue
        stated = device.memory_bytes.value if device.memory_bytes else None
        if device.kind == "cpu":
            memory = min((size for size in (stated, node.memory_bytes) if size is not None), default=None)
            cores = min((n for n in (device.cores, node.cores) if n is not None), default=None)
        else:
            memory, cores = stated, node.cores
        hosts.append(Host(node.name, node.count, devices, cores, memory))
    return tuple(hosts)


def replicas_that_fit(device: DeviceType, hosts: Sequence[Host], threads: int) -> int:
    """Return how many replicas of ``threads`` threads the hosts hold together; an accelerator holds one each.

    A cpu whose cores are unknown is taken to hold one replica per machine: more cannot be justified.
    """
    if device.kind != "cpu":
        return sum(host.machines * host.devices for host in hosts)
    return sum(host.machines * (host.cores // threads if host.cores else 1) for host in hosts)
