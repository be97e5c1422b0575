"""The goals of all intents together, as levels in order of importance.

Intents of higher priority come first; among equals, everybody's first goal comes before anybody's second. Within a
level, goals with the same metric and direction are one: their values are summed. Unlike goals are balanced: each by how
far it falls short of the best that it could reach alone, as a share of that best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.current import MOVES
from aios.records.intent import Goal, Intent
from aios.records.metrics import metric
from aios.solve.moving import moves_of
from aios.solve.problem import Problem
from aios.solve.refusing import is_refusal

__all__ = ["BALANCE", "Level", "Total", "admitted", "levels_of", "total_of"]

BALANCE = "minimize shortfall from the best alone"
"""Name of the row that says how well unlike goals of a level are balanced."""


class Total(NamedTuple):
    """Equal goals of some intents (indexes): one sum. tolerance: the strictest of theirs."""

    direction: str
    metric: str
    tolerance: float
    intents: tuple[int, ...]

    @property
    def sign(self) -> int:
        """1 if small is good, -1 if large is good: sign times value is always to be made small."""
        return 1 if self.direction == "minimize" else -1

    @property
    def unit(self) -> str:
        """The SI unit of the sum."""
        return metric(self.metric).unit

    def text(self, names: Sequence[str], everybody: int) -> str:
        """Say the goal; prefixed by the names of the intents it concerns, unless that is all of the plan."""
        prefix = "" if len(names) == everybody else f"{', '.join(names)}: "
        within = f" within {100 * self.tolerance:.4g} %" if self.tolerance else ""
        return f"{prefix}{self.direction} {self.metric}{within}"


class Level(NamedTuple):
    """Goals that count equally."""

    totals: tuple[Total, ...]


def levels_of(intents: Sequence[Intent], goals: Sequence[Goal] = ()) -> list[Level]:
    """Return the levels, most important first. ``intents`` are in their canonical order.

    goals: of the whole plan; an intents' goal that says the same as one of them is left out
    """
    everybody = tuple(index for index, intent in enumerate(intents) if intent.models)
    whole = [Level((Total(goal.direction, goal.metric, goal.tolerance, everybody),)) for goal in goals if everybody]
    said = {(total.metric, total.intents) for level in whole for total in level.totals}
    own = _own_levels(intents)
    return [*whole, *(level for level in own if not {(t.metric, t.intents) for t in level.totals} <= said)]


def _own_levels(intents: Sequence[Intent]) -> list[Level]:
    levels = []
    for priority in sorted({intent.priority for intent in intents}, reverse=True):
        alike = [index for index, intent in enumerate(intents) if intent.priority == priority]
        for position in range(max(len(intents[index].goal) for index in alike)):
            levels.append(_level(intents, [index for index in alike if len(intents[index].goal) > position], position))
    return levels


def _level(intents: Sequence[Intent], members: Sequence[int], position: int) -> Level:
    groups: dict[tuple[str, str], list[int]] = {}
    for index in members:
        goal = intents[index].goal[position]
        groups.setdefault((goal.metric, goal.direction), []).append(index)
    return Level(
        tuple(
            Total(direction, name, min(intents[index].goal[position].tolerance for index in group), tuple(group))
            for (name, direction), group in sorted(groups.items())
        )
    )


def admitted(intents: Sequence[int], problem: Problem, picked: Mapping[int, int]) -> list[int]:
    """Return those of some intents with a model that are not refused."""
    modelled = (index for index in intents if index not in problem.stated)
    return [index for index in modelled if not is_refusal(problem.options[index][picked[index]].priced)]


def total_of(total: Total, problem: Problem, picked: Mapping[int, int]) -> tuple[float, list[str]]:
    """Return the sum over those intents whose chosen option has a known value, and their names."""
    if total.metric == MOVES:
        named = [problem.intents[index].name for index in admitted(total.intents, problem, picked)]
        return float(sum(moves_of(problem, index)[picked[index]] for index in total.intents)), named
    chosen: list[tuple[Intent, Priced]] = [
        (problem.intents[index], problem.options[index][picked[index]].priced)
        for index in admitted(total.intents, problem, picked)
    ]
    known = [
        (intent.name, intent.times(total.metric) * priced.estimates[total.metric].value)
        for intent, priced in chosen
        if total.metric in priced.estimates
    ]
    return sum(value for _, value in known), [name for name, _ in known]
