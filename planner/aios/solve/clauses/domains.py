"""What the clauses about failure domains have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aios.solve.cpsat import Term
from aios.solve.model import Decisions

__all__ = ["keep_below", "merged", "parts_of", "presence"]


def parts_of(decisions: Decisions, intent: int) -> list[int]:
    """Return how many parts each option of an intent has."""
    return [priced.candidate.parts for priced in decisions.problem.priced(intent)]


def keep_below(
    decisions: Decisions, intent: int, sums: Iterable[tuple[Sequence[Term], int]], most: Sequence[int]
) -> None:
    """Keep each sum of an intent's parts within what its chosen option allows.

    sums: with how many domains each is of · most: in one, per option; an option that would allow less than nothing is
    out, and one that all domains together do not hold
    """
    chosen = decisions.chosen[intent]
    decisions.model.forbid([variable for variable, allowed in zip(chosen, most, strict=True) if allowed < 0])
    if all(allowed >= parts for allowed, parts in zip(most, parts_of(decisions, intent), strict=True)):
        return
    alike = len(set(most)) == 1
    for terms, many in sums:
        if alike:
            decisions.keep(terms, many * max(most[0], 0))
        else:
            allowed = [(variable, -many * max(some, 0)) for variable, some in zip(chosen, most, strict=True)]
            decisions.sums_only = False
            decisions.model.linear(merged([*terms, *allowed]), high=0)


def merged(terms: Iterable[Term]) -> list[Term]:
    """Return the same sum with each variable once."""
    found: dict[int, int] = {}
    for variable, weight in terms:
        found[variable] = found.get(variable, 0) + weight
    return list(found.items())


def presence(decisions: Decisions, terms: Sequence[Term], most: int) -> int:
    """Return a 0-1 variable that is 1 just where parts stand. most: parts that may"""
    there = decisions.model.variable(0, 1)
    decisions.model.linear([*terms, (there, -max(most, 1))], high=0)
    decisions.model.linear([*terms, (there, -1)], low=0)
    return there
