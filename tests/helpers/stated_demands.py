"""Builders of stated demands, random small cases, and the best admission by trying everything.

What tries everything counts in fractions and reads records alone: it shares no code with solver or checker.
"""

from __future__ import annotations

import random  # noqa: TID251 -- seeded: which cases are made up
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from build_instances import GIB, fleet, goal, node

from aios.candidates import sites_of
from aios.records.base import Span
from aios.records.demanded import Accelerators, Demanded
from aios.records.fleet import DeviceSlot, Fleet, Node, Used
from aios.records.intent import Constraints
from aios.records.objective import Objective
from aios.records.selection import Selection
from aios.solve import Limits, choose_together

ALLOCATED, ADMITTED = "maximize accelerator.allocated", "maximize admitted"
WHERE = Span(file="work.yaml", line=3, column=18)


def demand(
    name: str,
    *,
    cores: float = 0.0,
    gib: float = 0.0,
    devices: int = 0,
    share: float = 1.0,
    types: Sequence[str] = (),
    pin: Mapping[str, Sequence[str]] | None = None,
    exclude: Mapping[str, Sequence[str]] | None = None,
    line: int = 3,
    **more: Any,
) -> Demanded:
    wanted = Accelerators(count=devices, share=share, types=tuple(types)) if devices else None
    return Demanded(
        name=name,
        cores=cores,
        memory_bytes=gib * GIB,
        accelerators=wanted,
        pin=Constraints(**{key: tuple(value) for key, value in (pin or {}).items()}),
        exclude=Constraints(**{key: tuple(value) for key, value in (exclude or {}).items()}),
        where=Span(file="work.yaml", line=line, column=18),
        **more,
    )


def machine(name: str, gpus: int = 0, *, cores: int | None = 64, gib: float | None = 256, **more: Any) -> Node:
    """``gpus`` of type ``gpu``, unless ``devices`` says otherwise."""
    devices = more.pop("devices", {"gpu": gpus} if gpus else {})
    built = node(name, devices or {"none": 0}, cores=cores, memory_bytes=None if gib is None else gib * GIB, **more)
    return built.model_copy(update={"devices": _numbered(built)})


def wishes(*goals: str, **more: Any) -> Objective:
    return Objective(name="wishes", goal=tuple(goal(text) for text in goals), where=WHERE, **more)


def planned(demands: Sequence[Demanded], place: Fleet, objective: Objective | None = None) -> Selection:
    sites = sites_of(demands, place).sites
    return choose_together((), {}, demands, sites, objective, place, Limits())


def values(selection: Selection) -> list[float]:
    return [row.value for row in selection.objective]


def standing(selection: Selection) -> dict[str, int]:
    return {name: sum(part.replicas for part in parts) for name, parts in selection.placement.items()}


class Machine(NamedTuple):
    """What is left of one machine; None is as much as anybody wants. devices: (type, what is free of it), in order"""

    node: str
    cores: Fraction | None
    memory: Fraction | None
    devices: tuple[tuple[str, Fraction], ...]


def best(demands: Sequence[Demanded], place: Fleet, goals: Sequence[str]) -> tuple[Fraction, ...] | None:
    """Return the largest values of the goals, the first before the next; None if what is required does not fit."""
    return best_on([machine for item in place.nodes for machine in _machines(item)], demands, place, goals)


def best_on(
    machines: Sequence[Machine], demands: Sequence[Demanded], place: Fleet, goals: Sequence[str]
) -> tuple[Fraction, ...] | None:
    """The same where only so much of each machine is left; what is no goal of admission gets nothing."""
    start = tuple(sorted(machines, key=str))
    states: dict[tuple[Machine, ...], tuple[Fraction, ...]] = {start: tuple(Fraction(0) for _ in goals)}
    for item in sorted(demands, key=lambda item: (not item.required, item.name)):
        worth = tuple(_worth(item, text) for text in goals)
        for _ in range(item.copies):
            after = {} if item.required else dict(states)
            for state, value in states.items():
                more = tuple(map(Fraction.__add__, value, worth))
                for new in _put(state, item, place):
                    after[new] = max(after.get(new, more), more)
            states = after
    return max(states.values(), default=None)


def exact(number: float) -> Fraction:
    return Fraction(number).limit_denominator(1000)


def _worth(item: Demanded, text: str) -> Fraction:
    if text == ADMITTED:
        return Fraction(0 if item.required else max(item.priority, 1))
    if text != ALLOCATED:
        return Fraction(0)
    return item.accelerators.count * exact(item.accelerators.share) if item.accelerators else Fraction(0)


