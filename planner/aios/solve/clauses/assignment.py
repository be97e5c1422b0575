"""Every intent runs in exactly one way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aios.records.selection import Clause
from aios.solve.clauses.rule import Rule
from aios.solve.model import Decisions
from aios.solve.problem import Problem

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per intent, ``<intent>/runs``."""
    for index, intent in enumerate(problem.intents):
        clause = Clause(id=f"{intent.name}/runs", intent=intent.name, text=f"{intent.name} runs", where=intent.where)
        yield Rule(clause, index, partial(_add, intent=index), runs=True)


def _add(decisions: Decisions, intent: int) -> None:
    if intent in decisions.chosen:
        decisions.model.exactly_one(decisions.chosen[intent])
