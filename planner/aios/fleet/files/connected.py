"""Whether all machines are connected, where a fleet says how machines are connected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aios.fleet.files.machinenames import MachineNames
from aios.records.fleet import Link, Node, Topology

__all__ = ["apart"]


def apart(nodes: Sequence[Node], links: Sequence[Link], topologies: Sequence[Topology]) -> str | None:
    """Return what is not connected to each other, as the beginning of a sentence; None where nothing is.

    Connections between machines are taken to be all there are as soon as one is stated; where none is, nothing is
    known and nothing is wrong. The groups of a topology without ``between`` count as connected if anything else is
    stated beside it.
    """
    between = [link for link in links if "/" not in link.ends[0]]
    if not between and not topologies:
        return None
    islands = _islands(nodes, between, topologies)
    if len(islands) > 1:
        more = f" and {len(islands) - 4} more" if len(islands) > 4 else ""
        return ", ".join(f"`{name}`" for name in islands[:4]) + more
    if len(topologies) == 1 and not between and (groups := _group_count(topologies[0], nodes)) > 1:
        return f"the {groups} groups of `{topologies[0].name}`"
    return None


def _islands(nodes: Sequence[Node], links: Iterable[Link], topologies: Iterable[Topology]) -> tuple[str, ...]:
    """Return one node of each set of nodes that hang together."""
    machines = MachineNames()
    for node in nodes:
        machines.add(node)
    joined = _Joined(node.name for node in nodes)
    for link in links:
        one, other = (machines.node_of(end) for end in link.ends)
        if one and other:
            joined.join(one, other)
    for topology in topologies:
        members = topology.members or tuple(node.name for node in nodes)
        for name in members[1:]:
            joined.join(members[0], name)
    return joined.first_of_each()


def _group_count(topology: Topology, nodes: Sequence[Node]) -> int:
    """Return into how many groups a topology leaves its machines divided; 1 where it connects them all."""
    over = set(topology.members) or {node.name for node in nodes}
    members = [node for node in nodes if node.name in over]
    count = sum(node.count for node in members)
    level: Topology | None = topology
    while level is not None:
        if level.by is not None:
            count = len({node.labels.get(level.by) for node in members})
        else:
            count = count // level.group if level.group else 1
        level = level.between
    return count


class _Joined:
    """Disjoint sets of names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._above = {name: name for name in names}

    def join(self, one: str, other: str) -> None:
        self._above[self._top(other)] = self._top(one)

    def first_of_each(self) -> tuple[str, ...]:
        first: dict[str, str] = {}
        for name in self._above:
            first.setdefault(self._top(name), name)
        return tuple(first.values())

    def _top(self, name: str) -> str:
        while self._above[name] != name:
            self._above[name] = self._above[self._above[name]]
            name = self._above[name]
        return name
