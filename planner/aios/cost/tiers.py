"""How fast a device reads what lives in another memory than its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aios.cost.interval import Interval, Unknown
from aios.records.base import Source
from aios.records.candidate import Candidate, Residence
from aios.records.fleet import STORAGE, DeviceType, Fact, Fleet, MemoryKind, Node
from aios.records.model import MemoryPart

__all__ = ["TierRate", "at_end", "host_link", "residences_of", "tier_rates"]

_TRUST: tuple[Source, ...] = ("measured", "calibrated", "datasheet", "analytic", "declared", "assumed")


class TierRate(NamedTuple):
    """At which rate a device reads a tier, the slowest of a candidate's nodes. bytes_per_s: as stated for the tier, or
    for the connection to it where that is less · source: of that figure."""

    tier: str
    kind: MemoryKind
    bytes_per_s: float
    source: Source


def tier_rates(candidate: Candidate, device: DeviceType, fleet: Fleet) -> Mapping[MemoryPart, TierRate] | Unknown:
    """Return part -> rate for what does not live in the device's own memory, or what is not stated."""
    rates: dict[MemoryPart, TierRate] = {}
    for part, tier in candidate.tiers.items():
        found = [_rate(tier, device, node) for node in fleet.nodes if node.name in candidate.nodes]
        unknown = next((item for item in found if isinstance(item, Unknown)), None)
        if unknown is not None:
            return unknown
        rates[part] = min((item for item in found if isinstance(item, TierRate)), key=lambda item: item.bytes_per_s)
    return rates


def _rate(tier: str, device: DeviceType, node: Node) -> TierRate | Unknown:
    own = next((item for item in device.memory_tiers if item.name == tier), None)
    found = own or next((item for item in node.memory_tiers if item.name == tier), None)
    if found is None and tier == "dram" and device.kind != "cpu":
        kind: MemoryKind = "dram"
        fact = None  # DRAM is faster than any connection to it, so the connection alone counts
    elif found is None or found.read_bytes_per_s is None:
        return Unknown(f"no read bandwidth of memory tier {tier} of node {node.name} is stated")
    else:
        kind, fact = found.kind, found.read_bytes_per_s
    facts = [item for item in (fact, None if own is not None else host_link(device)) if item is not None]
    if device.kind != "cpu" and own is None and host_link(device) is None:
        return Unknown(f"how {device.name} is connected to its node (`interconnects`, a pcie kind) is not stated")
    slowest = min(facts, key=lambda item: item.value)
    return TierRate(tier, kind, slowest.value, max((item.source for item in facts), key=_TRUST.index))


def host_link(device: DeviceType) -> Fact | None:
    """Return what connects an accelerator to the memory of its node; None if nobody says, and of a cpu."""
    if device.kind == "cpu":
        return None
    kinds = ("pcie", "c2c", "usb")
    links = [item.bandwidth_bytes_per_s for item in device.interconnects if item.kind.startswith(kinds)]
    return max(links, key=lambda fact: fact.value, default=None)


def residences_of(
    sizes: Mapping[MemoryPart, float],
    candidate: Candidate,
    device: DeviceType,
    rates: Mapping[MemoryPart, TierRate] | Unknown,
) -> tuple[Residence, ...]:
    """Return where each part of one replica lives and what reading it once takes. sizes: part -> bytes."""
    return tuple(_residences(sizes, candidate, device, {} if isinstance(rates, Unknown) else rates))


def _residences(
    sizes: Mapping[MemoryPart, float],
    candidate: Candidate,
    device: DeviceType,
    rates: Mapping[MemoryPart, TierRate],
) -> Iterator[Residence]:
    own = device.memory_bandwidth_bytes_per_s
    kind = device.memory_kind or ("dram" if device.kind == "cpu" else None)
    for part, size in sizes.items():
        rate = rates.get(part)
        if part in candidate.tiers:
            speed, source = (rate.bytes_per_s, rate.source) if rate else (None, None)
        else:
            speed, source = (own.value, own.source) if own else (None, None)
        yield Residence(
            part=part,
            tier=candidate.tiers.get(part, kind or "own memory"),
            kind=rate.kind if rate else kind if part not in candidate.tiers else None,
            bytes=size,
            read_bytes_per_s=speed,
            seconds=size / speed if speed else None,
            source=source,
        )


def at_end(rate: TierRate, end: int, own: float, replicas: int) -> float:
    """Return bytes/s at one end (0 best, 1 expected, 2 worst) of the range. own: that of the device's own memory there.

    Replicas may share the tier: at the worst end each has its part only.
    """
    ends = _MAPPED if rate.kind in STORAGE else _MEMORY
    reached = rate.bytes_per_s * ends[end] / (replicas if end == 2 else 1)
    if rate.kind in STORAGE and end == 0:
        return max(reached, own)
    return reached


_MEMORY = Interval(0.95, 0.8, 0.6)
"""Share of a memory's or a connection's stated bandwidth that streaming reads reach; PCIe copies reach about 0.8 after
packet headers (128 of 152 bytes at the usual payload)."""

_MAPPED = Interval(1.0, 0.6, 0.25)
"""Share of a drive's sequential bandwidth that a mapped file is read at: pages come by faults with read-ahead, not by
deep queues. At the best end the kernel has kept the pages, and the device reads them at the speed of its own memory."""
