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
from collections.abc import Hashable, Mapping, Sequence
from typing import Literal, NamedTuple, overload

from aios.records.candidate import Demand, Priced
from aios.records.current import MOVES, Moving, Standing
from aios.records.fleet import Fleet, Node
from aios.records.intent import Goal, Intent
from aios.records.joins import NOTHING_KNOWN, Joins
from aios.records.metrics import PLAN_METRICS
from aios.records.objective import Budget, Objective, Policy
from aios.records.where import NODE, domain_of
from aios.solve.layout import Bin, Machine, Pins, Yard, devices_of, gathered, layout, most_of, pinned, places_of
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
    "domains_at",
    "equal_nodes",
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


class Shape(NamedTuple):
    """What matters of an option for its placement. places: the devices that a part may take, in fleet order · pins:
    of each place, the fewest and the most parts that stand there; empty where any number may · wide: devices of a part
    where one stands for many"""

    need: Need
    parts: int
    places: tuple[tuple[int, ...], ...]
    pins: tuple[tuple[int, int], ...] = ()
    wide: int = 1


NOTHING = Moving()
NO_STAYS: Mapping[str, Sequence[Priced]] = {}


class Option(NamedTuple):
    """One way to run an intent. shape: index into the problem's shapes · stays: it goes on where it stands"""

    priced: Priced
    shape: int
    stays: bool = False

    @property
    def id(self) -> str:
        """The candidate's id."""
        return self.priced.candidate.id


class Problem(NamedTuple):
    """Everything to decide. options: per intent, in the intents' order (priority, then name), by id · budgets: what the
    whole plan may take · goals: of the whole plan, before the intents' own · policy: how what cannot all be admitted is
    divided · moving: what stands already, of which the options that stay come last · joins: between machines that
    stages of pipelines may stand on"""

    intents: tuple[Intent, ...]
    options: tuple[tuple[Option, ...], ...]
    shapes: tuple[Shape, ...]
    machines: tuple[Machine, ...]
    bins: tuple[Bin, ...]
    fleet: Fleet
    budgets: tuple[Budget, ...] = ()
    goals: tuple[Goal, ...] = ()
    policy: Policy | None = None
    moving: Moving = Moving()
    joins: Joins = NOTHING_KNOWN

    def under(self, objective: Objective | None) -> Problem:
        """Return the problem with goals and policy of the whole plan; its budgets are posed with it."""
        if objective is None:
            return self
        goals = tuple(goal for goal in objective.goal if goal.metric == MOVES or goal.metric not in PLAN_METRICS)
        return self._replace(goals=goals, policy=objective.policy)

    @property
    def plain(self) -> bool:
        """Whether requirements and what single machines have are all that restricts the choice."""
        ruled = any(intent.placement.domains for intent in self.intents)
        optional = any(not intent.required for intent in self.intents)
        staged = any(intent.pipeline is not None for intent in self.intents)
        return not (ruled or optional or staged or self.budgets or is_capped(self.fleet))

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
    together: Literal["domain", "fleet"] | None = None,
    budgets: Sequence[Budget] = (),
    moving: Moving = NOTHING,
    stays: Mapping[str, Sequence[Priced]] = NO_STAYS,
    joins: Joins = NOTHING_KNOWN,
) -> Problem:
    """Put everything into canonical order and reduce symmetry.

    pooling: whether machines may be pooled · together: whether equal machines of a failure
    domain, or of the fleet, and equal devices are counted as one that has what all have; nothing that is possible is
    lost, but what is not may be promised · moving: what stands already · stays: intent -> options in which it stays
    where it stands, beside those in which it may stand anywhere
    """
    ordered, listed = _in_order(intents, options)
    _, staying = _in_order(intents, stays)
    both = [[*own, *kept] for own, kept in zip(listed, staying, strict=True)]
    if together:
        yard = gathered(equal_nodes(fleet, ordered, listed, told_apart=together == "domain"))
        return _posed(yard, ordered, listed, staying, fleet)._replace(budgets=tuple(budgets), joins=joins)
    alone = told_apart(ordered, both) if pooling else {node.name for node in fleet.nodes}
    own = [moving.standing[intent.name] for intent, kept in zip(ordered, staying, strict=True) if kept]
    yard = layout(fleet, most_of(both), alone, {part.node for standing in own for part in standing.placement})
    found = _posed(yard, ordered, listed, staying, fleet, moving)
    return found._replace(budgets=tuple(budgets), moving=moving, joins=joins)


