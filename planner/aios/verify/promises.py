"""Promises on a running service against what it counted, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from aios.records.drift import DeviationKind
from aios.records.measurement import Measured
from aios.records.metrics import ENDLESS_S
from aios.records.plan import Claim, Deployment
from aios.records.units import Dimension, format_quantity
from aios.spi.executor import Counted
from aios.verify.counts import SURE, Z90, Tail, Trend, effective, merged, onset, quantile

__all__ = ["QUANTILES", "Broken", "above", "broken_promises", "percent"]

QUANTILES = {"latency.p50": 0.5, "latency.p90": 0.9, "latency.p95": 0.95, "latency.p99": 0.99}

_FEWEST = 5
"""Requests above a bound that it takes: fewer may be one accident."""

_SLIGHT = 0.05
"""Share by which a load may exceed the stated one: people state loads in round figures."""

_BURST_S = 10.0
"""Seconds of the stated load that may come at once, beyond it: a burst is no load."""

_FAILING = 0.01
"""Share of requests without an answer that no service may have, where no percentile is promised that says so."""

_MANIFOLD = 10.0
"""Ratio from which on it is told as one and no longer in per cent."""

_METER = "the service's own histogram, the way to the client not in it"


class Broken(NamedTuple):
    """A promise that does not hold, or a load that was not planned for. began_s: seconds ago · words: ``{since}``
    stands for the time of the day when it began"""

    kind: DeviationKind
    what: str
    words: str
    began_s: float
    matters: bool = True
    claim: Claim | None = None
    bound: float | None = None
    measured: Measured | None = None


def broken_promises(claims: Sequence[Claim], deployment: Deployment, counted: Sequence[Counted]) -> tuple[Broken, ...]:
    """Return what is broken, the load first where it is the reason. counted: oldest first"""
    counted = [stretch for stretch in counted if stretch.began_s > stretch.ended_s]
    sustained = next((claim.estimate.low for claim in claims if claim.metric == "throughput"), None)
    load = _load(deployment.rate_per_s, counted)
    found = [load] if load else []
    for claim in claims:
        if claim.metric in QUANTILES and claim.bound is not None:
            broken = _latency(claim, claim.bound, counted)
            if broken is not None:
                why = _because(broken, counted, deployment.rate_per_s, sustained)
                broken = broken._replace(words=broken.words + why)
            found += [broken] if broken else []
    if not any(claim.metric in QUANTILES and claim.bound is not None for claim in claims):
        broken = _failures(counted)
        found += [broken] if broken else []
    for claim in claims:
        if claim.metric == "throughput" and claim.bound is not None:
            broken = _throughput(claim, claim.bound, counted)
            found += [broken] if broken else []
    return tuple(found)


def _latency(claim: Claim, bound: float, counted: Sequence[Counted]) -> Broken | None:
    """Judge a percentile: since when more requests than it allows took longer, and whether chance explains them."""
    q = QUANTILES[claim.metric]
    trends = [
        Trend(Tail(item).above(bound) - (1 - q) * item.requests, q * (1 - q) * item.requests, _seconds(item))
        for item in counted
    ]
    start = onset(trends)
    if start is None:
        return None
    run = counted[start:]
    slow = [Tail(item, "lower").above(bound) for item in run]
    requests = sum(item.requests for item in run)
    independent = effective(slow, [item.requests for item in run])
    if sum(slow) < _FEWEST or sum(slow) / requests - (1 - q) <= SURE * sqrt(q * (1 - q) / independent):
        return None
    value, low, high = quantile(run, q, independent)
    measured = Measured(value=value, low=low, high=high, unit="s", n=requests, meter=_METER)
    if value >= ENDLESS_S:
        failed = sum(item.failed for item in run)
        words = f"{claim.metric} has no end since {{since}}: {failed:,} of {requests:,} requests got no answer"
        words += f" (promised <= {_time(bound)})"
    else:
        words = f"{claim.metric} is {above(value / bound)} the plan since {{since}} ("
        words += f"{_time(value)}, promised <= {_time(bound)}; 90 % interval {_time(low)} .. {_time(high)}; "
        words += f"{requests:,} requests; meter: {_METER})"
    return Broken("performance", claim.metric, words, run[0].began_s, claim=claim, bound=bound, measured=measured)


def _because(broken: Broken, counted: Sequence[Counted], planned: float | None, sustained: float | None) -> str:
    """Return what the counts say of the reason: too much load, or a process that is not let run.

    sustained: requests per second that the plan surely has room for
    """
    assert broken.bound is not None, "a percentile is broken against a bound"
    q, bound = QUANTILES[broken.what], broken.bound
    run = [stretch for stretch in counted if stretch.began_s <= broken.began_s]
    rate, low, _ = _rate(run)
    if planned is not None and low > planned and rate > (1 + _SLIGHT) * planned:
        load = f"; the load is {_per_second(rate)}, planned for {_per_second(planned)}"
        if sustained is not None and low > sustained:
            return f"{load}, and the plan sustains {_per_second(sustained)}: the load is the reason"
        return f"{load}: the promise was made for that"
    whole = merged(run)
    arrivals = sum(count for _, count in whole.delay)
    lain = whole.model_copy(update={"latency": ((0, arrivals),), "requests": arrivals, "failed": 0})
    if arrivals and Tail(lain).above(bound / 2) > (1 - q) * arrivals:
        return "; what arrives lies unread for long: something else takes the processors, or stops the service"
    return ""


def _load(planned: float | None, counted: Sequence[Counted]) -> Broken | None:
    """Judge whether more comes than was planned for."""
    if planned is None:
        return None
    most = (1 + _SLIGHT) * planned
    trends = [Trend(item.requests - most * _seconds(item), most * _seconds(item), _seconds(item)) for item in counted]
    start = onset(trends)
    if start is None:
        return None
    run = counted[start:]
    rate, low, high = _rate(run)
    requests = sum(item.requests for item in run)
    if requests - most * sum(map(_seconds, run)) < _BURST_S * planned or rate - SURE * (rate - low) / Z90 <= most:
        return None
    words = f"the load is {_per_second(rate)} since {{since}}, planned for {_per_second(planned)}: the promises "
    words += "were made for that; state the new load in the intent and plan again"
    measured = Measured(
        value=rate, low=low, high=high, unit="1/s", n=requests, meter="requests that the service counted"
    )
    return Broken("load", "load", words, run[0].began_s, bound=planned, measured=measured)


def _rate(run: Sequence[Counted]) -> tuple[float, float, float]:
    """Return requests per second with a 90 % interval; as wide as minutes differ where they do more than by chance."""
    seconds = sum(map(_seconds, run))
    requests = sum(item.requests for item in run)
    rate = requests / seconds
    variance = float(requests)
    if len(run) > 2:
        differ = sum((item.requests - rate * _seconds(item)) ** 2 for item in run)
        variance = max(variance, differ * len(run) / (len(run) - 1))
    margin = Z90 * sqrt(variance) / seconds
    return rate, max(0.0, rate - margin), rate + margin


def _failures(counted: Sequence[Counted]) -> Broken | None:
    """Judge requests without an answer, where no promise does."""
    allowed = _FAILING * (1 - _FAILING)
    trends = [
        Trend(item.failed - _FAILING * item.requests, allowed * item.requests, _seconds(item)) for item in counted
    ]
    start = onset(trends)
    if start is None:
        return None
    run = counted[start:]
    failed, requests = sum(item.failed for item in run), sum(item.requests for item in run)
    independent = effective([item.failed for item in run], [item.requests for item in run])
    if failed < _FEWEST or failed / requests - _FAILING <= SURE * sqrt(allowed / independent):
        return None
    words = f"{failed:,} of {requests:,} requests got no answer since {{since}}"
    return Broken("unhealthy", "requests", words, run[0].began_s)


def _throughput(claim: Claim, bound: float, counted: Sequence[Counted]) -> Broken | None:
    """Judge answers per second in the minutes in which at least as many were asked for as are promised."""
    asked = [item for item in counted if item.requests >= bound * _seconds(item)]
    trends = [
        Trend(bound * _seconds(item) - (item.requests - item.failed), bound * _seconds(item), _seconds(item))
        for item in asked
    ]
    start = onset(trends)
    if start is None or asked[-1] is not counted[-1]:
        return None
    run = asked[start:]
    seconds, answered = sum(map(_seconds, run)), sum(item.requests - item.failed for item in run)
    rate, spread = answered / seconds, sqrt(max(answered, 1)) / seconds
    if rate + SURE * spread >= bound:
        return None
    words = f"throughput is {percent(1 - rate / bound)} below the plan since {{since}} "
    words += f"({_per_second(rate)} answered, promised >= {_per_second(bound)})"
    low, high = max(0.0, rate - Z90 * spread), rate + Z90 * spread
    measured = Measured(
        value=rate, low=low, high=high, unit="1/s", n=answered, meter="answers that the service counted"
    )
    return Broken("performance", "throughput", words, run[0].began_s, claim=claim, bound=bound, measured=measured)


def _seconds(stretch: Counted) -> float:
    return stretch.began_s - stretch.ended_s


def above(ratio: float) -> str:
    """Return by how much something is too large, in words that go on with what it is compared to."""
    return f"{percent(ratio - 1)} above" if ratio < _MANIFOLD else f"{ratio:,.0f} times what is promised in"


def percent(share: float) -> str:
    """Return a share as people write it: ``31 %``, and ``0.4 %`` where it is small."""
    return f"{100 * share:,.0f} %" if share >= 0.0095 else f"{100 * share:.1g} %"


def _time(seconds: float) -> str:
    return "no end" if seconds >= ENDLESS_S else format_quantity(seconds, Dimension.TIME)


def _per_second(rate: float) -> str:
    return format_quantity(rate, Dimension.RATE)
