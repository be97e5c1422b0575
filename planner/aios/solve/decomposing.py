"""Services and stated demands that are too many for one exact model.

Each is chosen for on what the other leaves: services first, or demands that must stand first, or all demands first; the
best of these in the order of the goals is taken. What it could be at most is said by a linear programme of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.demanded import Demanded
from aios.records.fleet import Fleet, Node, Used
from aios.records.objective import Objective
from aios.records.selection import Placement, Selection
from aios.solve.admission import Admitted, admit
from aios.solve.admission.stock import Taken
from aios.solve.asked import Asked
from aios.solve.choose import choose_for
from aios.solve.cpsat import Engine
from aios.solve.problem import NOTHING
from aios.solve.refusing import ADMITTED

__all__ = ["better", "reserved_first", "with_bounds"]

_ALIKE = 1e-9
"""Difference, as a share, below which two values of a goal are one."""


class Rest(NamedTuple):
    """What demands leave of a fleet. fleet: machines of one node that have as much left are a node of their own ·
    nodes: node -> those that it has become · machines: their machines -> what these are called"""

    fleet: Fleet
    nodes: Mapping[str, tuple[str, ...]]
    machines: Mapping[str, str]


def reserved_first(asked: Asked, wishes: Objective | None) -> tuple[Selection, Admitted] | None:
    """Place these demands, then choose for services on what they leave; None where that leaves no room for a plan.

    wishes: what decides which demands are admitted. Nothing of it may stand already, and no services may hand data to
    each other: machines have other names meanwhile.
    """
    options = asked.options
    first = admit(asked.demands, asked.sites, wishes, asked.fleet, {}, Engine(asked.limits))
    if first.status in ("infeasible", "unknown"):
        return None
    rest = _rest(asked.fleet, _taken(asked.demands, first.placement))
    there: dict[tuple[str, ...], tuple[str, ...]] = {}
    for nodes in {priced.candidate.nodes for row in options.values() for priced in row}:
        there[nodes] = tuple(new for node in nodes for new in rest.nodes.get(node, ()))
    on_rest = {name: [_on(priced, there[priced.candidate.nodes]) for priced in row] for name, row in options.items()}
    alone = asked._replace(options=on_rest, fleet=rest.fleet, demands=(), moving=NOTHING)
    chosen = choose_for(alone, why=False)
    if chosen.status in ("infeasible", "unknown"):
        return None
    known = {priced.candidate.id: priced for row in options.values() for priced in row}
    placement = {
        name: tuple(part.model_copy(update={"node": rest.machines[part.node]}) for part in parts)
        for name, parts in chosen.placement.items()
    }
    picked = {name: known[priced.candidate.id] for name, priced in chosen.chosen.items()}
    return chosen.model_copy(update={"chosen": picked, "placement": placement}), first


def _on(priced: Priced, nodes: tuple[str, ...]) -> Priced:
    return priced.model_copy(update={"candidate": priced.candidate.model_copy(update={"nodes": nodes})})


def _taken(demands: Sequence[Demanded], placement: Mapping[str, Sequence[Placement]]) -> dict[str, Taken]:
    """Return machine -> what demands take of it; a device of which they take a part counts as all."""
    found: dict[str, Taken] = {}
    for demand in demands:
        for part in placement.get(demand.name, ()):
            taken = found.setdefault(part.node, Taken())
            taken.cores += demand.cores * part.replicas
            taken.memory_bytes += demand.memory_bytes * part.replicas
            taken.devices.update(part.devices)
    return found


def _rest(fleet: Fleet, taken: Mapping[str, Taken]) -> Rest:
    nodes: list[Node] = []
    became: dict[str, tuple[str, ...]] = {}
    machines: dict[str, str] = {}
    nothing = Taken()
    for node in fleet.nodes:
        alike: dict[tuple[float, float, frozenset[str]], list[str]] = {}
        for name in node.instances():
            own = taken.get(name, nothing)
            alike.setdefault((own.cores, own.memory_bytes, frozenset(own.devices)), []).append(name)
        parts = [_part(node, number, names, key) for number, (key, names) in enumerate(alike.items())]
        for part, names in zip(parts, alike.values(), strict=True):
            machines.update(zip(part.instances(), names, strict=True))
        became[node.name] = tuple(part.name for part in parts)
        nodes += parts
    return Rest(fleet.model_copy(update={"nodes": tuple(nodes)}), became, machines)


def _part(node: Node, number: int, names: Sequence[str], gone: tuple[float, float, frozenset[str]]) -> Node:
    """Return the machines of a node of which so much is gone, as a node."""
    cores, memory, devices = gone
    used = node.used or Used()
    whole = used.model_copy(
        update={
            "cores": used.cores + cores,
            "memory_bytes": used.memory_bytes + memory,
            "devices": {**used.devices, **dict.fromkeys(sorted(devices), 1.0)},
        }
    )
    changes = {"name": f"{node.name}~{number}", "count": len(names), "hosts": None, "used": whole}
    return node.model_copy(update=changes)


def better(one: Selection, other: Selection) -> bool:
    """Say whether one choice is better than another in the order of the goals, or is one where the other is none."""
    if one.status in ("infeasible", "unknown") or other.status in ("infeasible", "unknown"):
        return other.status in ("infeasible", "unknown") and one.status not in ("infeasible", "unknown")
    theirs = {row.goal: row.value for row in other.objective}
    for row in one.objective:
        value = theirs.get(row.goal, row.value)
        if abs(row.value - value) > _ALIKE * max(abs(row.value), abs(value)):
            return (row.value > value) == ("maximize " in row.goal)
    return False


def with_bounds(found: Selection, alone: Selection) -> Selection:
    """Return a choice with bounds that hold for the whole fleet: those of services as if they were alone on it."""
    known = {row.goal: row.bound for row in alone.objective}
    rows = []
    for row in found.objective:
        if "minimize " in row.goal:
            bound = min(row.value, known.get(row.goal, 0.0))
            gap = (row.value - bound) / row.value if row.value else 0.0
            rows.append(row.model_copy(update={"bound": bound, "gap": gap}))
        elif row.goal in known and row.goal != ADMITTED:
            bound = max(row.value, known[row.goal])
            rows.append(row.model_copy(update={"bound": bound, "gap": (bound - row.value) / bound if bound else 0.0}))
        else:
            rows.append(row)
    return found.model_copy(update={"objective": tuple(rows)})
