"""Routes through a fabric, and what flows load its links with.

A route has the fewest hops there are; among those the widest (largest bandwidth of its narrowest link), and among those
the one whose last link joins the vertices that stand furthest apart in the fabric's order: on meshes and tori, which
are written row by row, that is dimension-order routing, along the row first. Devices pass on what is not theirs, as the
routers of meshes and rings do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.fabric import Edge, Fabric

__all__ = ["Flow", "Hop", "Network", "link_load", "network_of"]


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
        self._trees: dict[str, dict[str, Hop]] = {}
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
        if source not in self._trees:
            self._trees[source] = self._tree(source)
        tree, hops, vertex = self._trees[source], list[Hop](), target
        while vertex != source:
            if vertex not in tree:
                raise InputError(_apart(source, target, self.fabric))
            hops.append(tree[vertex])
            vertex = hops[-1].source
        return tuple(reversed(hops))

    def _add(self, edge: Edge) -> None:
        """Take in a link, both ways; of parallel ones the widest."""
        for source, target in ((edge.a, edge.b), (edge.b, edge.a)):
            known = self._neighbours.setdefault(source, {}).get(target)
            if known is None or known.bandwidth < edge.bandwidth:
                hop = Hop(source, target, edge.bandwidth, edge.latency, edge.interconnect or "")
                self._neighbours[source][target] = hop

    def _tree(self, source: str) -> dict[str, Hop]:
        """Return the last hop of the route from ``source`` to every vertex that it reaches."""
        last: dict[str, Hop] = {}
        width = {source: float("inf")}
        level = [source]
        while level:
            found: dict[str, tuple[float, int, Hop]] = {}
            for vertex in level:
                for hop in self._neighbours[vertex].values():
                    if hop.target in width:
                        continue
                    apart = abs(self.position[vertex] - self.position[hop.target])
                    offer = (min(width[vertex], hop.bandwidth), apart, hop)
                    if hop.target not in found or offer[:2] > found[hop.target][:2]:
                        found[hop.target] = offer
            for vertex, (wide, _, hop) in found.items():
                width[vertex], last[vertex] = wide, hop
            level = list(found)
        return last


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
    return Diagnostic(
        summary=f"nothing of known bandwidth joins `{source}` and `{target}`",
        reason=fabric.unknown[0] if fabric.unknown else None,
        remedy="add a link or a topology with its bandwidth to the fleet file",
    )
