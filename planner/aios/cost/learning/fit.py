"""Learning a calibration from measured rows, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.learning.basis import ranges_of, standardised
from aios.cost.learning.design import Design, Predictor, StageForm
from aios.cost.learning.folds import FOLDS, device_folds, fold_of
from aios.cost.learning.groups import of_one_device
from aios.cost.learning.intervals import with_intervals
from aios.cost.learning.mix import learn_mixes, mixed
from aios.cost.learning.predict import DEVICE_STRATUM, added
from aios.cost.learning.stages import learn_stages
from aios.records.calibration import Calibration, Stage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Level, Texts

    Mask = npt.NDArray[np.bool_]

__all__ = ["fit", "held_back", "refine", "usable"]


def usable(design: Design, target: Floats) -> Mask:
    """Return which rows can be learnt from: predictable, finite, and such as physics allows."""
    import numpy as np

    mask: Mask = (design.unknown == "") & np.isfinite(target) & np.isfinite(design.base) & design.possible(target)
    return mask


class _Rows(NamedTuple):
    """Rows to learn from. columns: standardised features"""

    design: Design
    columns: Mapping[str, Floats]
    target: Floats
    families: Texts

    def take(self, rows: Mask) -> _Rows:
        columns = {name: column[rows] for name, column in self.columns.items()}
        return _Rows(self.design.take(rows), columns, self.target[rows], self.families[rows])


class _Lesson(NamedTuple):
    """What is to be learnt. mixes, stages: kinds of effects · known_mixes, known_stages: what they begin with"""

    mixes: tuple[StageForm, ...]
    stages: tuple[StageForm, ...]
    known_mixes: tuple[Stage, ...] = ()
    known_stages: tuple[Stage, ...] = ()


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
    learnt = Calibration(predictor=predictor.name, metric=metric, version=predictor.version)
    seen = usable(design, target)
    design, target, families = design.take(seen), target[seen], families[seen]
    if not len(target):
        return learnt
    ranges = ranges_of(design)
    rows = _Rows(design, standardised(design, ranges), target, families)
    mixes, stages = _learn(rows, _Lesson(predictor.mixes, predictor.stages))
    learnt = learnt.model_copy(update={"features": ranges, "mixes": mixes, "stages": stages})
    errors = {level: held_back(*rows, predictor, level) for level in levels}
    return with_intervals(learnt, design, families, errors)


def refine(
    learnt: Calibration, design: Design, target: Floats, families: Texts, predictor: Predictor, device: str
) -> Calibration:
    """Return ``learnt`` with effects of one device learnt from its rows; effects of other devices are dropped.

    What knows no device stays as it is. Raises ValueError when no row is usable.
    """
    seen = usable(design, target)
    design, target, families = design.take(seen), target[seen], families[seen]
    if not len(target):
        raise ValueError("no row can be learnt from")
    rows = _Rows(design, standardised(design, learnt.features), target, families)
    lesson = _Lesson(
        mixes=tuple(form for form in predictor.mixes if of_one_device(form.keys)),
        stages=tuple(form for form in predictor.stages if of_one_device(form.keys)),
        known_mixes=tuple(stage for stage in learnt.mixes if not of_one_device(stage.keys)),
        known_stages=tuple(stage for stage in learnt.stages if not of_one_device(stage.keys)),
    )
    mixes, stages = _learn(rows, lesson)
    errors: dict[Level, Floats] = {
        "calibrated": _cross(rows, lesson, fold_of(families)),
        "profiled": _cross(rows, lesson, fold_of(_row_names(target))),
    }
    found = with_intervals(learnt, design, families, errors)
    residuals = tuple(
        item.model_copy(update={"stratum": f"{DEVICE_STRATUM}{device}"}) for item in found.residuals if not item.stratum
    )
    return found.model_copy(update={"device": device, "mixes": mixes, "stages": stages, "residuals": residuals})


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

    rows, lesson = _Rows(design, columns, target, families), _Lesson(predictor.mixes, predictor.stages)
    if level == "profiled":
        return _cross(rows, lesson, fold_of(_row_names(target)))
    folds = fold_of(families)
    if level == "calibrated":
        return _cross(rows, lesson, folds)
    devices = device_folds(design.keys["device"])
    left = np.full(len(target), np.nan)
    for fold in np.unique(devices):  # one family fold for each device fold: of many rows, some are never held back
        others = devices != fold
        for family in range(FOLDS) if len(target) < 60 * FOLDS * FOLDS else (int(fold) % FOLDS,):
            test = ~others & (folds == family)
            train = others & (folds != family)
            if test.any() and train.any():
                left[test] = _left(rows, lesson, train, test)
    return left


def _row_names(target: Floats) -> Texts:
    """Name rows by what they say, so that their order does not matter."""
    return target.astype(str)


def _learn(rows: _Rows, lesson: _Lesson) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    folds = fold_of(rows.families)
    mixes = learn_mixes(rows.design, rows.target, lesson.mixes, folds, lesson.known_mixes)
    base = mixed(rows.design, mixes)
    stages = learn_stages(rows.design, rows.columns, rows.target, base, lesson.stages, folds, lesson.known_stages)
    return mixes, stages


def _cross(rows: _Rows, lesson: _Lesson, folds: npt.NDArray[np.int64]) -> Floats:
    import numpy as np

    left = np.full(len(rows.target), np.nan)
    for fold in np.unique(folds):
        test = folds == fold
        if (~test).any():
            left[test] = _left(rows, lesson, ~test, test)
    return left


def _left(rows: _Rows, lesson: _Lesson, train: Mask, test: Mask) -> Floats:
    """Return measured less predicted of the rows of ``test``, learnt from those of ``train``."""
    seen, unseen = rows.take(train), rows.take(test)
    if not lesson.known_stages:  # what is known already fixes how features are seen
        ranges = ranges_of(seen.design)
        seen = seen._replace(columns=standardised(seen.design, ranges))
        unseen = unseen._replace(columns=standardised(unseen.design, ranges))
    mixes, stages = _learn(seen, lesson)
    value: Floats = mixed(unseen.design, mixes)
    for stage in stages:
        value = value + added(unseen.design, unseen.columns, stage)
    left: Floats = unseen.target - unseen.design.bounded(value)
    return left
