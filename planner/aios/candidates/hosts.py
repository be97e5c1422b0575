"""Where a device type stands in the fleet and how many replicas find room there."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from aios.candidates.places import admitted
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

    machines: how many equal ones · devices: of the type, on one machine · cores: most that one replica can have (those
    of one cpu; of the machine, beside an accelerator), None if unknown · all_cores: those of all such cpus of the
    machine · memory_bytes: what one device can hold (a cpu: the machine's DRAM), None if unknown · tiers: where else
    its data could live · site: what it costs to be there; hosts of equal sites are as good as each other
    """

    node: str
    machines: int
    devices: int
    cores: int | None
    memory_bytes: float | None
    tiers: tuple[Tier, ...] = ()
    all_cores: int | None = None
    site: Hashable = None


def hosts_of(device: DeviceType, fleet: Fleet, rejections: Rejections) -> tuple[Host, ...]:
    """Return the nodes that hold ``device`` and may be used, by name."""
    hosts = []
    holding = [node for node in fleet.nodes if any(slot.type == device.name for slot in node.devices)]
    named = [
        node
        for node in sorted(holding, key=lambda node: node.name)
        if rejections.allows("node", node.name, f"node {node.name}")
    ]
    for node in admitted(named, rejections.rules, rejections):
        ids = [id_ for slot in node.devices if slot.type == device.name for id_ in slot.ids]
        host = _host(device, node, ids)
        if host.devices:
            hosts.append(host)
        else:
            what, taken = f"{device.name} on node {node.name}", "all of it is taken already"
            if any(node.free_share(id_) > 0 for id_ in ids):
                taken = "a part of each is taken already, and a replica has a device to itself"
            rejections.add(what, "free capacity", taken, resolvable="free it, or mend `used`")
    return tuple(hosts)


def _host(device: DeviceType, node: Node, ids: Sequence[str]) -> Host:
    """Return the node as a holder of ``device``; with no usable device where all of it is taken."""
    memory = device.memory_bytes.value if device.memory_bytes else None
    free = None if node.free_cores is None else int(node.free_cores)
    cores = all_cores = free
    if device.kind == "cpu":
        memory = memory if node.free_memory_bytes is None else node.free_memory_bytes
        cores = min((n for n in (device.cores, free) if n is not None), default=None)
        together = device.cores and device.cores * len(ids)
        all_cores = min((n for n in (together, free) if n is not None), default=None)
        usable = len(ids) if cores is None or cores > 0 else 0
    else:
        usable = sum(node.free_share(id_) >= _WHOLE for id_ in ids)
    tiers = tuple(_tiers(device, node))
    return Host(node.name, node.count, usable, cores, memory, tiers, all_cores, _site(device, node))


def _site(device: DeviceType, node: Node) -> Hashable:
    """Return what the cost of being on a node follows from: its price and what shares it, and its electricity."""
    if device.price_usd_per_h is not None or node.price_usd_per_h is None:
        return node.carbon_g_per_kwh
    return node.price_usd_per_h.value, tuple((slot.type, slot.ids) for slot in node.devices), node.carbon_g_per_kwh


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
    return sum(host.machines * _on_machine(host, threads) for host in hosts)


def _on_machine(host: Host, threads: int) -> int:
    """Return how many replicas of ``threads`` threads the cpus of one machine hold; none stands on two of them."""
    if not host.cores:
        return 1
    return min(host.devices * (host.cores // threads), (host.all_cores or host.cores) // threads)
