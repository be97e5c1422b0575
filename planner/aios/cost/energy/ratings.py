"""What the catalogue states of the devices of rows, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["Ratings", "awake_share", "ratings_of"]

_SLOT_W = 75.0
"""Of an accelerator whose rating nobody states: what a PCI Express slot feeds (PCI-SIG, Card Electromechanical
Specification)."""
_BOARD_W = 7.0
"""Of a processor or module whose rating nobody states: a single-board computer's (a Raspberry Pi 4 draws 6.4 W with all
cores busy, Pi Dramble)."""
_IDLE_SHARE, _GRAPHICS_IDLE_SHARE = 0.14, 0.12
"""Idle power relative to the rating where nobody states it: the median of the catalogue's devices that have both, and
of graphics processors among them."""
_CARD_W = 40.0
"""From this rating a device sits in a server or workstation, unless it is a graphics processor that shares LPDDR memory
with the processors beside it (Jetson, Apple); below it is a module that is a computer by itself."""


_AWAKE, _AWAKE_ELSE = {"hbm": 0.05}, 0.2
"""Share of rating less idle that a device draws with its clocks up while it does nothing: GDDR memory at its full clock
takes a fifth (A40: 85 W of 300), stacked memory little (V100: 38 W of 250): Zeus' recommender, which waits for its
host."""


@dataclass(frozen=True)
class Ratings:
    """Arrays of one value per row.

    tdp_w, idle_w: of one device · stated: the device's rating is known · card: it sits in a host · waiting: share of
    rating less idle that it draws while it waits
    """

    tdp_w: Floats
    idle_w: Floats
    stated: Floats
    card: Floats
    waiting: Floats


def awake_share(device: DeviceType | None) -> float:
    """Return the share of rating less idle that a device draws with its clocks up while it does nothing; None: a device
    that nobody knows."""
    return _AWAKE.get(device.memory_kind or "", _AWAKE_ELSE) if device else _AWAKE_ELSE


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
    shared = np.array([bool(device and device.kind == "gpu" and device.memory_kind == "lpddr") for device in found])
    graphics = np.array([bool(device and device.kind == "gpu") for device in found])[places]
    usual = np.where(graphics, _GRAPHICS_IDLE_SHARE, _IDLE_SHARE)
    return Ratings(
        tdp_w=tdp,
        idle_w=np.where(np.isnan(idle), usual * tdp, np.minimum(idle, 0.6 * tdp)),
        stated=(~np.isnan(stated)).astype(float),
        waiting=np.array([awake_share(device) for device in found])[places],
        card=((tdp >= _CARD_W) & ~shared[places]).astype(float),
    )
