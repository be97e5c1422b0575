"""Choosing again for some intents while all others stay: a small model that the engine solves exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aios.solve.cpsat import Engine, Model, Term
from aios.solve.joint.grid import Grid
from aios.solve.joint.target import Target
from aios.solve.joint.yard import Standing, Yard

__all__ = ["Again", "choose_again"]

_FINE = 10**6
"""Steps of cost that the widest choice of a model has where costs have no unit: more of them slow the engine down."""


class Again(NamedTuple):
    """status: the engine's, about the sums of all machines of a node · bound: in whole steps, of what the free intents
    cost, None where nobody knows one · step: what costs were rounded to"""

    status: str
    bound: float | None
    step: float


class _Small:
    """The model of a few intents. chosen: (variable, option) · counts: intent -> (variable, column, parts for each unit
    of it)"""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.model = Model()
        self.hints: list[int] = []
        self.chosen: list[Term] = []
        self.counts: dict[int, list[tuple[int, int, int]]] = {}
        self.terms: dict[int, list[Term]] = {}

    def variable(self, high: int, hint: int) -> int:
        """Add a variable from 0 on."""
        self.hints.append(hint)
        return self.model.variable(0, high)

    def add(self, intent: int, columns: Sequence[int], now: Mapping[int, int]) -> list[int]:
        """Let an intent stand in some columns; return what says whether it is in which. now: column -> parts"""
        by_option: dict[int, list[int]] = {}
        for column in columns:
            by_option.setdefault(int(self.grid.option[column]), []).append(column)
        self.counts[intent] = []
        literals: list[int] = []
        for option, own in by_option.items():
            parts = int(self.grid.parts[option])
            if parts == 1 or len(own) == 1:
                literals += [self._whole(intent, option, c, parts, now) for c in own if self.grid.most[c] >= parts]
            else:
                literals.append(self._parted(intent, option, own, parts, now))
        return literals

    def _whole(self, intent: int, option: int, column: int, parts: int, now: Mapping[int, int]) -> int:
        """Let all parts of an option stand in one column; return whether they do."""
        here = self.variable(1, int(now.get(column, 0) == parts))
        self.chosen.append((here, option))
        self._count(intent, here, column, parts)
        return here

    def _parted(self, intent: int, option: int, own: Sequence[int], parts: int, now: Mapping[int, int]) -> int:
        """Let the parts of an option stand in several columns; return whether it is chosen."""
        chosen = self.variable(1, int(any(column in now for column in own)))
        self.chosen.append((chosen, option))
        counts = [self.variable(min(parts, int(self.grid.most[c])), now.get(c, 0)) for c in own]
        self.model.linear([*((count, 1) for count in counts), (chosen, -parts)], 0, 0)
        for column, count in zip(own, counts, strict=True):
            self._count(intent, count, column, 1)
        return chosen

    def _count(self, intent: int, variable: int, column: int, parts: int) -> None:
        self.counts[intent].append((variable, column, parts))
        rows, takes = self.grid.rows[column].tolist(), self.grid.takes[column].tolist()
        for row, amount in zip(rows, takes, strict=True):
            if amount:
                self.terms.setdefault(row, []).append((variable, amount * parts))

    def standing(self, intent: int, values: Sequence[int]) -> list[tuple[int, int]]:
        """Return the columns of an intent, with how many parts stand there."""
        return [(column, parts * values[v]) for v, column, parts in self.counts[intent] if values[v]]


def choose_again(
    yard: Yard, target: Target, free: Mapping[int, Sequence[int]], engine: Engine, share: float, *, waits: bool = True
) -> Again:
    """Choose again for some intents, so that fewer wait, or their costs fall; the yard holds what is found, if it can.

    free: intent -> the columns that it may stand in, its own among them · share: of the engine's allowance ·
    waits: whether those that stand nowhere may go on to do so
    """
    before = {intent: yard.leave(intent) for intent in free}
    small, waiting = _Small(yard.grid), list[int]()
    for intent, columns in free.items():
        literals = small.add(intent, columns, _numbers(before[intent]))
        if waits and not before[intent]:
            waiting.append(small.variable(1, 1))
            literals.append(waiting[-1])
        small.model.exactly_one(literals)
    for row, terms in sorted(small.terms.items()):
        small.model.linear(terms, high=int(yard.grid.capacity[row] - yard.load[row]))
    for held in target.held:
        rest = held.limit - yard.cost(held.costs)
        small.model.linear([(v, int(held.costs[option])) for v, option in small.chosen], high=rest)
    terms, step = _scaled(target, small.chosen)
    dear = 1 + sum({option: cost for (_, option), (_, cost) in zip(small.chosen, terms, strict=True)}.values())
    small.model.minimize([*terms, *((variable, dear) for variable in waiting)])
    if all(before.values()):
        small.model.hint(small.hints)
    answer = engine.solve(small.model, share)
    found = {intent: small.standing(intent, answer.values) for intent in free} if answer.values else {}
    _settle(yard, target, before, found)
    known = answer.bound is not None and not waiting and answer.status != "infeasible"
    return Again(answer.status, answer.bound * step if known and answer.bound is not None else None, step)


def _settle(
    yard: Yard, target: Target, before: Mapping[int, Standing], found: Mapping[int, Sequence[tuple[int, int]]]
) -> None:
    """Put what was found onto single machines, those first that take most there; put back all if that is no better."""
    grid = yard.grid

    def size(intent: int) -> tuple[float, int]:
        columns = [column for column, _ in found[intent]]
        return (
            -max(float((grid.takes[c] / np.maximum(grid.capacity[grid.rows[c]], 1)).max()) for c in columns),
            intent,
        )

    stand = [intent for intent, columns in found.items() if columns]
    was = sum(int(target.costs[int(grid.option[own[0].column])]) for own in before.values() if own)
    new = sum(int(target.costs[int(grid.option[found[intent][0][0]])]) for intent in stand)
    more = len(stand) - sum(map(bool, before.values()))
    is_better = more > 0 or (more == 0 and new < was)
    if is_better and all(
        yard.stand(intent, found[intent], sum(number for _, number in found[intent]))
        for intent in sorted(stand, key=size)
    ):
        return
    for intent, standing in before.items():
        yard.leave(intent)
        yard.back(intent, standing)


def _numbers(standing: Standing) -> dict[int, int]:
    found: dict[int, int] = {}
    for spot in standing:
        found[spot.column] = found.get(spot.column, 0) + spot.number
    return found


def _scaled(target: Target, chosen: Sequence[Term]) -> tuple[list[Term], float]:
    """Return the costs for the engine, and how many of the target's steps one of theirs is."""
    costs = [int(target.costs[option]) for _, option in chosen]
    step = target.unit if target.is_counted else max(1.0, max(costs, default=0) / _FINE)
    return [(variable, round(cost / step)) for (variable, _), cost in zip(chosen, costs, strict=True)], step
