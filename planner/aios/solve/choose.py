"""The room's one act: choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.current import Moving
from aios.records.fleet import Fleet
from aios.records.intent import Goal, Intent
from aios.records.joins import NOTHING_KNOWN, Joins
from aios.records.objective import Budget, Objective
from aios.records.selection import Selection
from aios.solve.asked import Asked
from aios.solve.binding import binding
from aios.solve.clauses import rules_of
from aios.solve.contenders import contenders
from aios.solve.cpsat import Engine
from aios.solve.gathering import choose_gathered
from aios.solve.holding import Holding
from aios.solve.joint.size import HUGE, LARGE, STAGED, variables_of
from aios.solve.limits import Limits
from aios.solve.optimise import Chosen, optimise
from aios.solve.placing import place
from aios.solve.problem import NOTHING, Problem, outline
from aios.solve.refusing import refusal_of
from aios.solve.selecting import Placed, selected, without_plan
from aios.solve.staying import stays_of
from aios.solve.whynot import why_not

__all__ = ["choose", "choose_for"]

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
    *,
    by_hour: bool = True,
) -> Selection:
    """Choose one option for every intent and place its replicas on the fleet (see ``Asked`` for what is what).

    Every requirement and capacity holds in the result, and the goals are optimised in order (see ``aios.solve.goals``).
    Equal arguments give equal plans, whatever the order of the intents and of their options: all are put into one order
    first, and work is limited by counted steps, never by time. ``optimal`` is a proof of every goal, ``infeasible``
    comes with the conflict; ``feasible`` is a plan with a bound, and ``unknown`` means that the limit came before any.

    One exact model proves what it finds unless the limit comes first, and breaks ties by fewest cores, least share,
    most defaults, first id. Above ``LARGE`` variables (``STAGED`` with pipelines) it is asked only where no other way
    has a plan: intents are chosen for jointly, pipelines by kinds of machines, and what is under rules, budgets or caps
    with equal machines counted together. Each of these ways has a bound of its own. Where plan and bound differ, the
    plan is ``feasible`` even if a longer exact search could prove it or find a better one, and which of equally good
    plans it is depends on the way alone. Machines are counted together from ``_FEW`` variables on; up to ``LARGE`` the
    exact model may use ``_PROVING`` of the allowance to prove what that leaves open.
    """
    return choose_for(Asked(intents, options, fleet, limits, objective, moving, joins, by_hour=by_hour))


def choose_for(asked: Asked, *, why: bool = True) -> Selection:
    """Choose in the first way that has an answer; see ``choose``. why: whether to say why there is no plan"""
    case = _case(asked)
    found = next(told for way in (_jointly, _coarsely, _gathered, _exactly) if (told := way(case)) is not None)
    if found.status != "infeasible" or not why:
        return found
    return found.model_copy(update={"conflict": why_not(asked, large=case.large)})


class _Case(NamedTuple):
    """What was asked, as it is chosen for. asked: with those options, caps and budgets alone that can matter · stays:
    intent -> options in which it stays where it stands · outlined: all of it, without machines · size: variables that
    the exact model would have · large: whether these are too many · engine: with what is left of the allowance"""

    asked: Asked
    stays: Mapping[str, Sequence[Priced]]
    outlined: Problem
    size: int
    large: bool
    engine: Engine


def _case(asked: Asked) -> _Case:
    intents, moving = asked.intents, asked.moving
    asked = asked.with_budgets(*binding(intents, asked.options, asked.fleet, asked.budgets))
    watched = asked.fleet, asked.budgets, asked.goals
    few = _with_refusals(intents, contenders(intents, asked.options, *watched), asked.goals, asked.budgets)
    stays = stays_of(intents, asked.options, asked.fleet, moving, asked.budgets, asked.goals)
    asked = asked._replace(options=few)
    outlined = outline(intents, few, asked.fleet, asked.beside(stays)).under(asked.objective)
    size = variables_of(outlined)
    plain = not asked.demands and (outlined.plain or (outlined.nearly_plain and not moving.binds))
    most = STAGED if outlined.staged and not moving.binds else LARGE
    large = plain and (size > most or (not outlined.staged and sum(map(len, outlined.options)) > LARGE))
    large = large and (not asked.hourly or size > HUGE)  # only the exact model knows hours
    return _Case(asked, stays, outlined, size, large, Engine(asked.limits))


def _with_refusals(
    intents: Sequence[Intent], few: dict[str, list[Priced]], goals: Sequence[Goal], budgets: Sequence[Budget]
) -> dict[str, list[Priced]]:
    """Add the option of not running to every intent that may be refused, and to every further group of a service."""
    for intent in (intent for intent in intents if not intent.required or (intent.part and intent.part.number > 1)):
        watched = {*(goal.metric for goal in (*intent.goal, *goals)), *(item.metric for item in budgets)}
        few[intent.name].append(refusal_of(intent, sorted(watched)))
    return few


def _jointly(case: _Case) -> Selection | None:
    """Choose for many intents on a large fleet."""
    if not case.large or case.outlined.staged:
        return None
    from aios.solve.joint.choose import choose_jointly

    return _of_many(case, case.outlined, *choose_jointly(case.outlined, case.engine))


def _coarsely(case: _Case) -> Selection | None:
    """Choose for stages of pipelines, and what is beside them, by kinds of machines."""
    if not case.large or not case.outlined.staged:
        return None
    from aios.solve.coarse.choose import choose_coarsely

    return _of_many(case, *choose_coarsely(case.outlined, case.asked.joins, case.engine))


def _of_many(case: _Case, problem: Problem, chosen: Chosen, placement: Placed | None) -> Selection | None:
    """Return what was chosen for many; nothing where the exact model may still find a plan."""
    if chosen.picked is not None and placement is not None:
        return selected(problem, chosen, placement, case.asked.limits)
    if chosen.status == "infeasible" and not case.asked.hourly:  # else it may fit with fewer replicas at once
        return without_plan("infeasible", case.asked.limits)
    return without_plan("unknown", case.asked.limits) if case.size > HUGE else None


def _gathered(case: _Case) -> Selection | None:
    """Choose with equal machines counted together: where it does not matter which of them is taken, and only rules,
    budgets and caps are beside what single machines have."""
    asked, outlined, limits = case.asked, case.outlined, case.asked.limits
    split = any(intent.part is not None for intent in outlined.intents)
    beside = asked.demands or asked.hourly or split or outlined.staged or outlined.moving.standing
    if case.size <= _FEW or outlined.plain or beside:
        return None
    posed = asked.posed({}, "fleet")
    found = choose_gathered(posed, limits)
    if found.placement is None:
        return without_plan("infeasible", limits) if found.chosen.status == "infeasible" else None
    told = selected(posed, found.chosen, found.placement, limits)
    if told.status == "optimal" or case.size > LARGE:
        return told
    problem, chosen = _solved(case, Engine(asked.within(_PROVING).limits))
    proved = _placed(problem, chosen, limits) if chosen.status == "optimal" else told
    return told if proved.status == "unknown" else proved


def _exactly(case: _Case) -> Selection:
    """Choose by one exact model, with what other ways left of the allowance."""
    problem, chosen = _solved(case, case.engine)
    limits = case.asked.limits
    return without_plan("infeasible", limits) if chosen.status == "infeasible" else _placed(problem, chosen, limits)


def _solved(case: _Case, engine: Engine) -> tuple[Problem, Chosen]:
    """Return the exact model's problem and choice; where there may well be no plan this is asked first."""
    problem = case.asked.posed(case.stays)
    rules = rules_of(problem)
    doubtful = case.large and all(intent.required for intent in problem.intents)
    if doubtful and not Holding(problem, rules, engine).can_hold(range(len(rules))):
        return problem, Chosen("infeasible")
    return problem, optimise(problem, rules, engine)


def _placed(problem: Problem, chosen: Chosen, limits: Limits) -> Selection:
    # Placing has its own allowance: a plan that was found is not lost because finding a better one took long.
    placement = None if chosen.picked is None else place(problem, chosen.picked, Engine(limits))
    return selected(problem, chosen, placement, limits)
