"""How much of a device's memory programs can take."""

from __future__ import annotations

from aios.records.fleet import DeviceType

__all__ = ["capacity_bytes", "of_unified"]

_GIGA, _GIBI = 1e9, float(2**30)
_UNIFIED = ((36.0 * _GIBI, 2 / 3), (float("inf"), 3 / 4))
"""Of memory that a processor shares with its graphics, what Metal lets graphics take: largest size -> share
(``recommendedMaxWorkingSetSize``)."""


def capacity_bytes(device: DeviceType) -> float | None:
    """Return the memory that programs can take. None where it is unknown.

    Data sheets of graphics cards write GB for GiB: an 80 GB card reports 81,559 MiB and more. What shares the host's
    memory takes part of it.
    """
    if device.memory_bytes is None:
        return None
    size = device.memory_bytes.value
    if device.vendor == "Apple":
        return of_unified(size)
    whole = abs(size / _GIGA - round(size / _GIGA)) < 1e-6
    return size * _GIBI / _GIGA if whole and device.memory_kind in ("hbm", "gddr") else size


def of_unified(size: float) -> float:
    """Return what graphics may take of ``size`` bytes that it shares with the processor."""
    return size * next(share for most, share in _UNIFIED if size <= most)
