"""The memory tiers of a machine: what replicas keep in one is no more than it holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from aios.records.fleet import MemoryTier, Node
from aios.records.units import Dimension, format_quantity
from aios.solve.clauses.capacity import Limit, capacity_clause, enforce, softened, whose
from aios.solve.clauses.rule import Rule
from aios.solve.problem import Machine, Need, Problem, devices_of
from aios.solve.wording import instead

__all__ = ["rules"]

_Groups = Callable[[Machine], Sequence[Sequence[int]]]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per node and memory tier that an option uses, ``capacity/<node>/<tier>/memory``.

    A tier of a device type is each device's own; one of the node is for all that stands on the machine.
    """
    used = {name for shape in problem.shapes for name, _ in shape.need.tiers}
    for node in problem.fleet.nodes if used else ():
        own = {name: {tier.name for tier in problem.fleet.types[name].memory_tiers} for name in devices_of(node)}
        for tier in node.memory_tiers:
            if tier.name in used:
                others = frozenset(name for name, tiers in own.items() if tier.name not in tiers)
                text = f"{whose(node)} has {_size(tier)} of {tier.name}"
                yield _rule(node, tier, tier.name, text, partial(_together, problem, others), each=False)
        for name in own:
            for tier in problem.fleet.types[name].memory_tiers:
                if tier.name in used:
                    text = f"{whose(node)} has {_size(tier)} of {tier.name} on each {name}"
                    yield _rule(node, tier, f"{name}/{tier.name}", text, partial(_each, problem, name), each=True)


def _rule(node: Node, tier: MemoryTier, what: str, text: str, groups: _Groups, *, each: bool) -> Rule:
    had = tier.bytes.value
    limits = [Limit(groups, partial(_taken, name=tier.name), math.floor(had), 1, each)]
    return Rule(
        capacity_clause(node, f"{what}/memory", text),
        None,
        partial(enforce, node=node, limits=limits),
        ease=partial(softened, node=node, limits=limits, word=partial(instead, had=had)),
        node=node,
        limits=limits,
    )


def _taken(need: Need, name: str) -> int:
    return need.of_tier(name)


def _together(problem: Problem, types: frozenset[str], machine: Machine) -> Sequence[Sequence[int]]:
    return [[index for index in machine.bins if problem.bins[index].type in types]]


def _each(problem: Problem, name: str, machine: Machine) -> Sequence[Sequence[int]]:
    return [[index] for index in machine.bins if problem.bins[index].type == name]


def _size(tier: MemoryTier) -> str:
    return format_quantity(tier.bytes.value, Dimension.BYTES)
