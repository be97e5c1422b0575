"""The devices of a machine: replicas on one take no more than all of it, and none spreads over two.

For a cpu on a node of known cores this is part of the cores clause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from aios.records.fleet import DeviceSlot, Fleet, Node
from aios.solve.amounts import rounded_down
from aios.solve.clauses.capacity import Limit, capacity_clause, enforce, free_by, shares_of, whose
from aios.solve.clauses.rule import Rule
from aios.solve.problem import SHARE_UNITS, Problem, devices_of

__all__ = ["grown", "rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per node and device type, ``capacity/<node>/<type>/share``."""
    for node in problem.fleet.nodes:
        for name, ids in devices_of(node).items():
            if problem.fleet.types[name].kind == "cpu" and node.cores is not None:
                continue
            had, free = len(ids), sum(node.free_share(id_) >= 1 for id_ in ids)
            text = f"{whose(node)} has {had} {name}" + ("" if free == had else f", {free} of them free")
            limits = [
                Limit(
                    partial(free_by, problem, {name}, some),
                    lambda need: need.share,
                    _units(problem, some),
                    1,
                    each=True,
                )
                for some in shares_of(node, {name})
            ]
            yield Rule(
                capacity_clause(node, f"{name}/share", text),
                None,
                partial(enforce, node=node, limits=limits),
                grow=partial(grown, node=node, name=name, had=had),
                node=node,
                limits=limits,
            )


def _units(problem: Problem, share: float) -> int:
    """Return a free share in whole units; shares that people state are theirs up to the noise of arithmetic."""
    return rounded_down(share * SHARE_UNITS) if problem.stated else math.floor(share * SHARE_UNITS)


def grown(fleet: Fleet, more: int, node: Node, name: str, had: int) -> tuple[Fleet, str, float]:
    """Return the fleet with ``more`` devices of the type on every machine of the node."""
    added = DeviceSlot(type=name, ids=tuple(f"+{number}" for number in range(more)))
    larger = node.model_copy(update={"devices": (*node.devices, added)})
    nodes = tuple(larger if other.name == node.name else other for other in fleet.nodes)
    return fleet.model_copy(update={"nodes": nodes}), f"{had + more} {name} instead of {had}", float(had + more)
