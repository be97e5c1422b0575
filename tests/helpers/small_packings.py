"""Small random packings, an answer by trying everything, and a checker: none of it shares code with the solver."""

from __future__ import annotations

import random  # noqa: TID251 -- seeded: which problems are made up
from collections import Counter

from aios.solve.packing import Kind, Nodes, Packing, Problem

DEVICE = 9_009_000_000
State = tuple[tuple[int, tuple[int, ...], tuple[tuple[int, ...], ...]], ...]
"""Of each node: its kind, what is free of each resource, and of each group what is free of each device."""


def random_problem(seed: int) -> Problem:
    """Return up to four nodes of three kinds and four kinds of demands: shares, several devices, groups, required."""
    draw = random.Random(seed)
    kinds = draw.randint(1, 3)
    nodes = tuple(
        Nodes(
            has=(draw.choice([0, 4, 8, 10]), draw.choice([8, 16])),
            groups=tuple(draw.choice([1, 2, 4]) for _ in range(draw.choice([0, 1, 1, 2]))),
            number=1 + (kinds == 1) * draw.randint(0, 3) + (kinds == 2) * draw.randint(0, 1),
        )
        for _ in range(kinds)
    )
    return Problem(nodes, tuple(_kind(draw, nodes) for _ in range(draw.randint(1, 4))))


def partly_used(seed: int) -> Problem:
    """Return such a problem in which a part of the devices of some groups is free."""
    problem, draw = random_problem(seed), random.Random(seed)
    rooms = [DEVICE, 3 * DEVICE // 4, 2 * DEVICE // 3, DEVICE // 10]
    nodes = tuple(pool._replace(rooms=tuple(draw.choice(rooms) for _ in pool.groups)) for pool in problem.nodes)
    return problem._replace(nodes=nodes)


def _kind(draw: random.Random, nodes: tuple[Nodes, ...]) -> Kind:
    devices = draw.choice([0, 1, 1, 1, 2, 4])
    share = (
        draw.choice([DEVICE, 7 * DEVICE // 10, DEVICE // 2, DEVICE // 3, DEVICE // 4])
        if devices == 1
        else DEVICE * bool(devices)
    )
    places = tuple(
        (index, group)
        for index, pool in enumerate(nodes)
        for group in (range(len(pool.groups)) if devices else [-1])
        if draw.random() < 0.8
    )
    value = draw.choice([1, 2, 5, 1000 * devices * share // DEVICE])
    return Kind(
        takes=(draw.randint(0, 5), draw.randint(0, 8)),
        devices=devices,
        share=share,
        places=places,
        number=draw.randint(1, 3),
        value=value,
        required=draw.random() < 0.25,
    )


def best_value(problem: Problem) -> int | None:
    """Return the largest value of any packing; None where the required demands do not fit.

    Demands one by one, each onto every node that differs from those tried; states seen with as much value are left.
    """
    kinds = problem.kinds
    order = sorted(range(len(kinds)), key=lambda index: (not kinds[index].required, -kinds[index].value))
    items = [index for index in order for _ in range(kinds[index].number)]
    states: dict[State, int] = {_empty(problem): 0}
    for item in items:
        after: dict[State, int] = {} if kinds[item].required else dict(states)
        for state, value in states.items():
            for new in _put(state, kinds[item]):
                after[new] = max(after.get(new, -1), value + kinds[item].value)
        states = after
    return max(states.values(), default=None)


def _empty(problem: Problem) -> State:
    return tuple(
        sorted(
            (index, pool.has, tuple((room,) * size for size, room in zip(pool.groups, _rooms(pool), strict=True)))
            for index, pool in enumerate(problem.nodes)
            for _ in range(pool.number)
        )
    )


def _rooms(pool: Nodes) -> tuple[int, ...]:
    return pool.rooms or (DEVICE,) * len(pool.groups)


def _put(state: State, kind: Kind) -> set[State]:
    found: set[State] = set()
    for place, (index, free, groups) in enumerate(state):
        left = tuple(has - takes for has, takes in zip(free, kind.takes, strict=True))
        if min(left) < 0:
            continue
        for nodes, group in kind.places:
            if nodes == index:
                for devices in _taken(groups, group, kind):
                    found.add(tuple(sorted((*state[:place], (index, left, devices), *state[place + 1 :]))))
    return found


def _taken(groups: tuple[tuple[int, ...], ...], group: int, kind: Kind) -> list[tuple[tuple[int, ...], ...]]:
    if not kind.devices:
        return [groups]
    own, found = groups[group], []
    need = kind.share if kind.devices == 1 else DEVICE
    for free in {free for free in own if free >= need and own.count(free) >= kind.devices}:
        rest = list(own)
        for _ in range(kind.devices):
            rest.remove(free)
            rest.append(free - need)
        found.append((*groups[:group], tuple(sorted(rest)), *groups[group + 1 :]))
    return found


def faults(problem: Problem, packing: Packing) -> list[str]:
    """Return what is wrong with a packing: places, amounts, devices, numbers, value."""
    found: list[str] = []
    taken: Counter[tuple[int, int, int]] = Counter()
    shares: Counter[tuple[int, int, int, int]] = Counter()
    stands: Counter[int] = Counter()
    for item in packing.standing:
        kind, pool = problem.kinds[item.kind], problem.nodes[item.nodes]
        stands[item.kind] += 1
        if (item.nodes, item.group) not in kind.places or not 0 <= item.instance < pool.number:
            found.append(f"{item}: may not stand there")
        if len(item.devices) != kind.devices or len(set(item.devices)) != kind.devices:
            found.append(f"{item}: not {kind.devices} devices")
        taken.update({(item.nodes, item.instance, place): amount for place, amount in enumerate(kind.takes)})
        for device in item.devices:
            if not 0 <= device < pool.groups[item.group]:
                found.append(f"{item}: no such device")
            shares[item.nodes, item.instance, item.group, device] += kind.share if kind.devices == 1 else DEVICE
    found += [f"{key}: {used} taken" for key, used in taken.items() if used > problem.nodes[key[0]].has[key[2]]]
    found += [
        f"{key}: {used} of a device taken"
        for key, used in shares.items()
        if used > _rooms(problem.nodes[key[0]])[key[2]]
    ]
    for index, kind in enumerate(problem.kinds):
        if not (kind.number if kind.required else 0) <= stands[index] <= kind.number:
            found.append(f"kind {index}: {stands[index]} of {kind.number}")
    value = sum(problem.kinds[index].value * number for index, number in stands.items())
    if value != packing.value or value > packing.bound:
        found.append(f"value {packing.value}, bound {packing.bound}, counted {value}")
    return found
