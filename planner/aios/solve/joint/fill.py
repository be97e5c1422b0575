"""Puts the parts that stand on the machines of a node onto single machines and devices: largest first, where least is
left over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aios.solve.joint.grid import Floats, Ints
from aios.solve.joint.stock import Stock

__all__ = ["Filled", "Lot", "Spot", "fill"]


class Lot(NamedTuple):
    """Equal parts of one intent. number: how many · machine, each: what one takes of its machine, of each device"""

    intent: int
    number: int
    device: str
    wide: int
    machine: Mapping[str, int]
    each: Mapping[str, int]


class Spot(NamedTuple):
    """Devices next to each other. machine: which of equal ones · first: position among those of their type"""

    machine: int
    device: str
    first: int


class Filled(NamedTuple):
    """stands: (intent, spot) -> parts · left: intent -> parts that found no place"""

    stands: Mapping[tuple[int, Spot], int]
    left: Mapping[int, int]


_WEIGHTS = ((1.0, 0.1), (1.0, 1.0), (0.1, 1.0))
"""How much what is left of a device, and of a machine, matters when a place is chosen: ways that are tried in turn."""


def fill(stock: Stock, lots: Sequence[Lot]) -> Filled:
    """Return where everything stands; of several ways to fill, the first that leaves nothing over, else the best."""
    best: Filled | None = None
    for weights in _WEIGHTS:
        filled = _Filling(stock, lots, weights).filled()
        if not filled.left:
            return filled
        if best is None or sum(filled.left.values()) < sum(best.left.values()):
            best = filled
    assert best is not None
    return best


class _Filling:
    """Machines with what is free on them. Amounts are shares of what an empty machine or a whole device has."""

    def __init__(self, stock: Stock, lots: Sequence[Lot], weights: tuple[float, float]) -> None:
        self.stock = stock
        self.weights = weights
        number = max(1, min(stock.node.count, sum(lot.number for lot in lots)))
        self.names = sorted(stock.has)
        self.machines: Ints = np.tile(np.array([stock.has[name] for name in self.names], dtype=np.int64), (number, 1))
        self.kinds = {name: sorted(own.has) for name, own in stock.devices.items()}
        self.devices: dict[str, Ints] = {
            name: np.tile(np.array([own.has[kind] for kind in self.kinds[name]], dtype=np.int64).T, (number, 1, 1))
            for name, own in stock.devices.items()
        }
        self.whole = np.maximum(self.machines[0], 1).astype(float)
        self.each = {name: np.maximum(free[0].max(axis=0), 1).astype(float) for name, free in self.devices.items()}
        self.lots = sorted(lots, key=lambda lot: (-self._size(lot), lot.intent, lot.number))

    def _size(self, lot: Lot) -> float:
        own = self.stock.devices[lot.device]
        shares = [amount / max(self.stock.has[name], 1) for name, amount in lot.machine.items()]
        shares += [amount / max(own.has[name][0], 1) for name, amount in lot.each.items()]
        return max(max(shares, default=0.0), lot.wide / len(own.ids) if lot.wide > 1 else 0.0)

    def filled(self) -> Filled:
        stands: Counter[tuple[int, Spot]] = Counter()
        left: dict[int, int] = {}
        for lot in self.lots:
            waiting = lot.number
            while waiting:
                found = self._place(lot, waiting)
                if found is None:
                    left[lot.intent] = left.get(lot.intent, 0) + waiting
                    break
                spot, number = found
                stands[lot.intent, spot] += number
                waiting -= number
        return Filled(dict(stands), left)

    def _place(self, lot: Lot, waiting: int) -> tuple[Spot, int] | None:
        """Put as many parts of a lot as there is room for onto the place that they leave least of."""
        machine: Ints = np.array([lot.machine.get(name, 0) for name in self.names], dtype=np.int64)
        each: Ints = np.array([lot.each.get(kind, 0) for kind in self.kinds[lot.device]], dtype=np.int64)
        free = self.devices[lot.device]
        blocks = free.shape[1] // lot.wide
        own = free[:, : blocks * lot.wide].reshape(len(free), blocks, lot.wide, -1).min(axis=2)
        fits = np.all(own >= each, axis=2) & np.all(self.machines >= machine, axis=1)[:, None]
        if not fits.any():
            return None
        of_device, of_machine = self.weights
        left: Floats = ((own - each) / self.each[lot.device]).sum(axis=2) * of_device
        left = left + (((self.machines - machine) / self.whole).sum(axis=1) * of_machine)[:, None]
        node, block = divmod(int(np.where(fits, left, np.inf).argmin()), blocks)
        room = [*_times(self.machines[node], machine), *_times(own[node, block], each), waiting]
        number = min(room)
        self.machines[node] -= machine * number
        free[node, block * lot.wide : (block + 1) * lot.wide] -= each * number
        return Spot(node, lot.device, block * lot.wide), number


def _times(free: Ints, takes: Ints) -> list[int]:
    return [int(has) // int(amount) for has, amount in zip(free, takes, strict=True) if amount]
