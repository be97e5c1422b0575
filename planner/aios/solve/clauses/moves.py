"""What stands stays: the intents that must not move, and how many others may."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aios.records.base import Span
from aios.records.selection import Clause
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.cpsat import Answer, Term
from aios.solve.model import Decisions
from aios.solve.moving import moves_of
from aios.solve.problem import Problem

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield ``<intent>/stays`` for each frozen intent, and ``moves`` where their number is limited."""
    for index, intent in enumerate(problem.intents):
        if intent.name in problem.moving.frozen:
            clause = Clause(
                id=f"{intent.name}/stays",
                intent=intent.name,
                text=f"{intent.name} stays as it is (--freeze)",
                where=Span(file="--freeze", line=1, column=1),
            )
            yield Rule(clause, index, partial(_freeze, intent=index), keeps=partial(_stay, intent=index))
    most = problem.moving.most
    if most is not None:
        clause = Clause(
            id="moves",
            intent=None,
            metric="moves",
            bound=float(most),
            text=f"moves <= {most} (--max-moves)",
            where=Span(file="--max-moves", line=1, column=1),
        )
        yield Rule(clause, None, partial(_limit, most=most), ease=_ease)


def _stay(problem: Problem, intent: int) -> list[bool]:
    """Say which options leave a frozen intent as it is: the very same one, at its places."""
    standing = problem.moving.standing[problem.intents[intent].name]
    return [option.stays and option.id == standing.option for option in problem.options[intent]]


def _freeze(decisions: Decisions, intent: int) -> None:
    if intent in decisions.chosen:
        kept = _stay(decisions.problem, intent)
        decisions.model.forbid([v for v, keeps in zip(decisions.chosen[intent], kept, strict=True) if not keeps])


def _limit(decisions: Decisions, most: int) -> None:
    terms = _terms(decisions)
    if len({variable for variable, _ in terms}) > most:
        decisions.model.linear(terms, high=most)


def _terms(decisions: Decisions) -> list[Term]:
    return [
        (variable, 1)
        for intent, variables in decisions.chosen.items()
        for variable, moves in zip(variables, moves_of(decisions.problem, intent), strict=True)
        if moves
    ]


def _ease(decisions: Decisions) -> Eased:
    """Find the fewest moves that would do."""
    terms = _terms(decisions)

    def read(answer: Answer) -> tuple[str, float]:
        needed = sum(answer.values[variable] for variable, _ in terms)
        return str(needed), float(needed)

    return Eased(tuple(terms), read)
