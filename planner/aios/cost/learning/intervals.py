"""How far predictions may be off: quantiles of errors on rows that were held back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aios.cost.learning.basis import Ranges, standardised
from aios.cost.learning.design import Design
from aios.cost.learning.predict import spread_of, strata_of
from aios.records.calibration import Calibration, Residual

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Level, Texts

__all__ = ["with_intervals"]

_FEWEST_IN_STRATUM = 30
_FEWEST_TOGETHER = 3
"""Devices or families below which a stratum says too little of the next one, as rows below the number before do: it
can only tell that its rows are further off than others."""
_FEWEST_HELD_BACK = 8
_SPREAD_STRENGTH = 100.0
_STUDENT = (6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81)
"""95 % quantiles of Student's t for 1, 2, 3... degrees of freedom."""
_NORMAL = 1.645
_USUAL: Mapping[Level, int] = {"zero-shot": 8}
"""How much is known beforehand of how devices differ: as if so many more had been held back; looked for on
published measurements, of which two or three devices differ as any others do."""
_MOST_WIDER = 1.6
"""By how much intervals are widened at most because few groups were held back; looked for on published measurements,
where wider ones cover no more tables as they should and say less (Winkler's interval score)."""


def with_intervals(learnt: Calibration, design: Design, families: Texts, errors: Mapping[Level, Floats]) -> Calibration:
    """Return the calibration with residuals. errors: level -> measured less predicted, NaN where not held back.

    A spread that it has already stays.
    """
    learnt = learnt.model_copy(update={"spread": learnt.spread or _spread(learnt.features, design, errors)})
    scale = spread_of(design, learnt)
    residuals: list[Residual] = []
    for level, left in errors.items():
        devices = design.keys["device"]
        together = {"zero-shot": (devices, families), "calibrated": (families,)}.get(level, ())
        residuals += _residuals(level, left / scale, strata_of(design), together)
    return learnt.model_copy(update={"residuals": tuple(residuals)})


def _spread(ranges: Ranges, design: Design, errors: Mapping[Level, Floats]) -> dict[str, float]:
    """Return terms of the logarithm of a row's spread: a ridge regression of log |error| on the features; none where
    too few errors are known."""
    import numpy as np

    errors = {level: left for level, left in errors.items() if np.isfinite(left).sum() >= _FEWEST_HELD_BACK}
    if not errors:
        return {}

    columns = standardised(design, ranges)
    matrix = np.column_stack([np.ones(len(design.base)), *columns.values()])
    gram, vector = np.zeros((matrix.shape[1],) * 2), np.zeros(matrix.shape[1])
    for left in errors.values():
        seen = np.isfinite(left)
        size = np.log(np.abs(left[seen]) + 0.1 * np.median(np.abs(left[seen])) + 1e-9)
        part = matrix[seen]
        gram += part.T @ part
        vector += part.T @ (size - size.mean())
    found = np.linalg.solve(gram + np.diag(np.full(len(vector), _SPREAD_STRENGTH)), vector)
    return dict(zip(("constant", *columns), map(float, found), strict=True))


def _residuals(level: Level, relative: Floats, strata: list[Texts], together: Sequence[Texts]) -> list[Residual]:
    """Return quantiles over all rows and over each stratum; those of a small one are no narrower than those of all.

    together: what was held back as one (devices, families), whose rows are wrong in the same way; empty: single rows
    """
    import numpy as np

    seen = np.isfinite(relative)
    if seen.sum() < _FEWEST_HELD_BACK:
        return []
    whole = _quantiles(level, "", relative[seen], _fewest(together, seen))
    found = [whole]
    for names in strata:
        for name in np.unique(names[seen]):
            rows = seen & (names == name)
            if not name or (count := int(rows.sum())) < _FEWEST_HELD_BACK:
                continue
            fewest = _fewest(together, rows)
            if count >= _FEWEST_IN_STRATUM and (fewest is None or fewest >= _FEWEST_TOGETHER):
                found.append(_quantiles(level, str(name), relative[rows], fewest))
            else:
                found.append(_wider(_quantiles(level, str(name), relative[rows], None), whole))
    return found


def _wider(own: Residual, whole: Residual) -> Residual:
    return own.model_copy(update={"low": min(own.low, whole.low), "high": max(own.high, whole.high)})


def _fewest(together: Sequence[Texts], rows: npt.NDArray[np.bool_]) -> int | None:
    """Return how many devices, or families if they are fewer, these rows are of; None where rows stand alone."""
    import numpy as np

    return min((len(np.unique(names[rows])) for names in together), default=None)


def _quantiles(level: Level, stratum: str, values: Floats, groups: int | None) -> Residual:
    """Return the 5 % and 95 % quantiles, corrected for how many rows there are."""
    import numpy as np

    count = len(values)
    tail = max(0.0, 0.05 - 1 / count)
    low, high = np.quantile(values, (tail, 1 - tail))
    wider = 1.0 if groups is None else _one_more(groups, _USUAL.get(level, 0))
    return Residual(
        level=level,
        stratum=stratum,
        low=min(float(low) * wider, -1e-6),
        high=max(float(high) * wider, 1e-6),
        rows=count,
    )


def _one_more(groups: int, usual: int) -> float:
    """Return by how much wider an interval for a new group is than errors on the few that were held back show.

    Errors of one device, or of one family of models, go together, so that few of them are few observations: the factor
    is that of the prediction interval of one more normal number after n of them, t(n - 1) x sqrt(1 + 1 / n), over what
    it is for many. usual: degrees of freedom that are known beforehand
    """
    degrees = max(groups, 2) - 1 + usual
    student = _STUDENT[degrees - 1] if degrees <= len(_STUDENT) else _NORMAL + 1.5 / degrees
    return min(student / _NORMAL * math.sqrt(1 + 1 / max(groups, 1)), _MOST_WIDER)
