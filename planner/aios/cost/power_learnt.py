"""Watts of devices at work from what was learnt of metered ones, for what nobody metered here.

A calibration knows a device by the kind of work that it was metered with. Of one that was metered with other work, or
never, it knows how far physics was off on devices that were held back (zero-shot).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aios.cost.interval import Interval
from aios.cost.power import Drawn
from aios.records.base import Source
from aios.records.calibration import Calibration
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Level, Observations

__all__ = ["POWER", "drawn_by", "metered"]

POWER = ("power", "power")
"""Predictor and metric of the calibration that is asked."""


def drawn_by(
    rows: Observations, types: Mapping[str, DeviceType], learnt: Calibration | None
) -> tuple[Drawn | None, ...]:
    """Return what one device of each row draws while it works, without a cap; None where nothing was learnt, or nobody
    states the device's rating. rows: devices that are always busy, metered alone"""
    import numpy as np

    from aios.cost.learning import predict
    from aios.cost.power_predictor import PREDICTOR

    if learnt is None or learnt.version != PREDICTOR.version or not len(rows):
        return (None,) * len(rows)
    with np.errstate(all="ignore"):
        design = PREDICTOR.design(replace(rows, predictor=PREDICTOR.name, metric="power", unit="W"), types)
    known = metered(learnt)
    pairs = list(zip(design.keys["regime"].tolist(), design.keys["device"].tolist(), strict=True))
    seen = np.array([pair in known for pair in pairs])
    watts = np.zeros((3, len(rows)))
    for mask in (seen, ~seen):
        if mask.any():
            level: Level = "calibrated" if mask is seen else "zero-shot"
            targets = predict(design.take(mask), learnt, level)
            watts[:, mask] = np.exp([targets.low, targets.value, targets.high])
    watts = watts / rows.number("devices", 1.0)
    ratings = {name: types[name].tdp_w for name in set(rows.types.tolist())}
    sound = (design.unknown == "") & np.isfinite(watts).all(axis=0)
    told = {pair: _told(known.get(pair)) for pair in set(pairs)}
    return tuple(
        Drawn(Interval(*ends), rating.value, *told[pair]) if fine and (rating := ratings[pair[1]]) else None
        for ends, pair, fine in zip(watts.T.tolist(), pairs, sound.tolist(), strict=True)
    )


def metered(learnt: Calibration) -> Mapping[tuple[str, ...], int]:
    """Return kind of work and device that was metered with it -> rows."""
    stages = (stage for stage in learnt.stages if stage.keys == ("regime", "device"))
    return {effect.group: effect.rows for stage in stages for effect in stage.effects}


def _told(rows: int | None) -> tuple[Source, str]:
    """Return the source of the watts of a device with so many metered rows, None where nobody metered it, and how they
    came about."""
    if rows is None:
        return "analytic", "by physics, as far off as on metered devices that were held back (zero-shot)"
    return "calibrated", f"by physics, corrected by {rows} rows metered on this device (calibrated)"
