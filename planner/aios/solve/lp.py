"""A thin typed builder over a linear-programming engine (GLOP), as ``cpsat`` is over the integer one.

It uses the engine's compiled module directly, which takes a fraction of the time to import that its front end does.
Nothing outside this file knows the engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["LinearProgram", "Solution"]

Term = tuple[int, float]
"""A variable's index and its coefficient."""


class Solution(NamedTuple):
    """The optimum. values: by variable · prices: by row, what one more unit of its bound is worth (dual value) ·
    bound: that no solution exceeds, by weak duality, whatever prices the engine found; variables without an upper bound
    are left out of it, and whoever added them adds what they may gain"""

    objective: float
    values: Sequence[float]
    prices: Sequence[float]
    bound: float


class LinearProgram:
    """Variables that are at least 0, linear rows, and one objective."""

    def __init__(self) -> None:
        from ortools.linear_solver.python import model_builder_helper

        self._engine: Any = model_builder_helper
        self._model: Any = model_builder_helper.ModelBuilderHelper()
        self._high: list[float] = []
        self._worth: list[float] = []
        self._bounds: list[tuple[float, float]] = []
        self._terms: list[list[Term]] = []

    def variable(self, high: float = math.inf, worth: float = 0.0) -> int:
        """Add a variable between 0 and ``high`` that adds ``worth`` times itself to the objective; return its index."""
        index: int = self._model.add_var()
        self._model.set_var_lower_bound(index, 0.0)
        self._model.set_var_upper_bound(index, high)
        self._high.append(high)
        self._worth.append(worth)
        return index

    def row(self, terms: Iterable[Term], low: float = -math.inf, high: float = math.inf) -> int:
        """Keep a weighted sum within bounds; return the row's index."""
        index: int = self._model.add_linear_constraint()
        self._model.set_constraint_lower_bound(index, low)
        self._model.set_constraint_upper_bound(index, high)
        self._bounds.append((low, high))
        self._terms.append([])
        for variable, weight in terms:
            self.extend(index, variable, weight)
        return index

    def extend(self, row: int, variable: int, weight: float) -> None:
        """Add a term to a row."""
        self._terms[row].append((variable, weight))
        self._model.add_term_to_constraint(row, variable, weight)

    def reward(self, worths: Iterable[Term]) -> None:
        """Replace the objective."""
        self._worth = [0.0] * len(self._high)
        for variable, worth in worths:
            self._worth[variable] = worth

    def maximize(self) -> Solution | None:
        """Return the optimum; None where nothing satisfies every row."""
        self._model.set_maximize(True)
        # The engine's tolerances are absolute: it fails on an objective of millions.
        scale = max((abs(worth) for worth in self._worth), default=0.0) or 1.0
        for index, worth in enumerate(self._worth):
            self._model.set_var_objective_coefficient(index, worth / scale)
        solver = self._engine.ModelSolverHelper("glop")
        solver.solve(self._model)
        if not solver.has_solution():
            return None
        values = [solver.variable_value(index) for index in range(len(self._high))]
        prices = [scale * solver.dual_value(index) for index in range(len(self._bounds))]
        return Solution(scale * solver.objective_value(), values, prices, self._bound(prices))

    def _bound(self, prices: Sequence[float]) -> float:
        """Return what rows, and variables that have an upper bound, are worth at most at some prices."""
        bound, gains = 0.0, list(self._worth)
        for price, (low, high), terms in zip(prices, self._bounds, self._terms, strict=True):
            end = high if price > 0 else low
            if not price or math.isinf(end):
                continue
            bound += price * end
            for variable, weight in terms:
                gains[variable] -= price * weight
        most = (gain * high for gain, high in zip(gains, self._high, strict=True) if gain > 0 and high < math.inf)
        return bound + sum(most)
