"""Which machines stand for a fleet when it is too large to look at every one."""

from __future__ import annotations

from collections.abc import Sequence

from aios.records.fleet import Fleet, Node, Topology

__all__ = ["accelerators", "representatives"]

_LARGEST_GROUP = 64
"""Machines of one group that are looked at beyond those that a set needs; larger groups are cut to it."""


def representatives(fleet: Fleet, size: int, most: int) -> tuple[str, ...]:
    """Return machines in which a best-connected set of ``size`` devices is to be looked for, at most ``most`` devices.

    Every machine, if these hold at most ``most`` devices. Else of each node as many of its first machines as ``size``
    devices need and, where that fits, the machines of one more group of the fleet's topology, so that a whole group is
    among them wherever its bounds fall; of the last nodes none, where not even what is needed fits. Machines of one
    node are alike, so what is left out could only differ in its place between the groups of an outer level.
    """
    total = sum(node.count * len(accelerators(node, fleet)) for node in fleet.nodes)
    if total <= most:
        return tuple(name for node in fleet.nodes for name in node.instances())
    for spare in (min(_LARGEST_GROUP, _group(fleet.topology)), 0):
        wanted = {node.name: _wanted(node, fleet, size, spare) for node in fleet.nodes}
        if sum(wanted[node.name] * len(accelerators(node, fleet)) for node in fleet.nodes) <= most:
            break
    else:
        wanted = _trimmed(fleet, wanted, most)
    return tuple(
        node.name if node.count == 1 else f"{node.name}-{number}"
        for node in fleet.nodes
        for number in range(wanted[node.name])
    )


def accelerators(node: Node, fleet: Fleet) -> tuple[str, ...]:
    """Return the ids of a machine's devices that are no cpus; of the cpus where it has no other."""
    ids = [name for slot in node.devices if fleet.types[slot.type].kind != "cpu" for name in slot.ids]
    return tuple(ids or [name for slot in node.devices for name in slot.ids])


def _wanted(node: Node, fleet: Fleet, size: int, spare: int) -> int:
    each = len(accelerators(node, fleet))
    return min(node.count, -(-size // each) + spare) if each else 0


def _trimmed(fleet: Fleet, wanted: dict[str, int], most: int) -> dict[str, int]:
    """Return fewer machines, node by node, as long as they fit."""
    left = most
    kept: dict[str, int] = {}
    for node in fleet.nodes:
        each = len(accelerators(node, fleet))
        kept[node.name] = min(wanted[node.name], max(0, left) // each) if each else 0
        left -= kept[node.name] * each
    return kept


def _group(topologies: Sequence[Topology]) -> int:
    sizes = [0]
    for topology in topologies:
        level: Topology | None = topology
        size = 1
        while level is not None and level.group is not None:
            size *= level.group
            sizes.append(size)
            level = level.between
    return max([size for size in sizes if size <= _LARGEST_GROUP], default=0)
