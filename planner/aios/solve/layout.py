"""Machines and devices that things may stand on, with symmetric ones reduced, and the places that parts may take."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.current import Standing
from aios.records.fleet import Fleet, Node

__all__ = [
    "Bin",
    "Machine",
    "Pins",
    "Yard",
    "devices_of",
    "gathered",
    "layout",
    "most_of",
    "pinned",
    "places_of",
    "with_pools",
]


class Bin(NamedTuple):
    """One device on one machine (on a pooled machine: any of its type). device: position among those of its type ·
    many: equal devices of each machine that it stands for, the first of which it is

    pool: of a machine, in place of a device (whose type is empty then): the type of devices any of which are taken
    whole, or empty for no device at all
    """

    machine: int
    type: str
    device: int
    pool: str | None = None
    many: int = 1


class Machine(NamedTuple):
    """One instance of a node, or (pooled) all of them. bins: its devices · many: equal machines that it stands for,
    with all that they have together · room: share of that which is promised · nodes: that it stands for"""

    node: Node
    instance: int
    pooled: bool
    bins: tuple[int, ...]
    many: int = 1
    room: float = 1.0
    nodes: tuple[Node, ...] = ()


Pins = tuple[tuple[int, int], ...]
"""Of each place, the fewest and the most parts that stand there."""
Yard = tuple[list[Machine], list[Bin]]
"""Machines, and the devices of all of them."""


def devices_of(node: Node) -> dict[str, tuple[str, ...]]:
    """Return device type -> ids of such devices on each machine of the node: the freest first, else in order."""
    found: dict[str, tuple[str, ...]] = {}
    for slot in node.devices:
        found[slot.type] = (*found.get(slot.type, ()), *slot.ids)
    if node.used is None:
        return found
    return {name: tuple(sorted(ids, key=lambda id_: -node.free_share(id_))) for name, ids in found.items()}


class _Most(NamedTuple):
    """What may stand on a node at once: parts of all intents, devices that they take, devices of the largest part."""

    parts: int = 0
    devices: int = 0
    widest: int = 1


def most_of(listed: Sequence[Sequence[Priced]]) -> dict[str, _Most]:
    """Return node -> what all intents together may put there at once, each as its largest option."""
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


def layout(
    fleet: Fleet, most: Mapping[str, _Most], alone: Container[str], held: Container[str], whole: Container[str] = ()
) -> Yard:
    """Return machines and their devices. alone: nodes whose machines are not pooled · held: machines on which something
    stands, which are told apart · whole: nodes of whose machines every device is there"""
    machines: list[Machine] = []
    bins: list[Bin] = []
    for node in fleet.nodes:
        parts, devices, widest = most.get(node.name, _Most())
        names = node.instances() if parts and held else ()
        standing = [instance for instance, name in enumerate(names) if name in held]
        pooled = node.name not in alone and node.count - len(standing) >= parts
        used = widest if pooled else devices if widest == 1 else devices + parts * widest
        for instance in _instances(node.count, 1 if pooled and parts else parts, standing):
            here = instance in standing
            own = [
                Bin(len(machines), name, device)
                for name, ids in devices_of(node).items()
                for device in range(len(ids) if here or node.name in whole else min(len(ids), used))
            ]
            taken = tuple(range(len(bins), len(bins) + len(own)))
            machines.append(Machine(node, instance, pooled and not here, taken))
            bins.extend(own)
    return machines, bins


def with_pools(yard: Yard, pools: Mapping[str, Collection[str]]) -> Yard:
    """Return the yard with the pools of each node's machines. pools: node -> device types, or empty for no device"""
    machines, bins = yard
    own = []
    for index, machine in enumerate(machines):
        added = [Bin(index, "", 0, pool) for pool in sorted(pools.get(machine.node.name, ()))]
        own.append(machine._replace(bins=(*machine.bins, *range(len(bins), len(bins) + len(added)))))
        bins.extend(added)
    return own, bins


def gathered(classes: Sequence[Sequence[Node]]) -> Yard:
    """Return one machine for all of each class of equal ones, with one device for all of a type that are equally free.

    What stands there may not stand on single machines: sums promise too much. What stands on those stands here.
    """
    machines: list[Machine] = []
    bins: list[Bin] = []
    for nodes in classes:
        first = len(bins)
        for name, ids in devices_of(nodes[0]).items():
            free = [nodes[0].free_share(id_) for id_ in ids]
            bins += [
                Bin(len(machines), name, free.index(share), many=free.count(share)) for share in dict.fromkeys(free)
            ]
        many = sum(node.count for node in nodes)
        machines.append(Machine(nodes[0], 0, False, tuple(range(first, len(bins))), many, nodes=tuple(nodes)))
    return machines, bins


def _instances(count: int, most: int, standing: Sequence[int]) -> list[int]:
    """Return the machines on which something stands and the first ``most`` others, in order."""
    first = (instance for instance in range(count) if instance not in standing)
    return sorted([*standing, *islice(first, most)])


def pinned(
    yard: Yard, standing: Standing, parts: int, places: tuple[tuple[int, ...], ...], device: str
) -> tuple[tuple[tuple[int, ...], ...], Pins] | None:
    """Return where so many parts stand if those that stand stay, and how many at each place; None if a place is none.

    More parts than stand may take any of ``places`` beside; of fewer, some end.
    """
    machines, bins = yard
    of = {machine.node.instances()[machine.instance]: machine for machine in machines if not machine.pooled}
    now: dict[tuple[int, ...], int] = {}
    for part in standing.placement:
        machine = of.get(part.node)
        ids = devices_of(machine.node).get(device, ()) if machine else ()
        if machine is None or not set(part.devices) <= set(ids):
            return None
        own = {ids[bins[index].device]: index for index in machine.bins if bins[index].type == device}
        place = tuple(own[id_] for id_ in part.devices)
        now[place] = now.get(place, 0) + part.replicas
    total = sum(now.values())
    if not now or parts <= total:
        return (tuple(now), tuple((n if parts == total else 0, n) for n in now.values())) if now else None
    every = (*now, *(place for place in places if place not in now))
    return every, tuple((now.get(place, 0), parts) for place in every)


def places_of(yard: Yard, device: str, nodes: tuple[str, ...], wide: int) -> tuple[tuple[int, ...], ...]:
    """Return the devices that a part of ``wide`` devices may take: blocks next to each other that do not overlap."""
    machines, bins = yard
    allowed = set(nodes)
    found: list[tuple[int, ...]] = []
    for machine in machines:
        if machine.node.name in allowed:
            own = [index for index in machine.bins if bins[index].type == device]
            if any(bins[index].many > 1 for index in own):
                found += [(index,) for index in own if bins[index].many >= wide]
                continue
            found += [tuple(own[start : start + wide]) for start in range(0, len(own) - wide + 1, wide)]
    return tuple(found)
