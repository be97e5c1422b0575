"""What measurements of a served endpoint say of a replica beside the engine alone."""

from __future__ import annotations

from aios.cost.interval import Interval, interval_of
from aios.records.measurement import Measured, Measurement

__all__ = ["ASSUMED_OCCUPANCY", "either", "meter", "occupancy", "relative_to", "widened"]

ASSUMED_OCCUPANCY = Interval(0.05e-3, 0.15e-3, 0.5e-3)
"""Seconds of a request for which the replica can compute nothing else: parsing and answering in the same process;
assumed where nothing of the kind was measured."""


def occupancy(serving: Measurement, time: Interval) -> Interval:
    """Return the seconds per request for which serving occupies the replica beyond computing; never negative."""
    if "capacity" not in serving.values:
        return ASSUMED_OCCUPANCY
    per_request = interval_of(serving.values["capacity"])
    batch = serving.subject.batch
    value = max(0.0, 1 / per_request.value - time.value / batch)
    return Interval(value * 0.7, value, value * 1.3)


def relative_to(compute: Interval, overhead: Interval) -> tuple[float, float]:
    """Return (low, high) of compute plus overhead, relative to its value."""
    both = compute.plus(overhead)
    return (both.low / both.value, both.high / both.value) if both.value > 0 else (1.0, 1.0)


def widened(relative: tuple[float, float], serving: Measurement | None) -> tuple[float, float]:
    """Return ``relative``, at least as wide as the interval of the 99th percentile as served: tails repeat worst."""
    tail = serving.values.get("latency.p99") if serving is not None else None
    if tail is None or tail.value <= 0:
        return relative
    return min(relative[0], tail.low / tail.value), max(relative[1], tail.high / tail.value)


def either(name: str, serving: Measurement | None, service: Measurement | None) -> Measured | None:
    """Return the value as served, else of the engine alone, else None."""
    for found in (serving, service):
        if found is not None and name in found.values:
            return found.values[name]
    return None


def meter(found: Measurement, name: str) -> str:
    """Return what measured a value."""
    return found.values[name].meter
