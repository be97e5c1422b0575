"""Spreading: at most so many of an intent's parts stand in one failure domain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from aios.records.selection import Clause
from aios.records.where import Spread, place_of
from aios.solve.clauses.domains import keep_below, merged, parts_of
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.cpsat import Answer
from aios.solve.model import Decisions
from aios.solve.problem import Problem

__all__ = ["rules"]

_ROUNDING = 1e-9
"""Of a share of replicas: 3 of 10 are within ``30 %``, which is not a number that computers have."""


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per intent and kind of domain, ``<intent>/spread/<domain>``."""
    for index, intent in enumerate(problem.intents):
        for number, spread in enumerate(intent.placement.spread):
            clause = Clause(
                id=f"{intent.name}/spread/{spread.over}",
                intent=intent.name,
                text=spread.text(intent.name),
                where=place_of(
                    intent.spans, intent.where, "spread", number, "max" if spread.share is None else "max_share"
                ),
            )
            add, ease = partial(_add, intent=index, spread=spread), partial(_ease, intent=index, spread=spread)
            yield Rule(clause, index, add, ease=ease)


def _add(decisions: Decisions, intent: int, spread: Spread) -> None:
    if intent in decisions.chosen:
        sums = decisions.domains(intent, spread.over).values()
        keep_below(decisions, intent, sums, [_most(spread, parts) or -1 for parts in parts_of(decisions, intent)])


def _most(spread: Spread, parts: int) -> int:
    """Return how many of so many parts may stand in one domain; where it is none, so many cannot stand at all."""
    if spread.share is None:
        return parts if spread.most is None else spread.most
    return math.floor(spread.share * parts + _ROUNDING)


def _ease(decisions: Decisions, intent: int, spread: Spread) -> Eased:
    """Find the smallest number, or share of the chosen option's parts, that the fullest domain can have."""
    parts, sums = parts_of(decisions, intent), decisions.standing(intent, spread.over)
    counts = [(count, of) for of in sorted(set(parts)) for count in range(1, of + 1)]
    most = sorted((_size(spread, count, of), count, of) for count, of in counts)
    levels = {(count, of): decisions.model.variable(0, 1) for _, count, of in most}
    chosen = decisions.chosen[intent]
    for of in sorted(set(parts)):
        alike = [(variable, -1) for variable, own in zip(chosen, parts, strict=True) if own == of]
        own_levels = [(level, 1) for (_, whole), level in levels.items() if whole == of]
        decisions.model.linear([*own_levels, *alike], 0, 0)
    for terms in sums.values():
        limit = [(level, -count) for (count, _), level in levels.items()]
        decisions.model.linear(merged([*terms, *limit]), high=0)
    ranks = {size: rank for rank, size in enumerate(dict.fromkeys(size for size, _, _ in most))}

    def read(answer: Answer) -> tuple[str, float]:
        taken = next((count, of) for (count, of), level in levels.items() if answer.values[level])
        return _told(spread, *taken), _size(spread, *taken)

    return Eased(tuple((levels[count, of], ranks[size]) for size, count, of in most), read)


def _size(spread: Spread, count: int, of: int) -> float:
    return float(count) if spread.share is None else count / of


def _told(spread: Spread, count: int, of: int) -> str:
    if spread.share is None:
        return f"{count} instead of {spread.most}"
    percent = math.ceil(1000 * count / of - _ROUNDING) / 10
    return f"{percent:g} % instead of {100 * spread.share:g} %"
