"""Chooses for models and stated demands together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aios.records.candidate import Priced
from aios.records.current import Moving
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.joins import NOTHING_KNOWN, Joins
from aios.records.objective import Objective
from aios.records.selection import ObjectiveValue, Selection
from aios.solve.admission import Admitted, admit
from aios.solve.admission.stock import taken_by
from aios.solve.choose import choose, termination
from aios.solve.cpsat import Engine
from aios.solve.interrupting import searching
from aios.solve.joint.size import LARGE, variables_beside
from aios.solve.limits import Limits
from aios.solve.problem import NOTHING, outline
from aios.solve.refusing import ADMITTED, admission_row
from aios.solve.stating import stated_by

__all__ = ["choose_together"]

ADMISSIONS = ("accelerator.allocated", "admitted")


def choose_together(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    demands: Sequence[Demanded],
    sites: Mapping[str, Sequence[Site]],
    objective: Objective | None,
    fleet: Fleet,
    limits: Limits,
    moving: Moving = NOTHING,
    joins: Joins = NOTHING_KNOWN,
) -> Selection:
    """Choose for every intent, and place the copies of stated demands beside them.

    sites: demand -> where its copies may stand · joins: see ``choose``. What each would do alone is tried first: where
    models leave room for all that demands want, that is the best there is. Else both are chosen for as one.
    """
    with searching():
        if not demands:
            return choose(intents, options, fleet, limits, objective, moving, joins)
        if not intents:
            return _joined(None, admit(demands, sites, objective, fleet, {}, Engine(limits), moving), limits, objective)
        chosen = choose(intents, options, fleet, limits, objective, moving, joins)
        if chosen.status == "infeasible":
            return chosen
        admitted = Admitted("unknown")
        if chosen.status != "unknown":
            taken = taken_by(chosen.chosen, chosen.placement)
            admitted = admit(demands, sites, objective, fleet, taken, Engine(limits), moving)
        beside = _joined(chosen, admitted, limits, objective)
        if beside.status == "optimal" and not beside.refused:
            return beside
        stated = stated_by(demands, sites)
        size = variables_beside(outline(intents, options, fleet), stated)
        if size <= LARGE:
            return choose(intents, options, fleet, limits, objective, moving, joins, stated)
        return beside


def _joined(chosen: Selection | None, admitted: Admitted, limits: Limits, objective: Objective | None) -> Selection:
    if admitted.status in ("infeasible", "unknown"):
        return Selection(
            status=admitted.status,
            termination=termination(limits, "limit" if admitted.status == "unknown" else "infeasible", found=False),
            conflict=admitted.conflict,
        )
    both = {admitted.status, chosen.status if chosen else "optimal"}
    best = both == {"optimal"}
    placement = {**(chosen.placement if chosen else {}), **admitted.placement}
    return Selection(
        status="optimal" if best else "feasible",
        chosen=chosen.chosen if chosen else {},
        placement={name: placement[name] for name in sorted(placement)},
        refused=dict(sorted({**(chosen.refused if chosen else {}), **admitted.refused}.items())),
        objective=_in_order(_summed((*admitted.rows, *(chosen.objective if chosen else ()))), objective),
        termination=termination(limits, "optimal" if best else "limit", found=True),
    )


def _summed(rows: Sequence[ObjectiveValue]) -> tuple[ObjectiveValue, ...]:
    """Make one row of what is admitted of the intents and of the demands."""
    parts = [row for row in rows if row.goal == ADMITTED]
    if len(parts) < 2:
        return tuple(rows)
    both = admission_row(sum(row.value for row in parts), sum(row.bound for row in parts))
    return (both, *(row for row in rows if row.goal != ADMITTED))


def _in_order(rows: Sequence[ObjectiveValue], objective: Objective | None) -> tuple[ObjectiveValue, ...]:
    """Return rows of admission where the objective has these goals (see ``aios.solve.admitting``)."""
    goals = [str(goal) for goal in (objective.goal if objective else ())]
    admission = [index for index, goal in enumerate(goals) if goal.split()[1] in ADMISSIONS]
    places = {ADMITTED: admission[-1] + 0.5 if admission else -1.0, **{goal: float(k) for k, goal in enumerate(goals)}}
    ends = {row.goal: -2.0 if row.goal.split()[1] in ("fair-share", "max-min") else float(len(goals)) for row in rows}
    return tuple(sorted(rows, key=lambda row: places.get(row.goal, ends[row.goal])))
