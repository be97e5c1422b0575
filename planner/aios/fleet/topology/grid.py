"""Places in a mesh or torus, and boxes of neighbours."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import product

__all__ = ["Grid"]


class Grid:
    """Devices at the points of a mesh or torus, the last dimension fastest.

    members: devices, in order · shape: their number along each dimension · wraps: both ends are neighbours
    """

    def __init__(self, members: Sequence[str], shape: Sequence[int], wraps: bool) -> None:
        self.members = tuple(members)
        self.shape = tuple(shape)
        self.wraps = wraps
        self.place = dict(zip(self.members, product(*(range(size) for size in self.shape)), strict=True))

    def device(self, place: Sequence[int]) -> str:
        """Return the device at a place; a coordinate past the end starts again from the other."""
        index = 0
        for size, at in zip(self.shape, place, strict=True):
            index = index * size + at % size
        return self.members[index]

    def is_box(self, devices: Collection[str]) -> bool:
        """Return whether these are all the devices of a box (in two dimensions, a rectangle)."""
        places = [self.place[device] for device in devices]
        spans = [self._span([place[axis] for place in places], size) for axis, size in enumerate(self.shape)]
        return math.prod(spans) == len(places)

    def boxes(self, volume: int, free: Collection[str]) -> list[tuple[str, ...]]:
        """Return the boxes of free devices of the most compact form that there is; empty where none is free."""
        able = set(free)
        for sides in sorted(set(_sides(volume, self.shape)), key=lambda sides: (sum(sides), sides)):
            found = [box for box in self._of(sides) if able.issuperset(box)]
            if found:
                return found
        return []

    def _span(self, coordinates: Sequence[int], size: int) -> int:
        """Return how long a stretch holds all the coordinates; in a torus it may run over the end."""
        used = sorted(set(coordinates))
        if not self.wraps:
            return used[-1] - used[0] + 1
        gaps = [(after - before) for before, after in zip(used, [*used[1:], used[0] + size], strict=True)]
        return size - max(gaps) + 1

    def _of(self, sides: Sequence[int]) -> Iterator[tuple[str, ...]]:
        starts = [
            range(size) if self.wraps and side < size else range(size - side + 1)
            for side, size in zip(sides, self.shape, strict=True)
        ]
        for corner in product(*starts):
            ranges = [range(first, first + side) for first, side in zip(corner, sides, strict=True)]
            yield tuple(self.device(place) for place in product(*ranges))


def _sides(volume: int, shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the boxes of a volume that fit into a shape."""
    if len(shape) == 1:
        if volume <= shape[0]:
            yield (volume,)
        return
    for side in range(1, min(volume, shape[0]) + 1):
        if volume % side == 0:
            for rest in _sides(volume // side, shape[1:]):
                yield (side, *rest)
