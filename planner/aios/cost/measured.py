"""What measurements of a service say beyond their own configuration, and how near another one is."""

from __future__ import annotations

from aios.cost.interval import Interval, interval_of
from aios.records.candidate import Candidate
from aios.records.measurement import Measured, Measurement

__all__ = ["ASSUMED_OCCUPANCY", "distance", "either", "meter", "occupancy", "relative_ends", "widened"]

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


def relative_ends(compute: Interval, overhead: Interval) -> tuple[float, float]:
    """Return (low, high) of compute plus overhead, relative to its value."""
    both = compute.plus(overhead)
    return (both.low / both.value, both.high / both.value) if both.value > 0 else (1.0, 1.0)


def widened(relative: tuple[float, float], serving: Measurement | None) -> tuple[float, float]:
    """Return ``relative``, at least as wide as the interval of the 99th percentile as served: tails repeat worst."""
    tail = serving.values.get("latency.p99") if serving is not None else None
    if tail is None or tail.value <= 0:
        return relative
    return min(relative[0], tail.low / tail.value), max(relative[1], tail.high / tail.value)


def either(name: str, *found: Measurement | None) -> Measured | None:
    """Return the value of the first that has it: as served, else of the engine alone."""
    return next((item.values[name] for item in found if item is not None and name in item.values), None)


def meter(found: Measurement, name: str) -> str:
    """Return what measured a value."""
    return found.values[name].meter
