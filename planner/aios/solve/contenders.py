"""Leaves out the options that no best plan holds, so that the engine decides among a few and not among thousands.

An option is out when it breaks a requirement of its intent, or when another one, wherever it is chosen, does as well or
better in everything that plans are compared by while taking nothing more. Both leave the best plan as it is; only
what says why nothing fits looks at all options.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from operator import le

from aios.records.candidate import Priced
from aios.records.intent import Goal, Intent
from aios.solve.clauses.requirement import keep
from aios.solve.problem import size_of

__all__ = ["contenders"]

_Figures = tuple[float, ...]


def contenders(intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]]) -> dict[str, list[Priced]]:
    """Return intent name -> the options that a best plan may hold; none where no option keeps the requirements."""
    return {intent.name: _undominated(intent, _keeping(intent, options.get(intent.name, ()))) for intent in intents}


def _keeping(intent: Intent, options: Sequence[Priced]) -> Sequence[Priced]:
    for requirement in intent.require:
        kept = keep(options, intent, requirement)
        options = [option for option, keeps in zip(options, kept, strict=True) if keeps]
    return options


def _undominated(intent: Intent, options: Sequence[Priced]) -> list[Priced]:
    """Return the options that no other of the same device, devices per part and memory tiers dominates.

    In order of size, which also breaks ties between plans, so that only an earlier one can dominate a later one.
    """
    found: dict[tuple[str | int, ...], list[tuple[_Figures, frozenset[str], Priced]]] = {}
    for option in sorted(options, key=size_of):
        figures, nodes = tuple(_figures(intent, option)), frozenset(option.candidate.nodes)
        front = found.setdefault(
            (option.candidate.device, str(option.candidate.devices), *sorted(option.demand.tier_bytes)), []
        )
        if not any(all(map(le, other, figures)) and nodes <= allowed for other, allowed, _ in front):
            front.append((figures, nodes, option))
    return [option for front in found.values() for _, _, option in front]


def _figures(intent: Intent, option: Priced) -> Iterator[float]:
    """Yield what an option costs in each goal, then what it takes: the less, the better."""
    for goal in intent.goal:
        yield _cost(goal, option)
    demand = option.demand
    yield option.candidate.parts
    yield demand.share
    yield demand.cores
    yield demand.device_memory_bytes
    yield demand.node_memory_bytes
    yield from (size for _, size in sorted(demand.tier_bytes.items()))


def _cost(goal: Goal, option: Priced) -> float:
    """Return a cost that is the smaller the better; an unknown one is worse than any."""
    estimate = option.estimates.get(goal.metric)
    if estimate is None:
        return math.inf
    return estimate.value if goal.direction == "minimize" else -estimate.value
