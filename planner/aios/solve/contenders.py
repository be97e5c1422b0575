"""Leaves out the options that no best plan holds, so that the engine decides among a few and not among thousands.

An option is out when it breaks a requirement of its intent, or when another one, wherever it is chosen, does as well or
better in everything that plans are compared by while taking nothing more. Both leave the best plan as it is; only
what says why nothing fits looks at all options.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import le
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.intent import Goal, Intent, Requirement
from aios.records.metrics import metric
from aios.records.objective import Budget
from aios.solve.clauses.pipeline import counted
from aios.solve.clauses.requirement import compared, keep
from aios.solve.shapes import is_capped, size_of, watts_of

__all__ = ["contenders", "keeping", "unrivalled"]

_Figures = tuple[float, ...]


class _Front(NamedTuple):
    """Options that may stand on the same nodes, none of which dominates another: with their figures."""

    nodes: frozenset[str]
    kept: list[tuple[_Figures, Priced]]


class _Watched(NamedTuple):
    """What else plans are compared by. capped: whether power is, of machines · budgets: metrics of which the plan may
    take so much · ruled: intents whose number of parts matters to where they or others may stand · goals: of the whole
    plan"""

    capped: bool
    budgets: tuple[str, ...]
    ruled: frozenset[str]
    goals: tuple[Goal, ...]


def contenders(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet | None = None,
    budgets: Sequence[Budget] = (),
    goals: Sequence[Goal] = (),
) -> dict[str, list[Priced]]:
    """Return intent name -> the options that a best plan may hold; none where no option keeps the requirements.

    fleet, budgets: what of it, and of the plan, is capped · goals: of the whole plan, beside the intents' own
    """
    rules = [(intent.name, intent.placement) for intent in intents if intent.placement.domains]
    beside = {other.intent for _, own in rules for other in (*own.together, *own.apart)}
    capped = fleet is not None and is_capped(fleet)
    ruled = frozenset({name for name, _ in rules} | beside)
    watched = _Watched(capped, tuple(item.metric for item in budgets), ruled, tuple(goals))
    return {
        intent.name: _undominated(intent, keeping(intent, options.get(intent.name, ())), watched) for intent in intents
    }


def unrivalled(
    intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]], fleet: Fleet, budgets: Sequence[Budget] = ()
) -> dict[str, list[Priced]]:
    """Return intent name -> the options without those that another one does no worse than in whatever is bounded.

    Of any set of clauses, and of any change of bounds, they keep what all options do.
    """
    everything = tuple(intent.model_copy(update={"goal": ()}) for intent in intents)
    watched = _Watched(is_capped(fleet), tuple(item.metric for item in budgets), frozenset(), ())
    return {
        intent.name: _undominated(intent, options.get(intent.name, ()), watched, intent.bounds) for intent in everything
    }


def keeping(intent: Intent, options: Sequence[Priced]) -> Sequence[Priced]:
    """Return the options that keep an intent's requirements."""
    for requirement in intent.require:
        kept = keep(options, intent, requirement)
        options = [option for option, keeps in zip(options, kept, strict=True) if keeps]
    return options


def _undominated(
    intent: Intent, options: Sequence[Priced], watched: _Watched, bounds: Sequence[Requirement] | None = None
) -> list[Priced]:
    """Return the options that no other of the same device, devices per part and memory tiers dominates.

    In order of size, which also breaks ties between plans, so that only an earlier one can dominate a later one.
    bounds: that are kept the better by smaller figures; those of its pipeline by default, as options keep its own
    """
    if bounds is None:
        bounds = intent.pipeline.require if intent.pipeline else ()
    kinds: dict[tuple[str | int, ...], dict[tuple[str, ...], _Front]] = {}
    goals, is_ruled = intent.goal + watched.goals, intent.name in watched.ruled
    is_more = watched.capped or bool(watched.budgets) or intent.placement.survive or intent.pipeline is not None
    for option in sorted(options, key=size_of):
        candidate = option.candidate
        figures = (*_figures(goals, option), *_figures_of_periods(option, watched))
        if is_more or bounds:
            figures = (*figures, *_more_figures(intent, option, watched), *_bounded_figures(intent, option, bounds))
        copies = (candidate.replicas, candidate.machines) if is_ruled else ()
        kind = (candidate.device, candidate.devices, option.pieces, *copies, *sorted(option.demand.tier_bytes))
        fronts = kinds.setdefault(kind, {})
        front = fronts.get(candidate.nodes)
        if front is None:
            front = fronts[candidate.nodes] = _Front(frozenset(candidate.nodes), [])
        if not any(_holds(other, figures) for other in fronts.values() if front.nodes <= other.nodes):
            front.kept.append((figures, option))
    return [option for fronts in kinds.values() for front in fronts.values() for _, option in front.kept]


def _holds(front: _Front, figures: _Figures) -> bool:
    """Say whether an option of these figures is dominated."""
    first = figures[0]
    return any(better[0] <= first and all(map(le, better, figures)) for better, _ in front.kept)


def _figures(goals: Sequence[Goal], option: Priced) -> _Figures:
    """Return what an option costs in each goal, then what it takes: the less, the better."""
    demand = option.demand
    takes = (demand.share, demand.cores, demand.device_memory_bytes, demand.node_memory_bytes)
    tiers = [size for _, size in sorted(demand.tier_bytes.items())] if demand.tier_bytes else ()
    return (*[_cost(goal, option) for goal in goals], option.candidate.parts, *takes, *tiers)


def _more_figures(intent: Intent, option: Priced, watched: _Watched) -> _Figures:
    """Return what a part draws where power is capped, what is budgeted, and, for losses to survive, the throughput."""
    if not (watched.capped or watched.budgets or intent.placement.survive):
        return ()
    watts = watts_of(option) if watched.capped else 0.0
    found = [option.estimates.get(name) for name in watched.budgets]
    spent = [math.inf if estimate is None else estimate.high for estimate in found]
    sustained = compared([option], intent, "throughput")[0] if intent.placement.survive else 0.0
    return (math.inf if watts is None else watts, *spent, -(sustained or 0.0))


def _bounded_figures(intent: Intent, option: Priced, bounds: Sequence[Requirement]) -> _Figures:
    """Return what an option adds to each bound."""
    found = []
    for bound in bounds:
        value = compared([option], intent, counted(bound.metric))[0]
        found.append(math.inf if value is None else value if metric(bound.metric).relation == "<=" else -value)
    return tuple(found)


def _figures_of_periods(option: Priced, watched: _Watched) -> _Figures:
    """Return what of an option runs in each part of a day, and what that draws where power is capped."""
    found = [float(period.replicas) for period in option.periods]
    drawn = [period.estimates.get("power") for period in option.periods] if watched.capped else []
    return (*found, *(math.inf if power is None else power.high for power in drawn))


def _cost(goal: Goal, option: Priced) -> float:
    """Return a cost that is the smaller the better; an unknown one is worse than any."""
    estimate = option.estimates.get(goal.metric)
    if estimate is None:
        return math.inf
    return estimate.value if goal.direction == "minimize" else -estimate.value
