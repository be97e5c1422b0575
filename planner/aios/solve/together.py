"""Chooses for models and stated demands together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

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
from aios.solve.admission.worth import taken_by_copy, weight_of
from aios.solve.asked import Asked
from aios.solve.choose import choose_for
from aios.solve.cpsat import Engine
from aios.solve.interrupting import searching
from aios.solve.joint.size import LARGE, variables_beside
from aios.solve.limits import Limits
from aios.solve.problem import NOTHING, outline
from aios.solve.refusing import ADMITTED, admission_row, weights_of
from aios.solve.selecting import termination, without_plan

__all__ = ["choose_together"]

_ALLOCATED, _ADMITTED = "accelerator.allocated", "admitted"
_PROVABLE = 20_000
"""Variables up to which the exact model is asked where nothing else found a plan: it may prove that there is none."""
_AGAIN = 1 / 6
"""Share of the allowance for choosing for services once more."""
_PARTS = (1.0, 0.8, 0.6, 0.4, 0.2)
"""Shares of the copies that may be refused that have their places before services, until these have theirs too; the
first and the fourth where choosing for services takes long."""
_WHOLE = 1e-6
"""By how much a bound on a whole number may be above it."""


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

    sites: demand -> where its copies may stand · joins: see ``choose``. What services would do alone is tried first:
    where they leave room for all that demands want, that is the best there is. Else both are chosen for as one, by one
    exact model where they are few.
    """
    asked = Asked(intents, options, fleet, limits, objective, moving, joins, demands, sites)
    with searching():
        if not demands:
            return choose_for(asked)
        if not intents:
            found = _beside(asked, None)
            return choose_for(asked) if _is_left_open(asked, found) and _size(asked) <= LARGE else found
        chosen = choose_for(asked._replace(demands=(), by_hour=False))  # copies take what is left at all times
        if chosen.status in ("infeasible", "unknown"):
            return chosen
        found = _beside(asked, chosen)
        stands = moving.binds and any(demand.name in moving.standing for demand in demands)
        if stands or (found.status == "optimal" and not found.refused):
            return found
        return choose_for(asked) if _size(asked) <= LARGE else _best_of_many(asked, chosen, found)


def _size(asked: Asked) -> int:
    """Return about how many variables one exact model of all has."""
    return variables_beside(outline(asked.intents, asked.options, asked.fleet), asked.stated)


def _beside(asked: Asked, chosen: Selection | None) -> Selection:
    """Place the demands on what chosen services leave."""
    taken = taken_by(chosen.chosen, chosen.placement) if chosen else {}
    engine = Engine(asked.limits)
    admitted = admit(asked.demands, asked.sites, asked.objective, asked.fleet, taken, engine, asked.moving)
    return _joined(chosen, admitted, asked.limits, asked.objective)


def _is_left_open(asked: Asked, found: Selection) -> bool:
    """Say whether the policy of priorities leaves goals something to decide, which packing by rank does not do."""
    by_rank = asked.objective is not None and asked.objective.policy == "priority"
    return by_rank and found.status == "feasible" and len(found.objective) > 1 and not asked.moving.standing


def _best_of_many(asked: Asked, alone: Selection, found: Selection) -> Selection:
    """Return the best choice that was found by turns. alone: services as if they were · found: demands beside these"""
    from aios.solve.decomposing import better, with_bounds

    if not asked.moving.standing and not asked.staged:
        for other in _demands_first(asked):
            found = with_bounds(other, alone) if better(other, found) else found
    if found.status == "unknown":
        required = [demand for demand in asked.demands if demand.required]
        free = admit(required, asked.sites, None, asked.fleet, {}, Engine(asked.limits))
        if free.status == "infeasible":  # not even without the services
            return _joined(None, free, asked.limits, asked.objective)
        return choose_for(asked) if _size(asked) <= _PROVABLE else found
    return _bounded(asked, found)


def _demands_first(asked: Asked) -> Iterator[Selection]:
    """Yield choices for services on what demands leave: those that must stand, and as many others as leave room."""
    from aios.solve.decomposing import reserved_first

    soon = asked.within(_AGAIN)
    for part in _reserved(asked):
        own = [item.model_copy(update={"copies": part[item.name]}) for item in asked.demands if part[item.name]]
        whole = own == list(asked.demands)
        chosen = own and reserved_first(soon._replace(demands=own), asked.objective if whole else None)
        if not chosen:
            continue
        services, first = chosen
        again = _beside(asked, services)
        if again.status == "unknown" and whole:
            again = _joined(services, first, asked.limits, asked.objective)
        yield again
        if any(item.copies > 0 for item in own if not item.required):
            return  # fewer leave services no less


def _reserved(asked: Asked) -> Iterator[dict[str, int]]:
    """Yield how many copies of each demand have their places before services: of what may be refused none, then less
    and less."""
    yield {item.name: item.copies if item.required else 0 for item in asked.demands}
    parts = _PARTS if _size(asked) <= _PROVABLE else _PARTS[::3]
    for share in parts if not all(item.required for item in asked.demands) else ():
        yield {item.name: item.copies if item.required else math.floor(share * item.copies) for item in asked.demands}


def _bounded(asked: Asked, found: Selection) -> Selection:
    """Return the choice with what its first goal could be at most, where that is one of admission."""
    from aios.solve.bounding import most_admitted

    first = found.objective[0] if found.objective else None
    name = first.goal.split()[1] if first else ""
    if first is None or name not in (_ALLOCATED, _ADMITTED):
        return found
    weights = weights_of(asked.intents, asked.objective.policy if asked.objective else None)

    def of_intent(intent: Intent) -> float:
        return 0.0 if name == _ALLOCATED or intent.required else float(weights[intent.name])

    def of_copy(demand: Demanded) -> float:
        if name == _ALLOCATED:
            return taken_by_copy(demand)
        return 0.0 if demand.required else float(weight_of(demand.priority))

    most = most_admitted(asked.intents, asked.options, asked.demands, asked.sites, asked.fleet, (of_intent, of_copy))
    if most is None:
        return found
    most = math.floor(most + _WHOLE) if name == _ADMITTED else most * (1 + _WHOLE**2)
    bound = max(first.value, min(first.bound, most))
    row = first.model_copy(update={"bound": bound, "gap": (bound - first.value) / bound if bound else 0.0})
    return found.model_copy(update={"objective": (row, *found.objective[1:])})


def _joined(chosen: Selection | None, admitted: Admitted, limits: Limits, objective: Objective | None) -> Selection:
    if admitted.status in ("infeasible", "unknown"):
        return without_plan(admitted.status, limits, admitted.conflict)
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
    admission = [index for index, goal in enumerate(goals) if goal.split()[1] in (_ALLOCATED, _ADMITTED)]
    places = {ADMITTED: admission[-1] + 0.5 if admission else -1.0, **{goal: float(k) for k, goal in enumerate(goals)}}
    ends = {row.goal: -2.0 if row.goal.split()[1] in ("fair-share", "max-min") else float(len(goals)) for row in rows}
    if objective is not None and objective.policy == "priority":
        places[ADMITTED] = -1.0
    return tuple(sorted(rows, key=lambda row: places.get(row.goal, ends[row.goal])))
