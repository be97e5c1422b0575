"""The goals of the plan, added up again from the chosen options.

The order is the specification: intents of higher priority first; among equals, all first goals, then all second ones;
at each step goals of one metric and direction are one sum. Where a step has unlike sums, one more row says how far they
fall short of their own bounds, each as a share of it; where a goal's metric is unknown, one more row counts that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from aios.records.current import MOVES
from aios.records.intent import Goal, Intent
from aios.records.metrics import PLAN_METRICS, metric
from aios.records.selection import Clause, LedgerRow, ObjectiveValue, Selection

__all__ = ["recompute", "rows"]

_ROUNDING = 1e-9
"""Relative difference between two sums of the same figures in different order."""

_Wish = tuple[Intent, Goal]


def recompute(intents: Sequence[Intent], selection: Selection, whole: Sequence[Goal] = ()) -> list[ObjectiveValue]:
    """Return what the goals of the intents that run come to.

    Bounds are those that the selection states for the goal of the same text. whole: goals of all intents together, that
    come before their own; what is said twice counts once
    """
    stated = {row.goal: row.bound for row in selection.objective}
    found: list[ObjectiveValue] = []
    asked = [goal for goal in whole if goal.metric == MOVES or goal.metric not in PLAN_METRICS]
    first = [[(intent, goal) for intent in intents] for goal in asked if intents]
    for step in (*first, *_steps(intents)):
        sums = [_sum(wishes, selection, len(intents), stated) for wishes in _alike(step)]
        known = [row for row in sums if row is not None]
        found.extend(known)
        if len(known) > 1:
            text = f"minimize shortfall from the best alone: {'; '.join(row.goal for row in known)}"
            shortfall = sum(abs(row.value - row.bound) / (abs(row.bound) or 1.0) for row in known)
            found.append(_value(text, shortfall, stated, "1"))
        unknown = sorted(intent.name for intent, goal in step if _known(intent, goal, selection) is None)
        if unknown:
            metrics = ", ".join(sorted({goal.metric for _, goal in step}))
            found.append(_value(f"{', '.join(unknown)}: minimize unknown {metrics}", float(len(unknown)), stated, "1"))
    seen: dict[str, ObjectiveValue] = {}
    for row in found:
        seen.setdefault(row.goal, row)
    return list(seen.values())


def _steps(intents: Sequence[Intent]) -> Iterator[list[_Wish]]:
    ordered = sorted(intents, key=lambda intent: (-intent.priority, intent.name))
    for priority in dict.fromkeys(intent.priority for intent in ordered):
        equals = [intent for intent in ordered if intent.priority == priority]
        for position in range(max(len(intent.goal) for intent in equals)):
            yield [(intent, intent.goal[position]) for intent in equals if position < len(intent.goal)]


def _alike(step: Sequence[_Wish]) -> list[list[_Wish]]:
    kinds = sorted({(goal.metric, goal.direction) for _, goal in step})
    return [[wish for wish in step if (wish[1].metric, wish[1].direction) == kind] for kind in kinds]


def _known(intent: Intent, goal: Goal, selection: Selection) -> float | None:
    priced = selection.chosen.get(intent.name)
    estimate = None if priced is None else priced.estimates.get(goal.metric)
    if estimate is None:
        return None
    each = intent.stage.per if intent.stage is not None and goal.metric == "energy" else 1
    return each * estimate.value


def _sum(
    wishes: Sequence[_Wish], selection: Selection, everybody: int, stated: dict[str, float]
) -> ObjectiveValue | None:
    known = {intent.name: _known(intent, goal, selection) for intent, goal in wishes}
    values = {name: value for name, value in known.items() if value is not None}
    if not values:
        return None
    goal = wishes[0][1].model_copy(update={"tolerance": min(goal.tolerance for _, goal in wishes)})
    text = str(goal) if len(values) == everybody else f"{', '.join(values)}: {goal}"
    return _value(text, sum(values.values()), stated, metric(goal.metric).unit)


def _value(text: str, value: float, stated: dict[str, float], unit: str) -> ObjectiveValue:
    bound = stated.get(text, value)
    largest = max(abs(value), abs(bound))
    return ObjectiveValue(
        goal=text, value=value, bound=bound, gap=abs(value - bound) / largest if largest else 0.0, unit=unit
    )


def rows(selection: Selection, recomputed: Sequence[ObjectiveValue]) -> Iterator[LedgerRow]:
    """Yield one row per goal that was stated or recomputed: both are there, and say the same."""
    stated = {row.goal: row for row in selection.objective}
    again = {row.goal: row for row in recomputed}
    for goal in dict.fromkeys((*again, *stated)):
        mine, theirs = again.get(goal), stated.get(goal)
        text = f"{goal}: stated {_shown(theirs)}"
        clause = Clause(id=f"objective/{goal}", intent=None, text=text)
        holds = mine is not None and theirs is not None and _agree(mine, theirs)
        yield LedgerRow(clause=clause, value=None if mine is None else mine.value, slack=None, holds=holds)


def _shown(row: ObjectiveValue | None) -> str:
    return "nothing" if row is None else f"{row.value:.12g} {row.unit} (bound {row.bound:.12g}, gap {row.gap:.3g})"


def _agree(mine: ObjectiveValue, theirs: ObjectiveValue) -> bool:
    """The same value, unit and gap, and a bound on the right side of the value."""
    words = theirs.goal if theirs.goal.startswith("minimize ") else theirs.goal.rpartition(": ")[2]
    sign = -1 if words.startswith("maximize ") else 1
    reach = _ROUNDING * max(abs(mine.value), abs(theirs.bound), 1e-300)
    return (
        math.isclose(mine.value, theirs.value, rel_tol=_ROUNDING, abs_tol=1e-12)
        and mine.unit == theirs.unit
        and math.isclose(mine.gap, theirs.gap, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
        and sign * (mine.value - theirs.bound) >= -reach
    )