def _posed(
    yard: Yard,
    ordered: tuple[Intent, ...],
    listed: Sequence[Sequence[Priced]],
    staying: Sequence[Sequence[Priced]],
    fleet: Fleet,
    moving: Moving = NOTHING,
) -> Problem:
    shapes = _Shapes(yard, is_capped(fleet))
    posed = []
    for intent, may, kept in zip(ordered, listed, staying, strict=True):
        standing = moving.standing.get(intent.name)
        row = [Option(priced, shapes.add(priced, None)) for priced in may]
        own_stays = ((priced, shapes.add(priced, standing)) for priced in kept)
        posed.append((*row, *(Option(priced, shape, True) for priced, shape in own_stays if shape is not None)))
    machines, bins = yard
    return Problem(ordered, tuple(posed), shapes.told(), tuple(machines), tuple(bins), fleet)


class _Shapes:
    """The shapes of options, each once. Sets of places are long: shapes are told apart by their number."""

    def __init__(self, yard: Yard, capped: bool) -> None:
        self.yard = yard
        self.capped = capped
        self._where: dict[tuple[str, tuple[str, ...], int], tuple[tuple[int, ...], ...]] = {}
        self._sets: dict[tuple[tuple[int, ...], ...], int] = {}
        self._numbers: dict[int, int] = {}
        self._many = any(bin_.many > 1 for bin_ in yard[1])
        self._shapes: dict[tuple[Need, int, int, Pins, int], int] = {}

    @overload
    def add(self, priced: Priced, standing: None) -> int: ...

    @overload
    def add(self, priced: Priced, standing: Standing | None) -> int | None: ...

    def add(self, priced: Priced, standing: Standing | None) -> int | None:
        """Return the number of an option's shape, pinned to where its intent stands; None where it cannot be."""
        candidate = priced.candidate
        key = (candidate.device, candidate.nodes, candidate.devices)
        if key not in self._where:
            self._where[key] = places_of(self.yard, *key)
        places, pins = self._where[key], Pins(())
        if standing is not None:
            found = pinned(self.yard, standing, candidate.parts, places, candidate.device)
            if found is None:
                return None
            places, pins = found
        number = self._numbers.get(id(places)) if standing is None else None
        if number is None:
            number = self._sets.setdefault(places, len(self._sets))
            if standing is None:
                self._numbers[id(places)] = number
        need = need_of(priced.demand)
        need = need._replace(watts=watts_of(priced)) if self.capped else need
        wide = candidate.devices if self._many else 1
        return self._shapes.setdefault((need, candidate.parts, number, pins, wide), len(self._shapes))

    def told(self) -> tuple[Shape, ...]:
        """Return all shapes, in order."""
        places = list(self._sets)
        return tuple(Shape(need, parts, places[number], pins, wide) for need, parts, number, pins, wide in self._shapes)


def told_apart(intents: Sequence[Intent], options: Sequence[Sequence[Priced]]) -> set[str]:
    """Return the nodes of which it matters which machine something stands on: those of intents that share machines, and
    of stages that hand data to each other within a time.

    Whatever else rules ask of single machines is kept best where each part has a machine of its own.
    """
    ruled: set[str] = set()
    for intent in intents:
        beside = [item.intent for item in intent.placement.together if item.by == NODE]
        timed = intent.pipeline is not None and any(item.metric.startswith("latency.") for item in intent.bounds)
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
    moving: Moving = NOTHING,
    stays: Mapping[str, Sequence[Priced]] = NO_STAYS,
) -> Problem:
    """Put everything into canonical order, without machines or where anything may stand on them."""
    ordered, listed = _in_order(intents, options)
    _, staying = _in_order(intents, stays)
    posed = tuple(
        (*(Option(priced, 0) for priced in may), *(Option(priced, 0, True) for priced in kept))
        for may, kept in zip(listed, staying, strict=True)
    )
    return Problem(ordered, posed, (), (), (), fleet, tuple(budgets), moving=moving)


def _in_order(
    intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]]
) -> tuple[tuple[Intent, ...], list[list[Priced]]]:
    ordered = tuple(sorted(intents, key=lambda intent: (-intent.priority, intent.name)))
    return ordered, [sorted(options.get(i.name, ()), key=lambda priced: priced.candidate.id) for i in ordered]


def size_of(priced: Priced) -> tuple[int, float, str]:
    """Return what ties between equally good options are broken by: fewest cores, least share, first id."""
    candidate, demand = priced.candidate, priced.demand
    return (demand.cores * candidate.parts, demand.share * candidate.devices * candidate.parts, candidate.id)


def need_of(demand: Demand) -> Need:
    """Return what one part takes, in whole units."""
    return Need(
        share=math.floor(demand.share * SHARE_UNITS),
        cores=demand.cores,
        device_memory=math.ceil(demand.device_memory_bytes),
        node_memory=math.ceil(demand.node_memory_bytes),
        tiers=tuple(sorted((name, math.ceil(size)) for name, size in demand.tier_bytes.items())),
    )
