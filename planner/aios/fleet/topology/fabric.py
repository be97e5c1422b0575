"""Fleet -> Fabric: what is joined to what, for the machines that somebody asks about.

Vertices are devices (``node-0/3``), the host of each machine (``node-0#host``), switches inside (``node-0#nvlink``) and
between machines (``#rack-0``). A device reaches the network by way of its host.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from aios.fleet.topology.levels import MOST_EDGES, Placed, Sheet, Site, Tier, Unit, expand, too_many
from aios.fleet.topology.machines import Machine, islands, machine_of
from aios.records.errors import Diagnostic, InputError
from aios.records.fabric import Domain, Edge, Fabric, InterconnectType
from aios.records.fleet import Fleet, Link, Node, Topology

__all__ = ["MOST_DEVICES", "fabric_of", "machine_named"]

MOST_DEVICES = 20_000
"""Devices that are expanded together; a fleet may have any number, of which some machines are looked at."""

_PASSING = ("ring", "mesh", "torus")


def fabric_of(
    fleet: Fleet, interconnects: Mapping[str, InterconnectType], instances: Sequence[str] | None = None
) -> Fabric:
    """Return how the devices of some machines are connected, in each machine and between them.

    instances: machines by name (``t4-3``), or nodes, which stand for all their machines; None for the whole fleet.
    Nothing else is expanded, except for machines that a ring, mesh or torus needs to pass traffic on. Raises
    InputError for a machine that does not exist and for more than ``MOST_DEVICES`` devices or ``MOST_EDGES``
    connections.
    """
    chosen = _chosen(fleet, instances)
    sheet = Sheet(interconnects)
    inside, between = _sorted_links(fleet)
    templates: dict[str, Machine] = {}
    devices: list[str] = []
    units: dict[str, Unit] = {}
    for name, (node, _number) in chosen.items():
        if node.name not in templates:
            templates[node.name] = machine_of(node, fleet.types, inside.get(node.name, ()), sheet)
        own, edges, placed = templates[node.name].called(name)
        devices += own
        sheet.join(edges)
        sheet.placed += placed
        units[name] = Unit((f"{name}#host",), own, templates[node.name].reach)
    numbered = {(node.name, number): units[name] for name, (node, number) in chosen.items()}
    for topology in fleet.topology:
        _network(_Roster(fleet, topology.members), topology, numbered, sheet)
    _links(fleet, between, chosen, units, sheet)
    named = {edge.interconnect for edge in sheet.edges}
    return Fabric(
        devices=tuple(devices),
        edges=tuple(sheet.edges),
        domains=_ordered(sheet.placed, devices),
        interconnects={name: kind for name, kind in interconnects.items() if name in named},
        unknown=tuple(sheet.unknown),
    )


def machine_named(nodes: Mapping[str, Node], name: str) -> tuple[Node, int] | None:
    """Return the node and the number of the machine of that name (``t4-3``); None if there is none.

    nodes: of the fleet, by name.
    """
    if name in nodes and nodes[name].count == 1:
        return nodes[name], 0
    head, _, tail = name.rpartition("-")
    node = nodes.get(head)
    if node is None or node.count == 1 or not re.fullmatch(r"0|[1-9][0-9]{0,6}", tail):
        return None
    return (node, int(tail)) if int(tail) < node.count else None


def _chosen(fleet: Fleet, names: Sequence[str] | None) -> dict[str, tuple[Node, int]]:
    """Return the machines that are asked for: name -> node and number. Raises InputError."""
    nodes = {node.name: node for node in fleet.nodes}
    whole = [nodes[name] for name in (nodes if names is None else names) if name in nodes]
    single = [name for name in names or () if name not in nodes]
    found = {name: machine_named(nodes, name) for name in single}
    mistakes = [_no_such(fleet, name) for name in single if found[name] is None]
    if mistakes:
        raise InputError(*mistakes)
    count = sum(node.count * _size(node) for node in whole) + sum(_size(at[0]) for at in found.values() if at)
    if count > MOST_DEVICES or sum(node.count for node in whole) > MOST_DEVICES:
        raise InputError(
            Diagnostic(
                summary=f"{count:,} devices are more than can be looked at together (at most {MOST_DEVICES:,})",
                remedy="name the machines to look at",
            )
        )
    chosen = {name: (node, number) for node in whole for number, name in enumerate(node.instances())}
    chosen.update({name: at for name, at in found.items() if at})
    return chosen


def _size(node: Node) -> int:
    return sum(len(slot.ids) for slot in node.devices)


def _no_such(fleet: Fleet, name: str) -> Diagnostic:
    near = difflib.get_close_matches(name, [node.name for node in fleet.nodes], n=3, cutoff=0.5)
    nodes = [node for node in fleet.nodes if node.name in near]
    known = [node.name if node.count == 1 else f"{node.name}-0 to {node.name}-{node.count - 1}" for node in nodes]
    return Diagnostic(
        summary=f"there is no machine `{name}` in fleet {fleet.name}",
        remedy=f"did you mean one of {', '.join(known)}?" if known else None,
    )


def _sorted_links(fleet: Fleet) -> tuple[dict[str, list[Link]], list[Link]]:
    """Return the links between devices of one machine, by node, and those between machines."""
    inside: dict[str, list[Link]] = {}
    between: list[Link] = []
    for link in fleet.links:
        if "/" in link.ends[0]:
            inside.setdefault(link.ends[0].split("/", maxsplit=1)[0], []).append(link)
        else:
            between.append(link)
    return inside, between


class _Roster:
    """The machines that a topology connects, in order, without spelling them out."""

    def __init__(self, fleet: Fleet, members: Sequence[str]) -> None:
        nodes = {node.name: node for node in fleet.nodes}
        self.nodes = [nodes[name] for name in members or nodes]
        *starts, self.total = accumulate((node.count for node in self.nodes), initial=0)
        self._starts = starts
        self._start = dict(zip((node.name for node in self.nodes), starts, strict=True))

    def position(self, node: str, number: int) -> int | None:
        """Return where a machine of ``node`` stands; None where the topology does not connect it."""
        start = self._start.get(node)
        return None if start is None else start + number

    def everyone(self) -> Iterator[tuple[int, str]]:
        """Yield every position and machine."""
        return enumerate(name for node in self.nodes for name in node.instances())

    def labels(self, key: str) -> list[str]:
        """Return the values of a label among the machines, in order."""
        return sorted({node.labels[key] for node in self.nodes if key in node.labels})

    def label(self, position: int, key: str) -> str | None:
        """Return the label of the machine at a position."""
        return self.nodes[bisect_right(self._starts, position) - 1].labels.get(key)


def _network(roster: _Roster, topology: Topology, units: Mapping[tuple[str, int], Unit], sheet: Sheet) -> None:
    """Expand a topology between machines over those of them that were asked for: (node, number) -> unit."""
    members: dict[int, Unit] = {}
    for (node, number), unit in units.items():
        position = roster.position(node, number)
        if position is not None:
            members[position] = unit
    if _passes(topology):
        if roster.total > MOST_DEVICES:
            raise too_many(roster.total)
        for position, name in roster.everyone():
            members.setdefault(position, Unit((f"{name}#host",), ()))
    site = Site("", f"topology `{topology.name}`", Tier.NETWORK, roster.label, roster.labels)
    expand(topology, dict(sorted(members.items())), roster.total, site, sheet)


def _passes(topology: Topology | None) -> bool:
    """Return whether machines pass on what is meant for others."""
    return topology is not None and (topology.kind in _PASSING or _passes(topology.between))


def _links(
    fleet: Fleet,
    links: Sequence[Link],
    chosen: Mapping[str, tuple[Node, int]],
    units: Mapping[str, Unit],
    sheet: Sheet,
) -> None:
    """Take up the links between machines: each machine of one end with each of the other.

    A machine that is alone in its node passes traffic on even where nobody asked for it.
    """
    of = {node.name: [node.name] if node.count == 1 else [] for node in fleet.nodes}
    for name, (node, _number) in chosen.items():
        of[node.name] += [name] if node.count > 1 else []
    edges: list[Edge] = []
    for link in links:
        ends = [of.get(name, [name]) for name in link.ends]
        if len(edges) + len(ends[0]) * len(ends[1]) > MOST_EDGES:
            raise too_many(len(edges) + len(ends[0]) * len(ends[1]))
        fact, kind = link.latency_s, sheet.interconnects.get(link.interconnect or "")
        fact = fact or (kind.latency_s if kind else None)
        if fact is None:
            sheet.unknown[f"nobody states the latency of the link {' - '.join(link.ends)}; it counts as 0"] = None
        bandwidth, latency = link.bandwidth_bytes_per_s.value, fact.value if fact else 0.0
        edges += [
            Edge(f"{a}#host", f"{b}#host", bandwidth, latency, link.interconnect, "fleet")
            for a in ends[0]
            for b in ends[1]
            if a != b
        ]
    sheet.join(edges)
    if edges:
        _fleet_domains(edges, units, sheet)


def _fleet_domains(links: Sequence[Edge], units: Mapping[str, Unit], sheet: Sheet) -> None:
    """Place a domain for all machines that hang together by links, and by topologies that links join."""
    pairs = [(edge.a, edge.b) for edge in sheet.edges if "/" not in edge.a and "/" not in edge.b]
    hosts = {unit.ports[0]: unit for unit in units.values()}
    for island in islands(pairs):
        reached = [unit for host, unit in hosts.items() if host in island]
        own = [edge for edge in links if edge.a in island]
        if len(reached) > 1 and own:
            bandwidth = min(
                [edge.bandwidth for edge in own] + [unit.reach for unit in reached if unit.devices and unit.reach]
            )
            members = tuple(device for unit in reached for device in unit.devices)
            domain = Domain("fleet", members, bandwidth, max(edge.latency for edge in own))
            sheet.placed.append(Placed(Tier.NETWORK + 1, 0, domain))


def _ordered(placed: Sequence[Placed], devices: Sequence[str]) -> tuple[Domain, ...]:
    """Return the domains, closest first; of equal ones the smaller, then the one whose first device comes first."""
    number = {device: index for index, device in enumerate(devices)}

    def key(item: Placed) -> tuple[float, ...]:
        return (*item.order(), len(item.domain.members), number.get(item.domain.members[0], 0))

    return tuple(item.domain for item in sorted(placed, key=key) if item.domain.members)
