"""What there is to run on: devices with facts, nodes that hold them, how they are connected."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aios.records.base import Record, Source, Span

__all__ = [
    "STORAGE",
    "DeviceKind",
    "DeviceSlot",
    "DeviceType",
    "Fact",
    "Fleet",
    "Interconnect",
    "Link",
    "MemoryKind",
    "MemoryTier",
    "Node",
    "Partition",
    "PowerCap",
    "PowerMode",
    "Powered",
    "Topology",
    "TopologyKind",
    "Trust",
    "Used",
]

DeviceKind = Literal["cpu", "gpu", "npu", "tpu", "fpga", "dsp", "other"]

MemoryKind = Literal["sram", "hbm", "gddr", "lpddr", "dram", "cxl", "nvme", "ssd"]

STORAGE: frozenset[MemoryKind] = frozenset({"nvme", "ssd"})
"""Memory that is read by blocks: data in it is mapped, not computed on."""

TopologyKind = Literal["full", "switch", "ring", "mesh", "torus"]
"""full: a link between every two members · switch: each member to one switch · ring, mesh, torus: to neighbours."""

Trust = Literal["datasheet", "vendor claim", "third-party", "derived"]
"""Who states a published fact: the maker's data sheet · the maker elsewhere (keynote, blog, press) · somebody else (a
review, a paper, a table) · a formula over other facts."""


Powered = Literal["module", "board"]
"""What a device's powers are of where that is more than itself: its module, with processor and memory · all of the
computer that it sits in."""


class Fact(Record):
    """A number about a device with its provenance.

    value: SI (see ``unit``) · source: what kind of number it is · trust: who states it, of published facts · ref: where
    it was read · as_of: ISO date of that reference
    """

    value: float
    unit: str
    source: Source = "declared"
    trust: Trust | None = None
    ref: str | None = None
    as_of: str | None = None


class PowerMode(Record):
    """A setting that trades speed for power. cap_w: power limit · peak_scale: peak rate relative to the full mode."""

    name: str
    cap_w: Fact
    peak_scale: Fact | None = None


class MemoryTier(Record):
    """Memory that data may live in, beside what a device computes out of.

    name: begins with its kind (``nvme``, ``nvme-scratch``), unique on its node · bytes: capacity ·
    read/write_bytes_per_s: sequential · latency_s: of one access
    """

    name: str
    kind: MemoryKind
    bytes: Fact
    read_bytes_per_s: Fact | None = None
    write_bytes_per_s: Fact | None = None
    latency_s: Fact | None = None


class Interconnect(Record):
    """What a device is connected by.

    kind: a name such as ``nvlink4``, ``pcie5-x16``, ``hccs``, ``xgmi3``, ``ici`` · links: how many of them ·
    bandwidth_bytes_per_s: in one direction, all links together
    """

    kind: str
    links: int | None = None
    bandwidth_bytes_per_s: Fact


class Partition(Record):
    """A way in which a card can be cut by its hardware (MIG, vNPU); a part is used like a smaller device.

    name: as the maker calls it, ``1g.10gb``, ``vir02`` · compute_share, bandwidth_share: of the whole device's rates ·
    most: how many of them one device holds
    """

    name: str
    compute_share: Fact
    memory_bytes: Fact
    bandwidth_share: Fact | None = None
    most: int


class DeviceType(Record):
    """A kind of compute device. Every fact is optional; what is absent is unknown and is never guessed.

    architecture: such as ``Hopper`` · peak_ops_per_s: precision (``fp32``, ``fp16``, ``bf16``, ``int8``...) -> dense
    peak, multiply and add counted as two · sparse_peak_ops_per_s: the same, counting on structured sparsity ·
    reached_ops_per_s: what the quickest of large matrix products was measured at, dense ·
    memory_bytes, memory_bandwidth_bytes_per_s, memory_kind: the device's own memory; for a cpu, the node's DRAM ·
    memory_tiers: further memory of its own · cache_bytes: level (``l1d``, ``l2``, ``l3``) -> bytes in all ·
    interconnects: links to other devices and to the host · cores: of a cpu, all of the node's share ·
    features: instruction sets and the like (``avx512_vnni``) · cap_low_w, cap_high_w: range in which a power limit
    may be set · power_of: what these watts are of, where that is more than the device
    alone · launch_overhead_s: per operator · partitions: ways to cut it · price_usd_per_h: rent of one ·
    price_usd: to buy one · part_of: the type that this is a partition of · identity: what discovery read off the
    hardware (vendor string, model name, driver)
    """

    name: str
    kind: DeviceKind
    vendor: str | None = None
    model: str | None = None
    architecture: str | None = None
    peak_ops_per_s: Mapping[str, Fact] = {}
    sparse_peak_ops_per_s: Mapping[str, Fact] = {}
    reached_ops_per_s: Mapping[str, Fact] = Field(default={}, exclude_if=lambda rates: not rates)
    memory_bytes: Fact | None = None
    memory_bandwidth_bytes_per_s: Fact | None = None
    memory_kind: MemoryKind | None = None
    memory_tiers: tuple[MemoryTier, ...] = ()
    cache_bytes: Mapping[str, Fact] = {}
    interconnects: tuple[Interconnect, ...] = ()
    cores: int | None = None
    frequency_hz: Fact | None = None
    features: tuple[str, ...] = ()
    tdp_w: Fact | None = None
    idle_w: Fact | None = None
    cap_low_w: Fact | None = None
    cap_high_w: Fact | None = None
    power_of: Powered | None = Field(default=None, exclude_if=lambda part: part is None)
    launch_overhead_s: Fact | None = None
    power_modes: tuple[PowerMode, ...] = ()
    partitions: tuple[Partition, ...] = ()
    price_usd_per_h: Fact | None = None
    price_usd: Fact | None = None
    part_of: str | None = None
    identity: Mapping[str, str] = {}


class DeviceSlot(Record):
    """Devices of one type on a node.

    ids: ``cpu0``... for cpus, ``0``, ``1``... for every other kind, in order; ``3.0``, ``3.1``... for the parts that
    device 3 is cut into
    """

    type: str
    ids: tuple[str, ...]


class Topology(Record):
    """How a number of things (devices of a node, nodes of a fleet) are connected; nested, outer levels join groups.

    name: of this level, and of the domains it makes: ``nvlink``, ``pcie``, ``rack`` · members: what it connects, in
    order; in a node device ids (``3`` also where device 3 is cut into parts), in a fleet nodes, each with all of its
    machines; empty for all, in a node all but the cpus, unless there is nothing else · shape: of a mesh or torus, such
    as (4, 4) · interconnect: what kind of link · links: how many of them run side by side between two members, or from
    one member to the switch · bandwidth_bytes_per_s: one direction, between two neighbours (ring, mesh, torus, full) or
    of one member's port (switch), all links side by side together · latency_s: of one link · group: members per group,
    in order; None: all in one · by: label that says which group a node belongs to, instead · between: how the groups
    are connected
    """

    name: str
    kind: TopologyKind
    members: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    interconnect: str | None = None
    links: int | None = None
    bandwidth_bytes_per_s: Fact | None = None
    latency_s: Fact | None = None
    group: int | None = None
    by: str | None = None
    between: "Topology | None" = None


class Used(Record):
    """What of each machine of a node is taken already.

    devices: id -> share of that device, 0 to 1; of cpus, ``cores`` says it
    """

    cores: float = 0.0
    memory_bytes: float = 0.0
    devices: Mapping[str, float] = {}


class Node(Record):
    """One machine, or ``count`` equal ones (instances are named ``name-0``, ``name-1``... when count > 1).

    hosts: what the machines are really called, in order, as a host list (``gpu[001-387]``) · address: ``local`` for
    this machine; None when the node is only described and cannot be reached · cores: CPU cores · memory_bytes: DRAM ·
    memory_tiers: further memory (CXL, NVMe...) · taints: ``key=value:Effect`` · region: where it stands · topology:
    what connects its devices, within each other; several where there are several fabrics (NVLink and PCIe) ·
    used: what is taken already · price_usd_per_h: of the whole machine · hourly_usd_per_h: the same by hour of the
    day, the first from midnight UTC; empty where it is always the same · carbon_g_per_kwh: intensity of its
    electricity, one value or one per hour, repeating, the first from midnight UTC · jurisdiction: under whose law data
    there is, any number of names · power_cap_w: most that all work on one machine may draw, one value or one per hour
    of the day, the first from midnight UTC; empty for no cap
    """

    name: str
    count: int = 1
    hosts: str | None = None
    address: str | None = None
    cores: int | None = None
    memory_bytes: float | None = None
    memory_tiers: tuple[MemoryTier, ...] = ()
    devices: tuple[DeviceSlot, ...] = ()
    labels: Mapping[str, str] = {}
    taints: tuple[str, ...] = ()
    region: str | None = None
    topology: tuple[Topology, ...] = ()
    used: Used | None = None
    price_usd_per_h: Fact | None = None
    hourly_usd_per_h: tuple[float, ...] = Field(default=(), exclude_if=lambda prices: not prices)
    carbon_g_per_kwh: tuple[float, ...] = ()
    jurisdiction: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    power_cap_w: tuple[float, ...] = Field(default=(), exclude_if=lambda watts: not watts)
    where: Span | None = None

    def instances(self) -> tuple[str, ...]:
        """Return the names of the machines that this node stands for."""
        return (self.name,) if self.count == 1 else tuple(f"{self.name}-{i}" for i in range(self.count))

    @property
    def free_cores(self) -> float | None:
        """Cores that are not taken; None if nobody knows how many there are."""
        return self.cores if self.cores is None or self.used is None else max(0.0, self.cores - self.used.cores)

    @property
    def free_memory_bytes(self) -> float | None:
        """DRAM that is not taken; None if nobody knows how much there is."""
        if self.memory_bytes is None or self.used is None:
            return self.memory_bytes
        return max(0.0, self.memory_bytes - self.used.memory_bytes)

    def free_share(self, device: str) -> float:
        """Return what of the device with this id is not taken, 0 to 1; of a cpu, as the cores of the machine are."""
        if self.used is None:
            return 1.0
        if device.startswith("cpu") and self.cores:
            return max(0.0, 1.0 - self.used.cores / self.cores)
        return max(0.0, 1.0 - self.used.devices.get(device, 0.0))


class Link(Record):
    """A connection between two nodes or machines, or between two devices (``node/0``) of one; a node that stands for
    several machines has it with each of them.
    """

    ends: tuple[str, str]
    interconnect: str | None = None
    bandwidth_bytes_per_s: Fact
    latency_s: Fact | None = None


class PowerCap(Record):
    """Most that all work on several machines together may draw.

    by: label (or ``region``) each value of which makes a group that keeps the cap · labels: those of the machines that
    keep it together; neither: all machines of the fleet · cap_w: one value, or one per hour of the day, the first from
    midnight UTC
    """

    by: str | None = None
    labels: Mapping[str, str] = {}
    cap_w: tuple[float, ...]
    where: Span | None = None

    @property
    def whose(self) -> str:
        """Say on what it is, in words."""
        if self.by is not None:
            return f"each {self.by}"
        return ", ".join(f"{key}={value}" for key, value in self.labels.items()) or "the fleet"


class Fleet(Record):
    """Everything that may be used.

    types: every device type that a node uses, by name, and those that its partitions are parts of · links, topology:
    between nodes · power_caps: on machines together; those of single machines are their nodes' · digest: over all that
    is stated, not over where it was written · origin: the file it was read from, or ``this machine``
    """

    name: str
    nodes: tuple[Node, ...]
    types: Mapping[str, DeviceType]
    links: tuple[Link, ...] = ()
    topology: tuple[Topology, ...] = ()
    power_caps: tuple[PowerCap, ...] = Field(default=(), exclude_if=lambda caps: not caps)
    digest: str
    origin: str
