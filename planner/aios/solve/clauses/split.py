"""Services whose load is split: the groups of each serve all pieces of its load, each piece once.

Groups are alike, so that a later one serves no more than an earlier one; not where some of them stand already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise

from aios.records.selection import Clause
from aios.solve.clauses.rule import Rule
from aios.solve.cpsat import Term
from aios.solve.model import Decisions
from aios.solve.problem import Problem

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per service, ``<service>/split``."""
    groups: dict[str, list[int]] = {}
    for index, intent in enumerate(problem.intents):
        if intent.part is not None:
            groups.setdefault(intent.part.service, []).append(index)
    for service, members in groups.items():
        first = problem.intents[members[0]]
        assert first.part is not None
        text = f"all {first.part.of} pieces of the load of {service} are served"
        clause = Clause(id=f"{service}/split", intent=service, text=text, where=first.where)
        yield Rule(clause, None, partial(_add, members=members, pieces=first.part.of))


def _add(decisions: Decisions, members: Sequence[int], pieces: int) -> None:
    problem = decisions.problem
    sums = [_pieces(decisions, index) for index in members if index in decisions.chosen]
    if len(sums) < len(members):
        return
    decisions.model.linear([term for terms in sums for term in terms], pieces, pieces)
    if not any(problem.intents[index].name in problem.moving.standing for index in members):
        for one, other in pairwise(sums):
            decisions.model.linear([*one, *((variable, -count) for variable, count in other)], low=0)


def _pieces(decisions: Decisions, intent: int) -> list[Term]:
    options = decisions.problem.options[intent]
    pairs = zip(decisions.chosen[intent], options, strict=True)
    return [(variable, option.priced.pieces) for variable, option in pairs]
