"""Learning a calibration from measured rows, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aios.cost.learning.basis import Ranges, ranges_of, standardised
from aios.cost.learning.design import Design, Predictor, StageForm
from aios.cost.learning.predict import added, spread_of
from aios.cost.learning.stages import FOLDS, fold_of, learn_stages
from aios.records.calibration import Calibration, Residual, Stage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Level, Texts

    Mask = npt.NDArray[np.bool_]

__all__ = ["fit", "held_back", "refine", "usable"]

_FEWEST_IN_STRATUM = 60
_FEWEST_HELD_BACK = 8
_SPREAD_STRENGTH = 30.0


def usable(design: Design, target: Floats) -> Mask:
    """Return which rows can be learnt from: predictable, finite, and not better than physics allows."""
    import numpy as np

    mask: Mask = (design.unknown == "") & np.isfinite(target) & np.isfinite(design.base) & (target >= design.least)
    return mask


def fit(
    design: Design,
    target: Floats,
    families: Texts,
    predictor: Predictor,
    metric: str,
    levels: Sequence[Level] = ("zero-shot", "calibrated", "profiled"),
) -> Calibration:
    """Return what rows teach. Rows that are not ``usable`` are left out; none left: a calibration without effects.

    families: of the rows' models, held back together · levels: at which intervals are wanted; each costs several fits
    """
    rows = usable(design, target)
    design, target, families = design.take(rows), target[rows], families[rows]
    if not len(target):
        return Calibration(predictor=predictor.name, metric=metric, version=predictor.version)
    ranges = ranges_of(design)
    columns = standardised(design, ranges)
    stages = learn_stages(design, columns, target, predictor.stages, families)
    learnt = Calibration(
        predictor=predictor.name, metric=metric, version=predictor.version, features=ranges, stages=stages
    )
    errors = {level: held_back(design, columns, target, families, predictor, level) for level in levels}
    return _with_intervals(learnt, design, errors)


def refine(
    learnt: Calibration, design: Design, target: Floats, families: Texts, predictor: Predictor, device: str
) -> Calibration:
    """Return ``learnt`` with effects of one device learnt from its rows; effects of other devices are dropped.

    The stages that know no device stay as they are. Raises ValueError when no row is usable.
    """
    rows = usable(design, target)
    design, target, families = design.take(rows), target[rows], families[rows]
    if not len(target):
        raise ValueError("no row can be learnt from")
    shared = [stage for stage in learnt.stages if "device" not in stage.keys]
    own = [form for form in predictor.stages if "device" in form.keys]
    columns = standardised(design, learnt.features)
    stages = learn_stages(design, columns, target, own, families, shared)
    errors: dict[Level, Floats] = {}
    by_level: dict[Level, Texts] = {"calibrated": families, "profiled": _row_names(len(target))}
    for level, names in by_level.items():
        errors[level] = _cross(design, columns, target, families, own, fold_of(names), shared)
    found = learnt.model_copy(update={"device": device, "stages": stages})
    return _with_intervals(found, design, errors)


def held_back(
    design: Design,
    columns: Mapping[str, Floats],
    target: Floats,
    families: Texts,
    predictor: Predictor,
    level: Level,
) -> Floats:
    """Return measured less predicted of rows that were held back as the level says; NaN for rows that never were."""
    import numpy as np

    if level == "profiled":
        return _cross(design, columns, target, families, predictor.stages, fold_of(_row_names(len(target))))
    folds = fold_of(families)
    if level == "calibrated":
        return _cross(design, columns, target, families, predictor.stages, folds)
    devices = fold_of(design.keys["device"])
    left = np.full(len(target), np.nan)
    for fold in np.unique(devices):  # one family fold per device fold: every row is held back by both, some rows never
        others = devices != fold
        for family in np.unique(folds) if len(target) < 60 * FOLDS * FOLDS else (fold,):
            test = ~others & (folds == family)
            train = others & (folds != family)
            if test.any() and train.any():
                left[test] = _left(design, columns, target, families, predictor.stages, train, test)
    return left


def _row_names(rows: int) -> Texts:
    import numpy as np

    return np.arange(rows).astype(str)


def _cross(
    design: Design,
    columns: Mapping[str, Floats],
    target: Floats,
    families: Texts,
    forms: Sequence[StageForm],
    folds: npt.NDArray[np.int64],
    known: Sequence[Stage] = (),
) -> Floats:
    import numpy as np

    left = np.full(len(target), np.nan)
    for fold in np.unique(folds):
        test = folds == fold
        if (~test).any():
            left[test] = _left(design, columns, target, families, forms, ~test, test, known)
    return left


def _left(
    design: Design,
    columns: Mapping[str, Floats],
    target: Floats,
    families: Texts,
    forms: Sequence[StageForm],
    train: Mask,
    test: Mask,
    known: Sequence[Stage] = (),
) -> Floats:
    """Return measured less predicted of the rows of ``test``, learnt from those of ``train``."""
    seen = {name: column[train] for name, column in columns.items()}
    stages = learn_stages(design.take(train), seen, target[train], forms, families[train], known)
    part, unseen = design.take(test), {name: column[test] for name, column in columns.items()}
    value = part.base
    for stage in stages:
        value = value + added(part, unseen, stage)
    import numpy as np

    return target[test] - np.maximum(value, part.least)


def _with_intervals(learnt: Calibration, design: Design, errors: Mapping[Level, Floats]) -> Calibration:
    spread = _spread(learnt.features, design, errors)
    learnt = learnt.model_copy(update={"spread": spread})
    scale = spread_of(design, learnt)
    residuals: list[Residual] = []
    for level, left in errors.items():
        relative = left / scale
        residuals += _residuals(level, relative, design.keys.get("stratum"))
    return learnt.model_copy(update={"residuals": tuple(residuals)})


def _spread(ranges: Ranges, design: Design, errors: Mapping[Level, Floats]) -> dict[str, float]:
    """Return terms of the logarithm of a row's spread: a ridge regression of log |error| on the features."""
    import numpy as np

    columns = standardised(design, ranges)
    matrix = np.column_stack([np.ones(len(design.base)), *columns.values()])
    gram, vector = np.zeros((matrix.shape[1],) * 2), np.zeros(matrix.shape[1])
    for left in errors.values():
        seen = np.isfinite(left)
        if seen.sum() < _FEWEST_HELD_BACK:
            continue
        size = np.log(np.abs(left[seen]) + 0.1 * np.median(np.abs(left[seen])) + 1e-9)
        part = matrix[seen]
        gram += part.T @ part
        vector += part.T @ (size - size.mean())
    found = np.linalg.solve(gram + np.diag(np.full(len(vector), _SPREAD_STRENGTH)), vector)
    return dict(zip(("constant", *columns), map(float, found), strict=True))


def _residuals(level: Level, relative: Floats, strata: Texts | None) -> list[Residual]:
    import numpy as np

    def quantiles(name: str, values: Floats) -> Residual:
        tail = 0.05 * (1 - 1 / (len(values) + 1))
        low, high = np.quantile(values, (max(0.0, tail - 1 / (len(values) + 1)), min(1.0, 1 - tail + 1 / len(values))))
        return Residual(
            level=level, stratum=name, low=min(float(low), -1e-6), high=max(float(high), 1e-6), rows=len(values)
        )

    seen = np.isfinite(relative)
    if seen.sum() < _FEWEST_HELD_BACK:
        return []
    found = [quantiles("", relative[seen])]
    if strata is not None:
        for name in np.unique(strata[seen]):
            own = relative[seen & (strata == name)]
            if name and len(own) >= _FEWEST_IN_STRATUM:
                found.append(quantiles(str(name), own))
    return found
