"""Which machines it is all the same to stand on, and in which failure domains they are."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from aios.records.candidate import Priced
from aios.records.fleet import Fleet, Node
from aios.records.intent import Intent
from aios.records.where import NODE, domain_of
from aios.solve.layout import Machine, devices_of

__all__ = ["domain_at", "domains_at", "equal_nodes", "told_apart"]


def told_apart(intents: Sequence[Intent], options: Sequence[Sequence[Priced]], *, handing: bool = True) -> set[str]:
    """Return the nodes of which it matters which machine something stands on: those of intents that share machines, and
    of stages that hand data to each other within a time, unless ``handing`` is False.

    Whatever else rules ask of single machines is kept best where each part has a machine of its own.
    """
    ruled: set[str] = set()
    for intent in intents:
        beside = [item.intent for item in intent.placement.together if item.by == NODE]
        timed = (
            handing
            and intent.pipeline is not None
            and any(item.metric.startswith("latency.") for item in intent.bounds)
        )
        ruled.update((intent.name, *beside) if beside or timed else ())
    found: set[str] = set()
    for intent, row in zip(intents, options, strict=True):
        if intent.name in ruled:
            found.update(name for nodes in {priced.candidate.nodes for priced in row} for name in nodes)
    return found


def equal_nodes(
    fleet: Fleet, intents: Sequence[Intent], options: Sequence[Sequence[Priced]], *, told_apart: bool
) -> list[list[Node]]:
    """Return the nodes of a fleet in classes: what may stand on a machine, and all that restricts it, is the same.

    told_apart: whether failure domains that rules name count
    """
    told = {over for intent in intents for over in intent.placement.domains} if told_apart else set()
    told.update(key for cap in fleet.power_caps for key in (*cap.labels, *((cap.by,) if cap.by else ())))
    sets = dict.fromkeys(priced.candidate.nodes for row in options for priced in row)
    users: dict[str, list[int]] = {}
    for number, names in enumerate(sets):
        for name in names:
            users.setdefault(name, []).append(number)
    found: dict[Hashable, list[Node]] = {}
    for node in fleet.nodes:
        devices = tuple((name, tuple(map(node.free_share, ids))) for name, ids in devices_of(node).items())
        labels = tuple((over, domain_of(node, over)) for over in sorted(told - {NODE}))
        machine = (
            node.cores,
            node.free_cores,
            node.free_memory_bytes,
            node.memory_tiers,
            min(node.power_cap_w, default=0),
        )
        found.setdefault((devices, labels, machine, tuple(users.get(node.name, ()))), []).append(node)
    return list(found.values())


def domain_at(machine: Machine, over: str) -> str | None:
    """Return which failure domain a machine is in, or which it stands for; None where its node does not say."""
    if over == NODE and machine.node.count > 1:
        return f"{machine.node.name}-{machine.instance}"
    found = sorted({str(domain_of(node, over)) for node in machine.nodes})
    return domain_of(machine.node, over) if len(found) < 2 else " ".join(found)


def domains_at(machine: Machine, over: str) -> int:
    """Return in how many failure domains the machines are that one stands for."""
    return machine.many if over == NODE else max(1, len({domain_of(node, over) for node in machine.nodes}))
