"""Blocks over a few devices, exactly: a CP-SAT model whose largest load is to be small."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.solve.cpsat import Engine, Model, Term
from aios.solve.sharding.blocks import Blocks
from aios.solve.sharding.problem import Device

__all__ = ["Resplit", "resplit"]

_STEPS = 10**8
"""Whole steps that the time of all blocks, each where it is longest, and of all transfers is counted in."""


class Resplit(NamedTuple):
    """placed: block -> device, empty if none was found · bound: no split of these blocks over these devices has a
    smaller largest load, in seconds · status: of the search"""

    placed: Mapping[int, Device]
    bound: float
    status: str


class _Model:
    def __init__(self, blocks: Blocks, own: Sequence[int], devices: Sequence[Device]) -> None:
        self.blocks, self.own, self.devices = blocks, own, devices
        inside = set(own)
        self.nets = [net for net in blocks.nets if inside & set(net.blocks)] if self._pay() else []
        times = [seconds for block in own for seconds in blocks.blocks[block].seconds if seconds < math.inf]
        total = math.fsum([*times, *(net.transfer * len(devices) for net in self.nets)])
        self.step = total / _STEPS or 1.0
        self.error = self.step * (len(own) + len(self.nets)) / 2
        self.model = Model()
        self.most = self.model.variable(0, _STEPS + len(own) + len(self.nets) * len(devices))
        self.here = {
            (block, device): self.model.variable(0, int(blocks.blocks[block].seconds[device[0]] < math.inf))
            for block in own
            for device in devices
        }
        for block in own:
            self.model.exactly_one([self.here[block, device] for device in devices])
        self.paid: dict[tuple[int, Device], tuple[int, int | None]] = {}
        for device in devices:
            self._add(device)
        self.model.minimize([(self.most, 1)])

    def _pay(self) -> bool:
        return any(self.blocks.devices[kind].pays for kind, _ in self.devices)

    def _add(self, device: Device) -> None:
        kind = device[0]
        held = [(self.here[block, device], self.blocks.blocks[block]) for block in self.own]
        terms: list[Term] = [
            (variable, round(block.seconds[kind] / self.step))
            for variable, block in held
            if block.seconds[kind] < math.inf
        ]
        if self.blocks.devices[kind].pays:
            for index in range(len(self.nets)):
                terms += self._add_net(index, device)
        self.model.linear([*(term for term in terms if term[1]), (self.most, -1)], high=0)
        memory = self.blocks.devices[kind].memory
        if memory is not None and sum(block.memory for _, block in held) > memory:
            self.model.linear([(variable, block.memory) for variable, block in held if block.memory], high=memory)

    def _add_net(self, index: int, device: Device) -> list[Term]:
        """Let a device pay where it holds some of a net's blocks; let it be paid back where it holds them all."""
        net = self.nets[index]
        own = [self.here[block, device] for block in net.blocks if (block, device) in self.here]
        some = self.model.variable(0, 1)
        for variable in own:
            self.model.linear([(some, 1), (variable, -1)], low=0)
        cost = round(net.transfer / self.step)
        if len(own) < len(net.blocks):
            self.paid[index, device] = some, None
            return [(some, cost)]
        every = self.model.variable(0, 1)
        for variable in own:
            self.model.linear([(variable, 1), (every, -1)], low=0)
        self.paid[index, device] = some, every
        return [(some, cost), (every, -cost)]

    def hint(self, placed: Mapping[int, Device], most: float) -> None:
        """Tell the engine where the blocks are now. most: the largest load, in seconds"""
        values = {self.most: math.ceil(most / self.step)}
        for (block, device), variable in self.here.items():
            values[variable] = int(placed[block] == device)
        for (index, device), (some, every) in self.paid.items():
            there = [placed.get(block) == device for block in self.nets[index].blocks]
            values[some] = int(any(there))
            if every is not None:
                values[every] = int(all(there))
        self.model.hint([values[variable] for variable in range(len(values))])


def resplit(
    blocks: Blocks,
    own: Sequence[int],
    devices: Sequence[Device],
    engine: Engine,
    share: float,
    now: tuple[Mapping[int, Device], float] | None,
) -> Resplit:
    """Split some blocks anew over some devices that hold no others. now: how they stand, and the largest load"""
    built = _Model(blocks, own, devices)
    if now is not None:
        built.hint(*now)
        high = math.ceil((now[1] + built.error) / built.step)
        built.model.bound(built.most, 0, high)
    answer = engine.solve(built.model, share, numbers=True)
    bound = 0.0 if answer.bound is None or not answer.values else answer.bound * built.step - built.error
    if not answer.values:
        return Resplit({}, bound, answer.status)
    placed = {block: device for (block, device), variable in built.here.items() if answer.values[variable]}
    return Resplit(placed, max(0.0, bound), answer.status)
