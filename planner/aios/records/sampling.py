"""What finite samples say of a figure: intervals, paired comparison, and how many items would decide.

An interval of confidence c is two-sided: an end of it is passed by chance in a share (1 - c) / 2 of all samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from aios.records.candidate import Estimate
from aios.records.metrics import UNBOUNDED, metric
from aios.records.units import Dimension

__all__ = [
    "FEWEST_ALIKE",
    "Pairs",
    "fewest_resampled",
    "items_needed",
    "mid_p",
    "paired_difference",
    "quantile_interval",
    "too_few",
    "what_would_decide",
    "wilson",
]


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(right: float, n: int, confidence: float = 0.9) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (E. B. Wilson, JASA 22, 1927)."""
    z = _z(confidence)
    share = right / n
    centre = share + z * z / (2 * n)
    margin = z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    scale = 1 + z * z / n
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


class Pairs(NamedTuple):
    """How two ways answered the same items: both right, only the first, only the second, neither."""

    both: int
    first: int
    second: int
    neither: int

    @property
    def n(self) -> int:
        """Items in all."""
        return sum(self)

    @property
    def difference(self) -> float:
        """Share that the first answered right, less that of the second."""
        return (self.first - self.second) / self.n


def paired_difference(pairs: Pairs, confidence: float = 0.9) -> tuple[float, float]:
    """Return the interval of the difference of two paired proportions.

    Wilson intervals of both, squared and added with their correlation, corrected for continuity: method 10 of R. G.
    Newcombe, "Improved confidence intervals for the difference between binomial proportions based on paired data",
    Statistics in Medicine 17, 1998.
    """
    a, b, c, d = pairs
    n = pairs.n
    one, two = (a + b) / n, (a + c) / n
    (low1, high1), (low2, high2) = wilson(a + b, n, confidence), wilson(a + c, n, confidence)
    product = (a + b) * (c + d) * (a + c) * (b + d)
    excess = a * d - b * c
    corrected = max(excess - n / 2, 0.0) if excess > 0 else float(excess)
    phi = corrected / math.sqrt(product) if product else 0.0
    below, above = (one - low1, high2 - two), (high1 - one, two - low2)
    down, up = (math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y)) for x, y in (below, above))
    return max(-1.0, one - two - down), min(1.0, one - two + up)


def mid_p(pairs: Pairs) -> float:
    """Return the two-sided mid-P value of McNemar's test that both ways are right equally often.

    Of the items on which they differ, each is as likely to be the first's as the second's: M. W. Fagerland, S. Lydersen
    and P. Laake, BMC Medical Research Methodology 13:91, 2013.
    """
    fewer, differ = min(pairs.first, pairs.second), pairs.first + pairs.second
    if pairs.first == pairs.second:
        return 1.0 - _binomial(fewer, differ) / 2 if differ else 1.0
    return 2 * sum(_binomial(k, differ) for k in range(fewer + 1)) - _binomial(fewer, differ)


def _binomial(k: int, n: int) -> float:
    """Return the probability of ``k`` of ``n`` at one half."""
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))


FEWEST_ALIKE = 30
"""Items from which on equal figures of all of them say that those of others are near: of what one in ten items has, so
many items miss all with a chance of 4 %."""


def fewest_resampled(confidence: float) -> int:
    """Return from how many items on drawing them anew may give an interval of a confidence.

    It lies within the items that were seen, and all of n items lie on one side of the median of all by chance 2^(1-n):
    the least n with which that is no more than the confidence leaves open.
    """
    return math.ceil(1 - math.log2(1 - confidence) - 1e-9)


def quantile_interval(quantiles: Sequence[float], at: Sequence[float], confidence: float) -> tuple[float, float]:
    """Return the interval of a distribution that is kept as quantiles at probabilities, straight lines between them."""
    ends = []
    for wanted in ((1 - confidence) / 2, (1 + confidence) / 2):
        index = next((k for k, probability in enumerate(at) if probability >= wanted), len(at) - 1)
        before = max(index - 1, 0)
        width = at[index] - at[before]
        part = (wanted - at[before]) / width if width else 0.0
        ends.append(quantiles[before] + part * (quantiles[index] - quantiles[before]))
    return ends[0], ends[1]


def what_would_decide(
    value: float, low: float, high: float, n: int, bound: float, *, confidence: float, share: bool
) -> str | None:
    """Return in words how many items would decide an open case; None where it is decided."""
    needed = items_needed(value, low, high, n, bound, confidence=confidence, share=share)
    return f"about {needed:,} items would decide it if the value stays, {n:,} are there" if needed else None


def too_few(estimate: Estimate | None, bound: float | None, confidence: float) -> str | None:
    """Return how many items would show that a measured accuracy keeps a bound which its value keeps and its interval
    does not; None for anything else."""
    if estimate is None or estimate.items is None or bound is None:
        return None
    what = metric(estimate.metric)
    if (estimate.value > bound) if what.better == "lower" else (estimate.value < bound):
        return None
    share = what.dimension is Dimension.FRACTION and what.better == "higher"
    return what_would_decide(
        estimate.value, estimate.low, estimate.high, estimate.items, bound, confidence=confidence, share=share
    )


def items_needed(
    value: float, low: float, high: float, n: int, bound: float, *, confidence: float, share: bool
) -> int | None:
    """Return how many items would decide on which side of ``bound`` a figure lies if its value stays as it is.

    None where it is decided, or where no number would: the value is the bound. share: it is a proportion p, whose
    Wilson interval excludes the bound b from n = z^2 b (1 - b) / (p - b)^2 items on; any other interval is taken to
    shrink with the root of n, from so many on that there is one.
    """
    if not low <= bound <= high or value == bound:
        return None
    if not share and n < fewest_resampled(confidence):
        return fewest_resampled(confidence)
    if not share and (high >= UNBOUNDED or (low, high) == (-1.0, 1.0)):
        return max(n + 1, FEWEST_ALIKE)
    if share and 0 < bound < 1:
        return max(n + 1, math.ceil(_z(confidence) ** 2 * bound * (1 - bound) / (value - bound) ** 2))
    towards = value - low if bound < value else high - value
    return max(n + 1, math.ceil(n * (towards / (value - bound)) ** 2))
