"""What the intents take together stays within every budget. Twin of the solver's budget clause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aios.check.site import Site
from aios.records.objective import Budget
from aios.records.selection import Clause, LedgerRow

__all__ = ["rows"]

_ROUNDING = 1.1e-9
"""Of a budget, for each intent: what rounding to whole parts of the budget may hide."""


def rows(site: Site, budgets: Sequence[Budget]) -> Iterator[LedgerRow]:
    """Yield one row per budget: the sum of the pessimistic ends; a value that nobody knows keeps none.

    What is spent in all is asked of jobs alone: a service does not end.
    """
    for budget in budgets:
        jobs = {intent.name for intent in site.intents if budget.metric != "expense" or intent.train is not None}
        found = [priced.estimates.get(budget.metric) for name, priced in site.selection.chosen.items() if name in jobs]
        total = sum(estimate.high for estimate in found if estimate is not None)
        clause = Clause(
            id=f"budget/{budget.metric}",
            intent=None,
            metric=budget.metric,
            bound=budget.bound,
            text=f"{budget.text} for the whole plan",
            where=budget.where,
        )
        holds = None not in found and total <= budget.bound * (1 + _ROUNDING * len(found))
        yield LedgerRow(clause=clause, value=total, slack=budget.bound - total, holds=holds)
