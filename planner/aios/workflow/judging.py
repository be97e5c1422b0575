"""Predictions of rows that were held back, and what two simpler ways would have said of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aios.records.calibration import Calibration, Stage
from aios.records.observation import Level
from aios.workflow.pooling import Pool

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.cost.learning import Predictor, StageForm
    from aios.records.observation import Floats

    Mask = npt.NDArray[np.bool_]

__all__ = ["HeldBack", "held_back"]

_REFERENCE = ("macs", "activations", "parameters", "batch")
"""Columns that the plain regression knows."""
_FEWEST_IN_GROUP = 20
_FEWEST_DEVICES = 3
"""Devices below which rows say too little of how the next one differs: what ships with aios has seen more."""
_UNSEEN: Mapping[Level, frozenset[str]] = {
    "zero-shot": frozenset({"device", "model"}),
    "calibrated": frozenset({"model"}),
    "profiled": frozenset(),
}
"""Keys whose groups no row held back at that level can be in."""
_WHY_NONE: Mapping[Level, str] = {
    "zero-shot": "all rows are of one device, or of one family of models, and no calibration of others is there",
    "calibrated": "no device has rows of several families of models",
    "profiled": "no model was measured under several settings of one device",
}


@dataclass(frozen=True)
class HeldBack:
    """Targets of all rows of a pool as they are predicted without having been seen; NaN where they are not.

    low, high: of the 90 % interval · roofline: physics alone, scaled by one constant per device · regression: a plain
    one on MACs, activations and parameters; NaN where they are not stated · reason: why nothing is predicted ·
    learnt_from: what was learnt from where that is not the other rows
    """

    value: Floats
    low: Floats
    high: Floats
    roofline: Floats
    regression: Floats
    reason: str | None = None
    learnt_from: str | None = None


def held_back(pool: Pool, level: Level, shared: Calibration | None, tell: Callable[[str], None]) -> HeldBack:
    """Return what is predicted of each row from the rows that its level lets be seen.

    shared: what is known of other devices, used where the pool has too few of them (zero-shot)
    """
    import numpy as np

    from aios.fidelity import splits

    found = _nothing(len(pool.target))
    pool = replace(pool, predictor=_able(pool, level))
    rows = np.flatnonzero(pool.usable)
    if not len(rows):
        return found
    devices = np.unique(pool.devices[rows])
    more = shared is not None and shared.version == pool.predictor.version and len(shared.devices) > len(devices)
    if level == "zero-shot" and len(devices) < (_FEWEST_DEVICES if more else 2):
        return _from_shipped(pool, found, shared)
    columns = [column[rows] for column in (pool.devices, pool.models, pool.families, pool.settings)]
    parts = list(splits(level, *columns))
    if level == "zero-shot" and not parts:
        return _from_shipped(pool, found, shared)
    tell(f"{pool.predictor.name} {pool.metric}: {level}, {len(rows):,} rows")
    for part in parts:
        _predict(pool, rows[part.train], rows[part.test], level, found)
    for group in {part.group: part for part in parts}.values():
        together = [part.test for part in parts if part.group == group.group]
        _widen(pool, rows[group.others], rows[np.logical_or.reduce(together)], level, found)
    if not parts:
        return replace(found, reason=_WHY_NONE[level])
    return found


def _able(pool: Pool, level: Level) -> Predictor:
    """Return the predictor without its last stages that no row held back can have an effect of; they take most time.

    Stages are learnt one after the other, so that the others stay as they are. Whether something fits is counted, and
    yes and no are nothing to add effects to.
    """
    predictor = pool.predictor
    if pool.metric == "fits":
        return predictor._replace(mixes=(), stages=())

    def some(forms: Sequence[StageForm]) -> tuple[StageForm, ...]:
        ends = [place + 1 for place, form in enumerate(forms) if not _UNSEEN[level].intersection(form.keys)]
        return tuple(forms[: max(ends, default=0)])

    return predictor._replace(mixes=some(predictor.mixes), stages=some(predictor.stages))


def _nothing(rows: int) -> HeldBack:
    import numpy as np

    value, low, high, roofline, regression = (np.full(rows, np.nan) for _ in range(5))
    return HeldBack(value, low, high, roofline, regression)


def _predict(
    pool: Pool, train: npt.NDArray[np.int64], test: npt.NDArray[np.int64], level: Level, found: HeldBack
) -> None:
    """Fill in what is expected of the rows of ``test``."""
    from aios.cost.learning import fit, predict

    design = pool.design.take(test)
    learnt = fit(*pool.taken(train), pool.predictor, pool.metric, ())
    found.value[test] = predict(design, learnt, level).value
    found.roofline[test] = design.base + _constant(pool, train, test, level)
    regression = _regression(pool, train, test, level)
    if regression is not None:
        found.regression[test] = regression


def _widen(
    pool: Pool, others: npt.NDArray[np.int64], test: npt.NDArray[np.int64], level: Level, found: HeldBack
) -> None:
    """Fill in the ends of the intervals of ``test``: as wide as other rows, held back likewise, were off."""
    import numpy as np

    from aios.cost.learning import predict
    from aios.cost.learning.basis import ranges_of
    from aios.cost.learning.intervals import with_intervals

    design, target, families = pool.taken(others)
    learnt = Calibration(predictor=pool.predictor.name, metric=pool.metric, version=pool.predictor.version)
    learnt = learnt.model_copy(update={"features": ranges_of(design)})
    learnt = with_intervals(learnt, design, families, {level: target - found.value[others]})
    own = pool.design.take(test)
    nothing = np.zeros(len(test))
    width = predict(replace(own, base=nothing, least=nothing - np.inf, most=None, parts={}), learnt, level)
    found.low[test] = own.bounded(found.value[test] + width.low)
    found.high[test] = own.bounded(found.value[test] + width.high)


def _constant(pool: Pool, train: npt.NDArray[np.int64], test: npt.NDArray[np.int64], level: Level) -> Floats:
    """Return by how much physics alone is off in the middle: on the device, and on all where it is not seen."""
    import numpy as np

    left = pool.target[train] - pool.design.base[train]
    constant = np.full(len(test), np.median(left))
    if level != "zero-shot":
        for device in np.unique(pool.devices[test]):
            seen = pool.devices[train] == device
            if seen.any():
                constant[pool.devices[test] == device] = np.median(left[seen])
    return constant


def _regression(pool: Pool, train: npt.NDArray[np.int64], test: npt.NDArray[np.int64], level: Level) -> Floats | None:
    """Return a linear regression of logarithms, per device where it is seen; None where the table states too little."""
    import numpy as np

    if pool.predictor.scale != "log":
        return None
    columns = _stated(pool)
    if columns is None:
        return None
    every = np.arange(len(train))
    found = np.full(len(test), np.nan)
    for device in np.unique(pool.devices[test]):
        own = every if level == "zero-shot" else np.flatnonzero(pool.devices[train] == device)
        own = own[np.isfinite(columns[train[own]]).all(axis=1)]
        rows = pool.devices[test] == device
        if len(own) >= _FEWEST_IN_GROUP:
            factors = np.linalg.lstsq(columns[train[own]], pool.target[train[own]], rcond=None)[0]
            found[rows] = columns[test[rows]] @ factors
    return found


def _stated(pool: Pool) -> Floats | None:
    import numpy as np

    columns = []
    for role in _REFERENCE:
        column = np.concatenate([part.observations.number(role) for part in pool.parts])
        if role == "batch":
            column = np.where(np.isnan(column), 1.0, column)
        columns.append(np.log(np.where(column > 0, column, np.nan)))
    matrix = np.column_stack([np.ones(len(columns[0])), *columns])
    return matrix if np.isfinite(matrix).all(axis=1).any() else None


def _from_shipped(pool: Pool, found: HeldBack, shared: Calibration | None) -> HeldBack:
    """Predict few devices, or one family of models, from what is known of others.

    Effects of single devices and models, these ones too, are left out.
    """
    import numpy as np

    from aios.cost.learning import predict
    from aios.fidelity.keeping import without_devices

    if shared is None or shared.version != pool.predictor.version:
        return replace(found, reason=_WHY_NONE["zero-shot"])
    known = _without_models(without_devices(shared))
    rows = np.flatnonzero(pool.usable)
    got = predict(pool.design.take(rows), known, "zero-shot")
    for column, values in zip((found.value, found.low, found.high), got, strict=True):
        column[rows] = values
    return replace(found, learnt_from=_what_ships(pool, shared))


def _without_models(learnt: Calibration) -> Calibration:
    def kept(stages: Sequence[Stage]) -> tuple[Stage, ...]:
        return tuple(stage for stage in stages if not _UNSEEN["zero-shot"].intersection(stage.keys))

    return learnt.model_copy(update={"mixes": kept(learnt.mixes), "stages": kept(learnt.stages)})


def _what_ships(pool: Pool, shared: Calibration) -> str:
    """Return what predictions rest on in words, and which of these devices it has seen rows of."""
    told = "the calibrations that ship with aios, without effects of single devices and models"
    seen = [name for name in sorted(set(pool.devices[pool.usable].tolist())) if name in shared.devices]
    if not seen:
        return told
    return f"{told}; what devices have in common was learnt from {', '.join(seen)} too: this is no strict zero-shot"
