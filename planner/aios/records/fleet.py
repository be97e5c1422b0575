"""What there is to run on: devices with facts, nodes that hold them, links between them."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record, Source, Span

__all__ = ["DeviceKind", "DeviceSlot", "DeviceType", "Fact", "Fleet", "Link", "Node", "PowerMode"]

DeviceKind = Literal["cpu", "gpu", "npu", "tpu", "fpga", "dsp", "other"]


class Fact(Record):
    """A number about a device with its provenance.

    value: SI (see ``unit``) · source: how far to trust it · ref: where it was read · as_of: ISO date of that source
    """

    value: float
    unit: str
    source: Source = "declared"
    ref: str | None = None
    as_of: str | None = None


class PowerMode(Record):
    """A setting that trades speed for power. cap_w: power limit · peak_scale: peak rate relative to the full mode."""

    name: str
    cap_w: Fact
    peak_scale: Fact | None = None


class DeviceType(Record):
    """A kind of compute device. Every fact is optional; what is absent is unknown and is never guessed.

    peak_ops_per_s: precision (``fp32``, ``fp16``, ``bf16``, ``int8``...) -> dense peak, multiply and add counted as
    two ·
    memory_bytes, memory_bandwidth_bytes_per_s: the device's own memory; for a cpu, the node's DRAM ·
    cores: of a cpu, all of the node's share · features: instruction sets and the like (``avx512_vnni``) ·
    cache_bytes: level (``l1d``, ``l2``, ``l3``) -> bytes in all · launch_overhead_s: per operator ·
    identity: what discovery read off the hardware (vendor string, model name, driver)
    """

    name: str
    kind: DeviceKind
    vendor: str | None = None
    model: str | None = None
    peak_ops_per_s: Mapping[str, Fact] = {}
    memory_bytes: Fact | None = None
    memory_bandwidth_bytes_per_s: Fact | None = None
    cache_bytes: Mapping[str, Fact] = {}
    cores: int | None = None
    frequency_hz: Fact | None = None
    features: tuple[str, ...] = ()
    tdp_w: Fact | None = None
    idle_w: Fact | None = None
    launch_overhead_s: Fact | None = None
    power_modes: tuple[PowerMode, ...] = ()
    price_usd_per_h: Fact | None = None
    identity: Mapping[str, str] = {}


class DeviceSlot(Record):
    """Devices of one type on a node. ids: ``cpu0``... for cpus, ``0``, ``1``... for every other kind, in order."""

    type: str
    ids: tuple[str, ...]


class Node(Record):
    """One machine, or ``count`` equal ones (instances are named ``name-0``, ``name-1``... when count > 1).

    address: ``local`` for this machine; None when the node is only described and cannot be reached ·
    cores: CPU cores · memory_bytes: DRAM · region: where it stands · topology: what connects its devices
    (``nvswitch``, ``nvlink``, ``pcie``)
    """

    name: str
    count: int = 1
    address: str | None = None
    cores: int | None = None
    memory_bytes: float | None = None
    devices: tuple[DeviceSlot, ...] = ()
    labels: Mapping[str, str] = {}
    region: str | None = None
    topology: str | None = None
    where: Span | None = None

    def instances(self) -> tuple[str, ...]:
        """Return the names of the machines that this node stands for."""
        return (self.name,) if self.count == 1 else tuple(f"{self.name}-{i}" for i in range(self.count))


class Link(Record):
    """A connection between two nodes."""

    ends: tuple[str, str]
    bandwidth_bytes_per_s: Fact
    latency_s: Fact | None = None


class Fleet(Record):
    """Everything that may be used.

    types: every device type that a node uses, by name · digest: over nodes, types and links, not over where they
    were written ·
    origin: the file it was read from, or ``this machine``
    """

    name: str
    nodes: tuple[Node, ...]
    types: Mapping[str, DeviceType]
    links: tuple[Link, ...] = ()
    digest: str
    origin: str
