"""What operators need to know of a device, from its catalogue facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.kernels.formats import Format
from aios.cost.kernels.grouping import distinct
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Texts

__all__ = ["Hardware", "hardware_of", "hardware_rows", "powered_share"]

_LANES = {"sm_60": 64, "sm_70": 64, "sm_72": 64, "sm_75": 64, "sm_80": 64}
"""FP32 lanes of a streaming multiprocessor where they are not 128 (CUDA C programming guide, arithmetic throughput)."""
_CLOCK_HZ = 2.0e9
"""Taken where no clock is stated; data-centre and desktop GPUs since 2020 lie at 1.4 to 2.6 GHz."""
_CACHE_BYTES_PER_UNIT = 0.4e6
"""Taken where no last-level cache is stated: A100 0.39 MB, H100 0.40 MB, L40S 0.7 MB per multiprocessor."""
_START_S = {"gpu": 2.2e-6, "cpu": 1e-6}
"""Of one kernel in a captured graph, its drain and the next one's ramp included; other accelerators as GPUs."""
_OPERATIONS_PER_JOULE = {"volta": 0.6e12, "turing": 0.6e12}
_OTHERS_PER_JOULE = 1.25e12
"""16-bit matrix operations that the power of a device pays for beyond what it draws idle, by architecture: chips of 12
nm and later ones (looked for on published measurements: T4 keeps up about half of its peak, L4 six tenths of it, both
at 70 W)."""
_BYTES = {"fp64": 8.0, "fp32": 4.0, "tf32": 4.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5, "int4": 0.5}
"""Of a value that is computed with, where it is not 2: an operation takes as much more energy."""
_IDLE_SHARE = 0.12
"""Of the nominal power, taken where no idle power is stated."""
_BOUNDS = 4.0
"""Peak and power bind like two limits of which the lower counts; where both are equal, 2^(-1/4) = 0.84 is kept up."""


class Hardware(NamedTuple):
    """A device as an operator in one format sees it, each field one number or an array, one per row.

    peak_ops_per_s: dense, of the arithmetic that is computed in · vector_ops_per_s: fp32, outside matrix units ·
    bandwidth_bytes_per_s, cache_bytes: of its memory and last-level cache · units: multiprocessors (cores of a cpu)
    that tiles are spread over · start_s: of one kernel
    """

    peak_ops_per_s: float | Floats
    vector_ops_per_s: float | Floats
    bandwidth_bytes_per_s: float | Floats
    cache_bytes: float | Floats
    units: float | Floats
    start_s: float | Floats


def hardware_of(device: DeviceType, computes: Format | Sequence[str]) -> Hardware | None:
    """Return what is known of a device for a format, or for the first of some precisions that it has a peak for.

    None where it has none of them, or no bandwidth.
    """
    name = _computed(device, computes)
    if name is None or device.memory_bandwidth_bytes_per_s is None:
        return None
    peak = device.peak_ops_per_s[name].value
    vector = device.peak_ops_per_s["fp32"].value if "fp32" in device.peak_ops_per_s else peak / 16
    units = _units(device, vector)
    return Hardware(
        peak_ops_per_s=peak,
        vector_ops_per_s=vector,
        bandwidth_bytes_per_s=device.memory_bandwidth_bytes_per_s.value,
        cache_bytes=_cache_bytes(device, units),
        units=units,
        start_s=device.launch_overhead_s.value
        if device.launch_overhead_s
        else _START_S.get(device.kind, _START_S["gpu"]),
    )


def powered_share(device: DeviceType, computes: Format | Sequence[str]) -> float:
    """Return the share of its peak that a GPU keeps up on its nominal power, 1 where nothing is known."""
    name = _computed(device, computes)
    if name is None or device.kind != "gpu" or device.tdp_w is None:
        return 1.0
    idle = device.idle_w.value if device.idle_w else _IDLE_SHARE * device.tdp_w.value
    each = (
        _OPERATIONS_PER_JOULE.get((device.architecture or "").casefold(), _OTHERS_PER_JOULE) * 2 / _BYTES.get(name, 2.0)
    )
    paid = each * max(device.tdp_w.value - idle, 1.0)
    share: float = (1 + (device.peak_ops_per_s[name].value / paid) ** _BOUNDS) ** (-1 / _BOUNDS)
    return share


def _computed(device: DeviceType, computes: Format | Sequence[str]) -> str | None:
    """Return the precision that a device computes in."""
    wanted = computes.computes if isinstance(computes, Format) else tuple(computes)
    return next((name for name in wanted if name in device.peak_ops_per_s), None)


def hardware_rows(found: Mapping[str, Hardware | None], names: Texts | Sequence[str]) -> Hardware:
    """Return the facts of rows, one name each; NaN where nothing is known of it."""
    import numpy as np

    unique, places = distinct(names)
    lacking = (np.nan,) * len(Hardware._fields)
    known = np.array([found.get(name) or lacking for name in unique], dtype=float).reshape(len(unique), -1)
    return Hardware(*known[places].T)


def _units(device: DeviceType, vector_ops_per_s: float) -> float:
    """Return how many multiprocessors a GPU has: its fp32 peak / (two operations x lanes x clock)."""
    if device.kind == "cpu":
        return float(device.cores or 1)
    lanes = next((_LANES[name] for name in device.features if name in _LANES), 128)
    clock = device.frequency_hz.value if device.frequency_hz else _CLOCK_HZ
    return max(1.0, float(round(vector_ops_per_s / (2 * lanes * clock))))


def _cache_bytes(device: DeviceType, units: float) -> float:
    last = [device.cache_bytes[level].value for level in ("l2", "l3") if level in device.cache_bytes]
    return max(last) if last else _CACHE_BYTES_PER_UNIT * units
