"""Expands one topology over its members: the connections and domains of each of its levels, innermost first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aios.fleet.topology.generators import fewest_links, link_count, linked_pairs
from aios.fleet.topology.pcie import is_host
from aios.records.errors import Diagnostic, InputError
from aios.records.fabric import Domain, Edge, InterconnectType
from aios.records.fleet import Topology

__all__ = ["MOST_EDGES", "Placed", "Sheet", "Site", "Tier", "Unit", "expand", "family", "too_many"]

MOST_EDGES = 200_000
"""A fabric is a graph in memory: this many edges take about 100 MB, and no picture or search is of use beyond them."""


_ONE_EACH = ("pcie", "cxl", "ethernet", "infiniband", "roce")
"""Families of which a device has one at a switch; the names say how many lanes or how fast a port."""


class Tier:
    """What kind of connection a level is, closest first: stated inside a machine, by way of its host, between machines.

    Levels of a lower tier count as closer even where nobody states how fast they are.
    """

    ISLAND = 0
    HOST = 1
    NETWORK = 2


class Rates(NamedTuple):
    """Of one connection. bandwidth: bytes/s, None: unknown · latency: s, 0: unknown · assumed: nobody stated it."""

    bandwidth: float | None
    latency: float
    assumed: bool


class Unit(NamedTuple):
    """Devices that an outer level sees as one member.

    ports: vertices that the outer level is joined to · devices: in order; none for a machine that only passes traffic
    on · reach: bytes/s that one device gets up to the ports; infinite where it is the port itself, 0 where unknown
    """

    ports: tuple[str, ...]
    devices: tuple[str, ...]
    reach: float = math.inf


class Placed(NamedTuple):
    """A domain with what it is sorted by: the tier, then bandwidth, then depth in its topology."""

    tier: int
    depth: int
    domain: Domain

    def order(self) -> tuple[int, float, int]:
        """Return the sorting key; closer and faster first, unknown bandwidth last in its tier."""
        return (self.tier, -(self.domain.bandwidth or 0.0), self.depth)


@dataclass
class Sheet:
    """What has been expanded so far. unknown: sentences, each once."""

    interconnects: Mapping[str, InterconnectType]
    edges: list[Edge] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    unknown: dict[str, None] = field(default_factory=dict)

    def rates(self, topology: Topology, who: str, devices: bool = False) -> Rates:
        """Return how fast one connection of the innermost level is.

        devices: the members are single devices. What one of these has at a switch is known only where somebody says how
        many links that is: what is known of a kind is one link of it.
        """
        kind = self.interconnects.get(topology.interconnect or "")
        bandwidth = topology.bandwidth_bytes_per_s or (kind and kind.bandwidth_bytes_per_s)
        many = topology.kind == "switch" and family(topology.interconnect) not in _ONE_EACH and not topology.links
        lacking = devices and many and bandwidth is not topology.bandwidth_bytes_per_s
        if lacking:
            bandwidth = None
        side_by_side = 1 if topology.bandwidth_bytes_per_s else topology.links or 1
        latency = topology.latency_s or (kind and kind.latency_s)
        name = f"`{topology.name}`" + (f" ({topology.interconnect})" if topology.interconnect else "")
        if bandwidth is None:
            how_many = ", nor how many `links` of it a device has" if lacking else ""
            self.unknown[f"{who}: nobody states the bandwidth of {name}{how_many}"] = None
        elif latency is None:
            self.unknown[f"{who}: nobody states the latency of {name}; it counts as 0"] = None
        stated = (topology.bandwidth_bytes_per_s, topology.latency_s)
        return Rates(
            bandwidth.value * side_by_side if bandwidth else None,
            latency.value if latency else 0.0,
            any(fact is not None and fact.source == "assumed" for fact in stated),
        )

    def join(self, edges: Sequence[Edge]) -> None:
        """Take connections up. Raises InputError when there are too many."""
        if len(self.edges) + len(edges) > MOST_EDGES:
            raise too_many(len(self.edges) + len(edges))
        self.edges += edges


def too_many(edges: int) -> InputError:
    """Return the error of a fabric that is larger than anybody can use."""
    return InputError(
        Diagnostic(
            summary=f"at least {edges:,} connections are more than can be looked at together (at most {MOST_EDGES:,})",
            reason="every machine that is asked for is expanded to its devices and connections",
            remedy="name the machines to look at",
        )
    )


def family(interconnect: str | None) -> str:
    """Return the family of an interconnect: ``nvlink`` of ``nvlink4``, ``pcie`` of ``pcie5-x16``."""
    return (interconnect or "").split("-", maxsplit=1)[0].rstrip("0123456789.")


class Site(NamedTuple):
    """Where a topology stands.

    prefix: machine whose vertices it makes, empty between machines · who: for sentences · tier: of its levels ·
    label: (position, key) -> what a member says of itself, for ``by`` · labels: key -> all that any member says
    """

    prefix: str
    who: str
    tier: int
    label: Callable[[int, str], str | None] = lambda _position, _key: None
    labels: Callable[[str], Sequence[str]] = lambda _key: ()

    def above(self, first: Mapping[int, int]) -> Site:
        """Return where the next level outside stands. first: group -> one of its members, whose labels it has."""
        return self._replace(label=lambda position, key: self.label(first[position], key))


class _Part(NamedTuple):
    """A group. label: None where it is the only one · members: position in the group -> unit · size: of all members ·
    some: position of one of its members among all
    """

    label: str | None
    members: Mapping[int, Unit]
    size: int
    some: int


def expand(topology: Topology, units: Mapping[int, Unit], total: int, site: Site, sheet: Sheet) -> None:
    """Expand a topology over ``units`` (position among all ``total`` members -> unit) onto the sheet.

    Only the given members get connections; a position that is not given does not exist in the result. A group without a
    switch of its own meets the level outside with every one of its members, the first with the first and so on.
    """
    level: Topology | None = topology
    depth, taken = 0, {edge.b for edge in sheet.edges}
    while level is not None:
        rates = sheet.rates(level, site.who, devices=site.tier == Tier.ISLAND and depth == 0)
        parts, count = _parts(level, units, total, site, sheet)
        groups: dict[int, Unit] = {}
        for index, part in parts.items():
            outermost = part.label is None and level.between is None
            vertex = _vertex(site, level, part.label, outermost, taken)
            groups[index] = _joined(level, part, vertex, rates, sheet)
            if groups[index].devices and level.group != 1:
                inside_host = site.tier == Tier.ISLAND and is_host(level.name, level.interconnect)
                tier = Tier.HOST if inside_host else site.tier
                sheet.placed.append(Placed(tier, depth, _domain(level, part, groups[index], rates.latency)))
        site = site.above({index: part.some for index, part in parts.items()})
        units, total, level, depth = groups, count, level.between, depth + 1


def _parts(
    level: Topology, units: Mapping[int, Unit], total: int, site: Site, sheet: Sheet
) -> tuple[dict[int, _Part], int]:
    """Return the groups that the given units are in, by number, and how many groups there are in all."""
    if level.by is None and (level.group is None or level.group >= total):
        return ({0: _Part(None, units, total, min(units))} if units else {}), 1
    groups: dict[int, dict[int, Unit]] = {}
    if level.by is None:
        size = level.group or total
        for position in sorted(units):
            groups.setdefault(position // size, {})[position % size] = units[position]
        parts = {
            index: _Part(str(index), members, min(size, total - index * size), index * size + min(members))
            for index, members in groups.items()
        }
        return parts, -(-total // size)
    labels = {label: number for number, label in enumerate(site.labels(level.by))}
    some: dict[int, int] = {}
    for position in sorted(units):
        label = site.label(position, level.by)
        if label is None:
            sheet.unknown[f"{site.who}: a machine without the label `{level.by}` belongs to no `{level.name}`"] = None
        else:
            group = groups.setdefault(labels[label], {})
            group[len(group)] = units[position]
            some.setdefault(labels[label], position)
    names = {number: label for label, number in labels.items()}
    return {number: _Part(names[number], group, len(group), some[number]) for number, group in groups.items()}, len(
        labels
    )


def _domain(level: Topology, part: _Part, joined: Unit, latency: float) -> Domain:
    whole = len(part.members) == part.size == math.prod(level.shape)
    shape = level.shape if whole and all(len(unit.devices) == 1 for unit in part.members.values()) else ()
    return Domain(
        level.name, joined.devices, joined.reach or None, latency, shape, bool(shape) and level.kind == "torus"
    )


def _joined(level: Topology, part: _Part, vertex: str, rates: Rates, sheet: Sheet) -> Unit:
    """Join the members of a group; return it as a member of the level outside."""
    bandwidth, latency, assumed = rates
    members = part.members
    ports = (vertex,) if level.kind == "switch" else tuple(port for unit in members.values() for port in unit.ports)
    devices = tuple(device for unit in members.values() for device in unit.devices)
    if bandwidth is None:
        return Unit(ports, devices, 0.0)
    pairs: list[tuple[str, str]] = []
    if level.kind == "switch":
        pairs = [(port, vertex) for unit in members.values() for port in unit.ports]
    elif (links := link_count(level.kind, len(members), level.shape)) > MOST_EDGES:
        raise too_many(links)
    else:
        for a, b in linked_pairs(level.kind, part.size, level.shape):
            if a in members and b in members:
                pairs += zip(members[a].ports, members[b].ports, strict=False)
    sheet.join([Edge(a, b, bandwidth, latency, level.interconnect, level.name, assumed) for a, b in pairs])
    own = bandwidth * fewest_links(level.kind, part.size, level.shape)
    known = [unit.reach for unit in members.values() if unit.devices and unit.reach]
    return Unit(ports, devices, min([own, *known]))


def _vertex(site: Site, level: Topology, label: str | None, outermost: bool, taken: set[str]) -> str:
    """Return the name of a group's switch. The one switch of a PCIe tree that nothing is above is the host itself."""
    if site.prefix and (level.name == "host" or (outermost and is_host(level.name, level.interconnect))):
        return f"{site.prefix}#host"
    name = f"{site.prefix}#{level.name}" + ("" if label is None else f"-{label}")
    free, number = name, 2
    while free in taken:
        free, number = f"{name}.{number}", number + 1
    taken.add(free)
    return free
