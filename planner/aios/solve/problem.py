"""The intents, options and fleet in one canonical order, with symmetric machines and devices reduced.

The order in which intents and options were given is forgotten here, so nothing later can depend on it.

Symmetry. A node stands for ``count`` equal machines, and a slot for equal devices. All options together never need
more machines of a node than there can be replicas on it, so later ones are left out; and if there are at least as many
machines as replicas, every replica can have a machine of its own, so one *pooled* machine, on which each replica only
has to fit alone, stands for all of them. Neither loses a solution. Machines are not pooled where it matters which of
them something stands on (``told_apart``).
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Demand, Priced
from aios.records.fleet import Fleet, Node
from aios.records.intent import Goal, Intent
from aios.records.metrics import PLAN_METRICS
from aios.records.objective import Budget, Objective, Policy
from aios.records.where import NODE, domain_of
from aios.solve.refusing import is_refusal

__all__ = [
    "SHARE_UNITS",
    "Bin",
    "Machine",
    "Need",
    "Option",
    "Problem",
    "Shape",
    "devices_of",
    "domain_at",
    "is_capped",
    "need_of",
    "outline",
    "pose",
    "size_of",
    "told_apart",
    "watts_of",
]

SHARE_UNITS = 10**9
"""A device in whole units. Shares are rounded down to them, so that thirds fill a device and no true fit is lost."""


class Need(NamedTuple):
    """What one part takes: share in 1/SHARE_UNITS of each device, whole cores, whole bytes (rounded up).

    A part is a replica, or what of it stands on one machine. tiers: memory tier of the node and bytes of it, by name ·
    watts: pessimistic, None where nobody knows; 0 where no power is capped
    """

    share: int
    cores: int
    device_memory: int
    node_memory: int
    tiers: tuple[tuple[str, int], ...] = ()
    watts: float | None = 0.0

    def of_tier(self, name: str) -> int:
        """Return the bytes that it takes of a memory tier."""
        return next((size for tier, size in self.tiers if tier == name), 0)

    def beside(self) -> Need:
        """Return what the part takes of each further device: nothing more of the machine."""
        return self._replace(cores=0, node_memory=0, tiers=(), watts=0.0)


class Bin(NamedTuple):
    """One device on one machine (on a pooled machine: any of its type). device: position among those of its type."""

    machine: int
    type: str
    device: int


class Machine(NamedTuple):
    """One instance of a node, or (pooled) all of them. bins: its devices."""

    node: Node
    instance: int
    pooled: bool
    bins: tuple[int, ...]


class Shape(NamedTuple):
    """What matters of an option for its placement. places: the devices that a part may take, in fleet order."""

    need: Need
    parts: int
    places: tuple[tuple[int, ...], ...]


class Option(NamedTuple):
    """One way to run an intent. shape: index into the problem's shapes."""

    priced: Priced
    shape: int

    @property
    def id(self) -> str:
        """The candidate's id."""
        return self.priced.candidate.id


class Problem(NamedTuple):
    """Everything to decide. options: per intent, in the intents' order (priority, then name), by id · budgets: what the
    whole plan may take · goals: of the whole plan, before the intents' own · policy: how what cannot all be admitted is
    divided"""

    intents: tuple[Intent, ...]
    options: tuple[tuple[Option, ...], ...]
    shapes: tuple[Shape, ...]
    machines: tuple[Machine, ...]
    bins: tuple[Bin, ...]
    fleet: Fleet
    budgets: tuple[Budget, ...] = ()
    goals: tuple[Goal, ...] = ()
    policy: Policy | None = None

    def under(self, objective: Objective | None) -> Problem:
        """Return the problem with goals and policy of the whole plan; its budgets are posed with it."""
        if objective is None:
            return self
        goals = tuple(goal for goal in objective.goal if goal.metric not in PLAN_METRICS)
        return self._replace(goals=goals, policy=objective.policy)

    @property
    def plain(self) -> bool:
        """Whether requirements and what single machines have are all that restricts the choice."""
        ruled = any(intent.placement.domains for intent in self.intents)
        optional = any(not intent.required for intent in self.intents)
        return not (ruled or optional or self.budgets or is_capped(self.fleet))

    def priced(self, intent: int) -> list[Priced]:
        """Return the options of an intent (its index) without their shapes."""
        return [option.priced for option in self.options[intent]]

    def machines_of(self, node: Node) -> list[Machine]:
        """Return the machines that stand for this node."""
        return [machine for machine in self.machines if machine.node is node]


def pose(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    pooling: bool = True,
    budgets: Sequence[Budget] = (),
) -> Problem:
    """Put everything into canonical order and reduce symmetry. pooling: whether machines may be pooled."""
    ordered, listed = _in_order(intents, options)
    alone = told_apart(ordered, listed) if pooling else {node.name for node in fleet.nodes}
    machines, bins = _layout(fleet, _most(listed), alone)
    capped = is_capped(fleet)
    where: dict[tuple[str, tuple[str, ...], int], int] = {}
    sets: dict[tuple[tuple[int, ...], ...], int] = {}
    shapes: dict[tuple[Need, int, int], int] = {}
    posed = []
    for priced_options in listed:
        row = []
        for priced in priced_options:
            candidate = priced.candidate
            place = (candidate.device, candidate.nodes, candidate.devices)
            if place not in where:
                where[place] = sets.setdefault(_places(machines, bins, *place), len(sets))
            # Sets of places are long: shapes are told apart by their number.
            need = need_of(priced.demand)
            key = (need._replace(watts=watts_of(priced)) if capped else need, candidate.parts, where[place])
            row.append(Option(priced, shapes.setdefault(key, len(shapes))))
        posed.append(tuple(row))
    places = list(sets)
    told = tuple(Shape(need, parts, places[number]) for need, parts, number in shapes)
    return Problem(ordered, tuple(posed), told, tuple(machines), tuple(bins), fleet, tuple(budgets))


