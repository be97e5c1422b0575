"""From counts in buckets to shares and quantiles, with what chance leaves open.

A request's time has two parts that are counted apart: how long it lay unread, sampled at moments of its own, and from
there to its answer. Both are taken as independent: the share of requests above a bound is the sum over the second part
of the share of the first that is above the rest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from math import sqrt
from typing import NamedTuple

from aios.records.metrics import ENDLESS_S
from aios.spi.counting import BOUNDS_S
from aios.spi.executor import Counted

__all__ = ["LASTING_S", "SURE", "Z90", "Tail", "Trend", "effective", "merged", "onset", "quantile", "smallest"]

Z90 = 1.6448536269514722
"""95 % quantile of the standard normal distribution: a two-sided 90 % interval."""

SURE = 3.0
"""Standard deviations that a deviation must exceed: the moment since when it is judged is itself chosen by looking."""

LASTING_S = 300.0
"""What is told has lasted, and what is over has been over, for so many seconds: shorter spells are no change."""

_LOWER = (0.0, *BOUNDS_S)
_UPPER = (*BOUNDS_S, ENDLESS_S)
_MIDDLE = tuple(sqrt(low * high) if low else high / 2 for low, high in zip(_LOWER, _UPPER, strict=True))
_EDGES = {"lower": _LOWER, "middle": _MIDDLE, "upper": _UPPER}


class Tail:
    """The share of requests above any bound, from one stretch's counts; one that failed is above all of them.

    edge: what a time in a bucket is taken for, ``lower``, ``middle`` or ``upper``
    """

    def __init__(self, counted: Counted, edge: str = "middle") -> None:
        values = _EDGES[edge]
        self.requests = counted.requests
        self._failed = counted.failed
        self._latency = [(values[index], count) for index, count in counted.latency]
        ordered = sorted(counted.delay)
        self._delays = [values[index] for index, _ in ordered]
        seen = list(accumulate(count for _, count in ordered))
        total = seen[-1] if seen else 1
        self._above = [1.0, *(1 - count / total for count in seen)] if seen else [0.0]

    def above(self, bound_s: float) -> float:
        """Return how many requests took longer than ``bound_s``."""
        return self._failed + sum(count * self._delayed(bound_s - value) for value, count in self._latency)

    def _delayed(self, rest_s: float) -> float:
        return 1.0 if rest_s < 0 else self._above[bisect_right(self._delays, rest_s)]


_NEAR = 1.002
"""Ratio of the ends between which a quantile is looked for no longer: far below the width of a bucket."""


def smallest(tails: Sequence[Tail], q: float) -> float:
    """Return the smallest time that a share ``q`` of all requests did not exceed; ENDLESS_S where it is among those
    that failed, or beyond all buckets."""
    allowed = (1 - q) * sum(tail.requests for tail in tails)
    low, high = BOUNDS_S[0] / 2, 2 * BOUNDS_S[-1]
    if sum(tail.above(high) for tail in tails) > allowed:
        return ENDLESS_S
    while high > low * _NEAR:
        middle = sqrt(low * high)
        low, high = (middle, high) if sum(tail.above(middle) for tail in tails) > allowed else (low, middle)
    return high


def merged(stretches: Sequence[Counted]) -> Counted:
    """Return what was counted in several stretches together."""
    latency: Counter[int] = Counter()
    delay: Counter[int] = Counter()
    for stretch in stretches:
        latency.update(dict(stretch.latency))
        delay.update(dict(stretch.delay))
    return Counted(
        began_s=max(stretch.began_s for stretch in stretches),
        ended_s=min(stretch.ended_s for stretch in stretches),
        requests=sum(stretch.requests for stretch in stretches),
        failed=sum(stretch.failed for stretch in stretches),
        batches=sum(stretch.batches for stretch in stretches),
        queue_s=sum(stretch.queue_s for stretch in stretches),
        compute_s=sum(stretch.compute_s for stretch in stretches),
        latency=tuple(sorted(latency.items())),
        delay=tuple(sorted(delay.items())),
    )


def effective(above: Sequence[float], requests: Sequence[int]) -> float:
    """Return how many independent requests say as much as these: slow ones come together.

    above, requests: of each stretch. The variance between stretches over that of independent requests is the design
    effect (L. Kish, "Survey Sampling", 1965, 5.4 and 8.2); with fewer than three stretches it is unknown and taken as
    one.
    """
    total, slow = sum(requests), sum(above)
    some = [(over, count) for over, count in zip(above, requests, strict=True) if count]
    share = slow / total if total else 0.0
    if len(some) < 3 or not 0 < share < 1:
        return float(total)
    between = len(some) / (len(some) - 1) * sum((over - share * count) ** 2 for over, count in some)
    return total / max(1.0, between / (share * (1 - share) * total))


def quantile(stretches: Sequence[Counted], q: float, independent: float) -> tuple[float, float, float]:
    """Return value and 90 % interval (s) of a quantile; the interval has the width of buckets in it.

    independent: requests that it rests on. Order statistics at q ± z sqrt(q (1 - q) / n), distribution-free (David and
    Nagaraja, "Order Statistics", 7.1).
    """
    spread = Z90 * sqrt(q * (1 - q) / independent)
    low = smallest([Tail(item, "lower") for item in stretches], max(0.0, q - spread))
    high = smallest([Tail(item, "upper") for item in stretches], q + spread) if q + spread < 1 else ENDLESS_S
    value = smallest([Tail(item) for item in stretches], q)
    return value, min(low, value), max(high, value)


class Trend(NamedTuple):
    """What a stretch adds to the case that something is too much.

    excess: by how much it is · variance: of that by chance, were it just not too much · seconds: that the stretch took
    """

    excess: float
    variance: float
    seconds: float


def onset(trends: Sequence[Trend]) -> int | None:
    """Return the index of the stretch from which on the excess piled up and still does; None where it does not.

    trends: oldest first. From the last one backwards, the start moves to wherever the sum since then grows (Page's
    cumulative sum, Biometrika 41, 1954, read backwards), until a time of LASTING_S or more that surely had none.
    """
    if _is_over(trends):
        return None
    found, block = None, _NOTHING
    for index in reversed(range(len(trends))):
        block = _sum(block, trends[index])
        if block.excess > 0:
            found, block = index, _NOTHING
        elif block.seconds >= LASTING_S and block.excess < -SURE * sqrt(block.variance):
            break
    return found


_NOTHING = Trend(0.0, 0.0, 0.0)
_TELLING = 3.0
"""Variance, of counts about the number to be expected, from which on none of them at all says something."""


def _is_over(trends: Sequence[Trend]) -> bool:
    """Say whether the last stretches, as many as it takes to tell, had no excess together."""
    last = _NOTHING
    for trend in reversed(trends):
        last = _sum(last, trend)
        if last.seconds >= LASTING_S and last.variance >= _TELLING:
            break
    return last.excess <= 0


def _sum(first: Trend, second: Trend) -> Trend:
    return Trend(first.excess + second.excess, first.variance + second.variance, first.seconds + second.seconds)
