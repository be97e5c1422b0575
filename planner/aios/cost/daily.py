"""Services whose load changes over the day: one way to run all day, and as many replicas as each hour needs.

What changes with the hour is how many replicas run. At each rate it is the fewest that keep every requirement, never
more than the candidate has; more run at a higher rate, so that whatever runs at a low rate runs all day. Power, cost
and carbon are means over the day, in which each hour has its own rent and its own electricity; latency is that of the
worst rate. What requirements say of power, energy, cost, carbon and memory they say of the day.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from aios.cost.evidence import Evidence
from aios.cost.interval import Interval, estimate
from aios.cost.pricing import price
from aios.records.candidate import Candidate, Estimate, Period, Priced
from aios.records.fleet import Fleet, Node
from aios.records.intent import Intent, Load
from aios.records.model import ModelProfile

__all__ = ["Keeps", "price_daily"]

Keeps: TypeAlias = Callable[[Intent, Sequence[Priced]], Sequence[bool]]
"""Says which options keep every requirement of an intent."""

_HOURS = 24
_TRICKLE_PER_S = 1 / 86400
"""Rate at which hours without requests are priced: one a day. A replica stays for the first that comes."""
_MEANS = ("power", "cost", "carbon")
_OF_THE_DAY = frozenset({*_MEANS, "energy", "memory"})
"""Metrics of which a bound is one on the whole day."""
_TOLD = (*_MEANS, "throughput")


class _Rate(NamedTuple):
    """A rate and the hours in which it holds. priced: family -> number of replicas -> what they do then, and whether
    that keeps what is required of each hour"""

    per_s: float
    hours: tuple[int, ...]
    priced: dict[object, dict[int, tuple[Priced, bool]]]


def price_daily(
    intent: Intent,
    candidates: Sequence[Candidate],
    profiles: Mapping[str, ModelProfile],
    fleet: Fleet,
    evidence: Evidence,
    keeps: Keeps,
    *,
    steady: bool = False,
) -> tuple[Priced, ...]:
    """Return the candidates, in their order, with what each is expected to do over a day and in each part of it.

    steady: all replicas run all day, as rules on where they stand count on them
    """
    assert intent.load is not None
    wanted = _with_fewer(candidates)
    rates = []
    for per_s in sorted(set(intent.load.hourly_per_s)):
        hours = tuple(hour for hour, rate in enumerate(intent.load.hourly_per_s) if rate == per_s)
        then = _at(intent, intent.load, per_s)
        found = price(then, wanted, profiles, _at_hours(fleet, hours), evidence)
        priced: dict[object, dict[int, tuple[Priced, bool]]] = {}
        for item, kept in zip(found, keeps(then, found), strict=True):
            priced.setdefault(_family(item.candidate), {})[item.candidate.replicas] = item, kept
        rates.append(_Rate(per_s, hours, priced))
    timed = _times_matter(intent)
    return tuple(_over_the_day(candidate, rates, steady=steady, timed=timed) for candidate in candidates)


def _times_matter(intent: Intent) -> bool:
    """Say whether latencies count beyond the intent's own bounds: as a goal, or in a bound on a whole pipeline."""
    names = [goal.metric for goal in intent.goal]
    names += [bound.metric for bound in intent.pipeline.require] if intent.pipeline else []
    return any(name.startswith("latency.") for name in names)


