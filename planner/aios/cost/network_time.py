"""Time of one call of a fixed network from what was learnt of its device, for what nobody measured here.

A calibration knows a device under the software and in the precisions that it was measured in, working as a whole.
Fewer threads, a power mode, another memory or precision are taken from there by the ratio of rooflines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aios.cost.interval import Interval, Unknown
from aios.cost.language.learnt import level_of
from aios.cost.learning import predict
from aios.cost.network_predictor import PREDICTOR
from aios.cost.roofline import roofline
from aios.cost.tiers import TierRate
from aios.records.base import Source
from aios.records.calibration import Calibration
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.model import MemoryPart, ModelProfile
from aios.records.observation import Level, Observations

__all__ = ["METRICS", "LearntTime", "learnt_time"]

METRICS = ("latency.mean", "latency.p50", "throughput")
"""What calibrations of networks are asked for, the most direct one first."""

_OTHER_PRECISION = 1.5
"""Factor either way by which a ratio of rooflines may be off between two precisions."""


class LearntTime(NamedTuple):
    """Seconds of one call."""

    time: Interval
    source: Source
    basis: str


class _Setting(NamedTuple):
    """What a calibration was measured in. precision, software: words of its tables · rows: how many"""

    software: str
    precision: str
    layout: str
    rows: int


def learnt_time(
    profile: ModelProfile,
    device: DeviceType,
    candidate: Candidate,
    batch: int,
    tiers: Mapping[MemoryPart, TierRate],
    calibrations: Mapping[tuple[str, str], Calibration],
) -> LearntTime | None:
    """Return what a call of ``batch`` items takes; None where nothing was learnt of the device and little of the model.

    tiers: as of ``roofline``
    """
    chosen = _calibration(device, calibrations)
    if chosen is None:
        if not profile.work:
            return None
        chosen = next((item for metric in METRICS if (item := calibrations.get(("network", metric)))), None)
    if chosen is None or chosen.version != PREDICTOR.version:
        return None
    level = level_of(chosen, device.name)
    setting = _setting(chosen, device.name, candidate.precision)
    precision = setting.precision or candidate.precision
    ratio = _ratio(profile, device, candidate, batch, tiers, precision)
    found = _predicted(profile, device, batch, chosen, level, setting._replace(precision=precision))
    if ratio is None or found is None:
        return None
    low, value, high = found.times(ratio)
    if precision != candidate.precision:
        low, high = low / _OTHER_PRECISION, high * _OTHER_PRECISION
    seen = f"of {setting.rows} rows on this device" if level == "calibrated" else "of other devices (zero-shot)"
    where = f" under {setting.software}" if setting.software else ""
    basis = f"{chosen.metric} learnt from measurements {seen}{where}"
    source: Source = "calibrated" if level == "calibrated" else "analytic"
    return LearntTime(Interval(low, value, high), source, basis)


def _calibration(device: DeviceType, calibrations: Mapping[tuple[str, str], Calibration]) -> Calibration | None:
    """Return the calibration that knows the device."""
    known = (calibrations.get(("network", metric)) for metric in METRICS)
    return next((item for item in known if item is not None and level_of(item, device.name) == "calibrated"), None)


def _setting(learnt: Calibration, device: str, precision: str) -> _Setting:
    """Return the setting that the device was measured in most often, in this precision if there is any."""
    counts: dict[str, int] = {}
    for stage in learnt.stages:
        if stage.keys == ("device", "setting"):
            for effect in stage.effects:
                if effect.group[0] == device:
                    counts[effect.group[1]] = max(counts.get(effect.group[1], 0), effect.rows)
    found = []
    for text, rows in counts.items():
        software, own, layout, mode = (*text.split("|"), "", "", "")[:4]
        if mode in ("", "inference"):
            found.append(((own == precision, rows, text), _Setting(software, own, layout, rows)))
    return max(found)[1] if found else _Setting("", "", "", 0)


def _ratio(
    profile: ModelProfile,
    device: DeviceType,
    candidate: Candidate,
    batch: int,
    tiers: Mapping[MemoryPart, TierRate],
    precision: str,
) -> float | None:
    """Return the roofline of a candidate relative to that of the whole device in a precision; None if one is unknown.

    Where they are the same, 1 without asking.
    """
    whole = candidate.model_copy(
        update={
            "precision": precision,
            "quantization": "static" if precision == "int8" != profile.precision else "none",
            "threads": (device.cores or candidate.threads) if candidate.threads else 0,
            "power_mode": None,
            "tiers": {},
        }
    )
    own = (candidate.precision, candidate.threads, candidate.power_mode, dict(candidate.tiers))
    if own == (precision, whole.threads, None, {}):
        return 1.0
    mine, its = roofline(profile, device, candidate, batch, tiers), roofline(profile, device, whole, batch)
    if isinstance(mine, Unknown) or isinstance(its, Unknown) or its.value <= 0:
        return None
    return mine.value / its.value


def _predicted(
    profile: ModelProfile, device: DeviceType, batch: int, learnt: Calibration, level: Level, setting: _Setting
) -> Interval | None:
    import numpy as np

    row = _observation(profile, device, batch, learnt.metric, setting)
    design = PREDICTOR.design(row, {device.name: device})
    if design.unknown[0]:
        return None
    targets = predict(design, learnt, level)
    ends = [float(PREDICTOR.value(row, target)[0]) for target in (targets.low, targets.value, targets.high)]
    if learnt.metric == "throughput":
        ends = [batch / rate for rate in ends]
    low, value, high = sorted(ends)
    return Interval(low, value, high) if np.isfinite(high) else None


def _observation(profile: ModelProfile, device: DeviceType, batch: int, metric: str, setting: _Setting) -> Observations:
    import numpy as np

    words = {
        "model": profile.name,
        "device": device.name,
        "mode": "inference",
        "precision": setting.precision,
        "software": setting.software,
        "layout": setting.layout,
    }
    images = [spec.shape[-2:] for spec in profile.inputs[:1] if len(spec.shape) == 4]
    sizes = [size for shape in images for size in shape if isinstance(size, int)]
    numbers = {
        "macs": profile.macs or np.nan,
        "parameters": profile.parameters or np.nan,
        "image_size": float(np.sqrt(sizes[0] * sizes[1])) if len(sizes) == 2 else np.nan,
        "batch": float(batch),
        "devices": 1.0,
    }
    return Observations(
        table="",
        predictor="network",
        metric=metric,
        unit="s",
        words={role: np.array([word]) for role, word in words.items()},
        numbers={role: np.array([number]) for role, number in numbers.items()},
        types=np.array([device.name]),
        families=np.array([""]),
        lines=np.zeros(1, dtype=np.int64),
        values=np.full(1, np.nan),
    )
