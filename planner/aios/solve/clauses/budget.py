"""Budgets: what all intents of a plan take together stays within a bound.

Each counts at the pessimistic end of its estimate; an unknown value keeps no budget. Values are compared in parts of
the bound (``PARTS``), rounded down, as whole numbers: a plan may exceed a budget by one of these parts for each intent,
and the checker allows just that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from aios.records.intent import Intent
from aios.records.metrics import metric
from aios.records.objective import Budget
from aios.records.selection import Clause
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.cpsat import Answer, Term
from aios.solve.model import Decisions
from aios.solve.problem import Problem
from aios.solve.wording import sufficient

__all__ = ["PARTS", "concerns", "rules"]

PARTS = 10**9
"""Whole parts of a bound, and of the largest value where the bound itself is sought: sums of a billion of them stay far
from the engine's 63 bits, and a thousand intents are off by a millionth of the bound at most."""


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per budget, ``budget/<metric>``."""
    for budget in problem.budgets:
        clause = Clause(
            id=f"budget/{budget.metric}",
            intent=None,
            metric=budget.metric,
            bound=budget.bound,
            text=f"{budget.text} for the whole plan",
            where=budget.where,
        )
        yield Rule(clause, None, partial(_add, budget=budget), ease=partial(_ease, budget=budget))


def concerns(budget: Budget, intent: Intent) -> bool:
    """Say whether an intent has to do with a budget: what is spent in all is known of jobs, which end."""
    return budget.metric != "expense" or intent.train is not None


def _add(decisions: Decisions, budget: Budget) -> None:
    most = budget.bound * (1 + 1 / PARTS)
    terms: list[Term] = []
    out: list[int] = []
    for variable, value in _values(decisions, budget):
        if value is None or value > most:
            out.append(variable)
        elif value > 0:
            terms.append((variable, math.floor(value / budget.bound * PARTS)))
    decisions.model.forbid(out)
    if terms:
        decisions.model.linear(terms, high=PARTS)


def _values(decisions: Decisions, budget: Budget) -> Iterator[tuple[int, float | None]]:
    """Yield each option's variable with the pessimistic end of its estimate, None where that is unknown."""
    for intent, variables in decisions.chosen.items():
        if not concerns(budget, decisions.problem.intents[intent]):
            continue
        for variable, option in zip(variables, decisions.problem.options[intent], strict=True):
            found = option.priced.estimates.get(budget.metric)
            yield variable, None if found is None else found.high


def _ease(decisions: Decisions, budget: Budget) -> Eased | None:
    """Find the lowest budget that would do."""
    values = list(_values(decisions, budget))
    decisions.model.forbid([variable for variable, value in values if value is None])
    known = [(variable, value) for variable, value in values if value is not None]
    largest = max((value for _, value in known), default=0.0)
    terms = [(variable, math.floor(value / largest * PARTS)) for variable, value in known] if largest > 0 else []

    def read(answer: Answer) -> tuple[str, float]:
        needed = sum(value for variable, value in known if answer.values[variable])
        return sufficient(needed, metric(budget.metric)), needed

    return Eased(tuple(terms), read)
