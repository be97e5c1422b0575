"""Errors of predicted numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["Score", "relative", "right_of", "score"]


class Score(NamedTuple):
    """How far n predictions are off, as fractions of what was measured.

    median_ape, p90_ape: of |predicted / measured - 1| · bias: median of predicted / measured - 1 · coverage: share of
    measurements inside the interval · width: median of its upper over its lower end, None where these have no ratio ·
    median_error: of |predicted - measured|, in the metric's own unit
    """

    rows: int
    median_ape: float | None
    p90_ape: float | None
    bias: float | None
    coverage: float | None
    width: float | None
    median_error: float | None


def relative(measured: Floats, predicted: Floats) -> Floats:
    """Return predicted / measured - 1 of each row; NaN where nothing was measured."""
    import numpy as np

    errors: Floats = predicted / np.where(measured == 0, np.nan, measured) - 1
    return errors


def score(
    measured: Floats, predicted: Floats, low: Floats, high: Floats, whole: tuple[Floats, Floats] | None = None
) -> Score:
    """Return the errors of predictions with the ends of their 90 % intervals.

    whole: what the relative errors are of instead, where the number itself is a difference around zero: measured and
    predicted of what it is a difference to, such as accuracies; rows of which that is not known are NaN.
    """
    import numpy as np

    if not len(measured):
        return Score(0, None, None, None, None, None, None)
    errors = relative(*(whole or (measured, predicted)))
    errors = errors[np.isfinite(errors)]
    inside = (low <= measured) & (measured <= high)
    some = len(errors) > 0
    wide = high[low > 0] / low[low > 0]
    return Score(
        rows=len(measured),
        median_ape=float(np.median(np.abs(errors))) if some else None,
        p90_ape=float(np.quantile(np.abs(errors), 0.9)) if some else None,
        bias=float(np.median(errors)) if some else None,
        coverage=float(np.mean(inside)),
        width=float(np.median(wide)) if whole is None and len(wide) else None,
        median_error=float(np.median(np.abs(predicted - measured))),
    )


def right_of(measured: Floats, predicted: Floats) -> tuple[float | None, float | None]:
    """Return for yes-or-no values (1 or 0) the share told rightly of the ones and of the zeros."""
    import numpy as np

    said, one = predicted >= 0.5, measured >= 0.5
    ones = float(np.mean(said[one])) if one.any() else None
    zeros = float(np.mean(~said[~one])) if (~one).any() else None
    return ones, zeros
