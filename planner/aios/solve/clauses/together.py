"""Affinity: every part of an intent stands where one of another intent does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aios.records.selection import Clause
from aios.records.where import NODE, Companion, place_of
from aios.solve.clauses.domains import parts_of, presence
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.cpsat import Answer
from aios.solve.model import Decisions
from aios.solve.problem import Problem

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per intent and companion, ``<intent>/together/<other>/<domain>``."""
    numbers = {intent.name: index for index, intent in enumerate(problem.intents)}
    for index, intent in enumerate(problem.intents):
        for number, companion in enumerate(intent.placement.together):
            if companion.intent not in numbers:
                continue
            clause = Clause(
                id=f"{intent.name}/together/{companion.intent}/{companion.by}",
                intent=intent.name,
                text=companion.together(intent.name),
                where=place_of(intent.spans, intent.where, "together", number, "with"),
            )
            add = partial(_add, intent=index, other=numbers[companion.intent], companion=companion)
            ease = partial(_ease, intent=index, other=numbers[companion.intent], companion=companion)
            yield Rule(clause, index, add, ease=ease)


def _add(decisions: Decisions, intent: int, other: int, companion: Companion) -> None:
    """A companion that is not planned at all restricts nothing."""
    if intent not in decisions.chosen or other not in decisions.chosen:
        return
    decisions.sums_only = False
    both = (*decisions.domains(intent, companion.by).values(), *decisions.domains(other, companion.by).values())
    if companion.by != NODE and any(many > 1 for _, many in both):
        return  # of several domains that count together nobody knows which
    beside = decisions.standing(other, companion.by)
    most = max(parts_of(decisions, intent), default=0)
    for domain, terms in decisions.standing(intent, companion.by).items():
        if domain not in beside:
            decisions.model.linear(terms, high=0)
            continue
        there = decisions.model.variable(0, 1)
        decisions.model.linear([*terms, (there, -most)], high=0)
        decisions.model.linear([*beside[domain], (there, -1)], low=0)


def _ease(decisions: Decisions, intent: int, other: int, companion: Companion) -> Eased:
    """Find in how few domains the intent can stand alone."""
    beside = decisions.standing(other, companion.by)
    most = max(parts_of(decisions, intent), default=0)
    alone = []
    for domain, terms in decisions.standing(intent, companion.by).items():
        there = presence(decisions, terms, most)
        without = decisions.model.variable(0, 1)
        decisions.model.linear([*beside.get(domain, ()), (there, -1), (without, 1)], low=0)
        alone.append(without)

    def read(answer: Answer) -> tuple[str, float]:
        count = sum(answer.values[without] for without in alone)
        return f"leave it out: it stands alone on {count} x {companion.by} then", float(count)

    return Eased(tuple((without, 1) for without in alone), read)
