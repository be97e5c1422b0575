"""In which order the options of an intent are told, and what is wrong with those that it cannot choose."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aios.records.candidate import Priced
from aios.records.intent import Intent
from aios.records.metrics import is_endless
from aios.records.selection import Clause, LedgerRow

__all__ = ["broken", "ranked"]


def broken(option: Priced, intent: Intent) -> tuple[LedgerRow, ...]:
    """Return the requirements that an option's estimates do not show to hold, as the checker sees them."""
    from aios.check import requirement_rows

    return tuple(row for row in requirement_rows(intent, option) if not row.holds)


def ranked(options: Sequence[Priced], intent: Intent, chosen: Priced | None = None) -> list[Priced]:
    """Return the options, the chosen one first, then what meets every requirement, by the intent's goals.

    What does not follows by how many it breaks and by the goals; where nothing meets them all, by how far it is off,
    the nearest miss first: what is unknown or without end is further off than anything known.
    """
    missed = [broken(option, intent) for option in options]
    near = chosen is None and all(missed)
    keys = [
        (
            chosen is None or option.candidate != chosen.candidate,
            _distance(option, rows) if near else (len(rows),),
            *_goals(option, intent),
            option.candidate.id,
        )
        for option, rows in zip(options, missed, strict=True)
    ]
    return [options[place] for place in sorted(range(len(options)), key=lambda place: keys[place])]


def _goals(option: Priced, intent: Intent) -> list[float]:
    """Return the values of the goals, the smaller the better."""
    found = []
    for goal in intent.goal:
        estimate = option.estimates.get(goal.metric)
        sign = 1 if goal.direction == "minimize" else -1
        found.append(sign * estimate.value if estimate else math.inf)
    return found


def _distance(option: Priced, rows: Sequence[LedgerRow]) -> tuple[float, ...]:
    """Return how many bounds are missed by no known factor, then the largest known factor, as its logarithm; where the
    pessimistic end has none, that of the expected value."""
    factors, endless = [], 0
    for row in rows:
        factor = _factor(row.clause, row.value)
        if factor is None:
            endless += 1
            expected = option.estimates.get(str(row.clause.metric))
            factor = _factor(row.clause, expected.value if expected else None)
        factors.append(0.0 if factor is None else factor)
    return (endless, max(factors, default=0.0))


def _factor(clause: Clause, value: float | None) -> float | None:
    """Return the logarithm of the factor by which a value misses a bound; None where there is none."""
    if value is None or is_endless(str(clause.metric), value) or not clause.bound or value <= 0:
        return None
    return abs(math.log(value / clause.bound))
