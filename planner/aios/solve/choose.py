"""The room's one act: choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from aios.records.candidate import Priced
from aios.records.current import Moving
from aios.records.fleet import Fleet
from aios.records.intent import Goal, Intent
from aios.records.joins import NOTHING_KNOWN, Joins
from aios.records.metrics import PLAN_METRICS
from aios.records.objective import Budget, Objective
from aios.records.selection import Placement, Selection, Termination
from aios.solve.clauses import rules_of
from aios.solve.contenders import contenders
from aios.solve.cpsat import Engine
from aios.solve.explain import explain
from aios.solve.holding import Holding
from aios.solve.hours import first_stay
from aios.solve.interrupting import came
from aios.solve.joint.size import HUGE, LARGE, variables_of
from aios.solve.limits import Limits
from aios.solve.optimise import Chosen, optimise
from aios.solve.placing import place
from aios.solve.problem import NO_DEMANDS, NOTHING, Problem, Stated, outline, periods_of, pose
from aios.solve.refusing import is_refusal, refusal_of
from aios.solve.stating import with_copies
from aios.solve.staying import as_they_stand, recounted, stays_of

if TYPE_CHECKING:
    from aios.solve.joint.choose import Joint

__all__ = ["choose", "termination"]


def choose(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    limits: Limits,
    objective: Objective | None = None,
    moving: Moving = NOTHING,
    joins: Joins = NOTHING_KNOWN,
    stated: Mapping[str, Stated] = NO_DEMANDS,
    *,
    by_hour: bool = True,
    why: bool = True,
) -> Selection:
    """Choose one option for every intent and place its replicas on the fleet.

    options: intent name -> its priced options · objective: goals, policy and budgets of all of them together · moving:
    what stands already, see ``aios.solve.moving`` · joins: between the machines that stages of pipelines may stand on ·
    stated: demands that are placed with them, few enough for one exact model · by_hour: whether replicas that do not
    run at the same time may share machines; not beside demands · why: whether to say why there is no plan

    Every requirement and capacity holds in the result, the goals are optimised in order (see ``aios.solve.goals``), and
    ties are broken by fewest cores, least share, first id, so that the order of the arguments does not matter; not so
    where there are too many intents and machines for one exact model (see ``aios.solve.joint``), but it does not matter
    there either. Status ``infeasible`` comes with the conflict; ``feasible`` and ``unknown`` mean that the limit was
    reached.
    """
    by_hour = by_hour and not stated and bool(periods_of(intents))
    budgets = objective.budget if objective else ()
    goals = [goal for goal in (objective.goal if objective else ()) if goal.metric not in PLAN_METRICS]
    few = _with_refusals(intents, contenders(intents, options, fleet, budgets, goals), goals, budgets)
    stays = stays_of(intents, options, fleet, moving, budgets, goals)
    outlined = outline(intents, few, fleet, budgets, moving, stays).under(objective)
    plain = outlined.plain and not stated
    size = variables_of(outlined) if plain else 0
    is_large = plain and (sum(map(len, outlined.options)) > LARGE or size > LARGE)
    is_large = is_large and (not by_hour or size > HUGE)  # only the exact model knows hours
    engine = Engine(limits)
    status = ""
    if is_large:
        chosen, placement = _jointly(outlined, engine)
        if chosen.picked is not None and placement is not None:
            return _selection(outlined, chosen, chosen.picked, placement, limits)
        # What does not fit with all replicas at once may fit by the hour.
        status = "" if by_hour else chosen.status
        if status != "infeasible" and size > HUGE:
            return Selection(status="unknown", termination=termination(limits, "limit", found=False))
    if status != "infeasible":
        # After the joint choice the exact one has what is left of the allowance.
        everyone, every = with_copies(intents, few, stated, [item.metric for item in budgets])
        posed = pose(
            everyone,
            every,
            fleet,
            budgets=budgets,
            moving=moving,
            stays=stays,
            joins=joins,
            stated=stated,
            by_hour=by_hour,
        )
        problem = posed.under(objective)
        chosen = _exactly(problem, engine, doubtful=is_large)
        status = chosen.status
    if status == "infeasible":
        required = [intent for intent in intents if intent.required]
        ended = termination(limits, "infeasible", found=False)
        if not why:
            return Selection(status="infeasible", termination=ended)
        problem = _explained(required, options, fleet, budgets, moving, joins, stated, by_hour=by_hour)
        return Selection(status="infeasible", termination=ended, conflict=explain(problem, limits))
    # Placing has its own allowance: a plan that was found is not lost because finding a better one took long.
    picked = chosen.picked
    placement = None if picked is None else place(problem, picked, Engine(limits))
    if picked is None or placement is None:
        return Selection(status="unknown", termination=termination(limits, "limit", found=False))
    return _selection(problem, chosen, picked, placement, limits)


def _with_refusals(
    intents: Sequence[Intent], few: dict[str, list[Priced]], goals: Sequence[Goal], budgets: Sequence[Budget]
) -> dict[str, list[Priced]]:
    """Add the option of not running to every intent that may be refused, and to every further group of a service."""
    for intent in (intent for intent in intents if not intent.required or (intent.part and intent.part.number > 1)):
        watched = {*(goal.metric for goal in (*intent.goal, *goals)), *(item.metric for item in budgets)}
        few[intent.name].append(refusal_of(intent, sorted(watched)))
    return few


def _explained(
    required: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    budgets: Sequence[Budget],
    moving: Moving,
    joins: Joins,
    stated: Mapping[str, Stated],
    *,
    by_hour: bool,
) -> Problem:
    """Return the problem of which it is said why it has no plan; that something stands matters where it must stay."""
    stated = {name: item for name, item in stated.items() if item.demand.required}
    everyone, options = with_copies(required, options, stated, [item.metric for item in budgets])
    if not moving.binds:
        return pose(everyone, options, fleet, budgets=budgets, joins=joins, stated=stated, by_hour=by_hour)
    stays = as_they_stand(options, moving)
    return pose(
        everyone,
        options,
        fleet,
        budgets=budgets,
        moving=moving,
        stays=stays,
        joins=joins,
        stated=stated,
        by_hour=by_hour,
    )


def _jointly(problem: Problem, engine: Engine) -> Joint:
    """Choose for many intents on a large fleet."""
    from aios.solve.joint.choose import choose_jointly

    return choose_jointly(problem, engine)


def _exactly(problem: Problem, engine: Engine, *, doubtful: bool) -> Chosen:
    """Choose by one exact model. doubtful: whether there may well be no plan, so that this is asked first"""
    rules = rules_of(problem)
    asked = doubtful and all(intent.required for intent in problem.intents)
    if asked and not Holding(problem, rules, engine).can_hold(range(len(rules))):
        return Chosen("infeasible")
    return optimise(problem, rules, engine)


def _selection(
    problem: Problem,
    chosen: Chosen,
    picked: Mapping[int, int],
    placement: Mapping[str, tuple[Placement, ...]],
    limits: Limits,
) -> Selection:
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