def _with_fewer(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates, and each with every smaller number of replicas that may be chosen."""
    counts = sorted({candidate.replicas for candidate in candidates})
    found = {(_family(candidate), candidate.replicas): candidate for candidate in candidates}
    largest = {family: candidate for (family, _), candidate in sorted(found.items(), key=lambda item: item[0][1])}
    for family, candidate in largest.items():
        for replicas in (count for count in counts if count < candidate.replicas):
            found.setdefault((family, replicas), candidate.model_copy(update={"replicas": replicas}))
    return list(found.values())


def _family(candidate: Candidate) -> object:
    """Return everything about a candidate but its number of replicas."""
    kind = (candidate.model, candidate.device, candidate.executor, candidate.precision, candidate.quantization)
    ways = (candidate.compression, candidate.batch, candidate.threads, candidate.power_mode, candidate.nodes)
    spread = (candidate.devices, candidate.machines, tuple(sorted(candidate.degrees.items())))
    more = (tuple(sorted(candidate.settings.items())), tuple(sorted(candidate.tiers.items())))
    return (*kind, *ways, *spread, *more)


def _at(intent: Intent, load: Load, per_s: float) -> Intent:
    """Return the intent as of hours with this rate, without the bounds that the whole day is measured by."""
    then = load.model_copy(update={"rate_per_s": per_s or _TRICKLE_PER_S, "hourly_per_s": ()})
    require = tuple(
        item.model_copy(update={"bound": per_s}) if item.implied_by == "load" else item
        for item in intent.require
        if item.metric not in _OF_THE_DAY
    )
    return intent.model_copy(update={"load": then, "require": require})


def _at_hours(fleet: Fleet, hours: Sequence[int]) -> Fleet:
    """Return the fleet with the rents and the electricity of these hours."""
    if not any(node.hourly_usd_per_h or len(node.carbon_g_per_kwh) > 1 for node in fleet.nodes):
        return fleet
    return fleet.model_copy(update={"nodes": tuple(_node_at(node, hours) for node in fleet.nodes)})


def _node_at(node: Node, hours: Sequence[int]) -> Node:
    changed: dict[str, object] = {}
    if node.hourly_usd_per_h and node.price_usd_per_h is not None:
        mean = math.fsum(node.hourly_usd_per_h[hour] for hour in hours) / len(hours)
        changed["price_usd_per_h"] = node.price_usd_per_h.model_copy(update={"value": mean})
    if len(node.carbon_g_per_kwh) > 1:  # a series that is no whole number of days meets other hours each day
        step = math.gcd(_HOURS, len(node.carbon_g_per_kwh))
        changed["carbon_g_per_kwh"] = tuple(g for hour in hours for g in node.carbon_g_per_kwh[hour % step :: step])
    return node.model_copy(update=changed) if changed else node


def _over_the_day(candidate: Candidate, rates: Sequence[_Rate], *, steady: bool, timed: bool) -> Priced:
    """Put the parts of a day together. timed: no rate may be answered slower than the highest one"""
    family, most = _family(candidate), candidate.replicas
    slowest = rates[-1].priced[family][most][0] if timed else None
    running: list[Priced] = []
    fewest = most if steady else 1
    for rate in rates:
        own = rate.priced[family]
        able = (count for count in sorted(own) if fewest <= count <= most and _able(*own[count], slowest))
        fewest = most if rate is rates[-1] else next(able, most)
        running.append(own[fewest][0])
    weights = [len(rate.hours) / _HOURS for rate in rates]
    peak = running[-1]
    estimates, unknown = {}, dict(peak.unknown)
    for metric in peak.estimates:
        own_ones = [item.estimates.get(metric) for item in running]
        known = [found for found in own_ones if found is not None]
        if len(known) == len(running):
            estimates[metric] = _of_day(metric, known, weights, [rate.per_s for rate in rates])
        else:
            unknown[metric] = next(item.unknown.get(metric, "") for item in running if metric not in item.estimates)
    if "energy" in estimates:
        estimates["energy"] = _energy(peak.estimates["energy"], estimates["power"], weights, rates)
    periods = tuple(
        Period(hours=rate.hours, rate_per_s=rate.per_s, replicas=item.candidate.replicas, estimates=_told(item))
        for rate, item in zip(rates, running, strict=True)
    )
    changed = {"candidate": candidate, "estimates": estimates, "unknown": unknown, "periods": periods}
    return peak.model_copy(update=changed)


def _able(priced: Priced, kept: bool, slowest: Priced | None) -> bool:
    """Say whether replicas keep what is required, and are no slower than others where that matters."""
    if not kept or slowest is None:
        return kept
    pairs = [
        (priced.estimates.get(name), most) for name, most in slowest.estimates.items() if name.startswith("latency.")
    ]
    return all(own is not None and own.value <= most.value and own.high <= most.high for own, most in pairs)


def _told(priced: Priced) -> dict[str, Estimate]:
    """Return what is told of a part of a day."""
    return {name: found for name, found in priced.estimates.items() if name in _TOLD or name.startswith("latency.")}


def _of_day(metric: str, found: Sequence[Estimate], weights: Sequence[float], rates: Sequence[float]) -> Estimate:
    """Return what holds of a day, of what holds in its parts: of those the last has the highest rate."""
    if metric in _MEANS:
        parts = list(zip(weights, found, strict=True))
        low, value, high = (
            math.fsum(weight * getattr(item, end) for weight, item in parts) for end in ("low", "value", "high")
        )
        basis = f"mean over a day of {len(found)} rates; {found[-1].basis}"
        return estimate(metric, _around(low, value, high), found[-1].source, basis)
    if not metric.startswith(("latency.", "memory")):
        return found[-1]
    worst = max(range(len(found)), key=lambda place: (found[place].high, found[place].value))
    ends = (max(getattr(item, end) for item in found) for end in ("low", "value", "high"))
    basis = f"at {rates[worst]:g}/s, the worst of {len(found)} rates; {found[worst].basis}"
    return estimate(metric, Interval(*ends), found[worst].source, basis)


def _energy(peak: Estimate, power: Estimate, weights: Sequence[float], rates: Sequence[_Rate]) -> Estimate:
    """Return the energy per request: all that a day takes over all requests of the day."""
    mean = math.fsum(weight * rate.per_s for weight, rate in zip(weights, rates, strict=True))
    ends = Interval(power.low / mean, power.value / mean, power.high / mean)
    return estimate("energy", ends, peak.source, f"power / requests served, over the day; {peak.basis}")


def _around(low: float, value: float, high: float) -> Interval:
    """Return an interval that holds its value in spite of rounding."""
    return Interval(min(low, value), value, max(high, value))
