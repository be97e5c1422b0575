"""The memory of a device: replicas on one take no more than it has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from aios.records.units import Dimension, format_quantity
from aios.solve.clauses.capacity import Limit, capacity_clause, enforce, softened, whose
from aios.solve.clauses.rule import Rule
from aios.solve.problem import Machine, Problem, devices_of
from aios.solve.wording import instead

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per node and device type of known memory, ``capacity/<node>/<type>/memory``."""
    for node in problem.fleet.nodes:
        for name in devices_of(node):
            fact = problem.fleet.types[name].memory_bytes
            if fact is None:
                continue
            limits = [
                Limit(
                    partial(_each, problem, name), lambda need: need.device_memory, math.floor(fact.value), 1, each=True
                )
            ]
            text = f"{whose(node)} has {format_quantity(fact.value, Dimension.BYTES)} of memory on each {name}"
            yield Rule(
                capacity_clause(node, f"{name}/memory", text),
                None,
                partial(enforce, node=node, limits=limits),
                ease=partial(softened, node=node, limits=limits, word=partial(instead, had=fact.value)),
                node=node,
                limits=limits,
            )


def _each(problem: Problem, name: str, machine: Machine) -> Sequence[Sequence[int]]:
    return [[index] for index in machine.bins if problem.bins[index].type == name]
