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
from aios.solve.limits import Limits
from aios.solve.problem import NOTHING
from aios.solve.refusing import ADMITTED, admission_row

__all__ = ["choose_together"]


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

    sites: demand -> where its copies may stand · joins: see ``choose``. Models are chosen first and demands take what
    is left, so that with both a plan is ``optimal`` only where no demand is refused.
    """
    with searching():
        by_hour = not demands  # whose copies take what is left at all times
        chosen = choose(intents, options, fleet, limits, objective, moving, joins, by_hour=by_hour) if intents else None
        if not demands and chosen is not None:
            return chosen
        if chosen is not None and chosen.status in ("infeasible", "unknown"):
            return chosen
        taken = taken_by(chosen.chosen, chosen.placement) if chosen else {}
        admitted = admit(demands, sites, objective, fleet, taken, Engine(limits), moving)
        if admitted.status == "unknown" and taken:  # perhaps not even without the services
            required = [demand for demand in demands if demand.required]
            free = admit(required, sites, None, fleet, {}, Engine(limits))
            admitted = free if free.status == "infeasible" else admitted
    return _joined(chosen, admitted, limits)


def _joined(chosen: Selection | None, admitted: Admitted, limits: Limits) -> Selection:
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
        objective=_summed((*admitted.rows, *(chosen.objective if chosen else ()))),
        termination=termination(limits, "optimal" if best else "limit", found=True),
    )


def _summed(rows: Sequence[ObjectiveValue]) -> tuple[ObjectiveValue, ...]:
    """Make one row of what is admitted of the intents and of the demands."""
    parts = [row for row in rows if row.goal == ADMITTED]
    if len(parts) < 2:
        return tuple(rows)
    both = admission_row(sum(row.value for row in parts), sum(row.bound for row in parts))
    return (both, *(row for row in rows if row.goal != ADMITTED))
