"""Distributions of time as quantiles at PROBABILITIES, uniform between neighbouring ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from aios.records.measurement import PROBABILITIES

__all__ = ["JITTER", "Quantiles", "mean_of", "scaled", "scv_of", "sum_of"]

Quantiles: TypeAlias = tuple[float, ...]
"""Values in seconds, one per entry of PROBABILITIES, never falling."""

_WIDTHS = tuple(above - below for below, above in pairwise(PROBABILITIES))
"""Probability of each bin."""

_COARSE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
"""Ends of the bins that sums are formed over: fine where percentiles are asked for, coarse where they are not."""


def mean_of(quantiles: Sequence[float]) -> float:
    """Return the mean: every bin counts with its middle."""
    return sum([width * (a + b) / 2 for width, (a, b) in zip(_WIDTHS, pairwise(quantiles), strict=True)])


def scv_of(quantiles: Sequence[float]) -> float:
    """Return the squared coefficient of variation, variance / mean squared; second moments of uniform bins."""
    mean = mean_of(quantiles)
    if mean <= 0:
        return 0.0
    bins = zip(_WIDTHS, pairwise(quantiles), strict=True)
    second = sum([width * (a * a + a * b + b * b) / 3 for width, (a, b) in bins])
    return max(0.0, second / (mean * mean) - 1)


def scaled(quantiles: Sequence[float], factor: float) -> Quantiles:
    """Return the distribution of ``factor`` times the variable."""
    return tuple(value * factor for value in quantiles)


def sum_of(left: Sequence[float], right: Sequence[float]) -> Quantiles:
    """Return the distribution of the sum of two independent variables.

    Each is cut into 15 bins, the 225 sums of the bins' means are sorted by value, and quantiles are read off halfway
    through each sum's probability. Error of a percentile: below 2 % of the wider variable's own spread.
    """
    first, second = _atoms(left), _atoms(right)
    sums = sorted([(a + b, p * q) for a, p in first for b, q in second])
    reached, knots, values = 0.0, [0.0], [left[0] + right[0]]
    for value, weight in sums:
        knots.append(reached + weight / 2)
        values.append(value)
        reached += weight
    knots.append(1.0)
    values.append(left[-1] + right[-1])
    found, at, last = [], 0, len(knots) - 2
    for probability in PROBABILITIES:
        while at < last and knots[at + 1] < probability:
            at += 1
        width = knots[at + 1] - knots[at]
        share = (probability - knots[at]) / width if width > 0 else 1.0
        found.append(values[at] + share * (values[at + 1] - values[at]))
    return tuple(found)


def _atoms(quantiles: Sequence[float]) -> list[tuple[float, float]]:
    """Return (conditional mean, probability) of the coarse bins; the mean of the whole is kept."""
    return [
        (sum([share * (quantiles[k] + quantiles[k + 1]) for k, share in parts]), weight)
        for weight, parts in _COARSE_BINS
    ]


def _bin(below: float, above: float) -> tuple[float, list[tuple[int, float]]]:
    """Return the probability of a coarse bin and its fine bins with half their share of it."""
    weight = above - below
    fine = range(PROBABILITIES.index(below), PROBABILITIES.index(above))
    return weight, [(k, (PROBABILITIES[k + 1] - PROBABILITIES[k]) / weight / 2) for k in fine]


_COARSE_BINS = tuple(_bin(below, above) for below, above in pairwise(_COARSE))


def _between(knots: Sequence[tuple[float, float]]) -> Quantiles:
    """Return quantiles from (probability, value) knots, scaled to mean 1."""
    found, at = [], 0
    for probability in PROBABILITIES:
        while knots[at + 1][0] < probability:
            at += 1
        (p, a), (q, b) = knots[at], knots[at + 1]
        found.append(a + (b - a) * (probability - p) / (q - p))
    mean = mean_of(found)
    return tuple(value / mean for value in found)


JITTER: Quantiles = _between(
    ((0.0, 0.92), (0.1, 0.95), (0.5, 0.99), (0.9, 1.06), (0.95, 1.1), (0.99, 1.25), (0.999, 1.6), (1.0, 2.0))
)
"""Spread of a time whose distribution was not measured, relative to its mean: a compute-bound call repeats within a few
per cent, and about one in a hundred meets the operating system's scheduler."""
