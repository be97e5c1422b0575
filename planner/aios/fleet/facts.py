"""The facts of a device type as a list, each under the name that people give it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from aios.records.fleet import DeviceType, Fact, Interconnect
from aios.records.units import Dimension, format_quantity, si_unit

__all__ = ["fact_text", "facts_of", "numbered", "unknown_of"]

_DIMENSIONS = {si_unit(dimension): dimension for dimension in Dimension if dimension is not Dimension.COUNT} | {
    "OP/s": Dimension.COMPUTE
}
_GB = 1e9

_SINGLE: tuple[tuple[str, str], ...] = (
    ("memory", "memory_bytes"),
    ("bandwidth", "memory_bandwidth_bytes_per_s"),
    ("frequency", "frequency_hz"),
    ("tdp", "tdp_w"),
    ("idle", "idle_w"),
    ("lowest power cap", "cap_low_w"),
    ("highest power cap", "cap_high_w"),
    ("launch overhead", "launch_overhead_s"),
    ("price to rent", "price_usd_per_h"),
    ("price to buy", "price_usd"),
)
_EXPECTED = ("memory", "bandwidth", "tdp", "idle", "launch overhead", "price to rent", "price to buy")
"""What every device has, so that not knowing it is worth saying."""


def facts_of(device: DeviceType) -> Mapping[str, Fact]:
    """Return every fact that is known of a device: dense and sparse peaks apart, memory, power, price, parts."""
    facts = {f"peak {name}": fact for name, fact in device.peak_ops_per_s.items()}
    facts |= {f"sparse peak {name}": fact for name, fact in device.sparse_peak_ops_per_s.items()}
    facts |= {f"reached peak {name}": fact for name, fact in device.reached_ops_per_s.items()}
    for label, field in _SINGLE:
        fact: Fact | None = getattr(device, field)
        if fact is not None:
            facts[label] = fact
    facts |= {f"cache {level}": fact for level, fact in device.cache_bytes.items()}
    return facts | dict(_of_parts(device))


def _of_parts(device: DeviceType) -> Iterator[tuple[str, Fact]]:
    """Yield the facts of what a device has several of, by the name of each."""
    for kind, link in numbered(device.interconnects):
        yield f"interconnect {kind}", link.bandwidth_bytes_per_s
    for tier in device.memory_tiers:
        every = (("", tier.bytes), (" read", tier.read_bytes_per_s), (" write", tier.write_bytes_per_s))
        for what, fact in (*every, (" latency", tier.latency_s)):
            if fact is not None:
                yield f"memory tier {tier.name}{what}", fact
    for mode in device.power_modes:
        yield f"power mode {mode.name} cap", mode.cap_w
        if mode.peak_scale is not None:
            yield f"power mode {mode.name} peak", mode.peak_scale
    for part in device.partitions:
        yield f"partition {part.name} compute", part.compute_share
        yield f"partition {part.name} memory", part.memory_bytes
        if part.bandwidth_share is not None:
            yield f"partition {part.name} bandwidth", part.bandwidth_share


def numbered(interconnects: Iterable[Interconnect]) -> Iterator[tuple[str, Interconnect]]:
    """Yield each interconnect with its kind; the second of a kind as ``kind (2)``."""
    seen: Counter[str] = Counter()
    for item in interconnects:
        seen[item.kind] += 1
        yield item.kind if seen[item.kind] == 1 else f"{item.kind} ({seen[item.kind]})", item


def unknown_of(device: DeviceType) -> tuple[str, ...]:
    """Return what every device has and nobody says of this one."""
    known = facts_of(device)
    missing = [] if device.peak_ops_per_s else ["peak"]
    return (*missing, *(label for label in _EXPECTED if label not in known))


def fact_text(fact: Fact) -> str:
    """Return the value of a fact as people write it; sizes that are whole GB in GB, as makers count."""
    dimension = _DIMENSIONS[fact.unit]
    whole = round(fact.value / _GB, 6)
    if fact.unit == "B" and whole >= 1 and whole == int(whole):
        return f"{whole:g} GB"
    text = format_quantity(fact.value, dimension)
    return text.replace("FLOP/s", "OP/s") if fact.unit == "OP/s" else text
