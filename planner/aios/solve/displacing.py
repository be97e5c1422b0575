"""Makes room for one intent by moving others, as augmenting paths do in a matching."""

from __future__ import annotations

from collections.abc import Sequence

from aios.solve.cells import Cells, Standing
from aios.solve.certificate import Asked

__all__ = ["Kept", "displaced", "settled"]

Kept = dict[int, tuple[int, Standing]]
"""A plan: intent -> shape and where its parts stand."""

_DEPTHS = (0, 3)
"""How many moves follow the first one; more only where fewer do not help."""
_TRIES = 100
"""Moves that are tried for one intent at each depth."""


def settled(cells: Cells, room: list[int], shapes: Sequence[int]) -> tuple[int, Standing] | None:
    """Return the first of some shapes that finds room, and where; it takes that room."""
    for shape in shapes:
        standing = cells.put(room, shape)
        if standing is not None:
            return shape, standing
    return None


def displaced(cells: Cells, asked: Asked, room: list[int], kept: Kept, intent: int) -> bool:
    """Place an intent for which there is no room by moving others; where that fails nothing has changed."""
    return any(_Search(cells, asked, room, kept).place(intent, depth, set()) for depth in _DEPTHS)


class _Search:
    def __init__(self, cells: Cells, asked: Asked, room: list[int], kept: Kept) -> None:
        self.cells = cells
        self.asked = asked
        self.room = room
        self.kept = kept
        self.left = _TRIES

    def place(self, intent: int, depth: int, moved: set[int]) -> bool:
        shapes = self.asked.choices[intent]
        wanted = {bins for shape in shapes for bins in self._bins(shape)}
        for other in [other for other in self.kept if other not in moved and other != intent]:
            shape, standing = self.kept[other]
            places = self.cells.problem.shapes[shape].places
            if self.left <= 0 or not any(wanted.intersection(places[place]) for place, _ in standing):
                continue
            self.left -= 1
            self._give(shape, standing)
            own = settled(self.cells, self.room, shapes)
            if own is not None:
                moved.add(other)
                self.kept[intent] = own
                del self.kept[other]
                again = settled(self.cells, self.room, self.asked.choices[other])
                if again is not None:
                    self.kept[other] = again
                    return True
                if depth and self.place(other, depth - 1, moved):
                    return True
                del self.kept[intent]
                self._give(*own)
                self.kept[other] = (shape, standing)
            self._give(shape, standing, -1)
        return False

    def _bins(self, shape: int) -> frozenset[int]:
        return frozenset(index for place in self.cells.problem.shapes[shape].places for index in place)

    def _give(self, shape: int, standing: Standing, sign: int = 1) -> None:
        for place, count in standing:
            self.cells.take(self.room, shape, place, -sign * count)
