"""The CPU cores of a machine: replicas on it take no more than it has.

A share of a cpu is a share of the same cores, so both make one clause where the node's cores are known: nobody could
give more of one without the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from aios.records.fleet import Node
from aios.solve.amounts import rounded_down
from aios.solve.clauses.capacity import Limit, capacity_clause, enforce, softened, whose
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.model import Decisions
from aios.solve.problem import SHARE_UNITS, Machine, Problem

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per node whose cores are known, ``capacity/<node>/cores``."""
    for node in problem.fleet.nodes:
        if node.free_cores is None:
            continue
        free = int(node.free_cores)
        text = f"{whose(node)} has {_cores(free)}" + ("" if free == node.cores else " free")
        limits = _limits(problem, node, node.free_cores)
        clause = capacity_clause(node, "cores", text)
        yield Rule(
            clause,
            None,
            partial(enforce, node=node, limits=limits),
            ease=partial(_ease, node=node, limits=limits, had=free),
            node=node,
            limits=limits,
        )


def _limits(problem: Problem, node: Node, free: float) -> list[Limit]:
    unit = problem.units.core
    cpus = {slot.type for slot in node.devices if problem.fleet.types[slot.type].kind == "cpu"}

    def whole(machine: Machine) -> Sequence[Sequence[int]]:
        return [machine.bins]

    def each_cpu(machine: Machine) -> Sequence[Sequence[int]]:
        return [[index] for index in machine.bins if problem.bins[index].type in cpus]

    whole_cpu, unrounded = node.cores or 1, math.floor(SHARE_UNITS * free)
    return [
        Limit(whole, lambda need: need.cores, rounded_down(free * unit) if problem.stated else int(free), unit),
        Limit(each_cpu, lambda need: need.share * whole_cpu, unrounded, SHARE_UNITS, each=True),
    ]


def _ease(decisions: Decisions, node: Node, limits: Sequence[Limit], had: int) -> Eased | None:
    return softened(decisions, node, limits, lambda cores: (f"{_cores(cores)} instead of {had}", float(cores)))


def _cores(count: int) -> str:
    return f"{count} core" if count == 1 else f"{count} cores"
