"""Single nodes, exactly: what each of a few holds of a stock of demands, device by device."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.solve.cpsat import Model, Term
from aios.solve.packing.problem import Content, Kind, Problem

__all__ = ["Node", "add_node", "most", "told"]


class Device(NamedTuple):
    """A device that may be shared. used: variable that says whether it is · shares: size -> variable that counts"""

    used: int
    shares: Mapping[int, int]


class Node(NamedTuple):
    """One node in a model. numbers: (kind, group) -> variable that counts what stands there · shared: of each group,
    the devices that may be shared"""

    numbers: Mapping[tuple[int, int], int]
    shared: Mapping[int, Sequence[Device]]


def add_node(problem: Problem, model: Model, nodes: int, stock: Mapping[int, int]) -> Node:
    """Add a node to a model that keeps within its resources and devices. stock: kind -> how many there are"""
    pool, numbers = problem.nodes[nodes], dict[tuple[int, int], int]()
    for kind, number in stock.items():
        for place, group in problem.kinds[kind].places:
            if place == nodes:
                numbers[kind, group] = model.variable(0, min(number, most(problem, nodes, problem.kinds[kind], group)))
    for resource, has in enumerate(pool.has):
        takes = ((variable, problem.kinds[kind].takes[resource]) for (kind, _), variable in numbers.items())
        model.linear([term for term in takes if term[1]], high=has)
    shared: dict[int, Sequence[Device]] = {}
    for group, size in enumerate(pool.groups):
        own = {kind: variable for (kind, place), variable in numbers.items() if place == group}
        shared[group] = _share(problem, model, size, pool.room(group), own, stock)
    return Node(numbers, shared)


def _share(
    problem: Problem, model: Model, size: int, room: int, numbers: Mapping[int, int], stock: Mapping[int, int]
) -> Sequence[Device]:
    """Let demands of whole devices and shares of single ones keep within the devices of a group. room: of each"""
    kinds = problem.kinds
    whole = [(variable, kinds[kind].devices) for kind, variable in numbers.items() if not kinds[kind].is_shared]
    own = [kind for kind in numbers if kinds[kind].is_shared]
    shares = sorted({kinds[kind].share for kind in own}, reverse=True)
    unit = math.gcd(*shares) or 1
    devices: list[Device] = []
    for _ in range(min(size, sum(stock[kind] for kind in own))):
        device = Device(model.variable(0, 1), {share: model.variable(0, room // share) for share in shares})
        terms: list[Term] = [(variable, share // unit) for share, variable in device.shares.items()]
        model.linear([*terms, (device.used, -(room // unit))], high=0)
        if devices:
            model.linear([(device.used, 1), (devices[-1].used, -1)], high=0)
        devices.append(device)
    for share in shares:
        standing = [(numbers[kind], 1) for kind in own if kinds[kind].share == share]
        model.linear([*standing, *((device.shares[share], -1) for device in devices)], high=0)
    model.linear([*whole, *((device.used, 1) for device in devices)], high=size)
    return devices


def told(problem: Problem, node: Node, values: Sequence[int]) -> Content:
    """Return what stands on a node: the demands of a share on the devices that have a place for one of its size."""
    return tuple(sorted(_told(problem, node, values)))


def _told(problem: Problem, node: Node, values: Sequence[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    waiting: dict[tuple[int, int], list[int]] = {}
    for (kind, group), variable in node.numbers.items():
        if problem.kinds[kind].is_shared:
            waiting.setdefault((group, problem.kinds[kind].share), []).extend([kind] * values[variable])
        else:
            yield from ((group, (kind,)) for _ in range(values[variable]))
    for group, devices in node.shared.items():
        for device in devices:
            sizes = [size for size, variable in device.shares.items() for _ in range(values[variable])]
            if own := [waiting[group, size].pop() for size in sizes if waiting.get((group, size))]:
                yield group, tuple(sorted(own))


def most(problem: Problem, nodes: int, demand: Kind, group: int) -> int:
    """Return how many demands of a kind one node holds at most."""
    pool = problem.nodes[nodes]
    limits: Iterable[int] = (there // takes for takes, there in zip(demand.takes, pool.has, strict=True) if takes)
    if demand.devices:
        each = pool.room(group) // demand.share if demand.is_shared else 1
        limits = (*limits, pool.groups[group] // demand.devices * each)
    return min((demand.number, *limits))
