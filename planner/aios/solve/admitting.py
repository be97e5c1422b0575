"""Who is admitted of those that may be refused: goals of the whole plan, taken where they stand among the others.

``admitted`` is the weight of what is not refused, of services and of copies alike; ``accelerator.allocated`` what
stated demands take. Where ``admitted`` is no written goal it follows ``accelerator.allocated``, or comes first where
that is none either: a plan that runs nothing would be the cheapest. The policy ``priority`` takes the place of
``admitted`` and comes before all goals; a fair one (see ``aios.solve.dividing``) leaves services to decide about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.intent import Goal
from aios.records.selection import ObjectiveValue
from aios.solve.admission.worth import devices_of_copy, taken_by_copy, weight_of
from aios.solve.costs import Costs
from aios.solve.packing.problem import WHOLE
from aios.solve.problem import Problem
from aios.solve.refusing import is_refusal, ranks_of, weights_of
from aios.solve.search import Seeking

__all__ = ["ADMITTED", "Admission", "admissions_of", "admit", "is_fair"]

ADMITTED = Goal(direction="maximize", metric="admitted")
_ROUNDING = 1e-9
"""Difference, as a share, of sums of the same shares in another order."""


class Admission(NamedTuple):
    """What is known of a goal of admission. adds: intent -> per option, what it adds · bound: of all together"""

    goal: str
    adds: Mapping[int, Sequence[float]]
    bound: float

    def rows(self, picked: Mapping[int, int]) -> list[ObjectiveValue]:
        """Return the row that says what the goal comes to in the plan that was chosen in the end."""
        value = math.fsum(row[picked[index]] for index, row in self.adds.items())
        bound = value if self.bound <= value + _ROUNDING * max(1.0, value) else self.bound
        return [
            ObjectiveValue(
                goal=self.goal, value=value, bound=bound, gap=(bound - value) / bound if bound else 0.0, unit="1"
            )
        ]


def is_fair(problem: Problem) -> bool:
    """Say whether copies are divided by a fair policy before any goal."""
    some = any(not stated.demand.required for stated in problem.stated.values())
    return some and problem.policy in ("fair-share", "max-min")


def admissions_of(problem: Problem) -> list[tuple[int, Goal]]:
    """Return the goals of admission, each with the number of the plan's other goals before it."""
    named = [(place, goal) for place, goal in problem.admissions if problem.stated or goal.metric == ADMITTED.metric]
    concerned = (index for index in range(len(problem.intents)) if not (is_fair(problem) and index in problem.stated))
    refusable = any(not problem.intents[index].required for index in concerned)
    if problem.policy == "priority" and refusable:
        return [(0, ADMITTED), *((place, goal) for place, goal in named if goal.metric != ADMITTED.metric)]
    if any(goal.metric == ADMITTED.metric for _, goal in named):
        return named if problem.stated or refusable else []
    last = max((place for place, _ in problem.admissions), default=0)
    return [*named, (last, ADMITTED)] if refusable else named


def admit(search: Seeking, goal: Goal) -> Admission:
    """Make the most of a goal of admission, and hold that."""
    problem = search.problem
    adds, units, one = _allocated(problem) if goal.metric != ADMITTED.metric else _admitted(problem, goal)
    total = math.fsum(max(row, default=0.0) for row in adds.values())
    ranks = list(ranks_of(problem.intents, problem.policy)) if goal is ADMITTED else [list(units)]
    lost = 0.0
    for rank in ranks:
        most = {index: max(units[index]) for index in rank if index in units}
        costs = Costs(0.0, 1.0, {index: [most[index] - own for own in units[index]] for index in most})
        if not most:
            continue
        solved = search.minimize(costs)
        search.hold(costs, goal.tolerance * (sum(most.values()) - solved.value))
        lost += solved.bound / one if solved.bound != solved.value else solved.value / one
    return Admission(str(goal), adds, total - lost)


_Adds = tuple[Mapping[int, Sequence[float]], Mapping[int, Sequence[int]], int]
"""What options add, per intent; the same in whole units; and how many of them are one."""


def _admitted(problem: Problem, goal: Goal) -> _Adds:
    """Return what is admitted by weight; of copies only where that is written or no fair policy divides them."""
    intents = problem.intents
    weights = weights_of([item for index, item in enumerate(intents) if index not in problem.stated], problem.policy)
    units: dict[int, list[int]] = {}
    for index, intent in enumerate(intents):
        stated = problem.stated.get(index)
        if intent.required or (stated is not None and is_fair(problem) and goal is ADMITTED):
            continue
        weight = weights[intent.name] if stated is None else weight_of(intent.priority)
        units[index] = [
            weight * (priced.candidate.parts if stated else int(not is_refusal(priced)))
            for priced in problem.priced(index)
        ]
    return {index: [float(own) for own in row] for index, row in units.items()}, units, 1


def _allocated(problem: Problem) -> _Adds:
    adds: dict[int, list[float]] = {}
    units: dict[int, list[int]] = {}
    for index, stated in problem.stated.items():
        parts = [priced.candidate.parts for priced in problem.priced(index)]
        adds[index] = [taken_by_copy(stated.demand) * own for own in parts]
        units[index] = [devices_of_copy(stated.demand) * own for own in parts]
    return adds, units, WHOLE
