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
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, overload

from aios.records.candidate import Demand, Period, Priced
from aios.records.current import MOVES, Moving, Standing
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet, Node
from aios.records.intent import Goal, Intent
from aios.records.joins import NOTHING_KNOWN, Joins
from aios.records.metrics import PLAN_METRICS
from aios.records.objective import Budget, Objective, Policy
from aios.records.where import NODE, domain_of
from aios.solve.amounts import CORE_UNITS, MEMORY_UNITS, rounded_up, share_units
from aios.solve.layout import (
    Bin,
    Machine,
    Pins,
    Yard,
    devices_of,
    gathered,
    layout,
    most_of,
    pinned,
    places_of,
    with_pools,
)
from aios.solve.packing.problem import WHOLE
from aios.solve.refusing import is_refusal

__all__ = [
    "SHARE_UNITS",
    "Bin",
    "Machine",
    "Need",
    "Option",
    "Problem",
    "Shape",
    "Stated",
    "Units",
    "devices_of",
    "domain_at",
    "domains_at",
    "equal_nodes",
    "is_capped",
    "need_of",
    "outline",
    "periods_of",
    "pose",
    "running_in",
    "size_of",
    "told_apart",
    "watts_of",
]

SHARE_UNITS = 10**9
"""A device in whole units. Shares are rounded down to them, so that thirds fill a device and no true fit is lost."""


class Units(NamedTuple):
    """How many whole units a core and a byte of DRAM are. Services take whole ones, stated demands parts of them."""

    core: int = 1
    byte: int = 1


COARSE, FINE = Units(), Units(CORE_UNITS, MEMORY_UNITS)


class Stated(NamedTuple):
    """A stated demand that is chosen for beside intents with a model: its options are how many copies stand. sites:
    where they may"""

    demand: Demanded
    sites: tuple[Site, ...]

    @property
    def pools(self) -> bool:
        """Whether a copy takes no part of a single device: it stands on a machine, with any devices or none."""
        wanted = self.demand.accelerators
        return wanted is None or wanted.count > 1 or wanted.share >= 1


class Need(NamedTuple):
    """What one part takes: share in 1/SHARE_UNITS of each device, cores and bytes of DRAM in whole units of the
    problem, whole bytes of else (rounded up).

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
    of each place, the fewest and the most parts that stand there; empty where any number may · at: in each period of
    the problem, how many of the parts run and what each draws; empty where that never changes · wide: devices of a part
    where one stands for many"""

    need: Need
    parts: int
    places: tuple[tuple[int, ...], ...]
    pins: tuple[tuple[int, int], ...] = ()
    at: tuple[tuple[int, float | None], ...] = ()
    wide: int = 1


