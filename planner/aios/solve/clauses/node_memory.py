"""The DRAM of a machine: replicas on it take no more than it has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from aios.records.units import Dimension, format_quantity
from aios.solve.amounts import rounded_down
from aios.solve.clauses.capacity import Limit, capacity_clause, enforce, softened, whose
from aios.solve.clauses.rule import Rule
from aios.solve.problem import Machine, Problem
from aios.solve.wording import instead

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per node whose memory is known, ``capacity/<node>/memory``."""
    for node in problem.fleet.nodes:
        had = node.free_memory_bytes
        if had is None:
            continue
        unit = problem.units.byte
        room = rounded_down(had * unit) if problem.stated else math.floor(had)
        limits = [Limit(_whole, lambda need: need.node_memory, room, unit)]
        yield Rule(
            capacity_clause(
                node,
                "memory",
                f"{whose(node)} has {format_quantity(had, Dimension.BYTES)} of memory" + (" free" if node.used else ""),
            ),
            None,
            partial(enforce, node=node, limits=limits),
            ease=partial(softened, node=node, limits=limits, word=partial(instead, had=had)),
            node=node,
            limits=limits,
        )


def _whole(machine: Machine) -> Sequence[Sequence[int]]:
    return [machine.bins]
