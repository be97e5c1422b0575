"""Anti-affinity: no part of an intent stands where one of another intent, or another one of its own, does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aios.records.selection import Clause
from aios.records.where import place_of
from aios.solve.clauses.domains import keep_below, parts_of, presence
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.cpsat import Answer
from aios.solve.model import Decisions
from aios.solve.problem import Problem

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per intent and other intent, ``<intent>/apart/<other>/<domain>``."""
    numbers = {intent.name: index for index, intent in enumerate(problem.intents)}
    for index, intent in enumerate(problem.intents):
        for number, companion in enumerate(intent.placement.apart):
            other = numbers.get(companion.intent)
            if other is None:
                continue
            clause = Clause(
                id=f"{intent.name}/apart/{companion.intent}/{companion.by}",
                intent=intent.name,
                text=companion.apart(intent.name),
                where=place_of(intent.spans, intent.where, "apart", number, "from"),
            )
            add = partial(_add, intent=index, other=other, by=companion.by)
            ease = partial(_ease, intent=index, other=other, by=companion.by)
            yield Rule(clause, index, add, ease=ease)


def _add(decisions: Decisions, intent: int, other: int, by: str) -> None:
    """Another intent that is not planned at all restricts nothing."""
    if intent not in decisions.chosen or other not in decisions.chosen:
        return
    if other == intent:
        most = [1] * len(decisions.chosen[intent])
        keep_below(decisions, intent, decisions.domains(intent, by).values(), most)
        return
    for pair in _met(decisions, intent, other, by):
        decisions.model.at_most_one(pair)


def _met(decisions: Decisions, intent: int, other: int, by: str) -> Iterator[tuple[int, int]]:
    """Yield, for each domain in which both may stand, whether the one does and whether the other does."""
    own, theirs = decisions.domains(intent, by), decisions.domains(other, by)
    most = [max(parts_of(decisions, index), default=0) for index in (intent, other)]
    for domain in own:
        terms, many = own[domain]
        if domain in theirs and many == 1:  # of many machines each may have others
            decisions.exclusive.append((terms, theirs[domain][0]))
            yield presence(decisions, terms, most[0]), presence(decisions, theirs[domain][0], most[1])


def _ease(decisions: Decisions, intent: int, other: int, by: str) -> Eased:
    """Find in how few domains they can meet."""
    model, shared = decisions.model, []
    if other == intent:
        for terms in decisions.standing(intent, by).values():
            more = model.variable(0, max(parts_of(decisions, intent), default=0))
            model.linear([*terms, (more, -1)], high=1)
            shared.append(more)
    else:
        for pair in _met(decisions, intent, other, by):
            both = model.variable(0, 1)
            model.linear([*((there, 1) for there in pair), (both, -1)], high=1)
            shared.append(both)

    def read(answer: Answer) -> tuple[str, float]:
        count = sum(answer.values[variable] > 0 for variable in shared)
        return f"leave it out: they share {count} x {by} then", float(count)

    return Eased(tuple((variable, 1) for variable in shared), read)
