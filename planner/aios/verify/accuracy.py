"""How many answers are right, and how sure that figure is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aios.records.errors import Diagnostic, InputError
from aios.records.measurement import Measured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["score", "wilson"]

_Z90 = 1.6448536269514722
"""95 % quantile of the standard normal distribution: a two-sided 90 % interval."""


def score(
    measures: tuple[str, ...], outputs: NDArray[Any], labels: NDArray[np.int64], meter: str
) -> dict[str, Measured]:
    """Return ``accuracy.<measure>`` for each of ``measures`` (``top1``, ``top5``...) with its 90 % Wilson interval.

    outputs: (items, classes), larger is more likely · labels: (items,), class indices. Ties count against the model:
    a label
    is among the top k only if fewer than k classes score at least as high; an answer that is no number is wrong.
    Measures of another form are left out. Raises InputError for labels that are no classes of the model.
    """
    values: dict[str, Measured] = {}
    scores = outputs.reshape(len(outputs), -1)
    classes = scores.shape[1]
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise InputError(
            Diagnostic(
                summary=f"the evaluation data's labels run from {low} to {high}, but the model has {classes} classes",
                reason=f"a label is the index of the right class, from 0 to {classes - 1}",
                remedy="correct the array `label`, or name the data that was made for this model",
            )
        )
    own = scores[range(len(labels)), labels]
    # Not "at least as high": every comparison with what is no number is false.
    at_least_as_high = classes - (scores < own[:, None]).sum(axis=1)
    for measure in measures:
        if not (measure.startswith("top") and measure[3:].isdigit()):
            continue
        right = int((at_least_as_high <= int(measure[3:])).sum())
        least, most = wilson(right, len(labels))
        values[f"accuracy.{measure}"] = Measured(
            value=right / len(labels), low=least, high=most, unit="1", n=len(labels), meter=meter
        )
    return values


def wilson(right: int, n: int, z: float = _Z90) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (E. B. Wilson, JASA 22, 1927)."""
    share = right / n
    centre = share + z * z / (2 * n)
    margin = z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    scale = 1 + z * z / n
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)
