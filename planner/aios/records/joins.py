"""What joins machines, for data that one hands to another."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from aios.records.errors import InputError
from aios.records.fabric import Edge, Fabric
from aios.records.ways import Network

__all__ = ["NOTHING_KNOWN", "Join", "Joins"]


class Join(NamedTuple):
    """The way between two machines, in one direction.

    bandwidth: bytes/s of its narrowest link · latency: s, of all of its links · assumed: nobody stated one of them
    """

    bandwidth: float
    latency: float
    assumed: bool = False

    def seconds(self, times: int, size: float) -> float:
        """Return how long it takes to send ``size`` bytes in so many messages, one after the other."""
        return times * self.latency + size / self.bandwidth


class Joins:
    """Finds the way between the hosts of two machines, as ``aios.records.ways`` says; what was found is kept."""

    def __init__(self, fabric: Fabric, machines: Iterable[str]) -> None:
        """machines: instance names, of those that the fabric holds"""
        hosts = tuple(f"{machine}#host" for machine in machines)
        edges = tuple(edge for edge in fabric.edges if "/" not in edge.a and "/" not in edge.b)
        self._network = Network(Fabric(devices=hosts, edges=edges))
        self._ways: dict[tuple[str, str], Join | None] = {}
        self._alike = _alike(edges)

    def between(self, source: str, target: str) -> Join | None:
        """Return the way between two machines; None where nothing of known bandwidth joins them.

        On one machine nothing is added: what a stage takes begins with sending it the request.
        """
        if source == target:
            return Join(math.inf, 0.0)
        key = (source, target)
        if key not in self._ways:
            self._ways[key] = self._found(f"{source}#host", f"{target}#host")
        return self._ways[key]

    def unlike(self, machines: Iterable[str]) -> list[str]:
        """Return, in order, the first two of all machines that hang on one switch by equal links, and all others."""
        seen: dict[object, int] = {}
        found = []
        for machine in machines:
            key = self._alike.get(f"{machine}#host", machine)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] <= 2:
                found.append(machine)
        return found

    def _found(self, source: str, target: str) -> Join | None:
        try:
            hops = self._network.route(source, target)
        except InputError:  # a machine that nobody expanded, or that nothing joins
            return None
        return Join(
            bandwidth=min(hop.bandwidth for hop in hops),
            latency=sum(hop.latency for hop in hops),
            assumed=any(hop.assumed for hop in hops),
        )


def _alike(edges: Iterable[Edge]) -> dict[str, tuple[str, float, float]]:
    """Return vertices with one link alone -> the other end, bandwidth and latency of it."""
    links: dict[str, list[tuple[str, float, float]]] = {}
    for edge in edges:
        links.setdefault(edge.a, []).append((edge.b, edge.bandwidth, edge.latency))
        links.setdefault(edge.b, []).append((edge.a, edge.bandwidth, edge.latency))
    return {vertex: own[0] for vertex, own in links.items() if len(own) == 1}


NOTHING_KNOWN = Joins(Fabric(devices=(), edges=()), ())
"""Where nobody says what joins machines."""
