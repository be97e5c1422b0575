"""Operators that stay together, as one block each; and what goes between blocks, as nets."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aios.solve.sharding.problem import Devices, Graph

__all__ = ["Block", "Blocks", "Net", "blocks_of", "load", "merged"]


_MOST_MEMORY = 1 << 60
"""Bytes that can be added up exactly, whatever they are multiplied by on the way."""


class Block(NamedTuple):
    """seconds: on each kind of devices, infinite where it cannot run · memory: in bytes · operators: in it"""

    seconds: tuple[float, ...]
    memory: int
    operators: tuple[int, ...]


class Net(NamedTuple):
    """A device that holds some of these blocks but not all pays this transfer once, in seconds."""

    transfer: float
    blocks: tuple[int, ...]


class Blocks(NamedTuple):
    """follows: pairs of blocks, the second of which takes in what the first puts out, going forward"""

    blocks: tuple[Block, ...]
    nets: tuple[Net, ...]
    follows: tuple[tuple[int, int], ...]
    devices: tuple[Devices, ...]

    def fits(self, kind: int, memory: int) -> bool:
        """Say whether a device of a kind has so much memory."""
        there = self.devices[kind].memory
        return there is None or memory <= there


def blocks_of(graph: Graph) -> Blocks:
    """Return the blocks of a graph in an order of their own, whatever the order of its operators.

    Raises ValueError for an edge to an operator that is none, and for numbers below 0, without end or too large.
    """
    _examine(graph)
    labels: dict[Hashable, list[int]] = {}
    for index, operator in enumerate(graph.operators):
        own: Hashable = ("alone", index) if operator.group is None else ("group", operator.group)
        labels.setdefault(own, []).append(index)
    return merged(graph, list(labels.values()))


def _examine(graph: Graph) -> None:
    here = range(len(graph.operators))
    if any(end not in here for edge in graph.edges for end in edge):
        raise ValueError("an edge leads to an operator that there is not")
    for operator in graph.operators:
        amounts = (operator.transfer, operator.memory, *(s for s in operator.seconds if s is not None))
        if len(operator.seconds) != len(graph.devices) or not all(0 <= amount < math.inf for amount in amounts):
            raise ValueError(f"not one time for each kind of devices, or a number below 0 or without end: {operator}")
    if sum(operator.memory for operator in graph.operators) > _MOST_MEMORY:
        raise ValueError(f"all operators together take more than 2^60 ({_MOST_MEMORY:,}) bytes")


def merged(graph: Graph, groups: Sequence[Sequence[int]]) -> Blocks:
    """Return the blocks that some groups of operators are, in order."""
    place = {operator: index for index, own in enumerate(groups) for operator in own}
    rank = _ranks(graph, place, groups)
    ordered = sorted(range(len(groups)), key=lambda index: (rank[index], index))
    position = {old: new for new, old in enumerate(ordered)}
    targets: dict[int, set[int]] = {}
    follows = set()
    for source, target in graph.edges:
        ends = position[place[source]], position[place[target]]
        targets.setdefault(source, {ends[0]}).add(ends[1])
        if ends[0] != ends[1] and not graph.operators[source].backward and not graph.operators[target].backward:
            follows.add(ends)
    transfers: dict[tuple[int, ...], list[float]] = {}
    for source, own in targets.items():
        if len(own) > 1 and graph.operators[source].transfer:
            transfers.setdefault(tuple(sorted(own)), []).append(graph.operators[source].transfer)
    nets = (Net(math.fsum(terms), own) for own, terms in sorted(transfers.items()))
    blocks = tuple(_block(graph, groups[index]) for index in ordered)
    return Blocks(blocks, tuple(nets), tuple(sorted(follows)), graph.devices)


def _block(graph: Graph, own: Sequence[int]) -> Block:
    operators = [graph.operators[index] for index in own]
    seconds = tuple(
        math.fsum(math.inf if time is None else time for time in times)
        for times in zip(*(operator.seconds for operator in operators), strict=True)
    )
    return Block(seconds, sum(operator.memory for operator in operators), tuple(own))


def _ranks(graph: Graph, place: Mapping[int, int], groups: Sequence[Sequence[int]]) -> list[int]:
    """Tell blocks apart by what they are, then by what their neighbours are, until that tells no more apart."""
    ins: list[set[int]] = [set() for _ in groups]
    outs: list[set[int]] = [set() for _ in groups]
    for source, target in graph.edges:
        outs[place[source]].add(place[target])
        ins[place[target]].add(place[source])
    blocks = (_block(graph, own) for own in groups)
    sent = (sorted(graph.operators[index].transfer for index in own) for own in groups)
    rank = _numbered([(block.seconds, block.memory, own) for block, own in zip(blocks, sent, strict=True)])
    while True:
        keys = [
            (own, sorted(rank[other] for other in before), sorted(rank[other] for other in after))
            for own, before, after in zip(rank, ins, outs, strict=True)
        ]
        finer = _numbered(keys)
        if max(finer, default=0) == max(rank, default=0):
            return rank
        rank = finer


def _numbered(keys: Sequence[tuple[Any, ...]]) -> list[int]:
    """Return the place of each key among all that differ."""
    order = [key for key, _ in itertools.groupby(sorted(keys))]
    return [bisect.bisect_left(order, key) for key in keys]


def load(blocks: Blocks, kind: int, own: Iterable[int]) -> float:
    """Return the load of a device of a kind that holds some blocks, in seconds."""
    held = set(own)
    terms = [blocks.blocks[index].seconds[kind] for index in held]
    if blocks.devices[kind].pays:
        there = ((net, sum(index in held for index in net.blocks)) for net in blocks.nets)
        terms += [net.transfer for net, count in there if 0 < count < len(net.blocks)]
    return math.fsum(terms)
