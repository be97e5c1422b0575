"""A number with its 90 % interval, and estimates made of it."""

from __future__ import annotations

import math
from typing import NamedTuple

from aios.records.base import Source, trusted
from aios.records.candidate import Estimate
from aios.records.measurement import Measured
from aios.records.metrics import METRICS, is_endless

__all__ = ["Interval", "Unknown", "estimate", "interval_of"]

_GIVEN = set(Estimate.model_fields)
_UNITS = {name: item.unit for name, item in METRICS.items()}


class Unknown(NamedTuple):
    """Why a number cannot be predicted, and what would give one."""

    reason: str


class Interval(NamedTuple):
    """low <= value <= high, all in one SI unit."""

    low: float
    value: float
    high: float

    def times(self, factor: float) -> Interval:
        """Return the interval scaled by a number that is not negative."""
        return Interval(self.low * factor, self.value * factor, self.high * factor)

    def plus(self, other: Interval) -> Interval:
        """Return the sum, ends added: the errors may well go together."""
        return Interval(self.low + other.low, self.value + other.value, self.high + other.high)


def interval_of(measured: Measured) -> Interval:
    """Return a measured number as an interval that surely holds its value."""
    return Interval(min(measured.low, measured.value), measured.value, max(measured.high, measured.value))


def estimate(metric: str, number: Interval, source: Source, basis: str) -> Estimate:
    """Return the estimate of ``metric``; the ends are made to enclose the value against rounding, and it is told where
    one stands for no end."""
    low, value, high = number
    if is_endless(metric, high) and metric.startswith("latency."):
        basis += "; overloaded" if is_endless(metric, value) else "; overloaded at the pessimistic end"
    assert math.isfinite(low + value + high), (metric, number)
    fields = {
        "metric": metric,
        "value": value,
        "low": min(low, value),
        "high": max(high, value),
        "unit": _UNITS.get(metric, "1"),
        "source": source,
        "basis": basis,
        "items": None,
    }
    return trusted(Estimate, fields, _GIVEN)