NOTHING = Moving()
NO_STAYS: Mapping[str, Sequence[Priced]] = {}
NO_DEMANDS: Mapping[str, Stated] = {}


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
    stages of pipelines may stand on · stated: those intents that are stated demands · admissions: goals about who is
    admitted, each with the number of goals before it · periods: hours of the day in which no rate changes; empty where
    none ever does"""

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
    stated: Mapping[int, Stated] = {}
    admissions: tuple[tuple[int, Goal], ...] = ()
    periods: tuple[tuple[int, ...], ...] = ()

    @property
    def units(self) -> Units:
        """In what cores and DRAM are counted."""
        return FINE if self.stated else COARSE

    def under(self, objective: Objective | None) -> Problem:
        """Return the problem with goals and policy of the whole plan; its budgets are posed with it."""
        if objective is None:
            return self
        goals: list[Goal] = []
        admissions = []
        for goal in objective.goal:
            if goal.metric == MOVES or goal.metric not in PLAN_METRICS:
                goals.append(goal)
            else:
                admissions.append((len(goals), goal))
        return self._replace(goals=tuple(goals), policy=objective.policy, admissions=tuple(admissions))

    @property
    def plain(self) -> bool:
        """Whether requirements and what single machines have are all that restricts the choice."""
        return not self.staged and self.nearly_plain

    @property
    def nearly_plain(self) -> bool:
        """Whether that and bounds of pipelines are all."""
        ruled = any(intent.placement.domains for intent in self.intents)
        optional = any(not intent.required for intent in self.intents)
        split = any(intent.part is not None for intent in self.intents)
        return not (ruled or optional or split or self.stated or self.budgets or is_capped(self.fleet))

    @property
    def staged(self) -> tuple[int, ...]:
        """Intents (indexes) that are stages of pipelines."""
        return tuple(index for index, intent in enumerate(self.intents) if intent.pipeline is not None)

    def only(self, intents: Sequence[int]) -> Problem:
        """Return the outlined problem of some intents (indexes) alone."""
        rows = tuple(self.options[index] for index in intents)
        return self._replace(intents=tuple(self.intents[index] for index in intents), options=rows)

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
    stated: Mapping[str, Stated] = NO_DEMANDS,
    by_hour: bool = True,
    handing: bool = True,
) -> Problem:
    """Put everything into canonical order and reduce symmetry.

    pooling: whether machines may be pooled · together: whether equal machines of a failure domain, or of the fleet, and
    equal devices are counted as one that has what all have; nothing that is possible is lost, but what is not may be
    promised · moving: what stands already · stays: intent -> options in which it stays where it stands, beside those in
    which it may stand anywhere · stated: those intents (by name) that are demands · by_hour: whether replicas that do
    not run at the same time may share machines · handing: whether machines are told apart between which stages hand
    data
    """
    ordered, listed = _in_order(intents, options)
    _, staying = _in_order(intents, stays)
    both = [[*own, *kept] for own, kept in zip(listed, staying, strict=True)]
    own = [moving.standing[intent.name] for intent, kept in zip(ordered, staying, strict=True) if kept]
    if together:
        yard = gathered(equal_nodes(fleet, ordered, listed, told_apart=together == "domain"))
    else:
        pools = _pools(stated.values())
        apart = told_apart(ordered, both, handing=handing) | pools.keys()
        alone = apart if pooling else {node.name for node in fleet.nodes}
        held = {part.node for standing in own for part in standing.placement}
        yard = with_pools(layout(fleet, most_of(both), alone, held, pools), pools)
    periods = periods_of(ordered) if by_hour else ()
    shapes = _Shapes(yard, is_capped(fleet), FINE if stated else COARSE, periods)
    posed = []
    for intent, may, kept in zip(ordered, listed, staying, strict=True):
        standing = moving.standing.get(intent.name)
        if intent.name in stated:
            posed.append(tuple(Option(priced, shapes.of_copies(stated[intent.name], priced)) for priced in may))
            continue
        row = [Option(priced, shapes.add(priced, None)) for priced in may]
        own_stays = ((priced, shapes.add(priced, standing)) for priced in kept)
        posed.append((*row, *(Option(priced, shape, True) for priced, shape in own_stays if shape is not None)))
    machines, bins = yard
    whole = ordered, tuple(posed), shapes.told(), tuple(machines), tuple(bins), fleet, tuple(budgets)
    demands = {index: stated[intent.name] for index, intent in enumerate(ordered) if intent.name in stated}
    return Problem(*whole, moving=moving, joins=joins, stated=demands, periods=periods)


def _pools(stated: Iterable[Stated]) -> dict[str, set[str]]:
    """Return node -> device types any of which demands may take whole there, or empty for none."""
    found: dict[str, set[str]] = {}
    for item in stated:
        for site in item.sites:
            own = found.setdefault(site.node, set())
            if item.pools:
                own.add(site.device)
    return found


class _Shapes:
    """The shapes of options, each once. Sets of places are long: shapes are told apart by their number."""

    def __init__(self, yard: Yard, capped: bool, units: Units, periods: Sequence[Sequence[int]]) -> None:
        self.yard = yard
        self.capped = capped
        self.units = units
        self.periods = periods
        self._where: dict[tuple[str, tuple[str, ...], int], tuple[tuple[int, ...], ...]] = {}
        self._sets: dict[tuple[tuple[int, ...], ...], int] = {}
        self._numbers: dict[int, int] = {}
        self._many = any(bin_.many > 1 for bin_ in yard[1])
        self._shapes: dict[tuple[Need, int, int, Pins, Running, int], int] = {}

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
        need = need_of(priced.demand, self.units)
        need = need._replace(watts=watts_of(priced)) if self.capped else need
        at = running_in(priced, self.periods, self.capped)
        wide = candidate.devices if self._many else 1
        return self._shapes.setdefault((need, candidate.parts, number, pins, at, wide), len(self._shapes))

    def of_copies(self, stated: Stated, priced: Priced) -> int:
        """Return the number of the shape of so many copies of a stated demand."""
        machines, bins = self.yard
        allowed = set(stated.sites)
        places = []
        for index, place in enumerate(bins):
            node = machines[place.machine].node.name
            device = place.pool if stated.pools else place.type if place.pool is None else None
            if device is not None and Site(node, device) in allowed:
                places.append((index,))
        number = self._sets.setdefault(tuple(places) if priced.candidate.parts else (), len(self._sets))
        need = _need_of_copy(stated.demand, self.units)
        return self._shapes.setdefault((need, priced.candidate.parts, number, (), (), 1), len(self._shapes))

    def told(self) -> tuple[Shape, ...]:
        """Return all shapes, in order."""
        places = list(self._sets)
        return tuple(
            Shape(need, parts, places[number], pins, at, wide) for need, parts, number, pins, at, wide in self._shapes
        )


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


def is_capped(fleet: Fleet) -> bool:
    """Say whether the power of machines or of groups of them is capped."""
    return bool(fleet.power_caps) or any(node.power_cap_w for node in fleet.nodes)


def watts_of(priced: Priced) -> float | None:
    """Return what one part draws at the pessimistic end: an equal part of the whole; None where nobody knows."""
    if is_refusal(priced):
        return 0.0
    if priced.periods:
        found = [_drawn(priced, period) for period in priced.periods]
        known = [watts for watts in found if watts is not None]
        return max(known) if len(known) == len(found) else None
    power = priced.estimates.get("power")
    return None if power is None else power.high / priced.candidate.parts


def periods_of(intents: Sequence[Intent]) -> tuple[tuple[int, ...], ...]:
    """Return the hours of the day, those together in which every load is the same; nothing where none ever changes."""
    series = [intent.load.hourly_per_s for intent in intents if intent.load is not None and intent.load.hourly_per_s]
    found: dict[tuple[float, ...], list[int]] = {}
    for hour, rates in enumerate(zip(*series, strict=True)):
        found.setdefault(rates, []).append(hour)
    return tuple(tuple(hours) for hours in found.values())


Running = tuple[tuple[int, float | None], ...]
"""In each period, how many parts run, and what each of them draws in watts."""


def running_in(priced: Priced, periods: Sequence[Sequence[int]], capped: bool) -> Running:
    """Return what of an option runs in each period; nothing where that never changes."""
    own = [next((item for item in priced.periods if hours[0] in item.hours), None) for hours in periods]
    found = [item for item in own if item is not None]
    if len(found) < len(periods):
        return ()
    machines = priced.candidate.machines
    return tuple((item.replicas * machines, _drawn(priced, item) if capped else 0.0) for item in found)


def _drawn(priced: Priced, period: Period) -> float | None:
    power = period.estimates.get("power")
    return None if power is None else power.high / (period.replicas * priced.candidate.machines)


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


def need_of(demand: Demand, units: Units = COARSE) -> Need:
    """Return what one part takes, in whole units."""
    return Need(
        share=math.floor(demand.share * SHARE_UNITS),
        cores=demand.cores * units.core,
        device_memory=math.ceil(demand.device_memory_bytes),
        node_memory=math.ceil(demand.node_memory_bytes * units.byte),
        tiers=tuple(sorted((name, math.ceil(size)) for name, size in demand.tier_bytes.items())),
    )


def _need_of_copy(demand: Demanded, units: Units) -> Need:
    """Return what one copy takes: the share of a single device, of whole ones nothing, as any will do."""
    wanted = demand.accelerators
    shared = wanted is not None and wanted.count == 1 and wanted.share < 1
    return Need(
        share=share_units(wanted.share) * SHARE_UNITS // WHOLE if wanted and shared else 0,
        cores=rounded_up(demand.cores * units.core),
        device_memory=0,
        node_memory=rounded_up(demand.memory_bytes * units.byte),
    )