def told_apart(intents: Sequence[Intent], options: Sequence[Sequence[Priced]]) -> set[str]:
    """Return the nodes of which it matters which machine something stands on: those of intents that share machines.

    Whatever else rules ask of single machines is kept best where each part has a machine of its own.
    """
    ruled: set[str] = set()
    for intent in intents:
        beside = [item.intent for item in intent.placement.together if item.by == NODE]
        ruled.update((intent.name, *beside) if beside else ())
    found: set[str] = set()
    for intent, row in zip(intents, options, strict=True):
        if intent.name in ruled:
            found.update(name for nodes in {priced.candidate.nodes for priced in row} for name in nodes)
    return found


def domain_at(machine: Machine, over: str) -> str | None:
    """Return which failure domain a machine is in; None where its node does not say."""
    if over == NODE and machine.node.count > 1:
        return f"{machine.node.name}-{machine.instance}"
    return domain_of(machine.node, over)


def is_capped(fleet: Fleet) -> bool:
    """Say whether the power of machines or of groups of them is capped."""
    return bool(fleet.power_caps) or any(node.power_cap_w for node in fleet.nodes)


def watts_of(priced: Priced) -> float | None:
    """Return what one part draws at the pessimistic end: an equal part of the whole; None where nobody knows."""
    if is_refusal(priced):
        return 0.0
    power = priced.estimates.get("power")
    return None if power is None else power.high / priced.candidate.parts


def outline(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    budgets: Sequence[Budget] = (),
) -> Problem:
    """Put everything into canonical order, without machines or where anything may stand on them."""
    ordered, listed = _in_order(intents, options)
    posed = tuple(tuple(Option(priced, 0) for priced in row) for row in listed)
    return Problem(ordered, posed, (), (), (), fleet, tuple(budgets))


def _in_order(
    intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]]
) -> tuple[tuple[Intent, ...], list[list[Priced]]]:
    ordered = tuple(sorted(intents, key=lambda intent: (-intent.priority, intent.name)))
    return ordered, [sorted(options.get(i.name, ()), key=lambda priced: priced.candidate.id) for i in ordered]


def size_of(priced: Priced) -> tuple[int, float, str]:
    """Return what ties between equally good options are broken by: fewest cores, least share, first id."""
    candidate, demand = priced.candidate, priced.demand
    return (demand.cores * candidate.parts, demand.share * candidate.devices * candidate.parts, candidate.id)


def devices_of(node: Node) -> dict[str, tuple[str, ...]]:
    """Return device type -> ids of such devices on each machine of the node: the freest first, else in order."""
    found: dict[str, tuple[str, ...]] = {}
    for slot in node.devices:
        found[slot.type] = (*found.get(slot.type, ()), *slot.ids)
    if node.used is None:
        return found
    return {name: tuple(sorted(ids, key=lambda id_: -node.free_share(id_))) for name, ids in found.items()}


def need_of(demand: Demand) -> Need:
    """Return what one part takes, in whole units."""
    return Need(
        share=math.floor(demand.share * SHARE_UNITS),
        cores=demand.cores,
        device_memory=math.ceil(demand.device_memory_bytes),
        node_memory=math.ceil(demand.node_memory_bytes),
        tiers=tuple(sorted((name, math.ceil(size)) for name, size in demand.tier_bytes.items())),
    )


class _Most(NamedTuple):
    """What may stand on a node at once: parts of all intents, devices that they take, devices of the largest part."""

    parts: int = 0
    devices: int = 0
    widest: int = 1


def _most(listed: Sequence[Sequence[Priced]]) -> dict[str, _Most]:
    total: dict[str, _Most] = {}
    for priced_options in listed:
        most: dict[str, _Most] = {}
        for candidate in (priced.candidate for priced in priced_options):
            parts, wide = candidate.parts, candidate.devices
            for name in candidate.nodes:
                old = most.get(name, _Most())
                most[name] = _Most(max(old.parts, parts), max(old.devices, parts * wide), max(old.widest, wide))
        for name, own in most.items():
            old = total.get(name, _Most())
            total[name] = _Most(old.parts + own.parts, old.devices + own.devices, max(old.widest, own.widest))
    return total


def _layout(fleet: Fleet, most: Mapping[str, _Most], alone: Container[str]) -> tuple[list[Machine], list[Bin]]:
    """Return machines and their devices. alone: nodes whose machines are not pooled"""
    machines: list[Machine] = []
    bins: list[Bin] = []
    for node in fleet.nodes:
        parts, devices, widest = most.get(node.name, _Most())
        pooled = node.name not in alone and node.count >= parts
        used = widest if pooled else devices if widest == 1 else devices + parts * widest
        for instance in range(min(node.count, parts, 1 if pooled else parts)):
            own = [
                Bin(len(machines), name, device)
                for name, ids in devices_of(node).items()
                for device in range(min(len(ids), used))
            ]
            machines.append(Machine(node, instance, pooled, tuple(range(len(bins), len(bins) + len(own)))))
            bins.extend(own)
    return machines, bins


def _places(
    machines: Sequence[Machine], bins: Sequence[Bin], device: str, nodes: tuple[str, ...], wide: int
) -> tuple[tuple[int, ...], ...]:
    """Return the devices that a part of ``wide`` devices may take: blocks next to each other that do not overlap."""
    allowed = set(nodes)
    found: list[tuple[int, ...]] = []
    for machine in machines:
        if machine.node.name in allowed:
            own = [index for index in machine.bins if bins[index].type == device]
            found += [tuple(own[start : start + wide]) for start in range(0, len(own) - wide + 1, wide)]
    return tuple(found)
