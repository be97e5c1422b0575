"""What flows load the links of a fabric with; how each of them travels is said in ``records.ways``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aios.records.fabric import Fabric
from aios.records.ways import Hop, Network, network_of

__all__ = ["Flow", "Hop", "Network", "link_load", "network_of", "pairs_load"]


class Flow(NamedTuple):
    """Data that goes from one device to another."""

    source: str
    target: str
    bytes: float


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
    load = dict[tuple[str, str], float]()
    for source in devices:
        for last, reached in network.routes(source, devices):
            beyond = dict.fromkeys(reached, 1.0)  # devices to which the route leads over a vertex, itself included
            for vertex in reversed(last):
                hop = last[vertex]
                count = beyond.get(vertex, 0.0)
                if count:
                    key = (hop.source, vertex)
                    load[key] = load.get(key, 0.0) + count
                    beyond[hop.source] = beyond.get(hop.source, 0.0) + count
    return load
