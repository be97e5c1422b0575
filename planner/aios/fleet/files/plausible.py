"""What no hardware can be: the largest values that are believed, and facts that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from aios.fleet.files.places import Place
from aios.fleet.forms.device import DeviceForm, Sourced, TierForm
from aios.fleet.forms.fleet import LinkForm, NodeForm, RegionForm
from aios.fleet.forms.topology import ShapedForm, UplinkForm
from aios.fleet.partitions import ROUNDED, SIZES_DIFFER
from aios.records.errors import Diagnostic
from aios.records.fleet import STORAGE, DeviceType, Fact, MemoryKind
from aios.records.units import Dimension, format_quantity, parse_quantity

__all__ = ["contradictions", "implausible_connection", "implausible_device", "implausible_node", "implausible_region"]


class Bound(NamedTuple):
    """The largest value that is believed, as people write it, and why no larger one."""

    most: str
    dimension: Dimension
    reason: str


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
RENT = Bound("1000000 USD/h", Dimension.COST_RATE, "the dearest machines are rented for some hundred USD per hour")
PRICE = Bound("100000 kUSD", Dimension.PRICE, "the dearest single devices cost a few million USD")
CARBON = Bound(
    "5000 gCO2/kWh", Dimension.CARBON_INTENSITY, "electricity from the worst coal causes about 1,300 gCO2 per kWh"
)

_HOURS = 8784
"""Most hourly values: those of a leap year."""

Written = float | Sourced | None


def implausible_device(form: DeviceForm, at: Place) -> Iterator[Diagnostic]:
    """Yield every fact of a written device type that no device can have."""
    memory = BANDWIDTH[form.memory_kind or ("dram" if form.kind == "cpu" else "hbm")]
    yield from _beyond(form.memory, MEMORY, at / "memory")
    yield from _beyond(form.bandwidth, memory, at / "bandwidth")
    for name in ("peak", "peak_sparse"):
        for precision, value in getattr(form, name).items():
            yield from _beyond(value, PEAK, at / name / precision)
    for level, size in form.cache.items():
        yield from _beyond(size, CACHE, at / "cache" / level)
    for index, tier in enumerate(form.memory_tiers):
        yield from _implausible_tier(tier, at / "memory_tiers" / index)
    for index, interconnect in enumerate(form.interconnects):
        yield from _beyond(interconnect.bandwidth, LINK, at / "interconnects" / index / "bandwidth")
    for name, bound in (
        ("frequency", FREQUENCY),
        ("tdp", POWER),
        ("idle", POWER),
        ("launch_overhead", DELAY),
        ("price", RENT),
        ("price_to_buy", PRICE),
    ):
        yield from _beyond(getattr(form, name), bound, at / name)
    if form.power_cap:
        yield from _beyond(form.power_cap.high, POWER, at / "power_cap" / "high")
    for index, mode in enumerate(form.power_modes):
        yield from _beyond(mode.cap, POWER, at / "power_modes" / index / "cap")


def implausible_node(form: NodeForm, at: Place) -> Iterator[Diagnostic]:
    """Yield every value of a written node that no machine can have."""
    yield from _beyond(form.memory, MEMORY, at / "memory")
    for index, tier in enumerate(form.memory_tiers):
        yield from _implausible_tier(tier, at / "memory_tiers" / index)
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


def _implausible_tier(tier: TierForm, at: Place) -> Iterator[Diagnostic]:
    yield from _beyond(tier.capacity, DISK if tier.kind in STORAGE else MEMORY, at / "capacity")
    for name in ("read", "write"):
        yield from _beyond(getattr(tier, name), BANDWIDTH[tier.kind], at / name)
    yield from _beyond(tier.latency, DELAY, at / "latency")


def _implausible_carbon(values: tuple[float, ...], at: Place) -> Iterator[Diagnostic]:
    if len(values) > _HOURS:
        yield at.mistake(f"{len(values):,} hourly values are more than a year has", "write one value, or one per hour")
    for index, value in enumerate(values[:_HOURS]):
        if found := list(_beyond(value, CARBON, at.item(index))):
            yield from found
            return  # of a series that is wrong as a whole, one is enough


def _beyond(written: Written, bound: Bound, at: Place) -> Iterator[Diagnostic]:
    if written is None:
        return
    value = _value(written)
    if value > _most(bound):
        place = at / "value" if isinstance(written, Sourced) else at
        remedy = f"look at the number and its unit; at most {bound.most} is believed here"
        name = next(step for step in reversed(at.path) if isinstance(step, str))
        yield place.mistake(f"`{name}` of {place.written} is impossible", remedy, bound.reason)


@lru_cache
def _most(bound: Bound) -> float:
    return parse_quantity(bound.most, bound.dimension)


def _value(written: float | Sourced) -> float:
    return float(getattr(written, "value")) if isinstance(written, Sourced) else written  # noqa: B009 - as in devices.py


class _Clash(NamedTuple):
    """Two facts that cannot both hold. path: where the first is written, in the device type"""

    path: tuple[str | int, ...]
    summary: str
    remedy: str


def contradictions(device: DeviceType, at: Place) -> Iterator[Diagnostic]:
    """Yield the facts of a device type, with those it took over, that cannot hold together."""
    for clash in (*_power_clashes(device), *_peak_clashes(device), *_partition_clashes(device), *_doubled(device)):
        yield Place(at.document, (*at.path, *clash.path)).mistake(clash.summary, clash.remedy)


def _power_clashes(device: DeviceType) -> Iterator[_Clash]:
    tdp, idle, low, high = device.tdp_w, device.idle_w, device.cap_low_w, device.cap_high_w
    if tdp and idle and idle.value > tdp.value:
        summary = f"`idle` ({_watts(idle)}) is more than `tdp` ({_watts(tdp)})"
        yield _Clash(("idle",), summary, "a device at rest draws less than under load; correct one of the two")
    if low and high and low.value > high.value:
        summary = f"`power_cap` begins at {_watts(low)} and ends at {_watts(high)}"
        yield _Clash(("power_cap", "low"), summary, "write the smaller as `low` and the larger as `high`")
    for index, mode in enumerate(device.power_modes):
        if tdp and mode.cap_w.value > tdp.value:
            summary = f"power mode `{mode.name}` allows {_watts(mode.cap_w)}, but `tdp` is {_watts(tdp)}"
            yield _Clash(("power_modes", index, "cap"), summary, "`tdp` is of the mode that draws most")


def _watts(fact: Fact) -> str:
    return format_quantity(fact.value, Dimension.POWER)


def _peak_clashes(device: DeviceType) -> Iterator[_Clash]:
    for precision, sparse in device.sparse_peak_ops_per_s.items():
        dense = device.peak_ops_per_s.get(precision)
        if dense and sparse.value < dense.value:
            summary = f"the sparse {precision} peak is less than the dense one"
            yield _Clash(("peak_sparse", precision), summary, "rates that count on sparsity are the larger ones")


def _partition_clashes(device: DeviceType) -> Iterator[_Clash]:
    memory = device.memory_bytes
    for index, part in enumerate(device.partitions):
        if memory and part.memory_bytes.value * part.most > memory.value * SIZES_DIFFER:
            each = format_quantity(part.memory_bytes.value, Dimension.BYTES)
            whole = format_quantity(memory.value, Dimension.BYTES)
            summary = f"{part.most} of `{part.name}` with {each} each have more memory than the device ({whole})"
            yield _Clash(("partitions", index, "memory"), summary, "correct `most` or one of the sizes")
        for field, share in (("compute", part.compute_share), ("bandwidth", part.bandwidth_share)):
            if share and share.value * part.most > ROUNDED:
                summary = f"{part.most} of `{part.name}` have more than all of the device's {field}"
                yield _Clash(("partitions", index, field), summary, "correct `most` or the share")


def _doubled(device: DeviceType) -> Iterator[_Clash]:
    for field in ("power_modes", "partitions", "memory_tiers"):
        names: set[str] = set()
        for index, item in enumerate(getattr(device, field)):
            if item.name in names:
                yield _Clash((field, index), f"`{item.name}` stands twice in `{field}`", "give each a name of its own")
            names.add(item.name)
