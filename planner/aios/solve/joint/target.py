"""What is to be made small, and what earlier goals leave: costs per option, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aios.solve.costs import Costs
from aios.solve.joint.grid import Floats, Grid, Ints

__all__ = ["Held", "Target", "spread_out", "target_of"]

_NEAR = 1e-6
"""How near to a whole multiple of the smallest difference all costs must be for that to be their unit."""
_MANY = 10**6
"""Units up to which costs count as multiples of one; beyond that everything is a multiple of something."""


class Held(NamedTuple):
    """A sum that no plan may exceed. costs: per option, whole"""

    costs: Ints
    limit: int


class Target(NamedTuple):
    """costs: per option, in whole steps · unit: steps of which all sums of costs are a whole multiple, up to rounding
    (1.0 where nothing is known) · open: option -> whether it may be chosen · held: sums that must keep their limit"""

    costs: Ints
    unit: float
    open: np.ndarray[tuple[int], np.dtype[np.bool_]]
    held: tuple[Held, ...]

    @property
    def is_counted(self) -> bool:
        """Whether costs are known to be multiples of a unit that is worth knowing."""
        return self.unit > 1.0


def spread_out(grid: Grid, costs: Costs) -> Ints:
    """Return the costs of every option; those of intents that are not concerned are 0."""
    found = np.zeros(len(grid.of_intent), dtype=np.int64)
    for intent, row in costs.whole.items():
        start = int(grid.first_option[intent])
        found[start : start + len(row)] = row
    return found


def target_of(grid: Grid, costs: Ints, open_: Mapping[int, Sequence[bool]], held: Sequence[Held]) -> Target:
    """Return the target for some costs."""
    may = np.fromiter((one for intent in range(grid.count) for one in open_[intent]), bool, len(costs))
    return Target(costs, _unit(np.unique(costs[may])), may, tuple(held))


def _unit(values: Ints) -> float:
    """Return the unit that all values are whole multiples of, each up to half a step; 1.0 if there is none."""
    largest = int(values[-1]) if len(values) else 0
    gaps = np.diff(values)
    gaps = gaps[gaps > 1]
    if not len(gaps):
        return 1.0
    many = round(largest / int(gaps.min()))
    if not 1 <= many <= _MANY:
        return 1.0
    unit = largest / many
    off: Floats = np.abs(values / unit - np.round(values / unit))
    return unit if unit > 1.0 and float(off.max()) * unit <= 1.0 + _NEAR * unit else 1.0
