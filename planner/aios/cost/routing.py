"""Routes through a fabric, and what flows load its links with.

A route has the fewest hops there are; among those the widest (largest bandwidth of its narrowest link), and among those
the one whose last link joins the vertices that stand furthest apart in the fabric's order: on meshes and tori, which
are written row by row, that is dimension-order routing, along the row first. Devices pass on what is not theirs, as the
routers of meshes and rings do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.fabric import Edge, Fabric

__all__ = ["Flow", "Hop", "Network", "link_load", "network_of", "pairs_load"]


class Hop(NamedTuple):
    """A link in one direction. bandwidth: bytes/s · latency: s · kind: interconnect, empty where nobody says."""

    source: str
    target: str
    bandwidth: float
    latency: float
    kind: str


class Flow(NamedTuple):
    """Data that goes from one device to another."""

    source: str
    target: str
    bytes: float


class Network:
    """A fabric made ready for routing; trees of routes are kept per source, so that many routes cost few searches."""

    def __init__(self, fabric: Fabric) -> None:
        """Links without a bandwidth are left out: nothing can be said about what would use them."""
        self.fabric = fabric
        self._trees: dict[str, _Tree] = {}
        self._neighbours: dict[str, dict[str, Hop]] = {device: {} for device in fabric.devices}
        for edge in fabric.edges:
            if edge.bandwidth > 0:
                self._add(edge)
        self.position = {vertex: position for position, vertex in enumerate(self._neighbours)}

    @cached_property
    def devices(self) -> frozenset[str]:
        """Every device of the fabric."""
        return frozenset(self.fabric.devices)

    def link(self, source: str, target: str) -> Hop | None:
        """Return the link between two vertices that are joined directly."""
        return self._neighbours[source].get(target)

    def links(self, vertex: str) -> Iterable[Hop]:
        """Return the links that leave a vertex."""
        return self._neighbours[vertex].values()

    def route(self, source: str, target: str) -> tuple[Hop, ...]:
        """Return the links from ``source`` to ``target``, in order; none where they are the same.

        Raises InputError where a device is not in the fabric, or nothing joins the two.
        """
        for device in (source, target):
            if device not in self._neighbours:
                raise InputError(_unknown(device, self.fabric))
        last, hops, vertex = self._tree(source).to(target), list[Hop](), target
        while vertex != source:
            if vertex not in last:
                raise InputError(_apart(source, target, self.fabric))
            hops.append(last[vertex])
            vertex = hops[-1].source
        return tuple(reversed(hops))

    def routes(self, source: str, targets: Iterable[str]) -> dict[str, Hop]:
        """Return the last hop of the route from ``source`` to each vertex up to the farthest of ``targets``.

        Vertices with fewer hops come first. Raises InputError as ``route``.
        """
        last = self._tree(source).last
        for target in targets:
            if target not in last and target != source:
                self.route(source, target)
        return last

    def _add(self, edge: Edge) -> None:
        """Take in a link, both ways; of parallel ones the widest."""
        for source, target in ((edge.a, edge.b), (edge.b, edge.a)):
            known = self._neighbours.setdefault(source, {}).get(target)
            if known is None or known.bandwidth < edge.bandwidth:
                hop = Hop(source, target, edge.bandwidth, edge.latency, edge.interconnect or "")
                self._neighbours[source][target] = hop

    def _tree(self, source: str) -> _Tree:
        if source not in self._trees:
            self._trees[source] = _Tree(source, self._neighbours, self.position)
        return self._trees[source]


class _Tree:
    """The routes from one vertex, found hop by hop as far as somebody asks.

    last: vertex -> last hop of the route to it; vertices with fewer hops first
    """

    def __init__(self, source: str, neighbours: Mapping[str, Mapping[str, Hop]], position: Mapping[str, int]) -> None:
        self.last: dict[str, Hop] = {}
        self._width = {source: float("inf")}
        self._outermost = [source]
        self._neighbours = neighbours
        self._position = position

    def to(self, target: str) -> dict[str, Hop]:
        """Return ``last`` with the way to ``target``, if there is one."""
        while self._outermost and target not in self._width:
            self._grow()
        return self.last

    def _grow(self) -> None:
        """Take in what is one hop further."""
        width, position = self._width, self._position
        found: dict[str, tuple[float, Hop]] = {}
        for vertex in self._outermost:
            wide = width[vertex]
            for target, hop in self._neighbours[vertex].items():
                if target in width:
                    continue
                through = min(wide, hop.bandwidth)
                known = found.get(target)
                if known is not None and through <= known[0]:
                    there = position[target]
                    apart = abs(position[vertex] - there), abs(position[known[1].source] - there)
                    if through < known[0] or apart[0] <= apart[1]:
                        continue
                found[target] = (through, hop)
        for vertex, (wide, hop) in found.items():
            width[vertex], self.last[vertex] = wide, hop
        self._outermost = list(found)


def network_of(fabric: Fabric | Network) -> Network:
    """Return a fabric ready for routing."""
    return fabric if isinstance(fabric, Network) else Network(fabric)


def link_load(fabric: Fabric | Network, flows: Iterable[Flow]) -> Mapping[tuple[str, str], float]:
    """Return the bytes that each link carries in each direction, by (source, target) of the link; unused ones left out.

    Raises InputError as ``Network.route``.
    """
    network, load = network_of(fabric), dict[tuple[str, str], float]()
    for flow in flows:
        for hop in network.route(flow.source, flow.target):
            key = (hop.source, hop.target)
            load[key] = load.get(key, 0.0) + flow.bytes
    return load


def pairs_load(network: Network, devices: Sequence[str]) -> Mapping[tuple[str, str], float]:
    """Return ``link_load`` of one byte from every device to every other, without going through all pairs."""
    wanted, load = set(devices), dict[tuple[str, str], float]()
    for source in devices:
        beyond = dict.fromkeys(wanted, 1.0)  # devices to which the route leads over a vertex, itself included
        for vertex, hop in reversed(network.routes(source, devices).items()):
            count = beyond.get(vertex, 0.0)
            if count:
                key = (hop.source, vertex)
                load[key] = load.get(key, 0.0) + count
                beyond[hop.source] = beyond.get(hop.source, 0.0) + count
    return load


def _unknown(device: str, fabric: Fabric) -> Diagnostic:
    import difflib

    near = difflib.get_close_matches(device, fabric.devices, n=1, cutoff=0.6)
    shown = ", ".join(f"`{name}`" for name in fabric.devices[:4])
    meant = f"did you mean `{near[0]}`? " if near else ""
    return Diagnostic(
        summary=f"there is no device `{device}` in this fabric",
        remedy=f"{meant}devices are written `instance/id`: {shown}{'...' if len(fabric.devices) > 4 else ''}",
    )


def _apart(source: str, target: str, fabric: Fabric) -> Diagnostic:
    machines = [f"`{re.sub('-[0-9]+$', '', device.partition('/')[0])}`" for device in (source, target)]
    lacking = [said for said in fabric.unknown if not said.endswith("it counts as 0")]  # a latency separates nothing
    near = [said for said in lacking if any(machine in said for machine in machines)]
    return Diagnostic(
        summary=f"nothing of known bandwidth joins `{source}` and `{target}`",
        reason=next(iter(near or lacking), None),
        remedy="add a link or a topology with its bandwidth to the fleet file",
    )
