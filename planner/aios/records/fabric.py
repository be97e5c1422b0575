"""A fleet's connections, spelled out: what is joined to what, how fast, and which devices stand close together."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from aios.records.base import Record, Source
from aios.records.fleet import Fact

__all__ = ["Calibration", "Domain", "Edge", "Fabric", "InterconnectType", "Kernels"]


Kernels = Literal["ring", "pairwise", "direct"]
"""How a library moves data: ring: every member passes on to the next (all-reduce, all-gather, reduce-scatter,
broadcast) · pairwise: sends and receives between every two members (all-to-all, send-recv) · direct: one kernel that
reads its peers' memory (the small all-reduce kernels of inference engines)."""


class Calibration(Record):
    """What the kernels of one library make of one kind of interconnect.

    Two protocols, the quicker one wins: ``start + steps * hop + bytes / (quick share of the bandwidth)`` for small
    sizes and ``start + bulk start + steps * hop + bytes / (bulk share of the bandwidth)`` for large ones.

    library: such as ``nccl`` · start_s: of an operation · hop_s: of one step from a device to the next ·
    quick_share, bulk_share: share of the bandwidth that each protocol reaches · local_share: what a device's own part
    of the data costs, relative to sending it · in_switch_start_s, in_switch_share: in place of the bulk ones where the
    switch itself reduces; None where it does not or nothing is gained · most_bytes: largest size that these kernels
    take · low, high: 90 % of what was measured lies between these multiples of the prediction · error: how well the fit
    holds, in words · source, ref, as_of: provenance, as of a Fact
    """

    library: str
    kernels: Kernels
    start_s: float
    hop_s: float
    quick_share: float
    bulk_start_s: float
    bulk_share: float
    local_share: float = 0.0
    in_switch_start_s: float | None = None
    in_switch_share: float | None = None
    most_bytes: float | None = None
    low: float
    high: float
    source: Source = "calibrated"
    ref: str | None = None
    as_of: str | None = None
    error: str | None = None


class InterconnectType(Record):
    """A kind of connection, with what collective operations get out of it.

    name: such as ``nvlink4`` · bandwidth_bytes_per_s: one direction of one link or lane bundle as the name says ·
    latency_s: of one hop, as software sees it · efficiency: share of the bandwidth that large messages reach, where
    nothing is calibrated · calibrations: one per library and kind of kernel
    """

    name: str
    bandwidth_bytes_per_s: Fact | None = None
    latency_s: Fact | None = None
    efficiency: Fact | None = None
    calibrations: tuple[Calibration, ...] = ()


class Edge(NamedTuple):
    """A connection of two vertices, full duplex.

    a, b: device (``node-0/3``) or switch (``node-0#nvlink``) · bandwidth: bytes/s in one direction · latency: s ·
    level: name of the domains that this connection makes · assumed: nobody stated how fast it is, or what it joins
    """

    a: str
    b: str
    bandwidth: float
    latency: float
    interconnect: str | None
    level: str = ""
    assumed: bool = False


class Domain(NamedTuple):
    """Devices that are connected by one level of a topology.

    name: of that level · members: devices, in order · bandwidth: bytes/s that one device gets out of it in one
    direction, all its connections at this level together, and no more than the levels inside are known to let
    through; None: unknown · latency: s, of one connection · shape: of a mesh or torus of these members · wraps: it is
    a torus
    """

    name: str
    members: tuple[str, ...]
    bandwidth: float | None = None
    latency: float | None = None
    shape: tuple[int, ...] = ()
    wraps: bool = False


class Fabric(Record):
    """The connections of some devices.

    devices: ``instance/id``, in order · edges: between devices and switches · domains: closest first, inner before
    outer · interconnects: every kind that an edge names, as far as it is known · unknown: one sentence for each
    connection whose bandwidth or latency nobody stated
    """

    devices: tuple[str, ...]
    edges: tuple[Edge, ...]
    domains: tuple[Domain, ...] = ()
    interconnects: Mapping[str, InterconnectType] = {}
    unknown: tuple[str, ...] = ()
