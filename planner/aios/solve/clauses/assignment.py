"""Every intent runs in exactly one way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aios.records.demanded import Demanded
from aios.records.selection import Clause
from aios.solve.clauses.rule import Rule
from aios.solve.model import Decisions
from aios.solve.problem import Problem

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per intent, ``<intent>/runs``; of a demand ``<demand>/copy``, or ``<demand>/stands`` for one."""
    for index, intent in enumerate(problem.intents):
        stated = problem.stated.get(index)
        what, text = ("runs", f"{intent.name} runs") if stated is None else _copy(stated.demand)
        clause = Clause(id=f"{intent.name}/{what}", intent=intent.name, text=text, where=intent.where)
        yield Rule(clause, index, partial(_add, intent=index), runs=True)


def _copy(demand: Demanded) -> tuple[str, str]:
    """Return what is said of a demand of which a copy stands at all."""
    alone = demand.copies == 1
    return "stands" if alone else "copy", f"{'1' if alone else 'at least 1'} copy of {demand.takes} stands"


def _add(decisions: Decisions, intent: int) -> None:
    if intent in decisions.chosen:
        decisions.model.exactly_one(decisions.chosen[intent])
