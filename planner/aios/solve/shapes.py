"""What matters of an option for its placement: what its parts take, and where they may stand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, overload

from aios.records.candidate import Demand, Period, Priced
from aios.records.current import Standing
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.solve.amounts import COARSE, SHARE_UNITS, Units, rounded_up, share_units
from aios.solve.layout import Pins, Yard, pinned, places_of
from aios.solve.packing.problem import WHOLE
from aios.solve.refusing import is_refusal

__all__ = [
    "Need",
    "Shape",
    "Shapes",
    "Stated",
    "is_capped",
    "need_of",
    "periods_of",
    "pools_of",
    "running_in",
    "size_of",
    "watts_of",
]


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


class Shapes:
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


def pools_of(stated: Iterable[Stated]) -> dict[str, set[str]]:
    """Return node -> device types any of which demands may take whole there, or empty for none."""
    found: dict[str, set[str]] = {}
    for item in stated:
        for site in item.sites:
            own = found.setdefault(site.node, set())
            if item.pools:
                own.add(site.device)
    return found


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


def size_of(priced: Priced) -> tuple[int, float, int, str]:
    """Return what ties between equally good options are broken by: fewest cores, least share, most defaults, first
    id."""
    candidate, demand = priced.candidate, priced.demand
    return (demand.cores * candidate.parts, demand.share * candidate.devices * candidate.parts, *candidate.rank)


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
