"""Every requirement of every intent, compared with the chosen option's estimate.

Twin of the solver's requirement clause.
"""

from __future__ import annotations

from collections.abc import Iterator

from aios.check.site import Site
from aios.records.candidate import Estimate, Priced
from aios.records.intent import Intent, Requirement
from aios.records.metrics import metric
from aios.records.selection import Clause, LedgerRow

__all__ = ["requirement_rows", "rows"]

_ROUNDING = 1e-12
"""Relative error of floating-point arithmetic that breaks no bound: ``57 %`` parses to 0.5700000000000001."""


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per requirement; an unknown metric keeps no bound."""
    for intent in site.intents:
        yield from requirement_rows(intent, site.chosen(intent))


def requirement_rows(intent: Intent, priced: Priced | None) -> Iterator[LedgerRow]:
    """Yield one row per requirement of ``intent``, judged on the estimates of one of its options."""
    for position, requirement in enumerate(intent.require):
        before = sum(other.metric == requirement.metric for other in intent.require[:position])
        estimate = None if priced is None else priced.estimates.get(requirement.metric)
        yield _row(intent, requirement, estimate, f"#{before + 1}" if before else "")


def _row(intent: Intent, requirement: Requirement, estimate: Estimate | None, nth: str) -> LedgerRow:
    clause = Clause(
        id=f"{intent.name}/{requirement.metric}{nth}",
        intent=intent.name,
        metric=requirement.metric,
        bound=requirement.bound,
        text=requirement.text,
        where=requirement.where,
    )
    if estimate is None:
        return LedgerRow(clause=clause, value=None, slack=None, holds=False)
    at_most = metric(requirement.metric).relation == "<="
    pessimistic = estimate.high if at_most else estimate.low
    value = estimate.value if intent.risk == "expected" else pessimistic
    slack = requirement.bound - value if at_most else value - requirement.bound
    return LedgerRow(clause=clause, value=value, slack=slack, holds=slack >= -_ROUNDING * abs(requirement.bound))
