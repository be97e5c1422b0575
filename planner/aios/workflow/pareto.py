"""pareto: the plans that nothing beats in all of several metrics at once."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import Diagnostic, InputError, UsageError
from aios.records.forms import nearest
from aios.records.intent import Goal, Intent
from aios.records.metrics import PLAN_METRICS, find_metric, metric, metric_names
from aios.records.selection import Selection, Termination
from aios.workflow.joining import refuse_pipelines, refuse_splits
from aios.workflow.planning import Considered, Planned, consider, make_plan
from aios.workflow.reading import Given, gather
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.solve.front import Front, Point, Value

__all__ = ["MOST_METRICS", "Pareto", "Standing", "pareto", "wanted_metrics"]

MOST_METRICS = 4
"""A front over more metrics holds nearly every plan, and nobody can see it."""


class Standing(NamedTuple):
    """Where the plan stands that ``aios plan`` makes.

    values: by metric, None where unknown · point: which point of the front comes to the same · beaten_by: which point
    is at least as good in everything and better in something; both None where neither is known
    """

    values: tuple[Value | None, ...]
    point: int | None
    beaten_by: int | None


class Pareto(NamedTuple):
    """A front over metrics (``names``), beside the plan of the same intents; neither without a plan."""

    planned: Planned
    names: tuple[str, ...]
    front: Front | None = None
    standing: Standing | None = None


def wanted_metrics(written: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics named on the command line; raises UsageError with all that is wrong with them."""
    names = [name.strip() for text in written for name in text.split(",") if name.strip()]
    problems = [_unknown(name) for name in dict.fromkeys(names) if find_metric(name) is None]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            problems.append(Diagnostic(summary=f"--over names {name} more than once", remedy="name each metric once"))
    if not 2 <= len(names) <= MOST_METRICS:
        given = "no metric" if not names else f"{len(names)} metric{'s' * (len(names) > 1)}"
        problems.append(
            Diagnostic(
                summary=f"--over names {given}, and a front is over 2 to {MOST_METRICS}",
                remedy="write them with commas, such as `--over power,latency.p99`",
            )
        )
    if problems:
        raise UsageError(*problems)
    return tuple(names)


def _unknown(name: str) -> Diagnostic:
    if name in PLAN_METRICS:
        return Diagnostic(
            summary=f"--over cannot take {name}: no way to run an intent has it, only a whole plan",
            remedy=f"known: {', '.join(metric_names())}",
        )
    near = nearest(name, metric_names())
    meant = f"did you mean `{near}`? " if near else ""
    return Diagnostic(
        summary=f"--over names an unknown metric, `{name[:60]}`", remedy=f"{meant}known: {', '.join(metric_names())}"
    )


def pareto(setting: Setting, names: tuple[str, ...], most: int) -> Pareto:
    """Plan, and find the front of the same intents over the metrics, at most so many points of it.

    Raises InputError where a metric is known of no option, and whatever ``make_plan`` raises.
    """
    from aios.solve.front import front, with_plan

    read = gather(setting)
    refuse_pipelines(read.intents, "pareto")
    refuse_splits(read.intents, "pareto")
    considered = consider(read, setting.tell)
    given = considered.given
    if not given.intents:
        raise InputError(
            Diagnostic(
                summary="a front is about intents that run models, and none of these does",
                reason="what states its demand runs in one way only",
                command=shlex.join(
                    ["aios", "plan", *setting.paths, *(["--fleet", setting.fleet] if setting.fleet else [])]
                ),
            )
        )
    planned = make_plan(setting, considered)
    if not planned.selection.chosen:
        return Pareto(planned, names)
    wide = _widened(considered, names, setting)
    setting.tell("looking for the front")
    budgets = given.objective.budget if given.objective else ()
    found = front(given.intents, wide.options, given.fleet, names, setting.limits(), most, budgets)
    chosen, placement = planned.selection.chosen, planned.selection.placement
    own = [intent.name for intent in given.intents if placement.get(intent.name)]
    if len(own) == len(given.intents):
        found = with_plan(found, names, {name: chosen[name] for name in own}, {name: placement[name] for name in own})
    if not found.points and found.stopped == "all":
        raise InputError(*_nothing_known(found, names))
    setting.tell("checking every point")
    for point in found.points:
        _check(point, given, planned.selection.termination)
    return Pareto(planned, names, found, _standing(planned.selection, found.points, names))


def _widened(considered: Considered, names: Sequence[str], setting: Setting) -> Considered:
    """Consider again what makes a difference to metrics that an intent does not speak of: power modes, for example."""
    intents = tuple(_asking(intent, names) for intent in considered.given.intents)
    if intents == considered.given.intents:
        return considered
    wide = consider(replace(considered.given, intents=intents), setting.tell)
    return wide._replace(given=considered.given)


def _asking(intent: Intent, names: Sequence[str]) -> Intent:
    """Return the intent with goals for metrics that it has neither as a goal nor as a bound."""
    said = {goal.metric for goal in intent.goal} | {item.metric for item in intent.bounds if item.implied_by is None}
    more = tuple(
        Goal(direction="minimize" if metric(name).better == "lower" else "maximize", metric=name)
        for name in names
        if name not in said
    )
    return intent.model_copy(update={"goal": (*intent.goal, *more)}) if more else intent


def _nothing_known(found: Front, names: Sequence[str]) -> list[Diagnostic]:
    lacking = [item for item in found.missing if item.options == item.of] or list(found.missing)
    if not lacking:
        return [Diagnostic(summary=f"there is no plan whose {', '.join(names)} are all known")]
    return [
        Diagnostic(
            summary=f"{item.metric} is unknown for {item.options} of {item.of} options of {item.intent}, "
            "so that nothing is left to compare",
            reason=item.reason,
            remedy="leave it out of --over",
        )
        for item in lacking
    ]


def _check(point: Point, given: Given, termination: Termination) -> None:
    """Recompute every clause for a point without the solver."""
    from aios.check import audit

    selection = Selection(status="feasible", chosen=point.chosen, placement=point.placement, termination=termination)
    ledger = audit(given.intents, selection, given.fleet, objective=given.objective)
    broken = [row for row in ledger.rows if not row.holds and not row.clause.id.startswith("objective/")]
    if broken:
        told = ", ".join(row.clause.text for row in broken)
        raise AssertionError(f"a point of the front breaks what the checker recomputed: {told}")


def _standing(selection: Selection, points: Sequence[Point], names: Sequence[str]) -> Standing:
    from aios.solve.front import values_of

    values = values_of(selection.chosen.values(), names)
    own = [value.value for value in values if value is not None]
    if len(own) < len(names):
        return Standing(values, None, None)
    figures = [[value.value for value in point.values] for point in points]
    same = (k for k, point in enumerate(figures) if all(map(_same, point, own)))
    better = (k for k, point in enumerate(figures) if _beats(point, own, names))
    point = next(same, None)
    return Standing(values, point, next(better, None) if point is None else None)


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9)


def _beats(one: Sequence[float], other: Sequence[float], names: Sequence[str]) -> bool:
    signs = [1 if metric(name).better == "lower" else -1 for name in names]
    return all(sign * a <= sign * b or _same(a, b) for a, b, sign in zip(one, other, signs, strict=True))
