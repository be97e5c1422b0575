"""How data travels through a fabric: the one rule, for times of communication and for the choice of devices.

A way stays within the closest domain that holds both ends: it takes the connections that this domain and closer ones
are made of, and passes devices only where these belong to it, as those of meshes and rings pass on what is not theirs.
There it is the widest that there is (largest bandwidth of its narrowest link), and of those one with the fewest hops;
of these the one whose last link joins the vertices that stand furthest apart in the fabric's order: on meshes and tori,
which are written row by row, that is dimension-order routing, along the row first. A closer domain is left only where
one way outside is wider than all that a device has in it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.fabric import Edge, Fabric
from aios.records.forms import nearest

__all__ = ["Hop", "Network", "network_of"]


class Hop(NamedTuple):
    """A link in one direction.

    bandwidth: bytes/s · latency: s · kind: interconnect, empty where nobody says · assumed: nobody stated how fast it
    is or what it joins · levels: that it belongs to
    """

    source: str
    target: str
    bandwidth: float
    latency: float
    kind: str
    assumed: bool = False
    levels: frozenset[str] = frozenset()


class Network:
    """A fabric made ready for routing; what was found once is kept, so that many ways cost few searches."""

    def __init__(self, fabric: Fabric) -> None:
        """Links without a bandwidth are left out: nothing can be said about what would use them."""
        self.fabric = fabric
        self._neighbours: dict[str, dict[str, Hop]] = {device: {} for device in fabric.devices}
        for edge in fabric.edges:
            if edge.bandwidth > 0:
                self._add(edge)
        self.position = {vertex: position for position, vertex in enumerate(self._neighbours)}
        self._scopes: dict[int | None, _Scope] = {}
        self._trees: dict[tuple[str, int | None, float], _Tree] = {}
        self._routes: dict[tuple[str, tuple[str, ...]], list[tuple[dict[str, Hop], list[str]]]] = {}
        held: dict[str, list[int]] = defaultdict(list)
        for index, domain in enumerate(fabric.domains):
            for device in domain.members:
                held[device].append(index)
        self._held = {device: dict.fromkeys(indices) for device, indices in held.items()}

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

    def domain(self, source: str, target: str) -> int | None:
        """Return the number of the domain that data between two devices stays in; None where no domain joins them."""
        return self._within(source, target)[0]

    def _within(self, source: str, target: str) -> tuple[int | None, float]:
        """Return the domain that data between two devices stays in, and the bandwidth of the widest way there."""
        chosen, width, most = None, 0.0, 0.0
        held = self._held.get(target, {})
        for index in self._held.get(source, ()):
            if index in held and (found := self._scope(index).width(source, target)) > most:
                chosen, width = index, found
                most = max(width, self.fabric.domains[index].bandwidth or 0.0)
        return (chosen, width) if width else (None, self._scope(None).width(source, target))

    def width(self, source: str, target: str, index: int) -> float:
        """Return the bandwidth (bytes/s) of the widest way in a domain and closer ones; 0 where there is none."""
        return self._scope(index).width(source, target)

    def route(self, source: str, target: str) -> tuple[Hop, ...]:
        """Return the links from ``source`` to ``target``, in order; none where they are the same.

        Raises InputError where a device is not in the fabric, or nothing joins the two.
        """
        for device in (source, target):
            if device not in self._neighbours:
                raise InputError(_unknown(device, self.fabric))
        if source == target:
            return ()
        last, hops, vertex = self._tree(source, target).to(target), list[Hop](), target
        while vertex != source:
            hops.append(last[vertex])
            vertex = hops[-1].source
        return tuple(reversed(hops))

    def routes(self, source: str, targets: Sequence[str]) -> Sequence[tuple[dict[str, Hop], list[str]]]:
        """Return the last hop of the route from ``source`` to each vertex, with those of ``targets`` that it holds for.

        Vertices with fewer hops come first. Raises InputError as ``route``.
        """
        key = (source, tuple(targets))
        if key not in self._routes:
            trees: dict[_Tree, list[str]] = {}
            for target in targets:
                if target != source:
                    if target not in self._neighbours:
                        raise InputError(_unknown(target, self.fabric))
                    trees.setdefault(self._tree(source, target), []).append(target)
            for tree, reached in trees.items():
                for target in reached:
                    tree.to(target)
            self._routes[key] = [(tree.last, reached) for tree, reached in trees.items()]
        return self._routes[key]

    def _add(self, edge: Edge) -> None:
        """Take in a link, both ways; of parallel ones the widest, for all their levels."""
        for source, target in ((edge.a, edge.b), (edge.b, edge.a)):
            known = self._neighbours.setdefault(source, {}).get(target)
            levels = frozenset((edge.level,)) | (known.levels if known else frozenset())
            hop = Hop(source, target, edge.bandwidth, edge.latency, edge.interconnect or "", edge.assumed, levels)
            if known is not None and known.bandwidth >= edge.bandwidth:
                hop = known._replace(levels=levels)
            self._neighbours[source][target] = hop

    def _scope(self, index: int | None) -> _Scope:
        if index not in self._scopes:
            self._scopes[index] = _Scope(self._neighbours, *self._bounds(index))
        return self._scopes[index]

    def _bounds(self, index: int | None) -> tuple[frozenset[str], frozenset[str] | None]:
        """Return the devices that a domain holds, and the levels that it and closer ones are made of; None for all."""
        if index is None:
            return self.devices, None
        members = self.fabric.domains[index].members
        used = {other for device in members for other in self._held[device] if other <= index}
        return frozenset(members), frozenset(("", *(self.fabric.domains[other].name for other in used)))

    def _tree(self, source: str, target: str) -> _Tree:
        index, width = self._within(source, target)
        if width == 0:
            raise InputError(_apart(source, target, self.fabric))
        key = (source, index, width)
        if key not in self._trees:
            self._trees[key] = _Tree(source, self._scope(index), width, self.position)
        return self._trees[key]


class _Scope:
    """The links that ways within a domain may take."""

    def __init__(
        self, neighbours: Mapping[str, Mapping[str, Hop]], members: frozenset[str], levels: frozenset[str] | None
    ) -> None:
        self.around: dict[str, list[Hop]] = {}
        self._above: dict[str, tuple[str, float]] = {}
        self._from, self._widths = "", dict[str, float]()  # what the last question found: many begin at one vertex
        ahead = [device for device in neighbours if device in members]
        self.around.update({device: [] for device in ahead})
        while ahead:
            vertex = ahead.pop()
            for hop in neighbours[vertex].values():
                inside = hop.target in members or "/" not in hop.target
                if inside and (levels is None or not levels.isdisjoint(hop.levels)):
                    self.around[vertex].append(hop)
                    if hop.target not in self.around:
                        self.around[hop.target] = []
                        ahead.append(hop.target)
        self._join()

    def _join(self) -> None:
        """Bring the vertices together, the widest link first (Kruskal): the one that joins two bounds all their ways.

        The smaller of two goes below the larger, so that no way up is longer than the logarithm of their number.
        """
        size = dict.fromkeys(self.around, 1)
        hops = (hop for around in self.around.values() for hop in around if hop.source < hop.target)
        for hop in sorted(hops, key=lambda hop: -hop.bandwidth):
            a, b = self._root(hop.source), self._root(hop.target)
            if a != b:
                small, large = (a, b) if size[a] < size[b] else (b, a)
                self._above[small] = (large, hop.bandwidth)
                size[large] += size[small]

    def _root(self, vertex: str) -> str:
        while vertex in self._above:
            vertex = self._above[vertex][0]
        return vertex

    def width(self, source: str, target: str) -> float:
        """Return the bandwidth (bytes/s) of the widest way; 0 where there is none."""
        if self._from != source:
            self._from, self._widths = source, self._chain(source)
        known = self._widths
        if target in known:
            return known[target]
        vertex, climbed = target, list[tuple[str, float]]()
        while vertex not in known:
            if vertex not in self._above:
                known[vertex] = 0.0
                break
            above, joined = self._above[vertex]
            climbed.append((vertex, joined))
            vertex = above
        width = known[vertex]
        for below, joined in reversed(climbed):
            width = known[below] = min(width, joined)
        return width

    def _chain(self, source: str) -> dict[str, float]:
        """Return the widths to those vertices that ``source`` was joined by way of."""
        vertex, width = source, float("inf")
        widths = {source: width}
        while vertex in self._above:
            vertex, joined = self._above[vertex]
            width = widths[vertex] = min(width, joined)
        return widths


class _Tree:
    """Ways of a width from one vertex, found hop by hop as far as somebody asks.

    last: vertex -> last hop of the way to it; vertices with fewer hops first
    """

    def __init__(self, source: str, scope: _Scope, width: float, position: Mapping[str, int]) -> None:
        self.last: dict[str, Hop] = {}
        self._source = source
        self._outermost = [source]
        self._around = scope.around
        self._width = width
        self._position = position

    def to(self, target: str) -> dict[str, Hop]:
        """Return ``last`` with the way to ``target``, which is joined by links of this width."""
        while target not in self.last:
            self._grow()
        return self.last

    def _grow(self) -> None:
        """Take in what is one hop further."""
        position = self._position
        found: dict[str, Hop] = {}
        for vertex in self._outermost:
            for hop in self._around[vertex]:
                target = hop.target
                if hop.bandwidth < self._width or target in self.last or target == self._source:
                    continue
                known = found.get(target)
                if known is not None:
                    there = position[target]
                    if abs(position[vertex] - there) <= abs(position[known.source] - there):
                        continue
                found[target] = hop
        self.last.update(found)
        self._outermost = list(found)


def network_of(fabric: Fabric | Network) -> Network:
    """Return a fabric ready for routing."""
    return fabric if isinstance(fabric, Network) else Network(fabric)


def _unknown(device: str, fabric: Fabric) -> Diagnostic:
    near = nearest(device, fabric.devices)
    shown = ", ".join(f"`{name}`" for name in fabric.devices[:4])
    meant = f"did you mean `{near}`? " if near else ""
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
