"""What is to be sized: demands, the ways to meet each, and the machines that may be taken for them.

What a machine has is pooled over all machines of its shape: 3 machines of 8 devices are 24 devices. That is exact where
work may be cut anywhere; where its parts stand whole on machines it leaves out nothing that is possible, so that its
optimum is a bound (see ``size``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["Apart", "Demand", "Footprint", "Place", "Problem", "Shape", "Spent", "Way", "within"]


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
    how often it may be taken · at: how many of the parts run in each period of the day; empty where all do
    """

    covers: int
    figure: float
    parts: int
    footprint: int
    most: int
    at: tuple[int, ...] = ()


class Demand(NamedTuple):
    """Units that are all to be met, each by one way."""

    name: str
    amount: int
    ways: tuple[Way, ...]


class Apart(NamedTuple):
    """Machines that ways need so that their parts can stand apart, whatever the machines have.

    domains: shapes (indexes) whose machines are in one failure domain; None where each machine counts · weights: shape
    -> what each of its machines counts, 1 where domains are counted · needs: (demand, way) -> of what is counted
    """

    domains: tuple[tuple[int, ...], ...] | None
    weights: Mapping[int, int]
    needs: Mapping[tuple[int, int], int]


class Spent(NamedTuple):
    """A budget in whole steps. most: that may be spent · of: (demand, way) -> what it spends"""

    most: int
    of: Mapping[tuple[int, int], int]


class Problem(NamedTuple):
    """Everything to size. machines: that may be taken in all · periods: of the day, in which other parts run · apart:
    in how many domains machines are needed · budgets: of what is taken in all"""

    shapes: Sequence[Shape]
    footprints: Sequence[Footprint]
    demands: Sequence[Demand]
    machines: int
    periods: int = 1
    apart: Sequence[Apart] = ()
    budgets: Sequence[Spent] = ()


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
