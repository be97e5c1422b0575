"""What a candidate draws at its load: an idle share plus a part that grows with work.

power = idle x share + dynamic. Dynamic is measured energy per request x rate; else (rating - idle) x share x
utilisation x intensity, where the rating is the TDP or the limit of the power mode, held below the cap that is set.
Intensity is how near busy silicon comes to its rating: by what was learnt of metered devices (``power_learnt``), else
by what its time goes into where that is known (``energy.intensity``), else 0.35 to 1, expected 0.7 (H100s serving
language models draw 0.54 to 0.89 of TDP, median 0.71, in ML.ENERGY's data; other devices are assumed alike). Where
nobody states the idle power it is assumed as a share of the rating: left out, the device of which less is known would
look like the one that draws less.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from aios.cost.energy.capping import capped, stretched
from aios.cost.interval import Interval, Unknown, interval_of
from aios.records.base import Source
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.measurement import Measured

__all__ = ["Drawn", "Power", "cap_of", "power_of", "slowed"]

_INTENSITY = Interval(0.35, 0.7, 1.0)

_INTENSITY_OFF = 0.45
"""Relative error of an intensity by compute and memory: of published rows of language models that are served, and of
networks that are trained, half to four fifths lie within 0.25."""

_IDLE = Interval(0.03, 0.15, 0.4)
"""Idle power relative to the limit, where it is unknown. Of the catalogue's devices whose idle power was published, it
lies between 0.03 (A10G) and 0.36 (EPYC 7763) of the TDP, in the median at 0.14."""


class Power(NamedTuple):
    """Mean power in watts, where from and how."""

    watts: Interval
    source: Source
    basis: str


class Drawn(NamedTuple):
    """Watts of one device at work without cap or mode, and its rating; where from and how."""

    watts: Interval
    rating_w: float
    source: Source
    basis: str


def power_of(
    candidate: Candidate,
    device: DeviceType,
    share: float,
    rate_per_s: Interval | Unknown,
    utilisation: Interval | Unknown,
    energy_j: Measured | None,
    source: Source,
    busy: float | None = None,
    drawn: Drawn | None = None,
) -> Power | Unknown:
    """Return the power of all replicas together.

    share: of the device, all replicas together (3 of them on whole devices: 3.0) · rate_per_s: requests served ·
    utilisation: share of time that replicas work · energy_j: measured, per request · source: of the utilisation ·
    busy: intensity while they work, as ``energy.intensity`` has it; None: nobody knows what their time goes into ·
    drawn: what was learnt of one device at work, which goes before that
    """
    if energy_j is not None and isinstance(rate_per_s, Interval):
        energy = interval_of(energy_j)
        dynamic = Interval(*(joules * rate for joules, rate in zip(energy, rate_per_s, strict=True)))
        idle_w = device.idle_w.value * share if device.idle_w else 0.0
        rest = "idle share" if device.idle_w else "idle power, which nobody states, as far as the meter saw it"
        watts = dynamic.plus(Interval(idle_w, idle_w, idle_w))
        return Power(watts, source, f"energy per request measured with {energy_j.meter} x rate, {rest}")
    mode = next((mode for mode in device.power_modes if mode.name == candidate.power_mode), None)
    rating = mode.cap_w if mode is not None else device.tdp_w
    if rating is None:
        return Unknown(
            f"no tdp_w of {device.name} is stated and no energy was measured; state it or run `aios profile`"
        )
    if isinstance(utilisation, Unknown):
        return utilisation
    cap = cap_of(candidate, device)
    stated = device.idle_w.value if device.idle_w else None
    idle = _IDLE.times(rating.value) if stated is None else Interval(stated, stated, stated)
    parts = _intensity(busy) if drawn is None else _parts(drawn, idle)
    ends = (
        share * (rest + (_drawn(rating.value, rest, part, cap) - rest) * worked)
        for rest, worked, part in zip(idle, utilisation, parts, strict=True)
    )
    name = f"cap of {mode.name}" if mode is not None else "TDP"
    basis = f"{name} {rating.value:.4g} W x share x utilisation x "
    if drawn is None:
        basis += "0.35 to 1, " if busy is None else f"{busy:.2g}, "
    else:
        basis += f"{parts.value:.2g} ({drawn.watts.value:.4g} W at work {drawn.basis}), "
    basis += "" if cap is None else f"below the cap of {cap:.4g} W, "
    basis += "idle share" if stated is not None else "idle power unknown: assumed 3 to 40 % of that, expected 15 %"
    return Power(Interval(*ends), _weakest(source, drawn, stated), basis)


def _parts(drawn: Drawn, idle: Interval) -> Interval:
    """Return learnt watts as shares of what is left above idle, at each end that of its idle power."""
    shares = (
        min(1.0, max(0.0, (watts - rest) / (drawn.rating_w - rest))) if drawn.rating_w > rest else 1.0
        for watts, rest in zip(drawn.watts, idle, strict=True)
    )
    return Interval(*shares)


def _weakest(source: Source, drawn: Drawn | None, idle: float | None) -> Source:
    """Return the source of power: no better than those of its parts, and never measured."""
    if idle is None:
        return "assumed"
    known = [source] if drawn is None else [source, drawn.source]
    return next((item for item in known if item not in ("measured", "calibrated")), "calibrated")


def cap_of(candidate: Candidate, device: DeviceType) -> float | None:
    """Return the power limit in watts that a candidate sets, ``250W`` as its power mode; None where it sets none.

    It lies where the device lets one be set (cap_low_w to cap_high_w). A mode that the device has by that name is no
    cap: its clocks are lower, so that full work comes as near its limit as to the rating without a mode.
    """
    written = (candidate.power_mode or "").removesuffix("W").strip()
    named = any(mode.name == candidate.power_mode for mode in device.power_modes)
    if named or not written.replace(".", "", 1).isdecimal() or float(written) <= 0:
        return None
    low = device.cap_low_w.value if device.cap_low_w else 0.0
    high = device.cap_high_w.value if device.cap_high_w else math.inf
    return min(max(float(written), low), high)


def slowed(candidate: Candidate, device: DeviceType, busy: float, clocked: float) -> float:
    """Return the time of work under the cap that a candidate sets relative to that without one, at least 1.

    busy: intensity, as ``energy.intensity`` has it · clocked: share of the time without a cap that goes with the clock,
    which is that of computing; 1 where no cap is set, or where nobody states the rating
    """
    cap = cap_of(candidate, device)
    if cap is None or device.tdp_w is None:
        return 1.0
    rating = device.tdp_w.value
    idle = device.idle_w.value if device.idle_w else _IDLE.value * rating
    demand = idle + max(0.0, rating - idle) * busy
    return float(stretched(demand, cap, idle, clocked))


def _intensity(busy: float | None) -> Interval:
    if busy is None:
        return _INTENSITY
    return Interval(busy * (1 - _INTENSITY_OFF), busy, min(1.0, busy * (1 + _INTENSITY_OFF)))


def _drawn(rating: float, idle: float, part: float, cap: float | None) -> float:
    """Return the watts of one device at work, idle power included."""
    demand = idle + max(0.0, rating - idle) * part
    return demand if cap is None else max(idle, capped(demand, cap))
