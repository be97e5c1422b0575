"""What measurements of a service say beyond their own configuration, and how near another one is."""

from __future__ import annotations

from collections.abc import Iterable

from aios.cost.distribution import Quantiles, mean_of
from aios.cost.interval import Interval, interval_of
from aios.records.candidate import Candidate
from aios.records.measurement import Measured, Measurement

__all__ = [
    "ASSUMED_OCCUPANCY",
    "ASSUMED_OVERHEAD",
    "added_by",
    "distance",
    "either",
    "meter",
    "occupancy",
    "relative_ends",
]

ASSUMED_OVERHEAD = Interval(0.2e-3, 0.5e-3, 1.5e-3)
"""Seconds that serving adds to a lone request where nothing of the kind was measured."""

ASSUMED_OCCUPANCY = Interval(0.05e-3, 0.15e-3, 0.5e-3)
"""Seconds of that for which the replica can compute nothing else: parsing and answering in the same process."""


def distance(item: Measurement, candidate: Candidate, batch: int) -> tuple[object, ...]:
    """Return how unlike a measured configuration is; the smaller, the nearer."""
    subject = item.subject
    return (
        (subject.precision, subject.quantization) != (candidate.precision, candidate.quantization),
        subject.power_mode != candidate.power_mode,
        subject.tiers != candidate.tiers,
        abs(subject.threads - candidate.threads),
        abs(subject.batch - batch),
        subject.digest,
    )


def occupancy(serving: Measurement, time: Interval) -> Interval:
    """Return the seconds per request for which serving occupies the replica beyond computing; never negative."""
    if "capacity" not in serving.values:
        return ASSUMED_OCCUPANCY
    per_request = interval_of(serving.values["capacity"])
    batch = serving.subject.batch
    value = max(0.0, 1 / per_request.value - time.value / batch)
    return Interval(value * 0.7, value, value * 1.3)


def added_by(serving: Measurement, kin: Iterable[Measurement]) -> Interval:
    """Return the occupancy per request that serving added to computing. kin: of its model, as the engine alone"""
    subject = serving.subject
    for item in kin:
        if item.subject.model_copy(update={"kind": "serving"}) == subject and "time" in item.values:
            return occupancy(serving, interval_of(item.values["time"]))
    if "compute" in serving.distributions and subject.batch == 1:
        time_s = mean_of(serving.distributions["compute"])
        return occupancy(serving, Interval(time_s, time_s, time_s))
    return ASSUMED_OCCUPANCY


def _mean_overhead(overhead: Quantiles | None, serving: Measurement | None) -> Interval:
    """Return the mean overhead with its own uncertainty: 5 % measured, 30 % borrowed, the assumed range for None."""
    if overhead is None:
        return ASSUMED_OVERHEAD
    mean = mean_of(overhead)
    error = 0.05 if serving is not None else 0.3
    return Interval(mean * (1 - error), mean, mean * (1 + error))


def relative_ends(compute: Interval, overhead: Quantiles | None, serving: Measurement | None) -> tuple[float, float]:
    """Return (low, high) of what a lone request sees, relative to its value.

    overhead: that serving adds to computing, None where nobody measured any · serving: of the configuration itself; the
    ends are at least as wide as the interval of its 99th percentile: tails repeat worst
    """
    both = compute.plus(_mean_overhead(overhead, serving))
    ends = (both.low / both.value, both.high / both.value) if both.value > 0 else (1.0, 1.0)
    tail = serving.values.get("latency.p99") if serving is not None else None
    if tail is None or tail.value <= 0:
        return ends
    return min(ends[0], tail.low / tail.value), max(ends[1], tail.high / tail.value)


def either(name: str, *found: Measurement | None) -> Measured | None:
    """Return the value of the first that has it: as served, else of the engine alone."""
    return next((item.values[name] for item in found if item is not None and name in item.values), None)


def meter(found: Measurement, name: str) -> str:
    """Return what measured a value."""
    return found.values[name].meter
