"""A domain of a fabric as a graph: distances, widest paths, and which of its devices are interchangeable."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from aios.records.fabric import Edge, Fabric

__all__ = ["Layout", "Neighbourhood"]

_Way = tuple[str, float, float]  # other end, bandwidth (bytes/s), latency (s)


class Layout:
    """What is asked of a fabric again and again. free: devices that may be used, in order."""

    def __init__(self, fabric: Fabric, free: Sequence[str]) -> None:
        self.fabric = fabric
        self.free = frozenset(free)
        self.number = {device: index for index, device in enumerate(fabric.devices)}
        self.around: dict[str, list[Edge]] = defaultdict(list)
        for edge in fabric.edges:
            self.around[edge.a].append(edge)
            self.around[edge.b].append(edge)
        self.domains_of: dict[str, list[int]] = defaultdict(list)
        self.free_in: list[int] = []
        for index, domain in enumerate(fabric.domains):
            for device in domain.members:
                self.domains_of[device].append(index)
            self.free_in.append(sum(device in self.free for device in domain.members))
        first: dict[tuple[str, float | None], int] = {}
        self.rank = [first.setdefault((item.name, item.bandwidth), i) for i, item in enumerate(fabric.domains)]

    def innermost(self, devices: Sequence[str]) -> int | None:
        """Return the number of the closest domain that holds all the devices."""
        common = set(self.domains_of[devices[0]])
        for device in devices[1:]:
            common.intersection_update(self.domains_of[device])
        return min(common, default=None)

    def inside(self, index: int) -> list[int]:
        """Return the largest domains that lie wholly inside a domain, none overlapping another."""
        own = set(self.fabric.domains[index].members)
        domains = self.fabric.domains
        held = Counter(other for device in own for other in self.domains_of[device] if other < index)
        nested = [other for other, count in held.items() if count == len(domains[other].members) < len(own)]
        chosen: list[int] = []
        taken: set[str] = set()
        for other in sorted(nested, key=lambda other: (-len(domains[other].members), other)):
            if taken.isdisjoint(domains[other].members):
                chosen.append(other)
                taken.update(domains[other].members)
        return sorted(chosen, key=lambda other: self.number[domains[other].members[0]])

    def fragmentation(self, devices: Sequence[str]) -> int:
        """Return how much more broken up the free devices are without these: the loss in the sum of squares."""
        lost = Counter(index for device in devices for index in self.domains_of[device])
        return sum(self.free_in[index] ** 2 - (self.free_in[index] - count) ** 2 for index, count in lost.items())


class Neighbourhood:
    """The devices of one domain, with the connections of its own level and of closer ones."""

    def __init__(self, layout: Layout, index: int) -> None:
        self.layout = layout
        domain = layout.fabric.domains[index]
        self.members = frozenset(domain.members)
        self.free = sorted(self.members & layout.free, key=layout.number.__getitem__)
        used = {other for device in self.members for other in layout.domains_of[device] if other <= index}
        levels = {layout.fabric.domains[other].name for other in used}
        self.ways: dict[str, list[_Way]] = {}
        edges: dict[int, Edge] = {}
        ahead = sorted(self.members, key=layout.number.__getitem__)
        seen = set(ahead)
        while ahead:
            vertex = ahead.pop()
            ways = self.ways.setdefault(vertex, [])
            for edge in layout.around[vertex]:
                other = edge.b if edge.a == vertex else edge.a
                if edge.level not in levels or ("/" in other and other not in self.members):
                    continue
                ways.append((other, edge.bandwidth, edge.latency))
                edges[id(edge)] = edge
                if other not in seen:
                    seen.add(other)
                    ahead.append(other)
        self.edges = sorted(edges.values(), key=lambda edge: (-edge.bandwidth, edge.a, edge.b))
        self._reached: dict[str, Mapping[str, tuple[int, float]]] = {}

    def reached(self, source: str) -> Mapping[str, tuple[int, float]]:
        """Return (hops, seconds) from a device to every vertex: fewest hops, of those the shortest time.

        How near devices stand, to compare sets by; how data travels between two of them is said in ``records.ways``.
        """
        if source not in self._reached:
            found = {source: (0, 0.0)}
            ahead = [source]
            while ahead:
                further: dict[str, tuple[int, float]] = {}
                for vertex in ahead:
                    hops, seconds = found[vertex]
                    for other, _bandwidth, latency in self.ways[vertex]:
                        if other not in found:
                            there = (hops + 1, seconds + latency)
                            further[other] = min(there, further.get(other, there))
                found.update(further)
                ahead = list(further)
            self._reached[source] = found
        return self._reached[source]

    def bandwidth(self, devices: Collection[str]) -> float | None:
        """Return bytes/s between the worst pair on a path over these devices and switches; None without a path.

        The widest path between any two runs in the maximum spanning tree, so the worst pair gets the last edge that
        Kruskal's algorithm needs to bring them all together.
        """
        parent: dict[str, str] = {}

        def root(vertex: str) -> str:
            while (above := parent.setdefault(vertex, vertex)) != vertex:
                parent[vertex] = parent[above]
                vertex = parent[vertex]
            return vertex

        inside = set(devices)
        held = dict.fromkeys(inside, 1)
        for edge in self.edges:
            if ("/" in edge.a and edge.a not in inside) or ("/" in edge.b and edge.b not in inside):
                continue
            a, b = root(edge.a), root(edge.b)
            if a != b:
                parent[a] = b
                held[b] = held.get(b, 0) + held.pop(a, 0)
                if held[b] == len(inside):
                    return edge.bandwidth
        return None

    def links_lost(self, devices: Collection[str]) -> int:
        """Return how many direct links between free devices end when these are taken."""
        taken, free = set(devices), self.layout.free
        outside = sum(1 for it in taken for way in self.ways[it] if way[0] in free and way[0] not in taken)
        inside = sum(1 for it in taken for way in self.ways[it] if way[0] in taken)
        return outside + inside // 2

    def interchangeable(self) -> list[list[str]]:
        """Return the free devices in classes; two of a class can change places and nothing else changes.

        That is so when they have the same connections and domains, apart from a connection to each other.
        """
        apart: dict[object, list[str]] = defaultdict(list)
        joined: dict[object, list[str]] = defaultdict(list)
        keys: dict[str, tuple[object, object]] = {}
        for device in self.free:
            domains = tuple(self.layout.domains_of[device])
            ways = self.ways[device]
            direct = max((way[1:] for way in ways if "/" in way[0]), default=(0.0, 0.0))
            keys[device] = ((domains, frozenset(ways)), (domains, frozenset([*ways, (device, *direct)])))
            apart[keys[device][0]].append(device)
            joined[keys[device][1]].append(device)
        classes: dict[object, list[str]] = {}
        for device, (one, other) in keys.items():
            group = apart[one] if len(apart[one]) >= len(joined[other]) else joined[other]
            classes.setdefault(id(group), group)
            del device
        return list(classes.values())
