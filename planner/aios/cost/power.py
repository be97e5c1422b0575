"""What a candidate draws at its load: an idle share plus a part that grows with work.

power = idle x share + dynamic. Dynamic is measured energy per request x rate; else (rating - idle) x share x
utilisation x intensity, where the rating is the TDP or the limit of the power mode, held below the cap that is set.
Intensity is how near busy silicon comes to its rating: by what was learnt of metered devices (``power_learnt``), else
by what its time goes into where that is known (``energy.intensity``), else 0.35 to 1, expected 0.7 (H100s serving
language models draw 0.54 to 0.89 of TDP, median 0.71, in ML.ENERGY's data; other devices are assumed alike). Where
nobody states the idle power it is assumed as a share of the rating, beside measured energy too: left out, the device
of which less is known would look like the one that draws less, and the work that was measured like the one that does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from aios.cost.energy.capping import capped, stretched
from aios.cost.energy.ratings import awake_share
from aios.cost.interval import Interval, Unknown, interval_of
from aios.records.base import Source
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType, Fact, Fleet, PowerMode
from aios.records.measurement import Measured, Scope

__all__ = ["Drawn", "Power", "beside", "cap_of", "compared_alike", "power_of", "resting_w", "slowed"]

_INTENSITY = Interval(0.35, 0.7, 1.0)

_INTENSITY_OFF = 0.45
"""Relative error of an intensity by compute and memory: of published rows of language models that are served, and of
networks that are trained, half to four fifths lie within 0.25."""

_GRAPHICS_IDLE, _IDLE = Interval(0.03, 0.13, 0.25), Interval(0.1, 0.25, 0.45)
"""Idle power relative to the limit, where it is unknown, of graphics processors with memory of their own and of all
other devices. Of the catalogue's devices whose idle power was published, it lies between 0.03 (A10G) and 0.22 (L4) of
the TDP of the former, in the median at 0.13; of the latter between 0.18 (MLU370-X4) and 0.36 (EPYC 7763). A Raspberry
Pi 4 draws 2.2 to 3 W idle and 5.1 to 6.3 W under load (chipwired.com/raspberry-pi-power-use)."""


class _Alike(DeviceType):
    """A device type whose idle power, where nobody states it, is what is expected of it, without an interval."""


def compared_alike(fleet: Fleet) -> Fleet:
    """Return the fleet for comparing options with each other: what is assumed of idle power holds for all of them, and
    no measurement of one changes it, so that its interval decides nothing. Estimates keep their values."""
    if all(device.idle_w is not None for device in fleet.types.values()):
        return fleet
    types = {name: _Alike.model_construct(**dict(device)) for name, device in fleet.types.items()}
    return fleet.model_copy(update={"types": types})


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
        seen = Interval(*(joules * rate for joules, rate in zip(energy, rate_per_s, strict=True)))
        watts = seen.plus(beside(device, candidate.power_mode, share, seen, energy_j.scope))
        how = f"energy per request measured with {energy_j.meter} x rate, "
        limit = _rating(device, candidate.power_mode)
        if limit is None and device.idle_w is None:
            return Power(watts, source, how + "idle power, which nobody states, as far as the meter saw it")
        told = "idle share" if limit is None else _at_rest(device, limit.value, f"{limit.value:.4g} W")
        return Power(watts, source if device.idle_w else "assumed", how + told)
    mode, rating = _mode(device, candidate.power_mode), _rating(device, candidate.power_mode)
    if rating is None:
        return Unknown(f"no tdp_w of {device.name} is stated and no energy was measured")
    if isinstance(utilisation, Unknown):
        return utilisation
    cap = cap_of(candidate, device)
    idle = _idle(device, rating.value)
    parts = _intensity(busy) if drawn is None else _parts(drawn, idle)
    working = (_drawn(rating.value, rest, part, cap) for rest, part in zip(idle, parts, strict=True))
    waiting = _between(device, idle, rating.value, cap)
    ends = (
        share * (rest + max(0.0, at_work - rest) * worked)
        for rest, at_work, worked in zip(waiting, working, utilisation, strict=True)
    )
    name = f"cap of {mode.name}" if mode is not None else "TDP"
    at_work = _at_work(busy, drawn, parts.value) + ("" if cap is None else f"below the cap of {cap:.4g} W, ")
    basis = f"{name} {rating.value:.4g} W x share x utilisation x {at_work}{_at_rest(device, rating.value)}"
    return Power(Interval(*ends), _weakest(source, drawn, device), basis)


def _at_work(busy: float | None, drawn: Drawn | None, part: float) -> str:
    if drawn is not None:
        return f"{part:.2g} ({drawn.watts.value:.4g} W at work {drawn.basis}), "
    return "0.35 to 1, " if busy is None else f"{busy:.2g}, "


def beside(device: DeviceType, mode: str | None, share: float, seen: Interval, scope: Scope | None) -> Interval:
    """Return the watts of idle power of a share of a device beside those that a meter saw.

    Where idle power is stated, the meter's figure is without it. Else that of processes counts a busy core as its part
    of all that the device draws, so that what is assumed is added for the rest of the share; that of any other meter
    has it in, and is brought to what is assumed where it lies below.
    share: all replicas together · seen: watts by the meter · scope: what is in its figure; None where nobody told,
    which is taken for processes alone
    """
    if device.idle_w is not None:
        return Interval(*[device.idle_w.value * share] * 3)
    rating = _rating(device, mode)
    if rating is None:
        return Interval(0.0, 0.0, 0.0)
    idle = _idle(device, rating.value)
    if scope in ("processes", None):
        whole = device.tdp_w.value if device.tdp_w else rating.value
        ends = (rest * max(0.0, share - watts / whole) for rest, watts in zip(idle, seen, strict=True))
    else:
        ends = (max(0.0, rest * share - watts) for rest, watts in zip(idle, seen, strict=True))
    return Interval(*ends)


def _mode(device: DeviceType, name: str | None) -> PowerMode | None:
    return next((mode for mode in device.power_modes if mode.name == name), None)


def _rating(device: DeviceType, mode: str | None) -> Fact | None:
    found = _mode(device, mode)
    return found.cap_w if found is not None else device.tdp_w


def _at_rest(device: DeviceType, rating_w: float, of: str = "that") -> str:
    if device.idle_w is not None:
        return "idle share"
    low, expected, high = (round(watts / rating_w * 100) for watts in _idle(device, rating_w))
    return f"idle power unknown: assumed {low} to {high} % of {of}, expected {expected} %"


def resting_w(device: DeviceType) -> float:
    """Return what a device is expected to draw while a program holds it that has nothing to do; 0 where nobody knows
    its rating either."""
    if device.tdp_w is None:
        return device.idle_w.value if device.idle_w else 0.0
    return _between(device, _idle(device, device.tdp_w.value), device.tdp_w.value, None).value


def _idle(device: DeviceType, limit_w: float) -> Interval:
    """Return the watts of a device that nobody holds."""
    if device.idle_w is not None:
        return Interval(*[device.idle_w.value] * 3)
    assumed = (_GRAPHICS_IDLE if _is_graphics(device) else _IDLE).times(limit_w)
    return Interval(*[assumed.value] * 3) if isinstance(device, _Alike) else assumed


def _between(device: DeviceType, idle: Interval, limit_w: float, cap: float | None) -> Interval:
    """Return the watts between one piece of work and the next.

    Graphics processors mostly keep their clocks up meanwhile (an L4 draws 9 to 17 W without a process, and 27 W where
    one waits); for how long is up to driver and settings, so that at least they draw what they do without one.
    """
    up = awake_share(device) if _is_graphics(device) else 0.0
    most = limit_w if cap is None else min(limit_w, cap)
    return Interval(idle.low, *(rest + max(0.0, most - rest) * up for rest in idle[1:]))


def _is_graphics(device: DeviceType) -> bool:
    return device.kind == "gpu" and device.memory_kind != "lpddr"


def _parts(drawn: Drawn, idle: Interval) -> Interval:
    """Return learnt watts as shares of what is left above idle, at each end that of its idle power."""
    shares = (
        min(1.0, max(0.0, (watts - rest) / (drawn.rating_w - rest))) if drawn.rating_w > rest else 1.0
        for watts, rest in zip(drawn.watts, idle, strict=True)
    )
    return Interval(*shares)


def _weakest(source: Source, drawn: Drawn | None, device: DeviceType) -> Source:
    """Return the source of power: no better than those of its parts, and never measured."""
    if device.idle_w is None:
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
    idle = _idle(device, rating).value
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
