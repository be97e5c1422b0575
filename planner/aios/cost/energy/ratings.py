"""What the catalogue states of the devices of rows, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations, Texts

__all__ = ["Ratings", "ratings_of"]

_SLOT_W = 75.0
"""Of an accelerator whose rating nobody states: what a PCI Express slot feeds (PCI-SIG, Card Electromechanical
Specification)."""
_BOARD_W = 7.0
"""Of a processor or module whose rating nobody states: a single-board computer's (a Raspberry Pi 4 draws 6.4 W with all
cores busy, Pi Dramble)."""
_IDLE_SHARE = 0.14
"""Idle power relative to the rating where nobody states it: the median of the catalogue's devices that have both."""
_CARD_W = 40.0
"""From this rating a device sits in a server or workstation, unless it is a graphics processor that shares LPDDR memory
with the processors beside it (Jetson, Apple); below it is a module that is a computer by itself."""


_AWAKE, _AWAKE_ELSE = {"hbm": 0.06, "gddr": 0.2}, 0.2


@dataclass(frozen=True)
class Ratings:
    """Arrays of one value per row.

    tdp_w, idle_w: of one device · peak: operations/s at the row's precision · bandwidth: bytes/s; both NaN where
    unknown · stated: the device's rating is known · card: it sits in a host
    """

    tdp_w: Floats
    idle_w: Floats
    peak: Floats
    bandwidth: Floats
    stated: Floats
    card: Floats
    waiting: Floats


def ratings_of(rows: Observations, types: Mapping[str, DeviceType]) -> Ratings:
    """Return the ratings of each row's device."""
    import numpy as np

    names, places = np.unique(rows.types, return_inverse=True)
    found = [types.get(str(name)) if name else None for name in names]
    stated = np.array([device.tdp_w.value if device and device.tdp_w else np.nan for device in found])[places]
    stated = np.where(np.isnan(stated), rows.number("device_power"), stated)
    idle = np.array([device.idle_w.value if device and device.idle_w else np.nan for device in found])[places]
    several = rows.number("devices", 1.0) > 1
    tdp = np.where(np.isnan(stated), np.where(several, _SLOT_W, _BOARD_W), stated)
    precision = rows.word("precision")
    bandwidth = [
        device.memory_bandwidth_bytes_per_s.value if device and device.memory_bandwidth_bytes_per_s else np.nan
        for device in found
    ]
    shared = np.array([bool(device and device.kind == "gpu" and device.memory_kind == "lpddr") for device in found])
    return Ratings(
        tdp_w=tdp,
        idle_w=np.where(np.isnan(idle), _IDLE_SHARE * tdp, np.minimum(idle, 0.6 * tdp)),
        peak=_peaks(found, places, precision),
        bandwidth=np.array(bandwidth)[places],
        stated=(~np.isnan(stated)).astype(float),
        waiting=np.array(
            [_AWAKE.get(device.memory_kind or "", _AWAKE_ELSE) if device else _AWAKE_ELSE for device in found]
        )[places],
        card=((tdp >= _CARD_W) & ~shared[places]).astype(float),
    )


_LIKE = {"fp4": ("fp8", "int8", "bf16"), "fp8": ("int8", "bf16"), "int8": ("fp16",), "bf16": ("fp16",)}
"""Precision -> whose rate is taken, in order, on a device without units for it."""


def _peaks(found: list[DeviceType | None], places: npt.NDArray[np.int64], precision: Texts) -> Floats:
    import numpy as np

    peaks = np.full(len(precision), np.nan)
    for name in np.unique(precision):
        rates = np.full(len(found), np.nan)
        for at, device in enumerate(found):
            stated = device.peak_ops_per_s if device else {}
            for other in (str(name), *_LIKE.get(str(name), ()), "fp32", "fp16"):
                if other in stated:
                    rates[at] = stated[other].value
                    break
        rows = precision == name
        peaks[rows] = rates[places][rows]
    return peaks
