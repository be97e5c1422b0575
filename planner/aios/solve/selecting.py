"""What a choice comes to, as others are told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from aios.records.selection import Conflict, Placement, Selection, Termination
from aios.solve.cpsat import Engine
from aios.solve.hours import first_stay
from aios.solve.interrupting import came
from aios.solve.limits import Limits
from aios.solve.optimise import Chosen
from aios.solve.problem import Problem
from aios.solve.refusing import is_refusal
from aios.solve.staying import recounted

__all__ = ["selected", "termination", "without_plan"]

Placed = Mapping[str, tuple[Placement, ...]]
"""Intent name -> where its parts stand."""


def selected(problem: Problem, chosen: Chosen, placement: Placed | None, limits: Limits) -> Selection:
    """Return what was chosen; of status ``unknown`` where nothing was, or no place was found for it."""
    picked = chosen.picked
    if picked is None or placement is None:
        return without_plan("unknown", limits)
    best = {intent.name: problem.options[index][picked[index]].priced for index, intent in enumerate(problem.intents)}
    wanted = {problem.intents[index].name: item.demand.copies for index, item in problem.stated.items()}
    missing = {name: wanted[name] - best[name].candidate.parts for name in wanted}
    missing |= {name: int(is_refusal(priced)) for name, priced in best.items() if name not in wanted}
    parts = {intent.name for intent in problem.intents if intent.part}
    running = sorted(name for name in best if name not in wanted and not missing[name])
    placed = {name: placement[name] for name in sorted((*running, *wanted))}
    return Selection(
        status="optimal" if chosen.status == "optimal" else "feasible",
        chosen={name: best[name] for name in running},
        placement=placed if problem.periods else first_stay(best, placed),
        refused={name: count for name, count in sorted(missing.items()) if count and name not in parts},
        objective=recounted(problem, picked, placement, chosen.rows),
        termination=termination(limits, "optimal" if chosen.status == "optimal" else "limit", found=True),
    )


def without_plan(
    status: Literal["infeasible", "unknown"], limits: Limits, conflict: Conflict | None = None
) -> Selection:
    """Return a selection without anything: there is no plan, or the limit came before one was found."""
    ended = termination(limits, "limit" if status == "unknown" else "infeasible", found=False)
    return Selection(status=status, termination=ended, conflict=conflict)


def termination(limits: Limits, stopped: Literal["optimal", "infeasible", "limit"], *, found: bool) -> Termination:
    """Return how a choice ended; a limit that somebody's interrupt stood in for is called so."""
    return Termination(
        stopped="interrupted" if stopped == "limit" and came() else stopped,
        found=found,
        seed=limits.seed,
        workers=limits.workers,
        deterministic_limit=limits.deterministic_limit,
        version=Engine.version(),
    )
