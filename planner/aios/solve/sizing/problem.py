"""What is to be sized: demands, the ways to meet each, and the machines that may be taken for them.

What a machine has is pooled over all machines of its shape: 3 machines of 8 devices are 24 devices. That is exact where
work may be cut anywhere; where its parts stand whole on machines it leaves out nothing that is possible, so that its
optimum is a bound (see ``size``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Demand", "Footprint", "Place", "Problem", "Shape", "Way", "within"]


class Shape(NamedTuple):
    """Machines that are alike. most: that may be taken · figure: what one adds to what is made small · has: of each of
    its own resources, in whole units"""

    name: str
    most: int
    figure: float
    has: tuple[int, ...]


class Place(NamedTuple):
    """Where a part may stand. shape: index · takes: (resource of the shape, units) · most: that stand on one machine,
    None where parts may lie across machines"""

    shape: int
    takes: tuple[tuple[int, int], ...]
    most: int | None = None


Footprint = tuple[Place, ...]
"""Where one part of a way may stand, and what it takes there."""


class Way(NamedTuple):
    """A way to meet so many units of a demand.

    covers: units · figure: what it adds to what is made small · parts: that stand somewhere · footprint: index · most:
    how often it may be taken
    """

    covers: int
    figure: float
    parts: int
    footprint: int
    most: int


class Demand(NamedTuple):
    """Units that are all to be met, each by one way."""

    name: str
    amount: int
    ways: tuple[Way, ...]


class Problem(NamedTuple):
    """Everything to size. machines: that may be taken in all."""

    shapes: Sequence[Shape]
    footprints: Sequence[Footprint]
    demands: Sequence[Demand]
    machines: int


def within(problem: Problem, figure: float) -> Problem:
    """Return the problem without machines and ways that alone would come to more than a figure.

    Nothing that comes to as much or less is lost; what is left is told apart in finer steps.
    """
    most = figure * (1 + 1e-9)
    shapes = [
        shape._replace(most=math.floor(most / shape.figure)) if shape.figure * shape.most > most else shape
        for shape in problem.shapes
    ]
    demands = [
        demand._replace(ways=tuple(way if way.figure <= most else way._replace(most=0) for way in demand.ways))
        for demand in problem.demands
    ]
    return problem._replace(shapes=shapes, demands=demands)
