"""Costs of options as whole numbers, as the engine needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.current import MOVES
from aios.solve.cpsat import Term
from aios.solve.moving import moves_of
from aios.solve.problem import Problem

__all__ = ["STEPS", "Costs", "float_costs", "near", "scaled"]

STEPS = 10**10
"""The largest difference between options of an intent in whole steps. Two plans closer than a step for each intent may
count as equal (``Costs.error``); reported values are recomputed from the figures."""


class Costs(NamedTuple):
    """Whole costs of options: the real cost of a plan is ``base`` + ``step`` times the sum of its whole ones.

    whole: intent -> cost per option (from 0)
    """

    base: float
    step: float
    whole: Mapping[int, Sequence[int]]

    @property
    def error(self) -> float:
        """By how much the real cost of a plan of least whole cost may be above the least real one: each intent's cost
        is rounded by at most half a step, in either plan."""
        return len(self.whole) * self.step

    def terms(self, chosen: Mapping[int, Sequence[int]]) -> list[Term]:
        """Return the weighted sum of the chosen options' costs."""
        return [
            (variable, cost)
            for intent, costs in self.whole.items()
            for variable, cost in zip(chosen[intent], costs, strict=True)
        ]

    def of(self, picked: Mapping[int, int]) -> int:
        """Return the whole cost of a plan."""
        return sum(costs[picked[intent]] for intent, costs in self.whole.items())

    def real(self, whole: float) -> float:
        """Return the real cost that a whole one stands for."""
        return self.base + self.step * whole


def float_costs(problem: Problem, name: str, sign: float, intents: Sequence[int]) -> dict[int, list[float | None]]:
    """Return ``sign`` times the expected value of the metric, per intent and option; None where unknown."""
    costs: dict[int, list[float | None]] = {}
    if name == MOVES:
        return {intent: [sign * float(moves) for moves in moves_of(problem, intent)] for intent in intents}
    for intent in intents:
        times = sign * problem.intents[intent].times(name)
        estimates = [option.priced.estimates.get(name) for option in problem.options[intent]]
        costs[intent] = [None if found is None else times * found.value for found in estimates]
    return costs


def scaled(costs: Mapping[int, Sequence[float | None]], open_: Mapping[int, Sequence[bool]]) -> Costs:
    """Scale real costs to whole ones.

    An unknown cost adds nothing: which ones are unknown is settled before. An option that is not open, so that
    no plan can hold it, must not coarsen the steps.
    """
    known = {intent: [0.0 if cost is None else cost for cost in row] for intent, row in costs.items()}
    least: dict[int, float] = {}
    widest = 0.0
    for intent, row in known.items():
        eligible = [cost for cost, is_open in zip(row, open_[intent], strict=True) if is_open]
        least[intent] = min(eligible)
        widest = max(widest, max(eligible) - least[intent])
    step = widest / STEPS if widest > 0 else 1.0
    whole = {
        intent: [
            round((cost - least[intent]) / step) if is_open else STEPS
            for cost, is_open in zip(row, open_[intent], strict=True)
        ]
        for intent, row in known.items()
    }
    return Costs(sum(least.values()), step, whole)


def near(
    costs: Mapping[int, Sequence[float | None]], open_: Mapping[int, Sequence[bool]], most: float
) -> dict[int, list[bool]]:
    """Return which open options a plan may hold that costs at most ``most``, all others of its intents at their least.

    Those that are left differ by no more than the plan's whole cost, however dear the others are.
    """
    known = {intent: [0.0 if cost is None else cost for cost in row] for intent, row in costs.items()}
    least = {
        intent: min(cost for cost, is_open in zip(row, open_[intent], strict=True) if is_open)
        for intent, row in known.items()
    }
    room = most - sum(least.values())
    return {
        intent: [is_open and cost - least[intent] <= room for cost, is_open in zip(row, open_[intent], strict=True)]
        for intent, row in known.items()
    }
