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
from aios.records.intent import Goal, Intent
from aios.records.metrics import metric
from aios.records.objective import Budget
from aios.solve.clauses.pipeline import counted
from aios.solve.clauses.requirement import compared, keep
from aios.solve.problem import is_capped, size_of, watts_of

__all__ = ["contenders", "keeping"]

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


def keeping(intent: Intent, options: Sequence[Priced]) -> Sequence[Priced]:
    """Return those options of an intent that keep all its requirements."""
    for requirement in intent.require:
        kept = keep(options, intent, requirement)
        options = [option for option, keeps in zip(options, kept, strict=True) if keeps]
    return options


def _undominated(intent: Intent, options: Sequence[Priced], watched: _Watched) -> list[Priced]:
    """Return the options that no other of the same device, devices per part and memory tiers dominates.

    In order of size, which also breaks ties between plans, so that only an earlier one can dominate a later one.
    """
    kinds: dict[tuple[str | int, ...], dict[tuple[str, ...], _Front]] = {}
    for option in sorted(options, key=size_of):
        candidate, goals = option.candidate, intent.goal + watched.goals
        figures = (
            *_figures(goals, option),
            *_more_figures(intent, option, watched),
            *_figures_of_stage(intent, option),
        )
        copies = (candidate.replicas, candidate.machines) if intent.name in watched.ruled else ()
        kind = (candidate.device, candidate.devices, *copies, *sorted(option.demand.tier_bytes))
        fronts = kinds.setdefault(kind, {})
        front = fronts.setdefault(candidate.nodes, _Front(frozenset(candidate.nodes), []))
        if not any(
            front.nodes <= other.nodes and any(all(map(le, better, figures)) for better, _ in other.kept)
            for other in fronts.values()
        ):
            front.kept.append((figures, option))
    return [option for fronts in kinds.values() for front in fronts.values() for _, option in front.kept]


def _figures(goals: Sequence[Goal], option: Priced) -> _Figures:
    """Return what an option costs in each goal, then what it takes: the less, the better."""
    demand = option.demand
    return (
        *(_cost(goal, option) for goal in goals),
        option.candidate.parts,
        demand.share,
        demand.cores,
        demand.device_memory_bytes,
        demand.node_memory_bytes,
        *(size for _, size in sorted(demand.tier_bytes.items())),
    )


def _more_figures(intent: Intent, option: Priced, watched: _Watched) -> _Figures:
    """Return what a part draws where power is capped, what is budgeted, and, for losses to survive, the throughput."""
    if not (watched.capped or watched.budgets or intent.placement.survive):
        return ()
    watts = watts_of(option) if watched.capped else 0.0
    found = [option.estimates.get(name) for name in watched.budgets]
    spent = [math.inf if estimate is None else estimate.high for estimate in found]
    sustained = compared([option], intent, "throughput")[0] if intent.placement.survive else 0.0
    return (math.inf if watts is None else watts, *spent, -(sustained or 0.0))


def _figures_of_stage(intent: Intent, option: Priced) -> _Figures:
    """Return what an option adds to each bound of the pipeline that it is a stage of."""
    found = []
    for bound in intent.pipeline.require if intent.pipeline else ():
        value = compared([option], intent, counted(bound.metric))[0]
        found.append(math.inf if value is None else value if metric(bound.metric).relation == "<=" else -value)
    return tuple(found)


def _cost(goal: Goal, option: Priced) -> float:
    """Return a cost that is the smaller the better; an unknown one is worse than any."""
    estimate = option.estimates.get(goal.metric)
    if estimate is None:
        return math.inf
    return estimate.value if goal.direction == "minimize" else -estimate.value
