"""Services whose load changes over the day: every hour has its replicas, they keep what is required, and the figures of
the day are those of its hours. Twin of the daily prices and of the solver's periods.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from aios.check.requirement import requirement_rows
from aios.check.site import Site
from aios.records.candidate import Period, Priced
from aios.records.intent import Intent, Requirement
from aios.records.selection import Clause, LedgerRow, Placement, Selection

__all__ = ["HOURS", "at_hour", "hours_apart", "rows"]

HOURS = 24
_MEANS = ("power", "cost", "carbon")
_OF_THE_DAY = (*_MEANS, "energy", "memory")
_ROUNDING = 1e-9
"""Relative error of sums over the hours of a day."""


def hours_apart(selection: Selection) -> list[int]:
    """Return the first hour of each part of the day in which other replicas run, or do so at another rate."""
    parts = [part for placement in selection.placement.values() for part in placement if part.hourly]
    priced = [item for item in selection.chosen.values() if item.periods]
    found: dict[object, int] = {}
    for hour in range(HOURS):
        running = tuple(part.running(hour) for part in parts)
        rates = tuple(next((p.hours for p in item.periods if hour in p.hours), ()) for item in priced)
        found.setdefault((running, rates), hour)
    return list(found.values())


def at_hour(selection: Selection, hour: int) -> Selection:
    """Return the selection with what runs in one hour, at what it draws then."""
    placement = {
        name: tuple(
            part.model_copy(update={"replicas": part.running(hour), "hourly": ()})
            for part in placed
            if part.running(hour)
        )
        for name, placed in selection.placement.items()
    }
    chosen = {name: _then(priced, hour) for name, priced in selection.chosen.items()}
    return selection.model_copy(update={"placement": placement, "chosen": chosen})


def _then(priced: Priced, hour: int) -> Priced:
    period = next((item for item in priced.periods if hour in item.hours), None)
    if period is None:
        return priced
    candidate = priced.candidate.model_copy(update={"replicas": period.replicas})
    return priced.model_copy(update={"candidate": candidate, "estimates": period.estimates, "periods": ()})


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield the rows of each intent whose load changes."""
    watched = {other.intent for intent in site.intents for other in intent.placement.together}
    for intent in site.intents:
        if intent.load is None or not intent.load.hourly_per_s:
            continue
        priced = site.chosen(intent)
        periods = () if priced is None else priced.periods
        hours = sorted(hour for period in periods for hour in period.hours)
        yield _row(intent, "hours", "every hour of the day has its replicas", hours == list(range(HOURS)))
        if priced is None or hours != list(range(HOURS)):
            continue
        steady = intent.placement.survive is not None or intent.name in watched
        placed = site.selection.placement.get(intent.name, ())
        for period in periods:
            yield from _of_period(intent, priced, period, placed, steady=steady)
        yield _row(intent, "stays", "what runs at a lower rate runs at every higher one", _nested(periods, placed))
        yield from _of_day(intent, priced)


def _of_period(
    intent: Intent, priced: Priced, period: Period, placed: Sequence[Placement], *, steady: bool
) -> Iterator[LedgerRow]:
    assert intent.load is not None
    at = f"{period.hours[0]:02}:00"
    rates = {intent.load.hourly_per_s[hour] for hour in period.hours}
    yield _row(intent, f"{at}/rate", f"{period.rate_per_s:g}/s come at {at}", rates == {period.rate_per_s})
    parts = period.replicas * priced.candidate.machines
    stand = all(sum(part.running(hour) for part in placed) == parts for hour in period.hours)
    within = all(0 <= part.running(hour) <= part.replicas for part in placed for hour in period.hours)
    enough = 1 <= period.replicas <= priced.candidate.replicas
    all_ = not steady or period.replicas == priced.candidate.replicas
    text = f"{period.replicas} replicas run at {at}"
    yield _row(intent, f"{at}/replicas", text, stand and within and enough and all_)
    then = intent.model_copy(update={"require": tuple(_bounds_at(intent, period))})
    of_then = priced.model_copy(update={"estimates": {**priced.estimates, **period.estimates}})
    for row in requirement_rows(then, of_then):
        told = {"id": f"{row.clause.id}@{at}", "text": f"{row.clause.text} at {at}"}
        yield row.model_copy(update={"clause": row.clause.model_copy(update=told)})


def _bounds_at(intent: Intent, period: Period) -> Iterator[Requirement]:
    for item in intent.require:
        if item.metric not in _OF_THE_DAY:
            of_load = item.implied_by == "load"
            yield item.model_copy(update={"bound": period.rate_per_s}) if of_load else item


def _nested(periods: Sequence[Period], placed: Sequence[Placement]) -> bool:
    ordered = sorted(periods, key=lambda period: period.rate_per_s)
    return all(
        part.running(hour) <= part.running(later)
        for part in placed
        for low, high in pairwise(ordered)
        for hour in low.hours
        for later in high.hours
    )


def _of_day(intent: Intent, priced: Priced) -> Iterator[LedgerRow]:
    """Yield whether what is said of the day follows from its hours."""
    for name, whole in priced.estimates.items():
        told = [(len(period.hours) / HOURS, period.estimates.get(name)) for period in priced.periods]
        known = [(weight, found) for weight, found in told if found is not None]
        if name in _MEANS:
            pairs = [
                (math.fsum(weight * getattr(found, end) for weight, found in known), getattr(whole, end))
                for end in ("low", "value", "high")
            ]
            holds = all(math.isclose(mean, said, rel_tol=_ROUNDING) for mean, said in pairs)
            text = f"{name} is the mean of its hours"
        elif name.startswith("latency."):
            holds = all(found.high <= whole.high and found.value <= whole.value for _, found in known)
            text = f"{name} is that of the worst hour"
        else:
            continue
        yield _row(intent, f"day/{name}", text, len(known) == len(told) and holds)


def _row(intent: Intent, what: str, text: str, holds: bool) -> LedgerRow:
    clause = Clause(id=f"{intent.name}/{what}", intent=intent.name, text=f"{intent.name}: {text}", where=intent.where)
    return LedgerRow(clause=clause, value=None, slack=None, holds=holds)
