"""Finds the knee of a front: where giving up a little more of one thing begins to win little of another."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["knee_of"]

_CLEAR = 0.1
"""Share of the way from the chord to the ideal corner that a knee stands at least below the chord: points that are only
just below it would change places with the next estimate."""


def knee_of(points: Sequence[Sequence[float]]) -> int | None:
    """Return which point stands farthest below the chord between the ends of the front, if one clearly does.

    points: costs by axis, the less the better. Every axis is scaled to run from 0, the best on the front, to 1, the
    worst. With k axes the chord is the plane on which the coordinates sum up to k - 1, as they do for a point that is
    best in one axis and worst in all others. Axes in which all points are equal do not count.
    """
    columns = [column for column in zip(*points, strict=True) if max(column) > min(column)]
    if len(points) < 3 or len(columns) < 2:
        return None
    scaled = [[(cost - min(column)) / (max(column) - min(column)) for cost in column] for column in columns]
    chord = len(columns) - 1
    depths = [(chord - sum(point)) / chord for point in zip(*scaled, strict=True)]
    deepest = max(depths)
    return depths.index(deepest) if deepest >= _CLEAR and depths.count(deepest) == 1 else None
