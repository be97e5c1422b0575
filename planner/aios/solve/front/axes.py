"""The axes of a front: what a plan comes to in each metric, and the whole costs by which plans are compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Estimate, Priced
from aios.records.metrics import is_endless, metric
from aios.solve.costs import STEPS

__all__ = ["Value", "known", "values_of", "whole_costs"]

_TOTALS: Mapping[str, Callable[[Iterable[float]], float]] = {"sum": math.fsum, "max": max, "min": min}


class Value(NamedTuple):
    """What a plan comes to in a metric, in its SI unit. low, high: all low ends and all high ends taken together."""

    value: float
    low: float
    high: float


def known(option: Priced, name: str) -> Estimate | None:
    """Return the estimate of a metric; None where nobody knows it or, of an overloaded service, it has no end."""
    found = option.estimates.get(name)
    return None if found is None or is_endless(name, found.value) else found


def values_of(chosen: Iterable[Priced], names: Sequence[str]) -> tuple[Value | None, ...]:
    """Return what options come to together in each metric, added up as the metric says; None where it is not known."""
    options = list(chosen)
    found: list[Value | None] = []
    for name in names:
        estimates = [estimate for option in options if (estimate := known(option, name)) is not None]
        total = _TOTALS[metric(name).total]
        if not options or len(estimates) < len(options):
            found.append(None)
        else:
            found.append(Value(*(total(getattr(one, end) for one in estimates) for end in Value._fields)))
    return tuple(found)


def whole_costs(rows: Sequence[Sequence[Priced]], name: str) -> list[list[int]]:
    """Return the cost of each option of each intent in a metric that all of them have, in whole steps: less is better.

    A step is 1/STEPS of the widest difference. Costs of a metric that is summed count from the best option of each
    intent; of one whose total is the worst (the largest latency, the smallest accuracy) from the best of all.
    """
    of = metric(name)
    sign = 1 if of.better == "lower" else -1
    costs = [[sign * option.estimates[name].value for option in row] for row in rows]
    least = [min(row) for row in costs]
    if of.total != "sum":
        least = [min(least)] * len(least)
    widest = max(max(row) - low for row, low in zip(costs, least, strict=True))
    step = widest / STEPS if widest > 0 else 1.0
    return [[round((cost - low) / step) for cost in row] for row, low in zip(costs, least, strict=True)]
