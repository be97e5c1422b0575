"""What no hardware can be: the largest values that are believed, and facts that contradict each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from aios.fleet.devices import device_type, tier_of
from aios.fleet.files.places import Place
from aios.fleet.forms.device import DeviceForm, Sourced
from aios.fleet.forms.fleet import LinkForm, NodeForm, RegionForm
from aios.fleet.forms.topology import ShapedForm, UplinkForm
from aios.fleet.partitions import ROUNDED, SIZES_DIFFER
from aios.records.errors import Diagnostic
from aios.records.fleet import STORAGE, DeviceType, Fact, MemoryKind, MemoryTier
from aios.records.units import Dimension, format_quantity, parse_quantity

__all__ = [
    "DELAY",
    "FIELDS",
    "LINK",
    "MEMORY",
    "RENT",
    "Bound",
    "Clash",
    "Doubt",
    "clashes",
    "contradictions",
    "doubts_of_device",
    "doubts_of_tiers",
    "implausible_connection",
    "implausible_device",
    "implausible_node",
    "implausible_region",
]


class Bound(NamedTuple):
    """The largest value that is believed, as people write it, and why no larger one. zero: whether none at all is."""

    most: str
    dimension: Dimension
    reason: str
    zero: bool = False

    def why_not(self, value: float) -> str | None:
        """Return why no hardware has this value (SI), None where some may."""
        if value < 0 or (value == 0 and not self.zero):
            return "it must be zero or more" if self.zero else "it must be more than zero"
        return self.reason if value > _most(self) else None


BANDWIDTH: Mapping[MemoryKind, Bound] = {
    "sram": Bound(
        "100 PB/s", Dimension.BANDWIDTH, "the SRAM of a whole wafer, the fastest memory there is, reaches 2.1e16 B/s"
    ),
    "hbm": Bound(
        "100 TB/s", Dimension.BANDWIDTH, "the fastest HBM that is announced for one device stays below 30 TB/s"
    ),
    "gddr": Bound("10 TB/s", Dimension.BANDWIDTH, "the fastest GDDR of one device stays below 2 TB/s"),
    "lpddr": Bound("10 TB/s", Dimension.BANDWIDTH, "the fastest LPDDR of one device stays below 1 TB/s"),
    "dram": Bound(
        "10 TB/s", Dimension.BANDWIDTH, "a DIMM moves less than 0.1 TB/s, twelve channels of them about 1 TB/s"
    ),
    "cxl": Bound("10 TB/s", Dimension.BANDWIDTH, "CXL memory is reached over PCIe, 0.06 to 0.13 TB/s for 16 lanes"),
    "ssd": Bound("1 TB/s", Dimension.BANDWIDTH, "one SATA disk reads about 0.0006 TB/s, a shelf of SSDs below 1 TB/s"),
    "nvme": Bound("1 TB/s", Dimension.BANDWIDTH, "one NVMe disk reads about 0.015 TB/s, a shelf of them below 1 TB/s"),
}
MEMORY = Bound("1 PiB", Dimension.BYTES, "the largest machines hold less than 0.1 PiB of memory")
DISK = Bound("1000 PB", Dimension.BYTES, "a machine full of the largest disks holds a few PB")
CACHE = Bound("1 TiB", Dimension.BYTES, "the caches of the largest processors stay below 2 GiB")
PEAK = Bound(
    "200 POP/s", Dimension.COMPUTE, "a whole wafer, the largest device there is, claims 1.25e17 operations per second"
)
POWER = Bound("100 kW", Dimension.POWER, "a whole wafer, the largest device there is, draws about 23 kW")
FREQUENCY = Bound("20 GHz", Dimension.FREQUENCY, "no processor reaches 10 GHz")
DELAY = Bound("10 s", Dimension.TIME, "no memory, link or driver takes seconds to answer")
LINK = Bound("100 TB/s", Dimension.BANDWIDTH, "the fastest links of one device carry a few TB/s together")
RENT = Bound(
    "1000000 USD/h", Dimension.COST_RATE, "the dearest machines are rented for some hundred USD per hour", zero=True
)
PRICE = Bound("100000 kUSD", Dimension.PRICE, "the dearest single devices cost a few million USD")
CARBON = Bound(
    "5000 gCO2/kWh", Dimension.CARBON_INTENSITY, "electricity from the worst coal causes about 1,300 gCO2 per kWh", True
)

_HOURS = 8784
"""Most hourly values: those of a leap year."""

Written = float | Sourced | None


class Doubt(NamedTuple):
    """A value that no hardware has. path: where it is written, in the device type or the node · value: SI"""

    path: tuple[str | int, ...]
    value: float
    bound: Bound


_SINGLE = (
    ("memory", "memory_bytes", MEMORY),
    ("frequency", "frequency_hz", FREQUENCY),
    ("tdp", "tdp_w", POWER),
    ("idle", "idle_w", POWER),
    ("launch_overhead", "launch_overhead_s", DELAY),
    ("price", "price_usd_per_h", RENT),
    ("price_to_buy", "price_usd", PRICE),
)
_KEYED = (
    ("peak", "peak_ops_per_s", PEAK),
    ("peak_sparse", "sparse_peak_ops_per_s", PEAK),
    ("peak_reached", "reached_ops_per_s", PEAK),
    ("cache", "cache_bytes", CACHE),
)

FIELDS: Mapping[str, str] = {
    "bandwidth": "memory_bandwidth_bytes_per_s",
    **{name: field for name, field, _ in (*_SINGLE, *_KEYED)},
}
"""Name of a fact as it is written -> field of the device type."""


def doubts_of_device(device: DeviceType) -> Iterator[Doubt]:
    """Yield every fact of a device type that no device can have."""
    memory = BANDWIDTH[device.memory_kind or ("dram" if device.kind == "cpu" else "hbm")]
    yield from _doubt(device.memory_bandwidth_bytes_per_s, memory, "bandwidth")
    for name, field, bound in _SINGLE:
        yield from _doubt(getattr(device, field), bound, name)
    for name, field, bound in _KEYED:
        for key, fact in getattr(device, field).items():
            yield from _doubt(fact, bound, name, key)
    yield from doubts_of_tiers(device.memory_tiers)
    for index, interconnect in enumerate(device.interconnects):
        yield from _doubt(interconnect.bandwidth_bytes_per_s, LINK, "interconnects", index, "bandwidth")
    yield from _doubt(device.cap_low_w, POWER, "power_cap", "low")
    yield from _doubt(device.cap_high_w, POWER, "power_cap", "high")
    for index, mode in enumerate(device.power_modes):
        yield from _doubt(mode.cap_w, POWER, "power_modes", index, "cap")


def doubts_of_tiers(tiers: Sequence[MemoryTier]) -> Iterator[Doubt]:
    """Yield every fact of memory tiers that none can have."""
    for index, tier in enumerate(tiers):
        at = ("memory_tiers", index)
        yield from _doubt(tier.bytes, DISK if tier.kind in STORAGE else MEMORY, *at, "capacity")
        yield from _doubt(tier.read_bytes_per_s, BANDWIDTH[tier.kind], *at, "read")
        yield from _doubt(tier.write_bytes_per_s, BANDWIDTH[tier.kind], *at, "write")
        yield from _doubt(tier.latency_s, DELAY, *at, "latency")


def _doubt(fact: Fact | None, bound: Bound, *path: str | int) -> Iterator[Doubt]:
    if fact is not None and bound.why_not(fact.value) is not None:
        yield Doubt(path, fact.value, bound)


def implausible_device(form: DeviceForm, at: Place) -> Iterator[Diagnostic]:
    """Yield every fact of a written device type that no device can have."""
    yield from _told(doubts_of_device(device_type(form)), at)


def implausible_node(form: NodeForm, at: Place) -> Iterator[Diagnostic]:
    """Yield every value of a written node that no machine can have."""
    yield from _beyond(form.memory, MEMORY, at / "memory")
    yield from _told(doubts_of_tiers([tier_of(tier) for tier in form.memory_tiers]), at)
    if isinstance(form.price, tuple):
        dear = [index for index, price in enumerate(form.price) if RENT.why_not(price) is not None]
        yield from (found for index in dear[:1] for found in _beyond(form.price[index], RENT, at / "price" / index))
    else:
        yield from _beyond(form.price, RENT, at / "price")
    yield from _implausible_carbon(form.carbon, at / "carbon")


def implausible_region(form: RegionForm, at: Place) -> Iterator[Diagnostic]:
    """Yield every value of a written region that none can have."""
    yield from _implausible_carbon(form.carbon, at / "carbon")


def implausible_connection(form: ShapedForm | UplinkForm | LinkForm, at: Place) -> Iterator[Diagnostic]:
    """Yield what no connection can be, at every level of a written topology."""
    yield from _beyond(form.bandwidth, LINK, at / "bandwidth")
    yield from _beyond(form.latency, DELAY, at / "latency")
    for name in ("between", "host", "spine"):
        inner = getattr(form, name, None)
        if isinstance(inner, ShapedForm | UplinkForm):
            yield from implausible_connection(inner, at / name)
    for index, level in enumerate(getattr(form, "levels", ())):
        yield from implausible_connection(level, at / "levels" / index)


def _implausible_carbon(values: tuple[float, ...], at: Place) -> Iterator[Diagnostic]:
    if len(values) > _HOURS:
        yield at.mistake(f"{len(values):,} hourly values are more than a year has", "write one value, or one per hour")
    for index, value in enumerate(values[:_HOURS]):
        if found := list(_beyond(value, CARBON, at.item(index))):
            yield from found
            return  # of a series that is wrong as a whole, one is enough


def _beyond(written: Written, bound: Bound, at: Place) -> Iterator[Diagnostic]:
    if written is not None:
        value = float(getattr(written, "value")) if isinstance(written, Sourced) else written  # noqa: B009 - as in devices.py
        if bound.why_not(value) is not None:
            yield from _told([Doubt((), value, bound)], at)


def _told(doubts: Iterable[Doubt], at: Place) -> Iterator[Diagnostic]:
    for doubt in doubts:
        place = Place(at.document, (*at.path, *doubt.path))
        place = place / "value" if isinstance(place.written, dict) else place
        remedy = f"look at the number and its unit; at most {doubt.bound.most} is believed here"
        name = next(step for step in reversed((*at.path, *doubt.path)) if isinstance(step, str))
        summary = f"`{name}` of {place.written} is impossible"
        yield place.mistake(summary, remedy, doubt.bound.why_not(doubt.value))


@lru_cache
def _most(bound: Bound) -> float:
    return parse_quantity(bound.most, bound.dimension)


class Clash(NamedTuple):
    """Two facts that cannot both hold. path: where the first is written, in the device type"""

    path: tuple[str | int, ...]
    summary: str
    remedy: str


def contradictions(device: DeviceType, at: Place) -> Iterator[Diagnostic]:
    """Yield the facts of a device type, with those it took over, that cannot hold together."""
    for clash in clashes(device):
        yield Place(at.document, (*at.path, *clash.path)).mistake(clash.summary, clash.remedy)


def clashes(device: DeviceType) -> Iterator[Clash]:
    """Yield the facts of a device type that cannot hold together."""
    yield from _power_clashes(device)
    yield from _peak_clashes(device)
    yield from _partition_clashes(device)
    yield from _doubled(device)


def _power_clashes(device: DeviceType) -> Iterator[Clash]:
    tdp, idle, low, high = device.tdp_w, device.idle_w, device.cap_low_w, device.cap_high_w
    if tdp and idle and idle.value > tdp.value:
        summary = f"`idle` ({_watts(idle)}) is more than `tdp` ({_watts(tdp)})"
        yield Clash(("idle",), summary, "a device at rest draws less than under load; correct one of the two")
    if low and high and low.value > high.value:
        summary = f"`power_cap` begins at {_watts(low)} and ends at {_watts(high)}"
        yield Clash(("power_cap", "low"), summary, "write the smaller as `low` and the larger as `high`")
    for index, mode in enumerate(device.power_modes):
        if tdp and mode.cap_w.value > tdp.value:
            summary = f"power mode `{mode.name}` allows {_watts(mode.cap_w)}, but `tdp` is {_watts(tdp)}"
            yield Clash(("power_modes", index, "cap"), summary, "`tdp` is of the mode that draws most")


def _watts(fact: Fact) -> str:
    return format_quantity(fact.value, Dimension.POWER)


def _peak_clashes(device: DeviceType) -> Iterator[Clash]:
    for precision, sparse in device.sparse_peak_ops_per_s.items():
        dense = device.peak_ops_per_s.get(precision)
        if dense and sparse.value < dense.value:
            summary = f"the sparse {precision} peak is less than the dense one"
            yield Clash(("peak_sparse", precision), summary, "rates that count on sparsity are the larger ones")
    for precision, reached in device.reached_ops_per_s.items():
        dense = device.peak_ops_per_s.get(precision)
        if dense and reached.value > dense.value:
            summary = f"the {precision} rate that was reached is more than the dense peak"
            yield Clash(("peak_reached", precision), summary, "no product runs above the peak of the device")


def _partition_clashes(device: DeviceType) -> Iterator[Clash]:
    memory = device.memory_bytes
    for index, part in enumerate(device.partitions):
        if memory and part.memory_bytes.value * part.most > memory.value * SIZES_DIFFER:
            each = format_quantity(part.memory_bytes.value, Dimension.BYTES)
            whole = format_quantity(memory.value, Dimension.BYTES)
            summary = f"{part.most} of `{part.name}` with {each} each have more memory than the device ({whole})"
            yield Clash(("partitions", index, "memory"), summary, "correct `most` or one of the sizes")
        for field, share in (("compute", part.compute_share), ("bandwidth", part.bandwidth_share)):
            if share and share.value * part.most > ROUNDED:
                summary = f"{part.most} of `{part.name}` have more than all of the device's {field}"
                yield Clash(("partitions", index, field), summary, "correct `most` or the share")


def _doubled(device: DeviceType) -> Iterator[Clash]:
    for field in ("power_modes", "partitions", "memory_tiers"):
        names: set[str] = set()
        for index, item in enumerate(getattr(device, field)):
            if item.name in names:
                yield Clash((field, index), f"`{item.name}` stands twice in `{field}`", "give each a name of its own")
            names.add(item.name)
