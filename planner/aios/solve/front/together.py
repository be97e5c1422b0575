"""The front of several intents together: the solver looks for one point after the other.

The epsilon-constraint method in its search-region form: the space that no point found so far covers is a set of boxes,
each open to below (``aios.solve.front.regions``). In the largest box the sum of all costs is made small. What is found
is on the front: a plan that dominates it would be in the box too, with a smaller sum. An empty box is closed for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import le
from typing import Literal, NamedTuple

from aios.records.metrics import metric
from aios.solve.clauses import rules_of
from aios.solve.cpsat import Answer, Engine
from aios.solve.front.axes import whole_costs
from aios.solve.front.regions import Regions, Vector
from aios.solve.limits import Limits
from aios.solve.model import Decisions
from aios.solve.problem import Problem

__all__ = ["Joint", "JointPoint", "together"]

_SHARE = 0.1
"""Part of the allowance that one box may take: a hard one does not keep the others from being looked at."""


_HEAVY = 1 << 20
"""Weight of an axis beside the others: one of its steps is worth as many of theirs as this."""

_LARGEST = 1 << 50
"""Largest weighted sum: it stays far from the engine's 63 bits."""


class JointPoint(NamedTuple):
    """A plan on the front. picked: intent -> index of its option · proved: whether nothing dominates it for sure."""

    costs: Vector
    picked: Mapping[int, int]
    proved: bool


class Joint(NamedTuple):
    """What was found, from the best in the first metric to the worst.

    stopped: ``all`` points found, ``enough`` (there are more than were asked for), or the solver's ``limit``
    """

    points: tuple[JointPoint, ...]
    stopped: Literal["all", "enough", "limit"]


def together(problem: Problem, names: Sequence[str], limits: Limits, most: int) -> Joint:
    """Return the front of all intents of a problem; every option has every metric. No points: nothing fits."""
    return _Search(problem, names, limits).points(most)


class _Search:
    """The problem as a model with one variable for the total of each axis."""

    def __init__(self, problem: Problem, names: Sequence[str], limits: Limits) -> None:
        self.engine = Engine(limits)
        self.decisions = Decisions(problem, range(len(problem.intents)))
        for rule in rules_of(problem):
            rule.add(self.decisions)
        rows = [problem.priced(index) for index in range(len(problem.intents))]
        self.costs = [whole_costs(rows, name) for name in names]
        self.summed = [metric(name).total == "sum" for name in names]
        self.top = [self._total(axis, [max(row) for row in self.costs[axis]]) + 1 for axis in range(len(names))]
        self.totals = [self._variable(axis) for axis in range(len(names))]
        self.limited = False
        self.found: dict[Vector, JointPoint] = {}

    def _total(self, axis: int, costs: Sequence[int]) -> int:
        return sum(costs) if self.summed[axis] else max(costs)

    def _variable(self, axis: int) -> int:
        """Add the total of an axis: the sum of the chosen options' costs, or at least the largest of them."""
        model = self.decisions.model
        total = model.variable(0, self.top[axis] - 1)
        terms = [
            list(zip(self.decisions.chosen[intent], row, strict=True)) for intent, row in enumerate(self.costs[axis])
        ]
        if self.summed[axis]:
            model.linear([*(term for row in terms for term in row), (total, -1)], 0, 0)
        else:
            for row in terms:
                model.linear([*row, (total, -1)], high=0)
        return total

    def points(self, most: int) -> Joint:
        floor = self._ends()
        if not self.found:
            return Joint((), "limit" if self.limited else "all")
        regions = Regions(floor, self.top)
        for costs in self.found:
            regions.add(costs)
        while len(self.found) <= most and (corner := regions.largest()) is not None:
            point = self._add(self._least(corner, [1] * len(corner)))
            if point is None:
                regions.close(corner)
            else:
                regions.add(point)
        enough = len(self.found) > most
        shown = self._undominated(list(self.found.values())[:most])
        if self.limited or enough:
            return Joint(shown, "limit" if self.limited and not enough else "enough")
        return Joint(tuple(point._replace(proved=True) for point in shown), "all")

    def _ends(self) -> list[int]:
        """Find the ends of the front, best in one axis each; return what no plan is below, by axis."""
        floor = []
        for axis in range(len(self.top)):
            best = self._least(self.top, [int(other == axis) for other in range(len(self.top))])
            if best.status == "infeasible":
                return []
            self.limited |= best.status != "optimal"
            floor.append(max(best.bound or 0, 0))
            if best.values:
                self._end(axis, best)
        return floor

    def _end(self, axis: int, best: Answer) -> None:
        """Find the end of the front that is best in one axis.

        The engine is bad at a bound that only the best keep, and good at weights. So the axis is first given such a
        weight that hardly anything in the others makes up for it; only if something does is it bounded.
        """
        reached = self._costs(self.decisions.picked(best.values))[axis]
        weight = max(1, min(_HEAVY, _LARGEST // sum(self.top)))
        self.decisions.model.hint(best.values)
        end = self._least(self.top, [weight if other == axis else 1 for other in range(len(self.top))])
        if end.status != "optimal" or self._costs(self.decisions.picked(end.values))[axis] > reached:
            corner = [*self.top[:axis], reached + 1, *self.top[axis + 1 :]]
            end = self._least(corner, [1] * len(corner))
        if self._add(end) is None:
            self._add(best._replace(status="feasible"))
        self.decisions.model.hint(())

    def _least(self, corner: Sequence[int], weights: Sequence[int]) -> Answer:
        """Make the weighted sum of the totals small while every total is below the corner."""
        model = self.decisions.model
        for total, high in zip(self.totals, corner, strict=True):
            model.bound(total, 0, high - 1)
        model.minimize(zip(self.totals, weights, strict=True))
        return self.engine.solve(model, _SHARE)

    def _add(self, answer: Answer) -> Vector | None:
        """Keep what was found, if anything was."""
        self.limited |= answer.status in ("feasible", "unknown")
        if not answer.values:
            return None
        picked = self.decisions.picked(answer.values)
        costs = self._costs(picked)
        self.found.setdefault(costs, JointPoint(costs, picked, answer.status == "optimal"))
        return costs

    def _costs(self, picked: Mapping[int, int]) -> Vector:
        return tuple(
            self._total(axis, [row[picked[intent]] for intent, row in enumerate(rows)])
            for axis, rows in enumerate(self.costs)
        )

    def _undominated(self, points: Sequence[JointPoint]) -> tuple[JointPoint, ...]:
        """Leave out what a later point dominates (one that was not proved), and sort."""
        best = [p for p in points if not any(q is not p and all(map(le, q.costs, p.costs)) for q in points)]
        return tuple(sorted(best, key=lambda point: point.costs))
