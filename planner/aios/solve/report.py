"""What is reported of each level of goals: value, bound and gap in SI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aios.records.selection import ObjectiveValue
from aios.solve.goals import BALANCE, Level, admitted, total_of
from aios.solve.problem import Problem

__all__ = ["Report", "Solved", "scale_of", "shortfall_of"]


class Solved(NamedTuple):
    """A sum that was made small: the real cost found, and what it cannot fall below (equal when proved)."""

    value: float
    bound: float


class Report(NamedTuple):
    """What is known of a level.

    alone: per total, the best that it could reach alone · balance: of several totals, None for one ·
    unknown: how many intents cannot but have an unknown goal metric
    """

    level: Level
    alone: tuple[Solved, ...]
    balance: Solved | None
    unknown: int

    def rows(self, problem: Problem, picked: Mapping[int, int]) -> list[ObjectiveValue]:
        """Return the level's rows for the plan that was chosen in the end, values recomputed from its figures.

        One row per total whose value is known; its bound is what it could reach alone within the earlier levels, so its
        gap is what was given up: to its own tolerance or to unlike goals. These have a further row for their balance.
        A last row counts the intents whose goal metric is unknown, if any.
        """
        rows: list[ObjectiveValue] = []
        everybody = len(admitted(range(len(problem.intents)), problem, picked))
        shortfall = 0.0
        missing: list[str] = []
        for total, alone in zip(self.level.totals, self.alone, strict=True):
            value, names = total_of(total, problem, picked)
            running = [problem.intents[index].name for index in admitted(total.intents, problem, picked)]
            missing += [name for name in running if name not in names]
            if names:
                rows.append(_row(total.text(names, everybody), value, alone.bound, total.sign, total.unit))
                shortfall += abs(shortfall_of(value, rows[-1].bound))
        if self.balance is not None and len(rows) > 1:
            text = "; ".join(row.goal for row in rows)
            rows.append(_row(f"{BALANCE}: {text}", shortfall, self.balance.bound, 1, "1"))
        if missing:
            metrics = ", ".join(sorted({total.metric for total in self.level.totals}))
            text = f"{', '.join(sorted(missing))}: minimize unknown {metrics}"
            rows.append(_row(text, float(len(missing)), float(self.unknown), 1, "1"))
        return rows


def _row(goal: str, value: float, bound: float, sign: int, unit: str) -> ObjectiveValue:
    bound = sign * min(bound, sign * value)  # rounding to whole steps must not push a bound past the value
    largest = max(abs(value), abs(bound))
    gap = abs(value - bound) / largest if largest else 0.0
    return ObjectiveValue(goal=goal, value=value, bound=bound, gap=gap, unit=unit)


def scale_of(best: float) -> float:
    """Return what a shortfall is a share of: the best alone, or 1 in its unit where that is 0."""
    return abs(best) or 1.0


def shortfall_of(cost: float, best: float) -> float:
    """Return how far a cost is above the best alone, as a share of it."""
    return (cost - best) / scale_of(best)
