"""What demands may take: machines that are alike as one stock with a number, demands that are alike as one kind.

Equal machines of different nodes are one stock where every demand may use all of them or none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet, Node
from aios.records.selection import Placement
from aios.solve.amounts import CORE_UNITS, MEMORY_UNITS, UNUSED, rounded_down, rounded_up, share_units
from aios.solve.packing import NO_GROUP, WHOLE, Kind, Nodes, Problem

__all__ = [
    "Machine",
    "Stock",
    "Stocked",
    "Taken",
    "stocked",
    "taken_by",
]


@dataclass
class Taken:
    """What services take of one machine: cores, bytes of DRAM, ids of devices (of which a part counts as all)."""

    cores: float = 0.0
    memory_bytes: float = 0.0
    devices: set[str] = field(default_factory=set)


class Group(NamedTuple):
    """Devices of which as much is free. type: of device · room: units that are free of each"""

    type: str
    room: int


class Machine(NamedTuple):
    """One machine. name: of the instance · devices: ids of those of which something is free, in order"""

    name: str
    devices: Mapping[Group, tuple[str, ...]]


_Capacity = tuple[tuple[int, int], tuple[tuple[Group, int], ...]]
"""Units of cores and memory that are free, and how many devices of each group there are."""
_Serves = tuple[tuple[int, str], ...]
"""Demands that may stand somewhere, by where they may: which of these, and the device type that they take there."""


class Stock(NamedTuple):
    """Machines that are alike. groups: of devices, in order · serves: what may stand there"""

    nodes: Nodes
    groups: tuple[Group, ...]
    machines: Sequence[Machine]
    serves: _Serves


class Stocked(NamedTuple):
    """A packing problem with what it is about. alike: per kind the demands that it stands for, by name"""

    problem: Problem
    stocks: tuple[Stock, ...]
    alike: tuple[tuple[Demanded, ...], ...]


def taken_by(chosen: Mapping[str, Priced], placement: Mapping[str, Sequence[Placement]]) -> Mapping[str, Taken]:
    """Return machine -> what services that were chosen and placed take of it."""
    found: dict[str, Taken] = defaultdict(Taken)
    for name, priced in chosen.items():
        for part in placement[name]:
            taken = found[part.node]
            taken.cores += priced.demand.cores * part.replicas
            taken.memory_bytes += priced.demand.node_memory_bytes * part.replicas
            taken.devices.update(part.devices)
    return found


def stocked(
    demands: Sequence[Demanded],
    sites: Mapping[str, Sequence[Site]],
    worth: Mapping[str, int],
    fleet: Fleet,
    taken: Mapping[str, Taken],
) -> Stocked:
    """Return the packing problem of these demands on what is free of the fleet.

    sites: demand -> where it may stand · worth: demand -> value of one copy that may be refused · taken: machine ->
    what is not free beside what the fleet itself says is used
    """
    ordered = sorted(demands, key=lambda demand: demand.name)
    groups = _Groups(ordered, sites)
    most = (
        sum(rounded_up(demand.cores * CORE_UNITS) * demand.copies for demand in ordered),
        sum(rounded_up(demand.memory_bytes * MEMORY_UNITS) * demand.copies for demand in ordered),
    )
    found: dict[tuple[_Capacity, _Serves], list[Machine]] = {}
    for node in sorted(fleet.nodes, key=lambda node: node.name):
        if node.name in groups.of_node:
            for capacity, machines in _machines(node, taken, most):
                found.setdefault((capacity, groups.of_node[node.name]), []).extend(machines)
    stocks = [_stock(capacity, serves, machines) for (capacity, serves), machines in found.items()]
    return _posed(ordered, groups, worth, stocks)


def _stock(capacity: _Capacity, serves: _Serves, machines: Sequence[Machine]) -> Stock:
    has, devices = capacity
    groups, numbers = tuple(group for group, _ in devices), tuple(number for _, number in devices)
    partly = any(group.room < WHOLE for group in groups)
    rooms = tuple(group.room for group in groups) if partly else ()
    return Stock(Nodes(has, numbers, len(machines), rooms), groups, machines, serves)


class _Groups:
    """Demands by where they may stand. of_demand: name -> which group of them · of_node: node -> what it serves"""

    def __init__(self, demands: Sequence[Demanded], sites: Mapping[str, Sequence[Site]]) -> None:
        known: dict[int, int] = {}
        same: dict[tuple[Site, ...], int] = {}
        self.of_demand: dict[str, int] = {}
        of_node: dict[str, set[tuple[int, str]]] = defaultdict(set)
        for demand in demands:
            own = sites[demand.name]
            if id(own) not in known:  # demands that allow the same share one object; others are compared
                known[id(own)] = same.setdefault(tuple(own), len(same))
            self.of_demand[demand.name] = known[id(own)]
        for own, group in same.items():
            for site in own:
                of_node[site.node].add((group, site.device))
        self.of_node = {node: tuple(sorted(served)) for node, served in of_node.items()}


def _machines(
    node: Node, taken: Mapping[str, Taken], most: tuple[int, int]
) -> Iterable[tuple[_Capacity, list[Machine]]]:
    """Yield the machines of a node by what is free of them; of what nobody knows there is enough for everything."""
    free: dict[Group, list[str]] = defaultdict(list)
    for slot in node.devices:
        for id_ in slot.ids:
            share = node.free_share(id_)
            free[Group(slot.type, WHOLE if share >= UNUSED else rounded_down(share * WHOLE))].append(id_)
    untouched = {group: tuple(ids) for group, ids in sorted(free.items()) if group.room}
    nothing, by_capacity = Taken(), dict[_Capacity, list[Machine]]()
    for name in node.instances():
        gone = taken.get(name, nothing)
        devices = untouched
        if gone.devices:
            left = {group: tuple(i for i in ids if i not in gone.devices) for group, ids in untouched.items()}
            devices = {group: ids for group, ids in left.items() if ids}
        cores = most[0] if node.free_cores is None else rounded_down(CORE_UNITS * (node.free_cores - gone.cores))
        memory = node.free_memory_bytes
        has = (cores, most[1] if memory is None else rounded_down(MEMORY_UNITS * (memory - gone.memory_bytes)))
        key = (has, tuple((group, len(ids)) for group, ids in devices.items()))
        by_capacity.setdefault(key, []).append(Machine(name, devices))
    return by_capacity.items()


def _posed(
    demands: Sequence[Demanded],
    groups: _Groups,
    worth: Mapping[str, int],
    stocks: Sequence[Stock],
) -> Stocked:
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for index, stock in enumerate(stocks):
        for group, type_ in stock.serves:
            if not type_:
                places[group].append((index, NO_GROUP))
            # Parts of devices come first: they are of no use to who takes whole ones.
            own = (place for place, devices in enumerate(stock.groups) if devices.type == type_)
            places[group].extend((index, place) for place in own)
    alike: dict[Kind, list[Demanded]] = {}
    for demand in demands:
        wanted = demand.accelerators
        kind = Kind(
            takes=(rounded_up(demand.cores * CORE_UNITS), rounded_up(demand.memory_bytes * MEMORY_UNITS)),
            devices=wanted.count if wanted else 0,
            share=share_units(wanted.share) if wanted else 0,
            places=tuple(places[groups.of_demand[demand.name]]),
            number=0,
            value=0 if demand.required else worth[demand.name],
            required=demand.required,
        )
        alike.setdefault(kind, []).append(demand)
    kinds = tuple(kind._replace(number=sum(item.copies for item in own)) for kind, own in alike.items())
    problem = Problem(tuple(stock.nodes for stock in stocks), kinds)
    return Stocked(problem, tuple(stocks), tuple(map(tuple, alike.values())))
