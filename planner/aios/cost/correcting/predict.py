"""Times of calls from a correction: its base, moved by what was measured of the same model.

The logarithm of measured over base is a Gaussian process over (model, precision, threads, batch): settings of one model
share some of it, of one precision more, near ones the most (Rasmussen and Williams, "Gaussian Processes for Machine
Learning", 2006, 2.2). Of a model that nobody measured only the base and the whole variance are left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aios.cost.correcting.amounts import VERSION, amounts_of, extent_of
from aios.cost.interval import Interval
from aios.records.correction import Correction
from aios.records.model import ModelProfile

__all__ = ["REACH_BATCH", "REACH_THREADS", "Call", "base_s", "corrected", "posterior"]

REACH_THREADS, REACH_BATCH = 1.0, 3.0
"""Differences of the binary logarithms of threads and of batch at which settings begin to be unlike: other threads are
another way to compute, a larger batch is more of the same."""

_WIDEST = 3.0
"""Most that the standard deviation grows by, far outside of what was measured."""


class Call(NamedTuple):
    """One setting of a model. precision: as of ``label_of``, with how it is reached and what was chosen for that"""

    precision: str
    threads: int
    batch: int

    @property
    def kernels(self) -> str:
        """The precision without choices, ``int8-static``: what kernels a runtime takes."""
        return self.precision.partition("+")[0]


def base_s(correction: Correction, profile: ModelProfile, call: Call, roofline_s: float | None) -> float | None:
    """Return what the base predicts, s; None where it knows nothing of the precision, or the roofline is unknown."""
    if correction.base == "roofline":
        scale = correction.scales.get(call.kernels)
        return None if scale is None or roofline_s is None else scale * roofline_s
    rates = correction.rates.get(call.kernels)
    if rates is None or not profile.work:
        return None
    amounts = amounts_of(profile, max(call.batch, profile.fixed_batch or 1), call.threads)
    total = sum(rate * amounts.get(name, 0.0) for name, rate in rates.items())
    return total if total > 0 else None


def corrected(
    correction: Correction,
    profile: ModelProfile,
    call: Call,
    known: Sequence[tuple[Call, float]],
    roofline_of: Callable[[Call], float | None],
) -> Interval | None:
    """Return what the correction says of a call; None where it was not found to be any better than none.

    known: other settings of the model on this device, with their measured seconds · roofline_of: seconds by roofline
    """
    held = correction.settings if known else correction.models
    if correction.version != VERSION or not held.used:
        return None
    base = base_s(correction, profile, call, roofline_of(call))
    if base is None:
        return None
    residuals = []
    for other, seconds in known:
        its = base_s(correction, profile, other, roofline_of(other))
        if its is not None and seconds > 0:
            residuals.append((other, math.log(seconds / its)))
    mean, deviation = posterior(correction.variances, call, residuals)
    half = held.factor * deviation * _widening(correction, profile, call)
    value = base * math.exp(mean)
    return Interval(value * math.exp(-half), value, value * math.exp(half))


def posterior(
    variances: Mapping[str, float], call: Call, residuals: Sequence[tuple[Call, float]]
) -> tuple[float, float]:
    """Return mean and standard deviation of the logarithm of measured over base, given it at other settings.

    What models share is as wide as this one's measurements show where they show more: a form that nobody learnt from is
    not drawn to the others (the variance of a normal prior of mean 0 that makes one shared value likeliest).
    """
    noise = variances["noise"]
    if not residuals:
        return 0.0, math.sqrt(_covariance(variances, call, call) + noise)
    shown = sum(value**2 for _, value in residuals) / len(residuals)
    variances = {**variances, "model": max(variances["model"], shown)}
    prior = _covariance(variances, call, call) + noise
    import numpy as np

    calls = [other for other, _ in residuals]
    between = np.array([[_covariance(variances, one, two) for two in calls] for one in calls])
    between[np.diag_indices(len(calls))] += noise + 1e-9
    across = np.array([_covariance(variances, call, other) for other in calls])
    weights = np.linalg.solve(between, across)
    mean = float(weights @ np.array([value for _, value in residuals]))
    return mean, math.sqrt(max(prior - float(weights @ across), noise, 1e-9))


def _covariance(variances: Mapping[str, float], one: Call, two: Call) -> float:
    shared = variances["model"]
    if one.precision == two.precision:
        threads = math.log2(max(one.threads, 1) / max(two.threads, 1)) / REACH_THREADS
        batch = math.log2(one.batch / two.batch) / REACH_BATCH
        near = math.exp(-(threads**2 + batch**2) / 2)
        shared += variances["precision"] + variances["setting"] * near
    return shared


def _widening(correction: Correction, profile: ModelProfile, call: Call) -> float:
    """Return the factor on the deviation outside of what was measured: 1 inside, more by each factor of e beyond."""
    beyond = 0.0
    for name, amount in extent_of(profile, call.batch, call.threads).items():
        if name in correction.ranges:
            least, most = correction.ranges[name]
            beyond = max(beyond, math.log(amount / most), math.log(least / amount))
    return min(1.0 + beyond, _WIDEST)
