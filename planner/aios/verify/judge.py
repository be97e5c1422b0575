"""Each claim against its measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from aios.records.measurement import Measured, Verdict
from aios.records.metrics import Metric, is_endless, metric
from aios.records.plan import Claim
from aios.records.sampling import what_would_decide
from aios.records.units import Dimension, format_quantity

__all__ = ["judge"]


def judge(
    claims: Sequence[Claim],
    measured: Mapping[str, Measured],
    failed: Mapping[str, str],
    unmeasured: Mapping[str, str],
) -> tuple[Verdict, ...]:
    """Return a verdict per claim, in order.

    A required bound is ``held`` or ``broken`` by the measured value. A prediction that nobody required is ``noted``,
    beside its
    measurement. failed: metric -> why the service has no value to show although it was exercised (requests failed):
    a broken promise. unmeasured: metric -> why nothing could be measured here.
    """
    return tuple(_verdict(claim, measured.get(claim.metric), failed, unmeasured) for claim in claims)


def _verdict(claim: Claim, value: Measured | None, failed: Mapping[str, str], unmeasured: Mapping[str, str]) -> Verdict:
    verdict: Literal["held", "broken", "unmeasured", "noted"]
    if value is None and claim.metric in failed and claim.bound is not None:
        verdict, text = "broken", failed[claim.metric]
    elif value is None:
        verdict = "unmeasured"
        text = failed.get(claim.metric) or unmeasured.get(claim.metric) or "nothing here measures it"
    elif claim.bound is None:
        verdict = "noted"
        text = _against_prediction(claim, value)
    else:
        what = metric(claim.metric)
        holds = value.value <= claim.bound if what.relation == "<=" else value.value >= claim.bound
        verdict = "held" if holds else "broken"
        text = _against_prediction(claim, value) + _sureness(claim, value, what, claim.bound)
    return Verdict(
        address=claim.address,
        metric=claim.metric,
        clause=claim.clause,
        bound=claim.bound,
        predicted=claim.estimate.value,
        low=claim.estimate.low,
        high=claim.estimate.high,
        measured=value,
        verdict=verdict,
        reason=text,
    )


def _sureness(claim: Claim, value: Measured, what: Metric, bound: float) -> str:
    """Return what the interval says of the bound: of an accuracy always, with how many items would decide it."""
    is_open = value.low < bound < value.high
    if not claim.metric.startswith("accuracy."):
        return f"; {value.n} samples do not decide it: the 90 % interval contains the bound" if is_open else ""
    ends = value.low, value.high
    low, high = ("no end" if is_endless(claim.metric, end) else format_quantity(end, what.dimension) for end in ends)
    text = f"; {low} to {high} at {100 * claim.confidence:.4g} % confidence, n = {value.n}"
    if is_open:
        share = what.dimension is Dimension.FRACTION and len(value.counts) != 4
        more = what_would_decide(
            value.value, value.low, value.high, value.n, bound, confidence=claim.confidence, share=share
        )
        text += ", which does not decide it" + (f": {more}" if more else "")
    return text


def _against_prediction(claim: Claim, value: Measured) -> str:
    estimate = claim.estimate
    if estimate.low <= value.value <= estimate.high:
        return "inside the predicted interval"
    if estimate.value == 0:
        return "outside the predicted interval"
    off = value.value / estimate.value - 1
    side = "above" if off > 0 else "below"
    dimension = metric(claim.metric).dimension
    return f"{abs(off):.0%} {side} the prediction of {format_quantity(estimate.value, dimension)}"
