"""The act: split a graph of operators over devices, so that the largest load is as small as can be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from aios.solve.cpsat import Engine
from aios.solve.lp import LinearProgram
from aios.solve.sharding.blocks import Blocks, blocks_of, load, merged
from aios.solve.sharding.chains import ideals_of, is_whole, orders_of, split
from aios.solve.sharding.exact import resplit
from aios.solve.sharding.problem import Device, Graph, Sharding, Unfit, loads

__all__ = ["shard"]

_PART = 1 / 60
"""Share of the engine's allowance for splitting what a few devices hold anew, once."""
_PARTS = 1 / 4
"""Share of it for all such times."""
_ALL = 1 / 6
"""Share of it for all blocks and devices at once."""
_MOST = 50_000
"""Blocks and nets, times devices, up to which all are split at once: more are not decided within that allowance."""
_NEAR = 1e-9
"""By which share a load must be smaller to count as smaller."""


def shard(graph: Graph, engine: Engine, *, contiguous: bool = False) -> Sharding | Unfit:
    """Return the split of the smallest largest load that was found, with a bound.

    contiguous: each device's part may give to a part only what never comes back: parts follow each other, forward.
    The engine's allowance limits the work, not the clock. Raises ValueError for numbers that are none, or a wrong edge.
    """
    if not graph.operators:
        return Sharding((), 0.0, 0.0)
    if not any(own.number for own in graph.devices):
        return Unfit(proved=True)
    blocks = blocks_of(graph)
    joint = _acyclic(graph, blocks)
    ideals = ideals_of(joint)
    chains = [ideals] if ideals is not None else orders_of(joint)
    found = [own for own in map(split, chains) if own is not None]
    starts = [_of_operators(graph, joint, own) for own in found]
    best = min(starts, key=lambda own: max(loads(graph, own).values(), default=0.0), default=None)
    if contiguous:
        return _told(graph, best, _least(joint), proved=ideals is not None and is_whole(ideals))
    return _anywhere(graph, blocks, best, engine)


def _told(graph: Graph, devices: Sequence[Device] | None, bound: float, *, proved: bool) -> Sharding | Unfit:
    if devices is None:
        return Unfit(proved or bound == math.inf)
    value = max(loads(graph, devices).values(), default=0.0)
    return Sharding(tuple(devices), value, value if proved else min(value, bound))


def _acyclic(graph: Graph, blocks: Blocks) -> Blocks:
    """Return blocks in which those that follow each other in a circle are one: no contiguous split parts them."""
    import networkx

    order = networkx.DiGraph(blocks.follows)
    order.add_nodes_from(range(len(blocks.blocks)))
    circles = [sorted(own) for own in networkx.strongly_connected_components(order)]
    if len(circles) == len(blocks.blocks):
        return blocks
    groups = [[operator for block in own for operator in blocks.blocks[block].operators] for own in sorted(circles)]
    return merged(graph, groups)


def _of_operators(graph: Graph, blocks: Blocks, placed: Sequence[Device]) -> list[Device]:
    devices: list[Device] = [(0, 0)] * len(graph.operators)
    for block, device in zip(blocks.blocks, placed, strict=True):
        for operator in block.operators:
            devices[operator] = device
    return devices


def _least(blocks: Blocks) -> float:
    """Return what the largest load is at least, in seconds: of blocks that may be cut, without any transfer."""
    alone = max((min(block.seconds) for block in blocks.blocks), default=0.0)
    if alone == math.inf or not blocks.blocks:
        return alone
    total = math.fsum(min(block.seconds) for block in blocks.blocks)
    program = LinearProgram()
    most = program.variable(total / alone if alone else 1.0, -1.0)
    rows = [[(most, -float(own.number) * (alone or 1.0))] for own in blocks.devices]
    for block in blocks.blocks:
        parts = [(program.variable(1.0), kind) for kind, time in enumerate(block.seconds) if time < math.inf]
        program.row([(part, 1.0) for part, _ in parts], low=1.0)
        for part, kind in parts:
            rows[kind].append((part, block.seconds[kind]))
    for row in rows:
        program.row(row, high=0.0)
    best = program.maximize()
    return max(alone, -best.bound * (alone or 1.0)) if best else alone


def _anywhere(graph: Graph, blocks: Blocks, start: Sequence[Device] | None, engine: Engine) -> Sharding | Unfit:
    """Return the best split that was found in which a part may be anything."""
    every = [(kind, index) for kind, own in enumerate(blocks.devices) for index in range(own.number)]
    own = range(len(blocks.blocks))
    now: tuple[Mapping[int, Device], float] | None = None
    bound = _least(blocks)
    if start is not None:
        placed = {index: start[block.operators[0]] for index, block in enumerate(blocks.blocks)}
        placed = _improved(blocks, placed, every, engine, bound)
        now = placed, _largest(blocks, placed)
        if now[1] <= bound * (1 + _NEAR):
            return _told(graph, _of_operators(graph, blocks, [placed[i] for i in own]), bound, proved=True)
    if now is not None and (len(blocks.blocks) + len(blocks.nets)) * len(every) > _MOST:
        return _told(graph, _of_operators(graph, blocks, [now[0][i] for i in own]), bound, proved=False)
    answer = resplit(blocks, own, every, engine, _ALL, now)
    bound = max(bound, answer.bound)
    if answer.placed and (now is None or _largest(blocks, answer.placed) < now[1]):
        now = answer.placed, 0.0
    if now is None:
        return Unfit(answer.status == "infeasible")
    return _told(graph, _of_operators(graph, blocks, [now[0][i] for i in own]), bound, proved=False)


def _largest(blocks: Blocks, placed: Mapping[int, Device]) -> float:
    return max(_loads(blocks, placed).values(), default=0.0)


def _loads(blocks: Blocks, placed: Mapping[int, Device]) -> dict[Device, float]:
    held: dict[Device, list[int]] = {}
    for block, device in placed.items():
        held.setdefault(device, []).append(block)
    return {device: load(blocks, device[0], own) for device, own in held.items()}


def _improved(
    blocks: Blocks, placed: dict[int, Device], every: Sequence[Device], engine: Engine, bound: float
) -> dict[int, Device]:
    """Split anew what the device with the largest load holds, and a few others, until that lowers it no more."""
    stop = engine.left - _PARTS * engine.limits.deterministic_limit
    better = True
    while better:
        better = False
        found = _loads(blocks, placed)
        if max(found.values(), default=0.0) <= bound * (1 + _NEAR):
            break
        for chosen in _choices(found, every):
            if engine.left <= stop:
                return placed
            own = [block for block, device in placed.items() if device in chosen]
            most = max(found.get(device, 0.0) for device in chosen)
            answer = resplit(blocks, own, chosen, engine, _PART, ({b: placed[b] for b in own}, most))
            if answer.placed and _largest(blocks, answer.placed) < most * (1 - _NEAR):
                placed = {**placed, **answer.placed}
                better = True
                break
    return placed


def _choices(found: Mapping[Device, float], every: Sequence[Device]) -> Iterator[list[Device]]:
    """Yield the device with the largest load beside one other, then two, then three, those that hold least first."""
    ranked = sorted(every, key=lambda device: (found.get(device, 0.0), device))
    for number in (1, 2, 3):
        for others in itertools.combinations(ranked[:-1], number):
            yield [ranked[-1], *others]
