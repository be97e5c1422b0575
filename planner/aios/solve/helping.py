"""What, added to the fleet, would let a plan exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from aios.records.fleet import Fleet, Node
from aios.records.selection import Addition, Relaxation
from aios.records.units import Dimension
from aios.solve.clauses import Rule
from aios.solve.problem import Problem
from aios.solve.wording import rounded_up

__all__ = ["helps"]

_MOST_MACHINES = 8
"""More machines of a node than these are no answer."""


def helps(
    problem: Problem, core: Sequence[Rule], alone: Sequence[Relaxation], fits: Callable[[Fleet], bool], most: int
) -> tuple[Addition, ...]:
    """Return additions, each enough alone, where capacities are part of the conflict.

    alone: what relaxes one clause · fits: whether there is a plan on a fleet · most: nodes that are tried
    """
    capacities = {rule.clause.id: rule for rule in core if rule.node is not None}
    if not capacities:
        return ()
    found = [item for relaxation in alone for item in _of_relaxation(relaxation, capacities)]
    for node in _nodes(problem, core)[:most]:
        number = _machines(problem.fleet, node, fits)
        if number:
            many = "1 more machine" if number == 1 else f"{number} more machines"
            devices = ", ".join(f"{len(slot.ids)} {slot.type}" for slot in node.devices)
            text = f"{many} like {node.name} ({devices})"
            found.append(Addition(what="machine", node=node.name, amount=float(number), text=text))
    return tuple(found)


def _of_relaxation(relaxation: Relaxation, capacities: dict[str, Rule]) -> Iterator[Addition]:
    """Yield what a larger capacity means as something to add."""
    rule = capacities.get(relaxation.clause)
    if rule is None or rule.node is None or relaxation.value is None:
        return
    name, kind = rule.node.name, relaxation.clause.removeprefix(f"capacity/{rule.node.name}/")
    where = name if rule.node.count == 1 else f"each machine of {name}"
    if rule.grow is not None:
        device = kind.removesuffix("/share").removesuffix("/demands")
        more = int(relaxation.value) - sum(len(slot.ids) for slot in rule.node.devices if slot.type == device)
        text = f"{more} more {device} on {where}"
        yield Addition(what="device", node=name, device=device, amount=float(more), text=text)
    elif kind.endswith("memory"):
        missing = relaxation.value - rule.limits[0][2] / rule.limits[0][3]
        tier = kind.removesuffix("memory").removesuffix("/")
        of = f" of {tier.replace('/', ' ')}" if tier else ""
        text = f"{rounded_up(missing, Dimension.BYTES)} more memory{of} on {where}"
        yield Addition(what="memory", node=name, device=tier or None, amount=missing, text=text)


def _nodes(problem: Problem, core: Sequence[Rule]) -> list[Node]:
    """Return nodes on which intents of the conflict may run: those whose capacities conflict first."""
    members = {rule.intent for rule in core if rule.intent is not None}
    named = {name for index in members for option in problem.options[index] for name in option.priced.candidate.nodes}
    short = {rule.node.name for rule in core if rule.node is not None}
    nodes = [node for node in problem.fleet.nodes if node.name in named]
    return sorted(nodes, key=lambda node: node.name not in short)


def _machines(fleet: Fleet, node: Node, fits: Callable[[Fleet], bool]) -> int | None:
    """Return how many more machines of a node are enough, if a few are."""

    def enough(number: int) -> bool:
        more = node.model_copy(update={"count": node.count + number})
        nodes = tuple(more if other.name == node.name else other for other in fleet.nodes)
        return fits(fleet.model_copy(update={"nodes": nodes}))

    if enough(1):
        return 1
    low, high = 1, _MOST_MACHINES
    if not enough(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
