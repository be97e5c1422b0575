"""What more of a budget would be worth: the plan chosen again with a little more of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.joins import NOTHING_KNOWN, Joins
from aios.records.objective import Budget, Objective, ShadowValue
from aios.records.selection import ObjectiveValue
from aios.solve.choose import choose
from aios.solve.limits import Limits

__all__ = ["shadow_values"]

_MORE = 0.01
"""Share of the bound by which it is raised. Options are whole, so that less may change nothing where a little more
would; a price at the margin, as the dual of a linear relaxation is, would promise what no plan reaches."""


def shadow_values(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    objective: Objective,
    limits: Limits,
    joins: Joins = NOTHING_KNOWN,
) -> tuple[ShadowValue, ...]:
    """Return what one unit more of each budget is worth, by choosing anew with 1 % more of it.

    It is told of the most important goal that becomes better, of the first one where none does. A budget is left out
    where no plan was found, and all are where there is no goal.
    """
    now = choose(intents, options, fleet, limits, objective, joins=joins).objective
    found = []
    for place, budget in enumerate(objective.budget if now else ()):
        larger = budget.model_copy(update={"bound": budget.bound * (1 + _MORE)})
        budgets = (*objective.budget[:place], larger, *objective.budget[place + 1 :])
        wider = objective.model_copy(update={"budget": budgets})
        after = {row.goal: row for row in choose(intents, options, fleet, limits, wider, joins=joins).objective}
        pairs = [(row, after[row.goal]) for row in now if row.goal in after]
        better = [pair for pair in pairs if _gain(*pair) > 0]
        found += [_worth(budget, larger.bound - budget.bound, *pair) for pair in (better or pairs)[:1]]
    return tuple(found)


def _gain(now: ObjectiveValue, then: ObjectiveValue) -> float:
    sign = -1.0 if "maximize " in now.goal.rpartition(": ")[2] else 1.0
    return sign * (now.value - then.value)


def _worth(budget: Budget, more: float, now: ObjectiveValue, then: ObjectiveValue) -> ShadowValue:
    gain = _gain(now, then)
    return ShadowValue(
        metric=budget.metric,
        bound=budget.bound,
        more=more,
        goal=now.goal,
        unit=now.unit,
        gain=gain,
        per_unit=gain / more if more else 0.0,
        where=budget.where,
    )
