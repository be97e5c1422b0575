"""Says why what was asked has no plan: poses what must be, all of it, and explains that."""

from __future__ import annotations

from aios.records.selection import Conflict
from aios.solve.asked import Asked
from aios.solve.clauses import rules_of
from aios.solve.contenders import unrivalled
from aios.solve.cpsat import Engine
from aios.solve.explain import explain
from aios.solve.holding import Holding
from aios.solve.problem import NO_STAYS, NOTHING, Problem
from aios.solve.staying import as_they_stand

__all__ = ["why_not"]

_TELLING = 1 / 6
"""Share of the allowance for saying why pipelines on many machines have no plan: each question is a hard one."""


def why_not(asked: Asked, *, large: bool) -> Conflict:
    """Return the conflict of all that must run, with every cap and budget as it is written.

    large: whether it was not chosen for by one exact model; of pipelines it is enough then that they have no plan
    whatever handing over between equal machines takes, if that is so
    """
    required = asked._replace(
        intents=[intent for intent in asked.intents if intent.required],
        demands=[demand for demand in asked.demands if demand.required],
    )
    whole = _posed(required, large=large)
    if not (large and asked.staged):
        return explain(whole, asked.limits)
    leading = unrivalled(required.intents, asked.options, asked.fleet, asked.budgets)
    return explain(_posed(required._replace(options=leading), large=large), asked.within(_TELLING).limits, whole)


def _posed(asked: Asked, *, large: bool) -> Problem:
    """Return the problem of which it is said why it has no plan; that something stands matters where it must stay."""
    if asked.moving.binds:
        return asked.posed(as_they_stand(asked.options, asked.moving))
    asked = asked._replace(moving=NOTHING)
    if large and asked.staged:
        loose = asked.posed(NO_STAYS, "unjoined")
        rules = rules_of(loose)
        if not Holding(loose, rules, Engine(asked.limits)).can_hold(range(len(rules))):
            return loose
    return asked.posed(NO_STAYS)
