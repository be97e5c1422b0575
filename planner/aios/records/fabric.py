"""A fleet's connections, spelled out: what is joined to what, how fast, and which devices stand close together."""

from collections.abc import Mapping
from typing import NamedTuple

from aios.records.base import Record
from aios.records.fleet import Fact

__all__ = ["Domain", "Edge", "Fabric", "InterconnectType"]


class InterconnectType(Record):
    """A kind of connection, with what a collective operation gets out of it.

    name: such as ``nvlink4`` · bandwidth_bytes_per_s: one direction of one link or lane bundle as the name says ·
    latency_s: of one hop, as software sees it · efficiency: share of the bandwidth that large messages reach ·
    constants: what a model of collective operations was calibrated to on it, by name (see ``aios.cost``)
    """

    name: str
    bandwidth_bytes_per_s: Fact | None = None
    latency_s: Fact | None = None
    efficiency: Fact | None = None
    constants: Mapping[str, Fact] = {}


class Edge(NamedTuple):
    """A connection of two vertices, full duplex.

    a, b: device (``node-0/3``) or switch (``node-0#nvlink``) · bandwidth: bytes/s in one direction · latency: s
    """

    a: str
    b: str
    bandwidth: float
    latency: float
    interconnect: str | None


class Domain(NamedTuple):
    """Devices that are connected by one level of a topology. name: of that level · members: devices, in order."""

    name: str
    members: tuple[str, ...]


class Fabric(Record):
    """The connections of some devices.

    devices: ``instance/id``, in order · edges: between devices and switches · domains: innermost levels first ·
    interconnects: every kind that an edge names, as far as it is known · unknown: one sentence for each connection
    whose bandwidth or latency nobody stated
    """

    devices: tuple[str, ...]
    edges: tuple[Edge, ...]
    domains: tuple[Domain, ...] = ()
    interconnects: Mapping[str, InterconnectType] = {}
    unknown: tuple[str, ...] = ()
