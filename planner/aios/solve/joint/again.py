"""Choosing again for some intents while all others stay: a small model that the engine solves exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aios.solve.cpsat import Engine, Model, Term
from aios.solve.joint.grid import Floats, Grid, Ints
from aios.solve.joint.plan import Plan, Standing
from aios.solve.joint.target import Target

__all__ = ["Again", "Limited", "choose_again"]

_SLICES = 1000
"""Into how many slices a row is cut to say by how much it is exceeded."""
_FINE = 10**6
"""Steps of cost that the widest choice of a model has where costs have no unit: more of them slow the engine down."""


class Again(NamedTuple):
    """plan: at least as good as before · proved: whether nothing better is possible with the columns given ·
    bound: in whole steps, of all plans with those columns; None where nobody knows one · step: what costs were
    rounded to"""

    plan: Plan
    proved: bool
    bound: float | None
    step: float


class Limited(NamedTuple):
    """capacity: of rows, less where single machines hold less than they have in all · fines: row -> what exceeding all
    of it costs, in whole steps"""

    capacity: Ints
    fines: Floats

    def cost(self, plan: Plan, target: Target) -> float:
        """Return what a plan costs with what it exceeds."""
        over = np.maximum(plan.load - self.capacity, 0) / np.maximum(plan.grid.capacity, 1)
        return plan.cost(target.costs) + float((over * self.fines).sum())


class _Small:
    """The model of a few intents. chosen: (variable, option) · counts: (variable, column, parts for each unit of it)"""

    def __init__(self, grid: Grid, plan: Plan) -> None:
        self.grid, self.plan = grid, plan
        self.model = Model()
        self.hints: list[int] = []
        self.chosen: list[Term] = []
        self.counts: dict[int, list[tuple[int, int, int]]] = {}
        self.terms: dict[int, list[Term]] = {}
        self.most: dict[int, int] = {}

    def variable(self, high: int, hint: int) -> int:
        self.hints.append(hint)
        return self.model.variable(0, high)

    def add(self, intent: int, columns: Sequence[int]) -> None:
        """Let an intent stand in some columns."""
        grid, now = self.grid, dict(self.plan.of[intent])
        by_option: dict[int, list[int]] = {}
        for column in columns:
            by_option.setdefault(int(grid.option[column]), []).append(column)
        literals: list[int] = []
        self.counts[intent] = []
        self._largest: dict[int, int] = {}
        for option, own in by_option.items():
            parts = int(grid.parts[option])
            if parts == 1 or len(own) == 1:
                literals += [self._whole(intent, option, column, parts, now) for column in own]
            else:
                literals.append(self._parted(intent, option, own, parts, now))
        self.model.exactly_one(literals)
        for row, amount in self._largest.items():
            self.most[row] = self.most.get(row, 0) + amount

    def _whole(self, intent: int, option: int, column: int, parts: int, now: Mapping[int, int]) -> int:
        """Let all parts of an option stand in one column; return whether they do."""
        here = self.variable(1, int(now.get(column, 0) == parts))
        if self.grid.most[column] < parts:
            self.model.forbid([here])
        self.chosen.append((here, option))
        self._count(intent, here, column, parts, 1)
        return here

    def _parted(self, intent: int, option: int, own: Sequence[int], parts: int, now: Mapping[int, int]) -> int:
        """Let the parts of an option stand in several columns; return whether it is chosen."""
        chosen = self.variable(1, int(any(column in now for column in own)))
        self.chosen.append((chosen, option))
        counts = [self.variable(min(parts, int(self.grid.most[c])), now.get(c, 0)) for c in own]
        self.model.linear([*((count, 1) for count in counts), (chosen, -parts)], 0, 0)
        for column, count in zip(own, counts, strict=True):
            self._count(intent, count, column, 1, min(parts, int(self.grid.most[column])))
        return chosen

    def _count(self, intent: int, variable: int, column: int, parts: int, most: int) -> None:
        self.counts[intent].append((variable, column, parts))
        rows, takes = self.grid.rows[column].tolist(), self.grid.takes[column].tolist()
        for row, amount in zip(rows, takes, strict=True):
            if amount:
                self.terms.setdefault(row, []).append((variable, amount * parts))
                self._largest[row] = max(self._largest.get(row, 0), amount * parts * most)

    def limit(
        self, residual: Sequence[int], exceeded: Sequence[bool], capacity: Sequence[int]
    ) -> list[tuple[int, int]]:
        """Keep all rows but those that are exceeded; return by how many slices these are, and which rows they are."""
        over: list[tuple[int, int]] = []
        for row, terms in sorted(self.terms.items()):
            if exceeded[row]:
                slice_ = max(1, capacity[row] // _SLICES)
                most = max(0, -(-(self.most[row] - residual[row]) // slice_))
                now = sum(weight * self.hints[variable] for variable, weight in terms)
                level = self.variable(most, max(0, -(-(now - residual[row]) // slice_)))
                self.model.linear([*terms, (level, -slice_)], high=residual[row])
                over.append((level, row))
            elif self.most[row] > residual[row]:
                self.model.linear(terms, high=residual[row])
        return over

    def standing(self, intent: int, values: Sequence[int]) -> Standing:
        return tuple((column, parts * values[v]) for v, column, parts in self.counts[intent] if values[v])


def choose_again(
    plan: Plan,
    target: Target,
    free: Mapping[int, Sequence[int]],
    limits: Limited,
    engine: Engine,
    share: float,
) -> Again:
    """Choose again for some intents, so that costs with those of exceeding rows fall.

    free: intent -> the columns that it may stand in, its own among them · share: of the engine's allowance
    """
    grid = plan.grid
    small = _Small(grid, plan)
    for intent, columns in free.items():
        small.add(intent, columns)
    capacity = limits.capacity
    residual = capacity - (plan.load - plan.load_of(free))
    over = small.limit(residual.tolist(), (plan.load > capacity).tolist(), grid.capacity.tolist())
    now = {intent: plan.option(intent) for intent in free}
    for held in target.held:
        rest = held.limit - plan.cost(held.costs) + sum(int(held.costs[option]) for option in now.values())
        small.model.linear([(v, int(held.costs[option])) for v, option in small.chosen], high=rest)
    terms, step = _scaled(target, small.chosen)
    fines = [(level, max(1, round(limits.fines[row] / _SLICES / step))) for level, row in over]
    small.model.minimize([*terms, *fines])
    small.model.hint(small.hints)
    answer = engine.solve(small.model, share)
    bound = None if over or answer.bound is None or answer.status == "infeasible" else answer.bound * step
    proved = answer.status in ("optimal", "infeasible")
    if not answer.values:
        return Again(plan, proved, bound, step)
    new = {intent: small.standing(intent, answer.values) for intent in free}
    changed = plan.change({intent: standing for intent, standing in new.items() if standing != plan.of[intent]})
    better = limits.cost(changed, target) < limits.cost(plan, target)
    return Again(changed if better else plan, proved, bound, step)


def _scaled(target: Target, chosen: Sequence[Term]) -> tuple[list[Term], float]:
    """Return the costs for the engine, and how many of the target's steps one of theirs is."""
    costs = [int(target.costs[option]) for _, option in chosen]
    step = target.unit if target.is_counted else max(1.0, max(costs, default=0) / _FINE)
    return [(variable, round(cost / step)) for (variable, _), cost in zip(chosen, costs, strict=True)], step
