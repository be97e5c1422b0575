"""Where points of a front can still be: the search region, kept as its upper corners.

A vector that no point found so far is at least as good as in every axis lies strictly below one of the corners, and
all that lies below a corner is such a vector (local upper bounds: Klamroth, Lacour and Vanderpooten, "On the
representation of the search region in multi-objective optimization", EJOR 245, 2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import le, lt

__all__ = ["Regions", "Vector"]

Vector = tuple[int, ...]
"""Costs in whole steps, one for each axis; less is better."""


class Regions:
    """The search region. floor: what no plan is below, by axis · top: what every plan is below."""

    def __init__(self, floor: Sequence[int], top: Sequence[int]) -> None:
        self._floor = tuple(floor)
        self._top = tuple(top)
        self._corners = {self._top}
        self._closed: list[Vector] = []

    def add(self, point: Vector) -> None:
        """Take away everything that the point is at least as good as."""
        split = [corner for corner in self._corners if all(map(lt, point, corner))]
        whole = self._corners.difference(split)
        parts = {
            (*corner[:axis], point[axis], *corner[axis + 1 :])
            for corner in split
            for axis in range(len(point))
            if point[axis] > self._floor[axis]
        }
        new = [part for part in parts if not _below_any(part, self._closed)]
        others = whole.union(new)
        self._corners = whole.union(part for part in new if not _below_any(part, others - {part}))

    def close(self, corner: Vector) -> None:
        """Take away everything below a corner."""
        self._corners.discard(corner)
        self._closed.append(corner)

    def largest(self) -> Vector | None:
        """Return the corner with the most space below it; None when nothing is left."""
        return max(self._corners, key=lambda corner: (self._space(corner), corner), default=None)

    def _space(self, corner: Vector) -> float:
        ends = zip(corner, self._floor, self._top, strict=True)
        return math.prod((high - low) / (top - low) for high, low, top in ends)


def _below_any(corner: Vector, others: Sequence[Vector] | set[Vector]) -> bool:
    return any(all(map(le, corner, other)) for other in others)
