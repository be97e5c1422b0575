"""The model of counts: so many machines of each shape, with all that they have pooled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from aios.solve.cpsat import Engine, Model, Term
from aios.solve.sizing.figures import LARGEST, whole_figures
from aios.solve.sizing.problem import Problem

__all__ = ["Counts", "Pooled"]

_BITS = 1 << 60
"""Largest sum that an objective may come to."""


class Counts(NamedTuple):
    """An answer. machines: of each shape · taken: (demand, way) -> how often · least: no answer that is not cut off
    has a smaller figure, in whole steps · proved: that this one has it"""

    machines: tuple[int, ...]
    taken: dict[tuple[int, int], int]
    least: int
    proved: bool


class Pooled:
    """Counts of machines that hold everything: of least figure, then fewest machines, then fewest ways taken.

    most: machines of each shape · exhausted: whether the last search found that no counts are left
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.model = Model()
        self.exhausted = False
        self.most = [min(shape.most, problem.machines) for shape in problem.shapes]
        self._count = [self.model.variable(0, most) for most in self.most]
        self.model.linear([(count, 1) for count in self._count], high=problem.machines)
        self._taken = {
            (index, position): self.model.variable(0, way.most)
            for index, demand in enumerate(problem.demands)
            for position, way in enumerate(demand.ways)
        }
        figures = [*(shape.figure for shape in problem.shapes), *(self._figure(key) for key in self._taken)]
        ways = sum(way.most for demand in problem.demands for way in demand.ways)
        self._of_machine = ways + 1
        self._scale = self._of_machine * (sum(self.most) + 1)
        self.figures = whole_figures(figures, self._most(), max(1, min(LARGEST, _BITS // self._scale)))
        shapes = len(problem.shapes)
        self._of_machines: list[Term] = list(zip(self._count, self.figures.whole[:shapes], strict=True))
        self._of_ways: list[Term] = list(zip(self._taken.values(), self.figures.whole[shapes:], strict=True))
        self._meet()
        for period in range(problem.periods):
            self._stand(period)
        self._keep()
        terms = [(count, price * self._scale + self._of_machine) for count, price in self._of_machines]
        self.model.minimize([*terms, *((variable, figure * self._scale + 1) for variable, figure in self._of_ways)])

    def _figure(self, key: tuple[int, int]) -> float:
        demand, way = key
        return self.problem.demands[demand].ways[way].figure

    def _most(self) -> float:
        """Return the sum of all figures, each as often as it could be taken."""
        machines = math.fsum(shape.figure * most for shape, most in zip(self.problem.shapes, self.most, strict=True))
        return machines + math.fsum(way.figure * way.most for demand in self.problem.demands for way in demand.ways)

    def _meet(self) -> None:
        """Let every demand be met by ways that cover it."""
        for index, demand in enumerate(self.problem.demands):
            terms = [(self._taken[index, place], way.covers) for place, way in enumerate(demand.ways)]
            self.model.linear(terms, demand.amount, demand.amount)

    def _stand(self, period: int) -> None:
        """Let all parts stand on machines that are there, together with what else stands on them at that time."""
        wanted: list[list[Term]] = [[] for _ in self.problem.footprints]
        most = [0] * len(self.problem.footprints)
        for (demand, position), variable in self._taken.items():
            way = self.problem.demands[demand].ways[position]
            parts = way.at[period] if way.at else way.parts
            wanted[way.footprint].append((variable, parts))
            most[way.footprint] += parts * way.most
        used: dict[tuple[int, int], list[Term]] = {}
        for footprint, terms, parts in zip(self.problem.footprints, wanted, most, strict=True):
            stands = [self.model.variable(0, parts) for _ in footprint]
            self.model.linear([*((variable, 1) for variable in stands), *((v, -n) for v, n in terms)], 0, 0)
            for place, variable in zip(footprint, stands, strict=True):
                for resource, units in place.takes:
                    used.setdefault((place.shape, resource), []).append((variable, units))
                if place.most is not None:
                    self.model.linear([(variable, 1), (self._count[place.shape], -place.most)], high=0)
        for (shape, resource), takes in sorted(used.items()):
            has = self.problem.shapes[shape].has[resource]
            self.model.linear([*takes, (self._count[shape], -has)], high=0)

    def _keep(self) -> None:
        """Let there be machines in as many domains as are needed, and nothing spent beyond budgets."""
        for apart in self.problem.apart:
            counted = [(self._count[shape], weight) for shape, weight in apart.weights.items()]
            if apart.domains is not None:
                counted = []
                for shapes in apart.domains:
                    there = self.model.variable(0, 1)
                    self.model.linear([*((self._count[shape], 1) for shape in shapes), (there, -1)], low=0)
                    counted.append((there, 1))
            needs = [(self._taken[key], -need) for key, need in apart.needs.items()]
            self.model.linear([*counted, *needs], low=0)
        for budget in self.problem.budgets:
            self.model.linear([(self._taken[key], spent) for key, spent in budget.of.items()], high=budget.most)

    def solve(self, engine: Engine, share: float = 1.0) -> Counts | None:
        """Return the best counts that are left; None where there are none (``exhausted``), or none was found."""
        answer = engine.solve(self.model, share, numbers=True)
        self.exhausted = answer.status == "infeasible"
        if not answer.values:
            return None
        self.model.hint(answer.values)
        machines = tuple(answer.values[count] for count in self._count)
        taken = {key: answer.values[variable] for key, variable in self._taken.items() if answer.values[variable]}
        least = max(answer.bound or 0, 0) // self._scale
        return Counts(machines, taken, least, answer.status == "optimal")

    def figure_by_way(self) -> dict[tuple[int, int], int]:
        """Return (demand, way) -> its figure, in whole steps."""
        return {key: figure for key, (_, figure) in zip(self._taken, self._of_ways, strict=True)}

    def figure_of(self, machines: Sequence[int]) -> int:
        """Return the figure of machines alone, in whole steps."""
        return sum(price * count for (_, price), count in zip(self._of_machines, machines, strict=True))

    def real(self, whole: int) -> float:
        """Return the figure that whole steps stand for."""
        return float(whole * self.figures.step)

    def cut(self, machines: Sequence[int], ways: int | None) -> None:
        """Cut off these machines and all that are fewer: they hold nothing that is complete (``ways`` None), or what
        is taken on them has at least the figure ``ways``."""
        escapes: list[Term] = []
        for most, count, had in zip(self.most, self._count, machines, strict=True):
            if had < most:
                more = self.model.variable(0, 1)
                self.model.linear([(count, 1), (more, -(had + 1))], low=0)
                escapes.append((more, 1))
        if ways is not None:
            dearer = self.model.variable(0, 1)
            self.model.linear([*self._of_ways, (dearer, -ways)], low=0)
            escapes.append((dearer, 1))
        self.model.linear(escapes, low=1)
        self.model.proto.clear_solution_hint()

    def at_most(self, whole: int) -> None:
        """Let no further answer have a larger figure."""
        self.model.linear([*self._of_machines, *self._of_ways], high=whole)
