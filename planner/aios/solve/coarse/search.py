"""Searches by kinds of machines: one whose plans single machines may hold, and one for what no plan is better than."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from aios.records.joins import Joins
from aios.solve.clauses import assignment, pipeline
from aios.solve.coarse.decisions import CoarseDecisions
from aios.solve.coarse.ways import Ways
from aios.solve.costs import Costs
from aios.solve.cpsat import Engine, Term
from aios.solve.joint.grid import Grid, Row
from aios.solve.problem import Problem
from aios.solve.search import Search

__all__ = ["Bounding", "CoarseSearch"]


class CoarseSearch(Search):
    """Looks for plans that are good with the slowest way between machines of two kinds.

    room: of every node, share of all that its machines hold together that may be taken, as single ones hold less than
    their sum
    """

    safe = True

    def __init__(self, problem: Problem, grid: Grid, joins: Joins, engine: Engine, room: Sequence[float]) -> None:
        problem = problem._replace(joins=Ways(joins, problem.fleet, safe=self.safe))
        self._decided = CoarseDecisions(problem, grid, room, gathering=self.safe)
        rules = [*assignment.rules(problem), *pipeline.rules(problem)]
        super().__init__(problem, rules, engine, self._decided)

    def counted(self) -> dict[int, int]:
        """Return column of the grid -> how many parts of the plan stand there."""
        columns = self._decided.columns.items()
        return {column: count for column, term in columns if (count := self._value(term))}

    def beside(self) -> set[tuple[str, str]]:
        """Return (pipeline, node) where one machine is to hold all of its parts there."""
        return {key for key, variable in self._decided.beside.items() if self.values[variable]}

    def priced(self, prices: Mapping[Row, float]) -> list[Term]:
        """Return what is paid for parts. prices: row -> of all of it"""
        return self._decided.priced(prices)

    def _value(self, term: Term) -> int:
        variable, times = term
        return self.values[variable] * times


class Bounding(CoarseSearch):
    """Finds bounds on what any plan can reach: with the quickest way, and all that machines hold together.

    plan: intent -> index of its option in the plan that earlier goals are held for
    """

    safe = False

    def __init__(self, problem: Problem, grid: Grid, joins: Joins, engine: Engine, plan: Mapping[int, int]) -> None:
        super().__init__(problem, grid, joins, engine, [1.0] * len(grid.stocks))
        self.plan = plan

    def hold(self, costs: Costs, allowance: float) -> None:
        """Let no later step worsen the costs of the plan, which may be higher than what was reached here."""
        limit = max(costs.of(self.plan or self.picked), costs.of(self.picked)) + math.floor(allowance / costs.step)
        self.decisions.model.linear(costs.terms(self.decisions.chosen), high=limit)

    def restrict(self, intent: int, allowed: Sequence[bool]) -> None:
        """Close no option: what the plan does without may be in others."""
