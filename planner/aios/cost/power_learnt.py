"""Watts of devices at work from what was learnt of metered ones, for what nobody metered here.

A calibration knows a device by the kind of work that it was metered with. Of one that was metered with other work, or
never, it knows how far physics was off on devices that were held back (zero-shot).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from aios.cost.interval import Interval
from aios.cost.power import Drawn
from aios.records.base import Source
from aios.records.calibration import Calibration
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.cost.learning.design import Design
    from aios.records.observation import Level, Observations, Texts

__all__ = ["POWER", "drawn_by", "metered"]

POWER = ("power", "power")
"""Predictor and metric of the calibration that is asked."""

_Known: TypeAlias = Mapping[tuple[str, str], Mapping[str, int]]


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
    pairs = list(zip(design.keys["broad"].tolist(), design.keys["device"].tolist(), strict=True))
    design = replace(design, keys={**design.keys, "engine": _engines(design, pairs, known)})
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


def metered(learnt: Calibration) -> _Known:
    """Return kind of work and device that was metered with it -> engine, empty for all of them -> rows."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for stage in (*learnt.stages, *learnt.mixes):
        if stage.keys[:2] != ("broad", "device"):
            continue
        for effect in stage.effects:
            broad, device, *further = effect.group
            engines = found.setdefault((broad, device), {})
            if stage.keys[2:] in ((), ("engine",)):
                engines["".join(further)] = effect.rows
    return found


def _engines(design: Design, pairs: list[tuple[str, str]], known: _Known) -> Texts:
    """Take each row to run on the engine that was metered most on its device, unless its own was: one that nobody
    metered would be taken for physics alone."""
    import numpy as np

    own = design.keys["engine"].tolist()
    chosen = {(pair, name): _engine(known.get(pair, {}), name) for pair, name in set(zip(pairs, own, strict=True))}
    return np.array([chosen[key] for key in zip(pairs, own, strict=True)], dtype=str)


def _engine(rows: Mapping[str, int], own: str) -> str:
    if own and own in rows:
        return own
    return max((name for name in rows if name), key=lambda name: (rows[name], name), default=own)


def _told(known: Mapping[str, int] | None) -> tuple[Source, str]:
    """Return the source of the watts, and how they came about."""
    if known is None:
        return "analytic", "by physics, as far off as on metered devices that were held back (zero-shot)"
    rows = known.get("", 0)
    seen = f"{rows} rows metered" if rows else "what was metered"
    return "calibrated", f"by physics, corrected by {seen} on this device (calibrated)"
