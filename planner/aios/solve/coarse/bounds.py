"""What no plan is better than, beside what a plan reaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aios.records.joins import Joins
from aios.records.selection import ObjectiveValue
from aios.solve.coarse.search import Bounding
from aios.solve.coarse.sifting import Sifted
from aios.solve.costs import Costs
from aios.solve.cpsat import Engine
from aios.solve.goals import BALANCE, levels_of
from aios.solve.joint.grid import Grid, Row
from aios.solve.optimise import Chosen, settle
from aios.solve.problem import Problem
from aios.solve.report import Solved

__all__ = ["Whole", "at_least", "bounded"]

_SMALL, _PROVABLE = 600, 3000
"""Options that may be in a better plan, up to which a proof is tried: always, and where the gap is worth it."""
_PROVING, _PRICING = 0.1, 0.01
"""Share of the allowance for it, and for the best of one pipeline."""
_NEAR = 1e-3
"""Gap from which on no proof is worth its while."""


class Whole(NamedTuple):
    """A problem with all of its options."""

    problem: Problem
    grid: Grid
    joins: Joins


def bounded(whole: Whole, sifted: Sifted, small: Problem, chosen: Chosen, engine: Engine) -> Chosen:
    """Return what was chosen among the options of ``small`` with bounds that hold for all plans."""
    assert chosen.picked is not None
    plan = _as_in(whole.problem, small, chosen.picked)
    near = _near(whole, sifted, plan)
    first = len(levels_of(whole.problem.intents, whole.problem.goals)[0].totals) == 1
    if first:
        least = max(sifted.bound, _by_pipeline(near, whole.joins, sifted, engine))
        sifted = sifted._replace(bound=min(least, float(sifted.costs.of(plan))))
    known = settle(_Cheapest(whole.problem, plan, sifted), ties=False).rows
    found = _with_bounds(chosen, known)
    left = sum(map(len, near.options))
    if left > (_SMALL if all(row.gap < _NEAR for row in found.rows) else _PROVABLE):
        return found
    search = Bounding(near, Grid(near), whole.joins, engine.part(_PROVING), _as_in(near, small, chosen.picked))
    return _with_bounds(chosen, settle(search, ties=False).rows or known)


def at_least(whole: Whole, sifted: Sifted, small: Problem, chosen: Chosen) -> Chosen:
    """Return what was chosen among the options of ``small`` with bounds by prices alone."""
    assert chosen.picked is not None
    plan = _as_in(whole.problem, small, chosen.picked)
    return _with_bounds(chosen, settle(_Cheapest(whole.problem, plan, sifted), ties=False).rows)


def _by_pipeline(near: Problem, joins: Joins, sifted: Sifted, engine: Engine) -> float:
    """Return what no better plan falls below, in whole steps: each pipeline at its best, at the prices of rows, less
    what all rows are worth."""
    pipelines: dict[str, list[int]] = {}
    for index, intent in enumerate(near.intents):
        pipelines.setdefault(intent.pipeline.name if intent.pipeline else intent.name, []).append(index)
    total = -sum(sifted.rows.values())
    for members in pipelines.values():
        total += _priced(
            near.only(members), joins, [sifted.whole(near, index) for index in members], sifted.rows, engine
        )
    return total


def _priced(
    problem: Problem, joins: Joins, costs: Sequence[Sequence[int]], prices: Mapping[Row, float], engine: Engine
) -> float:
    """Return the least that a pipeline costs with what it takes of rows."""
    search = Bounding(problem, Grid(problem), joins, engine.part(_PRICING), {})
    terms = search.priced(prices)
    terms += [
        (v, cost)
        for index, row in enumerate(costs)
        for v, cost in zip(search.decisions.chosen[index], row, strict=True)
    ]
    search.decisions.model.minimize(terms)
    answer = search.engine.solve(search.decisions.model)
    return -math.inf if answer.bound is None else float(answer.bound - len(terms))


def _near(whole: Whole, sifted: Sifted, plan: Mapping[int, int]) -> Problem:
    """Return the problem with those options that a better plan may hold."""
    level = levels_of(whole.problem.intents, whole.problem.goals)[0]
    if len(level.totals) > 1:
        return whole.problem
    cost = sifted.costs.of(plan)
    tolerance = level.totals[0].tolerance * abs(sifted.costs.real(cost)) / sifted.costs.step
    near = sifted.kept(whole.problem, whole.grid, cost + tolerance - sifted.bound)
    rows = zip(whole.problem.options, near.options, strict=True)
    kept = [tuple(o for o in row if o in own or o is row[plan[index]]) for index, (row, own) in enumerate(rows)]
    return near._replace(options=tuple(kept))


def _as_in(problem: Problem, other: Problem, picked: Mapping[int, int]) -> dict[int, int]:
    """Return the same choice by the indexes of a problem."""
    found = {}
    for intent, option in picked.items():
        id_ = other.options[intent][option].id
        found[intent] = next(place for place, own in enumerate(problem.options[intent]) if own.id == id_)
    return found


class _Cheapest:
    """Every intent at its cheapest, and the bound that prices prove: a search that looks for nothing.

    picked, open, proved: see ``aios.solve.search.Seeking``
    """

    def __init__(self, problem: Problem, picked: Mapping[int, int], sifted: Sifted) -> None:
        self.problem = problem
        self.picked = picked
        self.sifted = sifted
        self.open = sifted.open
        self.proved = False

    def minimize(
        self, costs: Costs, real: Callable[[], float] | None = None, offset: float = 0.0, share: float = 1.0
    ) -> Solved:
        """Return what the plan reaches, and what every intent at its cheapest would."""
        del share
        value = costs.real(costs.of(self.picked)) - offset if real is None else real()
        same = costs.whole == self.sifted.costs.whole
        whole = max(self.sifted.bound if same else 0.0, 0.0) - len(costs.whole) / 2
        return Solved(value, min(costs.real(whole) - offset, value))

    def hold(self, costs: Costs, allowance: float) -> None:
        """Hold nothing: what each could be alone is no worse."""

    def restrict(self, intent: int, allowed: Sequence[bool]) -> None:
        """Close nothing."""


def _with_bounds(chosen: Chosen, bounds: Sequence[ObjectiveValue]) -> Chosen:
    known = {row.goal: row.bound for row in bounds}
    rows = [_row(row, 0.0 if row.goal.startswith(BALANCE) else known.get(row.goal)) for row in chosen.rows]
    proved = all(row.gap == 0 for row in rows)
    return chosen._replace(status="optimal" if proved else "feasible", rows=tuple(rows))


def _row(row: ObjectiveValue, known: float | None) -> ObjectiveValue:
    """Return a row with a bound that is looser than its own, if at all."""
    bound = row.bound if known is None else known
    bound = max(bound, row.value) if " maximize " in f" {row.goal} " else min(bound, row.value)
    largest = max(abs(row.value), abs(bound))
    gap = abs(row.value - bound) / largest if largest else 0.0
    return row.model_copy(update={"bound": bound, "gap": gap})
