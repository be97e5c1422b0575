"""Which device types somebody looks for: filters that combine, and an order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from aios.records.fleet import DeviceKind, DeviceType, Fact

__all__ = ["Order", "Wanted", "select"]

Order = Literal["name", "memory", "bandwidth", "power", "peak"]


class Wanted(NamedTuple):
    """What a device must be; every filter must hold, and what is unknown of a device holds none.

    kinds, vendors: any of them; empty for all · precisions: of which a dense peak rate is known · memory_bytes: at
    least · tdp_w: at most · peaks: precision -> dense OP/s at least · order: largest first, but names and power
    upwards; peak: in the first precision that is named, else in any
    """

    kinds: tuple[DeviceKind, ...] = ()
    vendors: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    memory_bytes: float | None = None
    tdp_w: float | None = None
    peaks: Mapping[str, float] = {}
    order: Order = "name"


def select(devices: Iterable[DeviceType], wanted: Wanted) -> tuple[DeviceType, ...]:
    """Return the devices that fit, in order; those of which the ordering fact is unknown come last."""
    found = sorted((device for device in devices if _fits(device, wanted)), key=lambda device: device.name)
    if wanted.order == "name":
        return tuple(found)
    upwards = wanted.order == "power"

    def place(device: DeviceType) -> tuple[bool, float]:
        value = _ordering(device, wanted)
        return value is None, 0.0 if value is None else value if upwards else -value

    return tuple(sorted(found, key=place))


def _fits(device: DeviceType, wanted: Wanted) -> bool:
    makers = {vendor.casefold() for vendor in wanted.vendors}
    own = {device.name.split("-", maxsplit=1)[0], (device.vendor or "").casefold()}
    return (
        (not wanted.kinds or device.kind in wanted.kinds)
        and (not makers or bool(makers & own))
        and all(precision in device.peak_ops_per_s for precision in wanted.precisions)
        and (wanted.memory_bytes is None or _value(device.memory_bytes, 0) >= wanted.memory_bytes)
        and (wanted.tdp_w is None or _value(device.tdp_w, float("inf")) <= wanted.tdp_w)
        and all(_value(device.peak_ops_per_s.get(name), 0) >= least for name, least in wanted.peaks.items())
    )


def _value(fact: Fact | None, unknown: float) -> float:
    return unknown if fact is None else fact.value


def _ordering(device: DeviceType, wanted: Wanted) -> float | None:
    if wanted.order == "peak":
        named = next(iter((*wanted.peaks, *wanted.precisions)), None)
        rates = device.peak_ops_per_s
        return max((fact.value for name, fact in rates.items() if named in (None, name)), default=None)
    facts = {"memory": device.memory_bytes, "bandwidth": device.memory_bandwidth_bytes_per_s, "power": device.tdp_w}
    fact = facts[wanted.order]
    return None if fact is None else fact.value