def _machines(item: Node) -> list[Machine]:
    used = item.used or Used()
    cores = None if item.cores is None else Fraction(item.cores) - exact(used.cores)
    memory = None if item.memory_bytes is None else exact(item.memory_bytes) - exact(used.memory_bytes)
    busy = exact(used.cores) / item.cores if item.cores else Fraction(0)
    devices = sorted(
        (slot.type, 1 - (busy if id_.startswith("cpu") else exact(used.devices.get(id_, 0))))
        for slot in item.devices
        for id_ in slot.ids
    )
    return [Machine(item.name, cores, memory, tuple(devices))] * item.count


def _put(state: tuple[Machine, ...], item: Demanded, place: Fleet) -> set[tuple[Machine, ...]]:
    tainted = {
        own.name for own in place.nodes if any(text.endswith(("NoSchedule", "NoExecute")) for text in own.taints)
    }
    found: set[tuple[Machine, ...]] = set()
    for index, own in enumerate(state):
        if own.node in tainted or own.node in item.exclude.node or (item.pin.node and own.node not in item.pin.node):
            continue
        cores = None if own.cores is None else own.cores - exact(item.cores)
        memory = None if own.memory is None else own.memory - exact(item.memory_bytes)
        if (cores is not None and cores < 0) or (memory is not None and memory < 0):
            continue
        for devices in _taken(own.devices, item, place):
            left = Machine(own.node, cores, memory, devices)
            found.add(tuple(sorted((*state[:index], left, *state[index + 1 :]))))
    return found


def _taken(
    devices: tuple[tuple[str, Fraction], ...], item: Demanded, place: Fleet
) -> set[tuple[tuple[str, Fraction], ...]]:
    wanted = item.accelerators
    if wanted is None:
        return {devices}
    found = set()
    for name, free in set(devices):
        right = name in wanted.types if wanted.types else place.types[name].kind != "cpu"
        pinned = (not item.pin.device or name in item.pin.device) and name not in item.exclude.device
        alike = [index for index, own in enumerate(devices) if own == (name, free)]
        if right and pinned and len(alike) >= wanted.count and free >= exact(wanted.share):
            rest = [own for index, own in enumerate(devices) if index not in alike[: wanted.count]]
            found.add(tuple(sorted((*rest, *[(name, free - exact(wanted.share))] * wanted.count))))
    return found


def random_case(seed: int) -> tuple[list[Demanded], Fleet]:
    """Return two or three nodes, some of them several machines, some partly used, and up to four kinds of demands."""
    draw = random.Random(seed)
    nodes = [_random_node(draw, f"n{index}") for index in range(draw.randint(1, 3))]
    place = fleet(*nodes)
    names = sorted(place.types) or ["gpu"]
    return [_random_demand(draw, f"d{index}", names) for index in range(draw.randint(1, 4))], place


def _random_node(draw: random.Random, name: str) -> Node:
    devices = {kind: draw.randint(1, 2) for kind in ("gpu", "npu", "cpu-type") if draw.random() < 0.5}
    gib, used = draw.choice([None, 8, 16]), None
    if draw.random() < 0.4:
        used = Used(
            cores=draw.choice([0, 0.5, 2]),
            memory_bytes=draw.choice([0, GIB]),
            devices={"0": draw.choice([0.3, 0.5, 1.0])} if devices.keys() & {"gpu", "npu"} else {},
        )
    taints = ("busy=yes:NoSchedule",) if draw.random() < 0.15 else ()
    built = machine(name, devices=devices, cores=draw.choice([None, 2, 4, 6]), gib=gib, used=used, taints=taints)
    return built.model_copy(update={"count": draw.choice([1, 1, 2])})


def _numbered(built: Node) -> tuple[DeviceSlot, ...]:
    """Give devices of all kinds but cpus numbers in one row, as fleets do."""
    found, number = [], 0
    for slot in built.devices:
        ids = slot.ids
        if not ids:
            continue
        if not slot.type.startswith("cpu"):
            ids = tuple(str(number + place) for place in range(len(ids)))
            number += len(ids)
        found.append(slot.model_copy(update={"ids": ids}))
    return tuple(found)


def _random_demand(draw: random.Random, name: str, types: Sequence[str]) -> Demanded:
    devices = draw.choice([0, 1, 1, 1, 2])
    share = draw.choice([1.0, 0.5, 0.3333333333, 0.25, 0.7]) if devices == 1 else 1.0
    rules: dict[str, Any] = {}
    if draw.random() < 0.2:
        rules[draw.choice(["pin", "exclude"])] = {"node": (draw.choice(["n0", "n1"]),)}
    if devices and draw.random() < 0.2:
        rules["exclude"] = {"device": (draw.choice(types),)}
    return demand(
        name,
        cores=draw.choice([0, 0.5, 1, 2]) or (0 if devices else 1),
        gib=draw.choice([0, 0.1, 3.2, 4]),
        devices=devices,
        share=share,
        types=draw.sample(types, 1) if devices and draw.random() < 0.3 else (),
        copies=draw.randint(1, 3),
        required=draw.random() < 0.3,
        priority=draw.choice([0, 0, 1, 3]),
        **rules,
    )
