"""The Pareto front: every plan that nothing beats in all of several metrics at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.intent import Goal, Intent
from aios.records.metrics import metric
from aios.records.objective import Budget
from aios.records.selection import Placement
from aios.solve.clauses.requirement import keep
from aios.solve.contenders import contenders
from aios.solve.cpsat import Engine
from aios.solve.front.alone import alone, spread
from aios.solve.front.axes import Value, known, values_of
from aios.solve.front.knee import knee_of
from aios.solve.front.together import together
from aios.solve.limits import Limits
from aios.solve.placing import place
from aios.solve.problem import Beside, outline, pose

__all__ = ["Front", "Missing", "Point", "front"]


class Point(NamedTuple):
    """A plan on the front.

    values: by metric · chosen, placement: intent name -> ... · alike: ids of further options of a lone intent that come
    to the same · proved: whether nothing dominates it for sure
    """

    values: tuple[Value, ...]
    chosen: Mapping[str, Priced]
    placement: Mapping[str, tuple[Placement, ...]]
    alike: tuple[str, ...] = ()
    proved: bool = True


class Missing(NamedTuple):
    """Options of an intent that keep its requirements, but of which nobody knows a metric. reason: the usual one."""

    intent: str
    metric: str
    options: int
    of: int
    reason: str


class Front(NamedTuple):
    """The front.

    points: from the best in the first metric to the worst · total: how many points there are, None where not all were
    looked for · stopped: ``all`` points are there, ``enough``: there are more than were asked for, or the solver's
    ``limit`` came first · knee: which point is the clear knee · missing: what is on no front because nobody knows
    """

    points: tuple[Point, ...]
    total: int | None
    stopped: Literal["all", "enough", "limit"]
    knee: int | None
    missing: tuple[Missing, ...]


class _Asked(NamedTuple):
    """What a front is asked for. most: points · budgets: of all intents together"""

    fleet: Fleet
    names: tuple[str, ...]
    limits: Limits
    most: int
    budgets: tuple[Budget, ...]


def front(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    names: Sequence[str],
    limits: Limits,
    most: int,
    budgets: Sequence[Budget] = (),
) -> Front:
    """Return the front of the intents over two or more metrics (``names``), at most so many points of it.

    Every point keeps every requirement and budget and fits the fleet. Values of several intents add up as each metric
    says. Plans that differ by less than 1e-10 of the widest difference between options count as equal.
    """
    rows, missing = _comparable(intents, options, names)
    if not intents or not all(rows.values()):
        return Front((), 0, "all", None, missing)
    asked = _Asked(fleet, tuple(names), limits, most, tuple(budgets))
    plain = outline(intents, {}, fleet, Beside(budgets=asked.budgets)).plain
    if len(intents) == 1 and plain:
        return _of_one(intents[0], rows[intents[0].name], missing, asked)
    return _of_several(intents, rows, missing, asked)


def _comparable(
    intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]], names: Sequence[str]
) -> tuple[dict[str, list[Priced]], tuple[Missing, ...]]:
    """Return per intent the options that keep its requirements and have every metric, and what lacks one."""
    rows: dict[str, list[Priced]] = {}
    missing: list[Missing] = []
    for intent in sorted(intents, key=lambda intent: intent.name):
        given = options.get(intent.name, ())
        bounds = [keep(given, intent, requirement) for requirement in intent.require]
        kept = [option for k, option in enumerate(given) if all(bound[k] for bound in bounds)]
        for name in names:
            lacking = [option for option in kept if known(option, name) is None]
            if lacking:
                reasons = Counter(_why(option, name) for option in lacking)
                usual = min(reasons, key=lambda reason: (-reasons[reason], reason))
                missing.append(Missing(intent.name, name, len(lacking), len(kept), usual))
        rows[intent.name] = [option for option in kept if all(known(option, name) for name in names)]
    return rows, tuple(missing)


def _why(option: Priced, name: str) -> str:
    if name in option.estimates:
        return "it may be overloaded, so that times have no end"
    return option.unknown.get(name, "nothing is known of it")


def _of_one(intent: Intent, options: Sequence[Priced], missing: tuple[Missing, ...], asked: _Asked) -> Front:
    found = alone(intent, options, asked.names, asked.fleet, asked.limits)
    shown = [found[k] for k in spread([item.costs for item in found], asked.most)]
    points = []
    for item in shown:
        problem = pose([intent], {intent.name: item.options[:1]}, asked.fleet)
        placement = place(problem, {0: 0}, Engine(asked.limits))
        assert placement is not None  # it fits
        alike = tuple(option.candidate.id for option in item.options[1:])
        points.append(_point({intent.name: item.options[0]}, placement, asked.names, alike=alike))
    stopped: Literal["all", "enough"] = "all" if len(shown) == len(found) else "enough"
    return Front(tuple(points), len(found), stopped, knee_of([item.costs for item in shown]), missing)


def _of_several(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    missing: tuple[Missing, ...],
    asked: _Asked,
) -> Front:
    goals = tuple(
        Goal(direction="minimize" if metric(n).better == "lower" else "maximize", metric=n) for n in asked.names
    )
    compared = [intent.model_copy(update={"goal": goals}) for intent in intents]
    few = contenders(compared, options, asked.fleet, asked.budgets)
    problem = pose(compared, few, asked.fleet, Beside(budgets=asked.budgets))
    found = together(problem, asked.names, asked.limits, asked.most)
    points = []
    for item in found.points:
        chosen = {i.name: problem.options[k][item.picked[k]].priced for k, i in enumerate(problem.intents)}
        placement = place(problem, item.picked, Engine(asked.limits))
        if placement is not None:
            points.append(_point(dict(sorted(chosen.items())), placement, asked.names, proved=item.proved))
    stopped = found.stopped if len(points) == len(found.points) else "limit"
    knee = knee_of([item.costs for item in found.points]) if len(points) == len(found.points) else None
    return Front(tuple(points), len(points) if stopped == "all" else None, stopped, knee, missing)


def _point(
    chosen: Mapping[str, Priced],
    placement: Mapping[str, tuple[Placement, ...]],
    names: Sequence[str],
    *,
    alike: tuple[str, ...] = (),
    proved: bool = True,
) -> Point:
    values = tuple(value for value in values_of(chosen.values(), names) if value is not None)
    return Point(values, chosen, placement, alike, proved)
