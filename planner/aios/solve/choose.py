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
from aios.solve.binding import binding
from aios.solve.clauses import rules_of
from aios.solve.contenders import contenders, unrivalled
from aios.solve.cpsat import Engine
from aios.solve.explain import explain
from aios.solve.gathering import choose_gathered
from aios.solve.holding import Holding
from aios.solve.hours import first_stay
from aios.solve.interrupting import came
from aios.solve.joint.size import HUGE, LARGE, STAGED, variables_of
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

_TELLING = 1 / 6
"""Share of the allowance for saying why pipelines on many machines have no plan: each question is a hard one."""
_PROVING = 1 / 20
"""Share of the allowance for the exact model of what machines that are counted together leave unproved."""
_FEW = 100
"""Variables of an exact model up to which nothing is gained by counting machines together."""


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
    as_written = fleet, objective.budget if objective else ()
    fleet, budgets = binding(intents, options, *as_written)
    goals = [goal for goal in (objective.goal if objective else ()) if goal.metric not in PLAN_METRICS]
    few = _with_refusals(intents, contenders(intents, options, fleet, budgets, goals), goals, budgets)
    stays = stays_of(intents, options, fleet, moving, budgets, goals)
    outlined = outline(intents, few, fleet, budgets, moving, stays).under(objective)
    size = variables_of(outlined)
    most = STAGED if outlined.staged and not moving.binds else LARGE
    plain = not stated and (outlined.plain or (outlined.nearly_plain and not moving.binds))
    large = plain and (size > most or (not outlined.staged and sum(map(len, outlined.options)) > LARGE))
    large = large and (not by_hour or size > HUGE)  # only the exact model knows hours
    engine = Engine(limits)
    status = ""
    if large:
        outlined, chosen, placement = _largely(outlined, joins, engine)
        if chosen.picked is not None and placement is not None:
            return _selection(outlined, chosen, chosen.picked, placement, limits)
        # What does not fit with all replicas at once may fit by the hour.
        status = "" if by_hour else chosen.status
        if status != "infeasible" and size > HUGE:
            return Selection(status="unknown", termination=termination(limits, "limit", found=False))
    if size > _FEW and _is_gathered(outlined, stated, by_hour=by_hour):
        posed = pose(intents, few, fleet, together="fleet", budgets=budgets, by_hour=False).under(objective)
        found = choose_gathered(posed, limits)
        if found.placement is not None:
            assert found.chosen.picked is not None
            told = _selection(posed, found.chosen, found.chosen.picked, found.placement, limits)
            if told.status == "optimal" or size > LARGE:
                return told
            problem = pose(intents, few, fleet, budgets=budgets, by_hour=False).under(objective)
            return _proved(problem, limits) or told
        status = found.chosen.status
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
        chosen = _exactly(problem, engine, doubtful=large)
        status = chosen.status
    if status == "infeasible":
        required = [intent for intent in intents if intent.required]
        ended = termination(limits, "infeasible", found=False)
        if not why:
            return Selection(status="infeasible", termination=ended)
        beyond = moving, joins, stated
        problem = whole = _explained(required, options, *as_written, beyond, limits, large=large, by_hour=by_hour)
        if large and outlined.staged:
            leading = unrivalled(required, options, *as_written)
            problem = _explained(required, leading, *as_written, beyond, limits, large=large, by_hour=by_hour)
            limits = limits._replace(deterministic_limit=limits.deterministic_limit * _TELLING)
        return Selection(status="infeasible", termination=ended, conflict=explain(problem, limits, whole))
    # Placing has its own allowance: a plan that was found is not lost because finding a better one took long.
    picked = chosen.picked
    placement = None if picked is None else place(problem, picked, Engine(limits))
    if picked is None or placement is None:
        return Selection(status="unknown", termination=termination(limits, "limit", found=False))
    return _selection(problem, chosen, picked, placement, limits)


def _largely(
    problem: Problem, joins: Joins, engine: Engine
) -> tuple[Problem, Chosen, Mapping[str, tuple[Placement, ...]] | None]:
    """Choose for many intents, or for stages, on a large fleet; return the problem that what was chosen refers to."""
    if problem.staged:
        from aios.solve.coarse.choose import choose_coarsely

        return choose_coarsely(problem, joins, engine)
    return problem, *_jointly(problem, engine)


def _is_gathered(problem: Problem, stated: Mapping[str, Stated], *, by_hour: bool) -> bool:
    """Say whether to choose with equal machines counted together: not where it matters which of them is taken."""
    split = any(intent.part is not None for intent in problem.intents)
    beside = stated or by_hour or split or problem.staged or problem.moving.standing
    return not problem.plain and not beside


def _proved(problem: Problem, limits: Limits) -> Selection | None:
    """Return the best choice where the exact model finds and proves it soon."""
    engine = Engine(limits._replace(deterministic_limit=_PROVING * limits.deterministic_limit))
    chosen = optimise(problem, rules_of(problem), engine)
    if chosen.status != "optimal" or chosen.picked is None:
        return None
    placement = place(problem, chosen.picked, Engine(engine.limits))
    return None if placement is None else _selection(problem, chosen, chosen.picked, placement, limits)


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
    beyond: tuple[Moving, Joins, Mapping[str, Stated]],
    limits: Limits,
    *,
    large: bool,
    by_hour: bool,
) -> Problem:
    """Return the problem of which it is said why it has no plan; that something stands matters where it must stay.

    large: whether it is enough that it has none whatever handing over between equal machines takes, if that is so
    """
    moving, joins, stated = beyond
    stated = {name: item for name, item in stated.items() if item.demand.required}
    everyone, options = with_copies(required, options, stated, [item.metric for item in budgets])
    if not moving.binds:
        if large and any(intent.pipeline is not None for intent in required):
            loose = pose(everyone, options, fleet, budgets=budgets, joins=joins, handing=False)
            rules = rules_of(loose)
            if not Holding(loose, rules, Engine(limits)).can_hold(range(len(rules))):
                return loose
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
