"""Small random cases of services and stated demands on the same machines, and the best choice by trying everything."""

from __future__ import annotations

import itertools
import random  # noqa: TID251 -- seeded: which cases are made up
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import brute_force
from build_instances import GIB, fleet, intent, option
from stated_demands import ADMITTED, ALLOCATED, Machine, best_on, demand, exact, machine

from aios.records.candidate import Priced
from aios.records.demanded import Demanded
from aios.records.fleet import Fleet, Used
from aios.records.intent import Intent
from aios.records.selection import Placement

ORDERS = (
    ("minimize power",),
    (ALLOCATED, "minimize power"),
    ("minimize power", ADMITTED),
    (ADMITTED, "minimize cost"),
    ("minimize cost", ALLOCATED),
    (ALLOCATED, ADMITTED, "minimize power"),
)


def random_mix(seed: int) -> tuple[list[Intent], dict[str, list[Priced]], list[Demanded], Fleet, tuple[str, ...]]:
    """Return up to two services, up to three demands, a fleet of up to three machines, and goals of the plan."""
    draw = random.Random(seed)
    nodes = []
    for name in ("n", "m")[: draw.randint(1, 2)]:
        used = Used(cores=0.5, devices={"0": 0.5}) if draw.random() < 0.25 else None
        gpus = {"gpu": draw.randint(1, 3), **({"npu": 1} if draw.random() < 0.3 else {})}
        built = machine(name, devices=gpus, cores=draw.choice([3, 4, 6]), gib=8, used=used)
        nodes.append(built.model_copy(update={"count": draw.choice([1, 1, 2])}))
    place = fleet(*nodes)
    names = tuple(item.name for item in nodes)
    intents, options = [], {}
    for name in ("a", "b")[: draw.randint(1, 2)]:
        intents.append(intent(name, goals=(), required=draw.random() < 0.6, priority=draw.choice([0, 2])))
        options[name] = [_option(draw, f"{name}/{k}", names) for k in range(draw.randint(1, 2))]
    demands = [_demand(draw, f"d{index}", sorted(place.types)) for index in range(draw.randint(1, 3))]
    return intents, options, demands, place, draw.choice(ORDERS)


def _option(draw: random.Random, id_: str, names: tuple[str, ...]) -> Priced:
    return option(
        id_,
        {"power": float(draw.randint(1, 5)), "cost": float(draw.randint(1, 5))},
        device="gpu",
        nodes=names if draw.random() < 0.6 else (draw.choice(names),),
        replicas=draw.choice([1, 1, 2]),
        devices=draw.choice([1, 1, 1, 2]),
        share=draw.choice([0.3, 0.5, 1.0]),
        cores=draw.randint(0, 2),
        memory=draw.choice([0, 2, 4]) * GIB,
    )


def _demand(draw: random.Random, name: str, types: Sequence[str]) -> Demanded:
    devices = draw.choice([0, 1, 1, 1, 2])
    return demand(
        name,
        cores=draw.choice([0, 0.5, 1, 1.3333333333]) or (0 if devices else 1),
        gib=draw.choice([0, 0.1, 3.2, 4]),
        devices=devices,
        share=draw.choice([1.0, 0.5, 0.3333333333, 0.7]) if devices == 1 else 1.0,
        types=draw.sample(types, 1) if devices and draw.random() < 0.3 else (),
        copies=draw.randint(1, 3),
        required=draw.random() < 0.4,
        priority=draw.choice([0, 0, 1, 3]),
    )


def in_order(goals: Sequence[str], intents: Sequence[Intent], demands: Sequence[Demanded]) -> list[str]:
    """Return goals with admission where the planner puts it."""
    order = list(goals)
    if ADMITTED not in order and not all(item.required for item in (*intents, *demands)):
        order.insert(order.index(ALLOCATED) + 1 if ALLOCATED in order else 0, ADMITTED)
    return order


def best_mix(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    demands: Sequence[Demanded],
    place: Fleet,
    goals: Sequence[str],
) -> tuple[Fraction, ...] | None:
    """Return the best values of the goals, the first before the next (of those to be made small the negative ones);
    None where not all that is required stands."""
    found: set[tuple[Fraction, ...]] = set()
    known: dict[tuple[Machine, ...], tuple[Fraction, ...] | None] = {}
    for picked in itertools.product(*([*options[item.name], *([] if item.required else [None])] for item in intents)):
        running = [priced for priced in picked if priced is not None]
        own = tuple(_worth(text, intents, picked) for text in goals)
        for left in {_left(place, running, rows) for rows in brute_force.placements(place, running)}:
            if left not in known:
                known[left] = best_on(left, demands, place, goals)
            theirs = known[left]
            if theirs is not None:
                found.add(tuple(map(Fraction.__add__, own, theirs)))
    return max(found, default=None)


def what_is_left(
    intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]], place: Fleet
) -> Iterator[tuple[int, set[tuple[Machine, ...]]]]:
    """Yield how many services run, and what all their places may leave of the machines."""
    for picked in itertools.product(*([*options[item.name], *([] if item.required else [None])] for item in intents)):
        running = [priced for priced in picked if priced is not None]
        yield len(running), {_left(place, running, rows) for rows in brute_force.placements(place, running)}


def _worth(text: str, intents: Sequence[Intent], picked: Sequence[Priced | None]) -> Fraction:
    if text == ADMITTED:
        pairs = zip(intents, picked, strict=True)
        return Fraction(sum(max(item.priority, 1) for item, own in pairs if own is not None and not item.required))
    if text == ALLOCATED:
        return Fraction(0)
    return -sum((exact(own.estimates[text.split()[1]].value) for own in picked if own is not None), Fraction(0))


def _left(place: Fleet, running: Sequence[Priced], rows: Sequence[Sequence[Placement]]) -> tuple[Machine, ...]:
    return tuple(sorted(_machines(place, running, rows), key=str))


def _machines(place: Fleet, running: Sequence[Priced], rows: Sequence[Sequence[Placement]]) -> Iterator[Machine]:
    for node in place.nodes:
        used = node.used or Used()
        for name in node.instances():
            own = [(priced, part) for priced, parts in zip(running, rows, strict=True) for part in parts]
            here = [(priced, part) for priced, part in own if part.node == name]
            cores = exact(node.cores or 0) - exact(used.cores)
            memory = exact(node.memory_bytes or 0) - exact(used.memory_bytes)
            for priced, part in here:
                cores -= priced.demand.cores * part.replicas
                memory -= exact(priced.demand.node_memory_bytes) * part.replicas
            taken = {id_ for _, part in here for id_ in part.devices}
            devices = [
                (slot.type, 1 - exact(used.devices.get(id_, 0)))
                for slot in node.devices
                for id_ in slot.ids
                if id_ not in taken
            ]
            yield Machine(node.name, cores, memory, tuple(sorted(devices)))
