"""A plan that is known from elsewhere, on a front that was not found as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import le

from aios.records.candidate import Priced
from aios.records.metrics import metric
from aios.records.selection import Placement
from aios.solve.front.axes import values_of
from aios.solve.front.knee import knee_of
from aios.solve.front.make import Front, Point

__all__ = ["with_plan"]

_SAME = 1e-9
"""Relative difference of values that is rounding."""


def with_plan(
    front: Front, names: Sequence[str], chosen: Mapping[str, Priced], placement: Mapping[str, tuple[Placement, ...]]
) -> Front:
    """Return a front on which the limit came with a plan among its points, without those that the plan beats.

    Nothing changes where the front is whole, a point is as good in everything, or the plan's values are not all known.
    """
    values = tuple(value for value in values_of(chosen.values(), names) if value is not None)
    if front.stopped != "limit" or len(values) < len(names):
        return front
    plan = Point(values, dict(sorted(chosen.items())), placement, proved=False)
    own = _costs(plan, names)
    costs = [_costs(point, names) for point in front.points]
    if any(all(map(_no_worse, cost, own)) for cost in costs):
        return front
    left = [point for point, cost in zip(front.points, costs, strict=True) if not all(map(le, own, cost))]
    points = sorted([*left, plan], key=lambda point: _costs(point, names))
    return front._replace(points=tuple(points), knee=knee_of([_costs(point, names) for point in points]))


def _costs(point: Point, names: Sequence[str]) -> tuple[float, ...]:
    """Return the values, the smaller the better."""
    signs = [1 if metric(name).better == "lower" else -1 for name in names]
    return tuple(sign * value.value for sign, value in zip(signs, point.values, strict=True))


def _no_worse(one: float, other: float) -> bool:
    return one <= other or math.isclose(one, other, rel_tol=_SAME)
