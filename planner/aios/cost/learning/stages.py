"""Fitting the effects of each stage: ridge regression per group, its strength chosen on families held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.learning.basis import columns_of, terms_of
from aios.cost.learning.design import Design, StageForm
from aios.cost.learning.folds import judging_folds
from aios.cost.learning.groups import members
from aios.cost.learning.predict import added
from aios.records.calibration import Effect, Stage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.cost.learning.folds import Folds
    from aios.records.observation import Floats

__all__ = ["learn_stages"]

_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 1e6)
"""Ridge penalties that are tried, in rows of standardised features; the last leaves a constant alone."""
_CONSTANT_PENALTY = 0.5
_ROWS_AT_ZERO = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0, 1e6)
"""Ways to shrink the constant of a group that are tried."""
_UNJUDGED = 0.2
"""The one for groups of single rows."""
_MOST_TO_JUDGE = 3000
"""Rows of a group by which its penalty is chosen; more say the same."""
_OUTLIER = 2.5
"""Residuals beyond this many (robust) standard deviations weigh less, as in Huber's estimator."""


class _Group(NamedTuple):
    name: str
    rows: npt.NDArray[np.int64]
    matrix: Floats


def learn_stages(
    design: Design,
    columns: Mapping[str, Floats],
    target: Floats,
    base: Floats,
    forms: Sequence[StageForm],
    folds: Folds,
    known: Sequence[Stage] = (),
) -> tuple[Stage, ...]:
    """Return what each stage adds, fitted one after the other to what the stages before leave.

    columns: standardised features · base: what the stages start from · known: stages to begin with
    """
    stages = list(known)
    left = target - base
    for stage in known:
        left = left - added(design, columns, stage)
    for form in forms:
        stage = _learn(design, columns, left, form, folds)
        left = left - added(design, columns, stage)
        stages.append(stage)
    return tuple(stages)


def _learn(design: Design, columns: Mapping[str, Floats], left: Floats, form: StageForm, folds: Folds) -> Stage:
    import numpy as np

    terms = terms_of(tuple(columns), form.degree)
    groups = []
    for name, rows in members(design, form.keys):
        if len(rows) >= form.fewest:
            chosen = {feature: column[rows] for feature, column in columns.items()}
            groups.append(_Group(name, rows, columns_of(chosen, terms, len(rows))))
    if not terms:
        return Stage(keys=form.keys, effects=_constants(groups, left, folds))
    weights = _balance(design) if not form.keys else np.ones(len(left))
    devices = design.keys["device"]
    judged = [judging_folds(form.keys, devices[group.rows], folds[group.rows]) for group in groups]
    strength = _strength(groups, left, weights, judged)
    effects = []
    for group in groups:
        found = _robust(group.matrix, left[group.rows], weights[group.rows], strength)
        effects.append(
            Effect(
                group=tuple(group.name.split("\x1f")) if form.keys else (),
                rows=len(group.rows),
                constant=float(found[0]),
                terms=dict(zip(terms, map(float, found[1:]), strict=True)),
            )
        )
    return Stage(keys=form.keys, effects=tuple(effects))


def _constants(groups: Sequence[_Group], left: Floats, folds: Folds) -> tuple[Effect, ...]:
    """Return the medians of the groups, each shrunk as if so many rows more were at zero as suits rows held back."""
    import numpy as np

    errors = np.zeros(len(_ROWS_AT_ZERO))
    for group in groups:
        if len(group.rows) == 1:
            continue
        wanted = left[group.rows]
        own = folds[group.rows]
        if (own == own[0]).all():  # one family: hold back every other row, by value
            own = np.argsort(np.argsort(wanted, kind="stable"), kind="stable") % 2
        for fold in set(own.tolist()):
            held = own == fold
            centre, count = float(np.median(wanted[~held])), int((~held).sum())
            guess = centre * count / (count + np.array(_ROWS_AT_ZERO))
            errors += np.abs(wanted[held][:, None] - guess).mean(axis=0)
    extra = _ROWS_AT_ZERO[len(errors) - 1 - int(np.argmin(errors[::-1]))] if errors.any() else _UNJUDGED
    return tuple(
        Effect(
            group=tuple(group.name.split("\x1f")) if group.name else (),
            rows=len(group.rows),
            constant=float(np.median(left[group.rows])) * len(group.rows) / (len(group.rows) + extra),
        )
        for group in groups
    )


def _balance(design: Design) -> Floats:
    """Weigh rows so that a device measured a hundred times as often as another counts ten times as much."""
    import numpy as np

    _, places, counts = np.unique(design.keys["device"], return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[places])
    balanced: Floats = weights / weights.mean()
    return balanced


def _strength(groups: Sequence[_Group], left: Floats, weights: Floats, judged: Sequence[tuple[Folds, ...]]) -> float:
    """Return the penalty with which rows held back are predicted best, all groups together; with none, the strongest.

    judged: of each group, the folds of its rows, in as many ways as it is judged
    """
    import numpy as np

    errors = np.zeros(len(_STRENGTHS))
    for group, folds in ((group, folds) for group, ways in zip(groups, judged, strict=True) for folds in ways):
        step = -(-len(group.rows) // _MOST_TO_JUDGE)
        some = np.argsort(left[group.rows], kind="stable")[::step]
        matrix, own = group.matrix[some], folds[some]
        wanted, weight = left[group.rows[some]], weights[group.rows[some]] * step
        weighted = matrix * weight[:, None]
        whole, right = weighted.T @ matrix, weighted.T @ wanted
        for fold in np.unique(own):
            held = own == fold
            if held.all():
                continue
            part = weighted[held]
            gram, vector = whole - part.T @ matrix[held], right - part.T @ wanted[held]
            for place, strength in enumerate(_STRENGTHS):
                guess = matrix[held] @ _solve(gram, vector, strength)
                errors[place] += float((np.abs(wanted[held] - guess) * weight[held]).sum())
    return _STRENGTHS[len(errors) - 1 - int(np.argmin(errors[::-1]))]


def _solve(gram: Floats, vector: Floats, strength: float) -> Floats:
    import numpy as np

    penalty = np.full(len(vector), strength)
    penalty[0] = _CONSTANT_PENALTY
    found: Floats = np.linalg.solve(gram + np.diag(penalty), vector).astype(np.float64)
    return found


def _robust(matrix: Floats, wanted: Floats, weights: Floats, strength: float) -> Floats:
    import numpy as np

    weight = weights
    found = np.zeros(matrix.shape[1])
    for _ in range(3):
        weighted = matrix * weight[:, None]
        found = _solve(weighted.T @ matrix, weighted.T @ wanted, strength)
        off = np.abs(wanted - matrix @ found)
        scale = 1.4826 * float(np.median(off)) + 1e-9
        weight = weights * np.minimum(1.0, _OUTLIER * scale / np.maximum(off, 1e-12))
    return found
