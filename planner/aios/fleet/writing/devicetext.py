"""Device type -> the lines of a fleet file that describe it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aios.fleet.writing.scalars import fact, flow, listed, optional_fact, quoted
from aios.records.fleet import DeviceType, Fact, MemoryTier
from aios.records.units import Dimension

__all__ = ["device_lines", "mapping_lines", "tier_text"]

_UNKNOWN_IS_TOLD = ("memory", "bandwidth", "frequency", "tdp", "idle", "launch_overhead", "price")
"""Fields whose absence the file notes: what they are missing for is not predicted, and people can add them."""


def device_lines(device: DeviceType, indent: str) -> Iterator[str]:
    """Yield the lines of an entry of ``spec.devices``; ``indent`` stands before its dash."""
    inner = f"{indent}  "
    yield f"{indent}- name: {quoted(device.name)}"
    yield f"{inner}kind: {device.kind}"
    for key, text in (("vendor", device.vendor), ("model", device.model), ("architecture", device.architecture)):
        if text is not None:
            yield f"{inner}{key}: {quoted(text)}"
    if device.cores is not None:
        yield f"{inner}cores: {device.cores}"
    if device.features:
        yield f"{inner}features: {listed(device.features)}"
    yield from _facts("peak", device.peak_ops_per_s, Dimension.COMPUTE, inner)
    yield from _facts("peak_sparse", device.sparse_peak_ops_per_s, Dimension.COMPUTE, inner)
    yield from _facts("peak_reached", device.reached_ops_per_s, Dimension.COMPUTE, inner)
    if device.memory_kind is not None:
        yield f"{inner}memory_kind: {device.memory_kind}"
    yield from _facts("cache", device.cache_bytes, Dimension.BYTES, inner)
    for key, found, dimension in _single_facts(device):
        if found is not None:
            yield f"{inner}{key}: {fact(found, dimension)}"
    if device.power_of is not None:
        yield f"{inner}power_of: {device.power_of}"
    yield from _lists(device, inner)
    yield from mapping_lines("identity", device.identity, inner)
    unknown = [key for key, found, _ in _single_facts(device) if found is None and key in _UNKNOWN_IS_TOLD]
    if unknown:
        yield f"{inner}# unknown: {', '.join(unknown)}"


def tier_text(tier: MemoryTier) -> str:
    """Return a memory tier on one line."""
    return flow(
        (
            ("kind", tier.kind),
            ("name", None if tier.name == tier.kind else quoted(tier.name)),
            ("capacity", fact(tier.bytes, Dimension.BYTES)),
            ("read", optional_fact(tier.read_bytes_per_s, Dimension.BANDWIDTH)),
            ("write", optional_fact(tier.write_bytes_per_s, Dimension.BANDWIDTH)),
            ("latency", optional_fact(tier.latency_s, Dimension.TIME)),
        )
    )


def mapping_lines(key: str, pairs: Mapping[str, str], indent: str) -> Iterator[str]:
    """Yield a mapping of texts; nothing for an empty one."""
    if pairs:
        yield f"{indent}{key}:"
    for name, text in pairs.items():
        yield f"{indent}  {quoted(name)}: {quoted(text)}"


def _single_facts(device: DeviceType) -> tuple[tuple[str, Fact | None, Dimension], ...]:
    return (
        ("memory", device.memory_bytes, Dimension.BYTES),
        ("bandwidth", device.memory_bandwidth_bytes_per_s, Dimension.BANDWIDTH),
        ("frequency", device.frequency_hz, Dimension.FREQUENCY),
        ("tdp", device.tdp_w, Dimension.POWER),
        ("idle", device.idle_w, Dimension.POWER),
        ("launch_overhead", device.launch_overhead_s, Dimension.TIME),
        ("price", device.price_usd_per_h, Dimension.COST_RATE),
        ("price_to_buy", device.price_usd, Dimension.PRICE),
    )


def _lists(device: DeviceType, indent: str) -> Iterator[str]:
    """Yield what a device has several of, one line each, and the range of its power limit."""
    if device.cap_low_w is not None or device.cap_high_w is not None:
        low, high = (optional_fact(cap, Dimension.POWER) for cap in (device.cap_low_w, device.cap_high_w))
        yield f"{indent}power_cap: {flow((('low', low), ('high', high)))}"
    if device.memory_tiers:
        yield f"{indent}memory_tiers:"
    for tier in device.memory_tiers:
        yield f"{indent}  - {tier_text(tier)}"
    if device.interconnects:
        yield f"{indent}interconnects:"
    for item in device.interconnects:
        links = None if item.links is None else str(item.links)
        bandwidth = fact(item.bandwidth_bytes_per_s, Dimension.BANDWIDTH)
        yield f"{indent}  - {flow((('kind', quoted(item.kind)), ('links', links), ('bandwidth', bandwidth)))}"
    if device.power_modes:
        yield f"{indent}power_modes:"
    for mode in device.power_modes:
        yield f"{indent}  - name: {quoted(mode.name)}"
        yield f"{indent}    cap: {fact(mode.cap_w, Dimension.POWER)}"
        if mode.peak_scale is not None:
            yield f"{indent}    peak_scale: {fact(mode.peak_scale, Dimension.FRACTION)}"
    yield from _partitions(device, indent)


def _partitions(device: DeviceType, indent: str) -> Iterator[str]:
    if device.partitions:
        yield f"{indent}partitions:"
    for part in device.partitions:
        yield f"{indent}  - name: {quoted(part.name)}"
        yield f"{indent}    compute: {fact(part.compute_share, Dimension.FRACTION)}"
        yield f"{indent}    memory: {fact(part.memory_bytes, Dimension.BYTES)}"
        if part.bandwidth_share is not None:
            yield f"{indent}    bandwidth: {fact(part.bandwidth_share, Dimension.FRACTION)}"
        yield f"{indent}    most: {part.most}"


def _facts(key: str, facts: Mapping[str, Fact], dimension: Dimension, indent: str) -> Iterator[str]:
    if facts:
        yield f"{indent}{key}:"
    for name, found in facts.items():
        yield f"{indent}  {quoted(name)}: {fact(found, dimension)}"
