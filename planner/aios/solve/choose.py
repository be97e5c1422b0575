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
from aios.solve.contenders import contenders
from aios.solve.cpsat import Engine
from aios.solve.explain import explain
from aios.solve.gathering import choose_gathered
from aios.solve.holding import Holding
from aios.solve.interrupting import came
from aios.solve.joint.size import HUGE, LARGE, variables_of
from aios.solve.limits import Limits
from aios.solve.optimise import Chosen, optimise
from aios.solve.placing import place
from aios.solve.problem import NOTHING, Problem, outline, pose
from aios.solve.refusing import is_refusal, refusal_of
from aios.solve.resuming import Resumed, resume
from aios.solve.staying import as_they_stand, recounted, stays_of

if TYPE_CHECKING:
    from aios.solve.joint.choose import Joint

__all__ = ["choose", "termination"]

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
) -> Selection:
    """Choose one option for every intent and place its replicas on the fleet.

    options: intent name -> its priced options · objective: goals, policy and budgets of all of them together · moving:
    what stands already, see ``aios.solve.moving`` · joins: between the machines that stages of pipelines may stand on

    Every requirement and capacity holds in the result, the goals are optimised in order (see ``aios.solve.goals``), and
    ties are broken by fewest cores, least share, first id, so that the order of the arguments does not matter; not so
    where there are too many intents and machines for one exact model (see ``aios.solve.joint``), but it does not matter
    there either. Status ``infeasible`` comes with the conflict; ``feasible`` and ``unknown`` mean that the limit was
    reached.
    """
    as_written = fleet, objective.budget if objective else ()
    fleet, budgets = binding(intents, options, *as_written)
    objective = objective.model_copy(update={"budget": budgets}) if objective else None
    again = resume(intents, options, fleet, objective, moving)
    resumed = None if again is None else _resumed(again, limits)
    if resumed is not None:
        return resumed
    goals = [goal for goal in (objective.goal if objective else ()) if goal.metric not in PLAN_METRICS]
    few = _with_refusals(intents, contenders(intents, options, fleet, budgets, goals), goals, budgets)
    stays = stays_of(intents, options, fleet, moving, budgets, goals)
    outlined = outline(intents, few, fleet, budgets, moving, stays).under(objective)
    variables = variables_of(outlined)
    size = variables if outlined.plain else 0
    engine = Engine(limits)
    status = ""
    if size > LARGE:
        chosen, placement = _jointly(outlined, engine)
        if chosen.picked is not None and placement is not None:
            return _selection(outlined, chosen, chosen.picked, placement, limits)
        status = chosen.status
        if status != "infeasible" and size > HUGE:
            return Selection(status="unknown", termination=termination(limits, "limit", found=False))
    if variables > _FEW and _is_gathered(outlined):
        posed = pose(intents, few, fleet, together="fleet", budgets=budgets, joins=joins).under(objective)
        found = choose_gathered(posed, limits)
        if found.placement is not None:
            assert found.chosen.picked is not None
            told = _selection(posed, found.chosen, found.chosen.picked, found.placement, limits)
            if told.status == "optimal" or variables > LARGE:
                return told
            few_steps = limits._replace(deterministic_limit=_PROVING * limits.deterministic_limit)
            problem = pose(intents, few, fleet, budgets=budgets, joins=joins).under(objective)
            exact = optimise(problem, rules_of(problem), Engine(few_steps))
            proved = place(problem, exact.picked, Engine(few_steps)) if exact.picked is not None else None
            if exact.status != "optimal" or exact.picked is None or proved is None:
                return told
            return _selection(problem, exact, exact.picked, proved, limits)
        status = found.chosen.status
    if status != "infeasible":
        # After the joint choice the exact one has what is left of the allowance.
        problem = pose(intents, few, fleet, budgets=budgets, moving=moving, stays=stays, joins=joins).under(objective)
        chosen = _exactly(problem, engine, doubtful=size > LARGE)
        status = chosen.status
    if status == "infeasible":
        required = [intent for intent in intents if intent.required]
        return Selection(
            status="infeasible",
            termination=termination(limits, "infeasible", found=False),
            conflict=explain(_explained(required, options, *as_written, moving, joins), limits),
        )
    # Placing has its own allowance: a plan that was found is not lost because finding a better one took long.
    picked = chosen.picked
    placement = None if picked is None else place(problem, picked, Engine(limits))
    if picked is None or placement is None:
        return Selection(status="unknown", termination=termination(limits, "limit", found=False))
    return _selection(problem, chosen, picked, placement, limits)


def _is_gathered(problem: Problem) -> bool:
    """Say whether to choose with equal machines counted together: not where it matters which of them is taken."""
    staged = any(intent.pipeline is not None for intent in problem.intents)
    return not problem.plain and not staged and not problem.moving.standing


def _with_refusals(
    intents: Sequence[Intent], few: dict[str, list[Priced]], goals: Sequence[Goal], budgets: Sequence[Budget]
) -> dict[str, list[Priced]]:
    """Add the option of not running to every intent that may be refused."""
    for intent in (intent for intent in intents if not intent.required):
        watched = {*(goal.metric for goal in (*intent.goal, *goals)), *(item.metric for item in budgets)}
        few[intent.name].append(refusal_of(intent, sorted(watched)))
    return few


def _resumed(again: Resumed, limits: Limits) -> Selection | None:
    """Choose for what cannot stay on a large fleet; None where that finds no room beside what stays."""
    chosen, placement = _jointly(again.problem, Engine(limits))
    if chosen.picked is None or placement is None:
        return None
    found = _selection(again.problem, chosen, chosen.picked, placement, limits)
    rows = again.rows(found.objective)
    best = all(row.gap == 0 for row in rows)
    return found.model_copy(
        update={
            "objective": rows,
            "status": "optimal" if best else "feasible",
            "termination": termination(limits, "optimal" if best else "limit", found=True),
        }
    )


def _explained(
    required: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    budgets: Sequence[Budget],
    moving: Moving,
    joins: Joins,
) -> Problem:
    """Return the problem of which it is said why it has no plan; that something stands matters where it must stay."""
    if not moving.binds:
        return pose(required, options, fleet, budgets=budgets, joins=joins)
    stays = as_they_stand(options, moving)
    return pose(required, options, fleet, budgets=budgets, moving=moving, stays=stays, joins=joins)


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
    refused = sorted(name for name, priced in best.items() if is_refusal(priced))
    running = sorted(best.keys() - set(refused))
    return Selection(
        status="optimal" if chosen.status == "optimal" else "feasible",
        chosen={name: best[name] for name in running},
        placement={name: placement[name] for name in running},
        refused=dict.fromkeys(refused, 1),
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
