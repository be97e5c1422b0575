"""Learning a calibration from measured rows, and how far it can be trusted."""

from __future__ import annotations

import math
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
from aios.records.calibration import Calibration, Residual, Stage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Level, Texts

    Mask = npt.NDArray[np.bool_]

__all__ = ["fit", "held_back", "refine", "usable"]

_OF_MODEL = frozenset({"model", "workload"})
"""Keys whose groups are of one model each, however predictors call them."""
_FEWEST_TO_NARROW = 30
"""Rows held back from which on they may tell that a device is predicted better than was known before."""
_ONE_ROW = 0.2
"""A model's only row is believed as if so many rows said that the model is like others (as ``learn_stages`` does)."""
_MEASURED = math.sqrt((_ONE_ROW / (1 + _ONE_ROW) + _ONE_ROW) / (1 + _ONE_ROW))
"""How much of an interval is left where one row of the model itself was seen: 0.55. Shrinking by 1 / (1 + s) is best
where rows of a model differ by s times the variance v of models; the next row of that model then differs from what is
predicted by a variance of v s / (1 + s) + v s, where it was v + v s without the first. In published tables of networks
nine of ten rows are within 0.35 to 0.83 of what they are without rows of their model, 0.6 in the middle."""


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
    learnt: Calibration,
    design: Design,
    target: Floats,
    families: Texts,
    predictor: Predictor,
    device: str,
    others: bool = True,
) -> Calibration:
    """Return ``learnt`` with what rows of one device add to it; effects of other devices are dropped.

    What is known of the device stays as it is, and its rows teach further effects on what that leaves. others: whether
    they say anything of models that they do not name; if not, only effects of single models are learnt. Raises
    ValueError when no row is usable.
    """
    seen = usable(design, target)
    design, target, families = design.take(seen), target[seen], families[seen]
    if not len(target):
        raise ValueError("no row can be learnt from")
    rows = _Rows(design, standardised(design, learnt.features), target, families)
    known = _Lesson((), (), _known(learnt.mixes, device), _known(learnt.stages, device))
    own = [stage for stage in (*known.known_mixes, *known.known_stages) if of_one_device(stage.keys)]
    shaped = any(effect.terms for stage in own for effect in stage.effects)
    lesson = known._replace(
        mixes=tuple(form for form in predictor.mixes if of_one_device(form.keys) and others and not shaped),
        stages=_added(predictor, shaped, others),
    )
    mixes, stages = _learn(rows, lesson)
    errors: dict[Level, Floats] = {
        "calibrated": _cross(rows, lesson, fold_of(families)),
        "profiled": _of_models_seen(rows, lesson),
    }
    found = with_intervals(learnt, design, families, errors).residuals
    held = {item.level: item for item in found if not item.stratum}
    residuals = _residuals_of(learnt, held, f"{DEVICE_STRATUM}{device}")
    return learnt.model_copy(update={"device": device, "mixes": mixes, "stages": stages, "residuals": residuals})


def _added(predictor: Predictor, shaped: bool, others: bool) -> tuple[StageForm, ...]:
    """Return what rows of one device teach. shaped: its factors or slopes are known, and only constants are added"""
    forms = [form for form in predictor.stages if of_one_device(form.keys) and (others or _OF_MODEL & {*form.keys})]
    if shaped:
        forms = [StageForm(keys) for keys in dict.fromkeys(form.keys for form in forms)]
    return tuple(forms)


def _known(stages: Sequence[Stage], device: str) -> tuple[Stage, ...]:
    """Return the stages without effects of devices other than this one."""
    found = []
    for stage in stages:
        place = next((index for index, key in enumerate(stage.keys) if key.endswith("device")), None)
        if place is None:
            found.append(stage)
        elif own := tuple(effect for effect in stage.effects if effect.group[place] == device):
            found.append(Stage(keys=stage.keys, effects=own))
    return tuple(found)


def _of_models_seen(rows: _Rows, lesson: _Lesson) -> Floats:
    """Return measured less predicted of rows held back whose model was seen in others; NaN for the rest."""
    import numpy as np

    folds = fold_of(_row_names(rows.target))
    models = rows.design.keys.get("model", np.full(len(folds), ""))
    _, places = np.unique(models, return_inverse=True)
    together = np.zeros((int(places.max()) + 1, FOLDS))
    np.add.at(together, (places, folds), 1)
    seen = together.sum(axis=1)[places] > together[places, folds]
    return np.where(seen, _cross(rows, lesson, folds), np.nan) if seen.any() else np.full(len(folds), np.nan)


def _residuals_of(learnt: Calibration, own: Mapping[Level, Residual], stratum: str) -> tuple[Residual, ...]:
    """Return the residuals of a device for models that were not measured on it, and for those that were.

    Of few rows held back they are no narrower than what is known of the device; of fewer than can tell they are that,
    or those of devices never seen. A model that was measured once has an interval that is narrower by ``_MEASURED``.
    """
    before = next((item for item in learnt.residuals if (item.level, item.stratum) == ("calibrated", stratum)), None)
    unseen = next((item for item in learnt.residuals if (item.level, item.stratum) == ("zero-shot", "")), None)
    found = own.get("calibrated")
    if found is None:
        found = before or unseen
    elif before is not None and found.rows < _FEWEST_TO_NARROW:
        found = found.model_copy(update={"low": min(found.low, before.low), "high": max(found.high, before.high)})
    if found is None:
        return ()
    again = own.get("profiled")
    if again is None:
        again = found.model_copy(update={"low": found.low * _MEASURED, "high": found.high * _MEASURED})
    return (
        found.model_copy(update={"level": "calibrated", "stratum": stratum}),
        again.model_copy(update={"level": "profiled", "stratum": stratum}),
    )


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
