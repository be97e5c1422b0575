"""What the capacity clauses have in common: their id, their text, and how they are made soft."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from aios.records.fleet import Node
from aios.records.selection import Clause
from aios.solve.clauses.rule import Eased, Limit
from aios.solve.cpsat import Answer
from aios.solve.model import Decisions
from aios.solve.problem import Machine, Problem, devices_of

__all__ = ["Limit", "capacity_clause", "enforce", "free_by", "shares_of", "softened", "whose"]


def whose(node: Node) -> str:
    """Name a node, or each of equal ones."""
    return f"node {node.name}" if node.count == 1 else f"each node {node.name}"


def capacity_clause(node: Node, what: str, text: str) -> Clause:
    """Return the clause ``capacity/<node>/<what>``."""
    return Clause(id=f"capacity/{node.name}/{what}", intent=None, text=text, where=node.where)


def shares_of(node: Node, types: Collection[str]) -> list[float]:
    """Return what shares of single devices of these types are free on a machine of the node, each once."""
    return sorted({node.free_share(id_) for name, ids in devices_of(node).items() if name in types for id_ in ids})


def free_by(problem: Problem, types: Collection[str], free: float, machine: Machine) -> Sequence[Sequence[int]]:
    """Return each of the machine's devices of these types of which just the share ``free`` is free."""
    node, ids = machine.node, devices_of(machine.node)
    bins = [(index, problem.bins[index]) for index in machine.bins if problem.bins[index].type in types]
    return [[index] for index, place in bins if node.free_share(ids[place.type][place.device]) == free]


def enforce(decisions: Decisions, node: Node, limits: Sequence[Limit]) -> None:
    """Keep every limit on every machine of the node."""
    for machine in decisions.problem.machines_of(node):
        for limit in limits:
            for bins in limit.groups(machine):
                decisions.limit(machine, bins, limit.amount, limit.capacity, each=limit.each)


def softened(
    decisions: Decisions, node: Node, limits: Sequence[Limit], word: Callable[[int], tuple[str, float]]
) -> Eased | None:
    """Make the capacity itself a variable and small. word: the capacity that is needed -> text and number."""
    most: dict[int, int] = {}
    for load in (load for loads in decisions.loads for load in loads):
        needed = max(-(-amount(load.need) // scale) for _, amount, _, scale, _ in limits)
        most[load.intent] = max(most.get(load.intent, 0), load.most * needed)
    level = decisions.model.variable(0, sum(most.values()))
    for machine in decisions.problem.machines_of(node):
        for groups, amount, _, scale, _ in limits:
            for bins in groups(machine):
                decisions.raise_with(machine, bins, amount, level, scale)

    def read(answer: Answer) -> tuple[str, float]:
        return word(answer.values[level])

    return Eased(((level, 1),), read)
