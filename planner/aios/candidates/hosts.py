"""Where a device type stands in the fleet and how many replicas find room there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aios.candidates.rejections import Rejections
from aios.records.fleet import DeviceType, Fleet, MemoryKind, MemoryTier, Node

__all__ = ["Host", "Tier", "hosts_of", "replicas_that_fit"]

_WHOLE = 1 - 1e-6
"""What must be free of an accelerator for a replica to have all of it, however shares were rounded."""


class Tier(NamedTuple):
    """Memory of a machine beside what the device computes out of. bytes: None if unknown · read: bytes/s, None too."""

    name: str
    kind: MemoryKind
    bytes: float | None
    read: float | None


class Host(NamedTuple):
    """A node of the fleet, seen as a holder of one device type; what is taken already is left out.

    machines: how many equal ones · devices: of the type, on one machine · cores: CPU cores of one machine, None if
    unknown · memory_bytes: what one device can hold (a cpu: the machine's DRAM), None if unknown · tiers: where else
    its data could live
    """

    node: str
    machines: int
    devices: int
    cores: int | None
    memory_bytes: float | None
    tiers: tuple[Tier, ...] = ()


def hosts_of(device: DeviceType, fleet: Fleet, rejections: Rejections) -> tuple[Host, ...]:
    """Return the nodes that hold ``device`` and may be used, by name."""
    hosts = []
    for node in sorted(fleet.nodes, key=lambda node: node.name):
        ids = [id_ for slot in node.devices if slot.type == device.name for id_ in slot.ids]
        if not ids or not rejections.allows("node", node.name, f"node {node.name}"):
            continue
        stated = device.memory_bytes.value if device.memory_bytes else None
        free = None if node.free_cores is None else int(node.free_cores)
        if device.kind == "cpu":
            memory = min((size for size in (stated, node.free_memory_bytes) if size is not None), default=None)
            cores = min((n for n in (device.cores, free) if n is not None), default=None)
            usable = len(ids) if cores is None or cores > 0 else 0
        else:
            memory, cores = stated, free
            usable = sum(node.free_share(id_) >= _WHOLE for id_ in ids)
        if usable:
            hosts.append(Host(node.name, node.count, usable, cores, memory, tuple(_tiers(device, node))))
        else:
            what = f"{device.name} on node {node.name}"
            rejections.add(what, "free capacity", "all of it is taken already", resolvable="free it, or mend `used`")
    return tuple(hosts)


def _tiers(device: DeviceType, node: Node) -> Iterator[Tier]:
    """Yield where the data of a device could live beside its own memory; for an accelerator, first the node's DRAM."""
    if device.kind != "cpu" and node.free_memory_bytes is not None:
        yield Tier("dram", "dram", node.free_memory_bytes, None)
    yield from (_tier(tier) for tier in (*device.memory_tiers, *node.memory_tiers))


def _tier(tier: MemoryTier) -> Tier:
    return Tier(tier.name, tier.kind, tier.bytes.value, tier.read_bytes_per_s.value if tier.read_bytes_per_s else None)


def replicas_that_fit(device: DeviceType, hosts: Sequence[Host], threads: int) -> int:
    """Return how many replicas of ``threads`` threads the hosts hold together; an accelerator holds one each.

    A cpu whose cores are unknown is taken to hold one replica per machine: more cannot be justified.
    """
    if device.kind != "cpu":
        return sum(host.machines * host.devices for host in hosts)
    return sum(host.machines * (host.cores // threads if host.cores else 1) for host in hosts)
