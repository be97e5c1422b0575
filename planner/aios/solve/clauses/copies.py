"""Copies of a stated demand that must stand: all of them do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aios.records.selection import Clause
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.cpsat import Answer
from aios.solve.model import Decisions
from aios.solve.problem import Problem

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per demand of several copies that is required, ``<demand>/stands``."""
    for index, stated in problem.stated.items():
        demand = stated.demand
        if not demand.required or demand.copies == 1:
            continue
        text = f"{demand.copies:,} copies of {demand.takes} stand"
        clause = Clause(id=f"{demand.name}/stands", intent=demand.name, text=text, where=demand.where)
        yield Rule(
            clause,
            index,
            partial(_add, intent=index),
            ease=partial(_ease, intent=index),
            keeps=partial(_kept, intent=index),
        )


def _kept(problem: Problem, intent: int) -> list[bool]:
    copies = problem.stated[intent].demand.copies
    return [priced.candidate.parts == copies for priced in problem.priced(intent)]


def _add(decisions: Decisions, intent: int) -> None:
    if intent in decisions.chosen:
        kept = _kept(decisions.problem, intent)
        decisions.model.forbid([v for v, keeps in zip(decisions.chosen[intent], kept, strict=True) if not keeps])


def _ease(decisions: Decisions, intent: int) -> Eased:
    """Find the most copies that can stand."""
    wanted = decisions.problem.stated[intent].demand.copies
    parts = [priced.candidate.parts for priced in decisions.problem.priced(intent)]
    terms = [(variable, wanted - own) for variable, own in zip(decisions.chosen[intent], parts, strict=True)]

    def read(answer: Answer) -> tuple[str, float]:
        found = parts[decisions.picked(answer.values)[intent]]
        return f"{found:,} {_copies(found)} instead of {wanted:,}", float(found)

    return Eased(tuple(terms), read)


def _copies(number: int) -> str:
    return "copy" if number == 1 else "copies"
