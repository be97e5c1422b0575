"""What is to be split: operators with edges between them, over devices of several kinds.

A device's load is the time that its operators take there and, on devices that pay for them, the time of all transfers:
what an operator puts out goes once out of its device where somebody elsewhere wants it, and once into each other device
where somebody does. When samples follow each other through the devices, the largest load is the time per sample (the
model of Tarnawski et al., Efficient Algorithms for Device Placement of DNN Graph Operators, NeurIPS 2020, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Device", "Devices", "Graph", "Operator", "Sharding", "Unfit", "loads", "memories"]

Device = tuple[int, int]
"""Index of the devices, and which of them."""


class Devices(NamedTuple):
    """Devices that are alike. memory: of each, in bytes, None where nothing is short · pays: for transfers"""

    number: int
    memory: int | None
    pays: bool


class Operator(NamedTuple):
    """One operator.

    seconds: on one device of each kind, None where it cannot run · memory: it takes there, in bytes · transfer: seconds
    to move what it puts out onto or off a device that pays · group: operators of the same one stay on one device, None:
    of none · backward: whether it is of the backward pass, which goes the other way through contiguous parts
    """

    seconds: tuple[float | None, ...]
    memory: int
    transfer: float
    group: int | None = None
    backward: bool = False


class Graph(NamedTuple):
    """Everything to split. edges: from the operator that puts out to one that takes in"""

    operators: tuple[Operator, ...]
    edges: tuple[tuple[int, int], ...]
    devices: tuple[Devices, ...]


class Sharding(NamedTuple):
    """A split. devices: of each operator · value: the largest load, in seconds · bound: no split that was asked for has
    a smaller one"""

    devices: tuple[Device, ...]
    value: float
    bound: float


class Unfit(NamedTuple):
    """No split was found. proved: whether there is none, rather than that none was found"""

    proved: bool


def loads(graph: Graph, devices: Sequence[Device]) -> dict[Device, float]:
    """Return the load of every device that has any, in seconds. devices: of each operator

    Raises ValueError where an operator cannot run.
    """
    terms: dict[Device, list[float]] = {}
    for operator, device in zip(graph.operators, devices, strict=True):
        seconds = operator.seconds[device[0]]
        if seconds is None:
            raise ValueError(f"an operator cannot run on devices of kind {device[0]}")
        terms.setdefault(device, []).append(seconds)
    for source, device in _transfers(graph, devices):
        if graph.devices[device[0]].pays:
            terms.setdefault(device, []).append(graph.operators[source].transfer)
    return {device: math.fsum(own) for device, own in sorted(terms.items())}


def _transfers(graph: Graph, devices: Sequence[Device]) -> Iterable[tuple[int, Device]]:
    """Return once each operator and device between which something goes in or out."""
    crossing = [(source, devices[source], devices[target]) for source, target in graph.edges]
    return dict.fromkeys((source, end) for source, *ends in crossing if ends[0] != ends[1] for end in ends)


def memories(graph: Graph, devices: Sequence[Device]) -> dict[Device, int]:
    """Return the bytes taken on every device that has any operator."""
    taken: dict[Device, int] = {}
    for operator, device in zip(graph.operators, devices, strict=True):
        taken[device] = taken.get(device, 0) + operator.memory
    return taken
