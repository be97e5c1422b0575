"""What admitting a copy is worth: the goals of the whole plan that speak of it, as one whole number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aios.records.demanded import Demanded
from aios.records.intent import Goal
from aios.records.objective import Objective
from aios.records.selection import ObjectiveValue
from aios.solve.amounts import share_units
from aios.solve.packing import WHOLE

__all__ = ["Worth", "devices_of_copy", "taken_by_copy", "weight_of", "worth_of"]

_MOST = 1 << 50
"""Value that all copies may have together, so that sums stay exact."""
_ADMITTED = Goal(direction="maximize", metric="admitted")


class _Part(NamedTuple):
    """One goal of admission. units: demand that may be refused -> of one copy · unit: how many exact ones each is"""

    goal: Goal
    units: Mapping[str, int]
    unit: int


class Worth(NamedTuple):
    """What copies are worth.

    of: demand -> value of one copy · base: value of one unit of the first goal · parts: goals that are in the value, at
    most two, most important first · left: goals that are not
    """

    of: Mapping[str, int]
    base: int
    parts: tuple[_Part, ...]
    left: tuple[_Part, ...]

    def named(self, demands: Sequence[Demanded], refused: Mapping[str, int], *, proved: bool) -> list[ObjectiveValue]:
        """Return what the goals that are written come to where a policy was followed before them.

        proved: whether that left nothing open
        """
        written = [part for part in (*self.parts, *self.left) if part.goal is not _ADMITTED]
        return [_row(part, None, demands, refused, proved) for part in written]

    def rows(
        self, value: int, bound: int, demands: Sequence[Demanded], refused: Mapping[str, int]
    ) -> list[ObjectiveValue]:
        """Return what the goals come to, what stands because it must included. value, bound: of the packing

        The bound of the second goal is that of plans which are as good in the first; of a goal that is not in the value
        it is known that no more than everything can stand.
        """
        if not self.parts:
            return []
        rows = [_row(part, None, demands, refused) for part in self.left]
        if len(self.parts) == 1:
            most = None if value == bound else bound
            return [_row(self.parts[0], most, demands, refused, value == bound), *rows]
        first, most = value // self.base, bound // self.base
        found = [_row(self.parts[0], most, demands, refused, most == first)]
        found.append(_row(self.parts[1], bound - first * self.base, demands, refused, value == bound))
        return [*found, *rows]


def weight_of(priority: int) -> int:
    """Return what one copy of this priority weighs among those that may be refused: one where none is stated."""
    return max(priority, 1)


def _goals(demands: Sequence[Demanded], objective: Objective | None) -> list[Goal]:
    """Return the goals that speak of admission; where some may be refused, that many are not is the last of them."""
    named = [goal for goal in (objective.goal if objective else ()) if goal.metric in _TOTALS]
    refusable = any(not demand.required for demand in demands)
    return named if not refusable or any(g.metric == _ADMITTED.metric for g in named) else [*named, _ADMITTED]


def worth_of(demands: Sequence[Demanded], objective: Objective | None) -> Worth:
    """Return what copies that may be refused are worth; what counts in no goal is still not refused for nothing."""
    optional = [demand for demand in demands if not demand.required]
    parts = [_part(goal, optional) for goal in _goals(demands, objective)]
    if not parts:
        return Worth({}, 1, (), ())
    first, *others = parts
    if first.goal.tolerance or not others:
        return Worth(first.units, 1, (first,), tuple(others))
    second, *more = others
    base = 1 + sum(second.units[demand.name] * demand.copies for demand in optional)
    both = {name: units * base + second.units[name] for name, units in first.units.items()}
    total = sum(both[demand.name] * demand.copies for demand in optional)
    if total > _MOST:
        return Worth(first.units, 1, (first,), tuple(others))
    return Worth(both, base, (first, second), tuple(more))


def _part(goal: Goal, optional: Sequence[Demanded]) -> _Part:
    """Return a goal in the largest whole units, coarser ones than exact only where sums would not be exact."""
    exact = {demand.name: _UNITS[goal.metric](demand) for demand in optional}
    divisor = math.gcd(*exact.values()) or 1
    total = sum(units * demand.copies for demand, units in zip(optional, exact.values(), strict=True)) // divisor
    divisor *= -(-total // _MOST) or 1
    return _Part(goal, {name: -(-units // divisor) for name, units in exact.items()}, divisor)


def devices_of_copy(demand: Demanded) -> int:
    """Return units of devices that one copy takes."""
    wanted = demand.accelerators
    return 0 if wanted is None else share_units(wanted.share) * wanted.count


def _weight(demand: Demanded) -> int:
    return weight_of(demand.priority)


_UNITS: Mapping[str, Callable[[Demanded], int]] = {"accelerator.allocated": devices_of_copy, "admitted": _weight}
"""Goals of admission: whole units that one copy adds."""


def taken_by_copy(demand: Demanded) -> float:
    """Return how many devices one copy takes, shares included."""
    wanted = demand.accelerators
    return 0.0 if wanted is None else wanted.share * wanted.count


def _refusable_weight(demand: Demanded) -> float:
    return 0.0 if demand.required else float(_weight(demand))


_TOTALS: Mapping[str, Callable[[Demanded], float]] = {
    "accelerator.allocated": taken_by_copy,
    "admitted": _refusable_weight,
}
"""The same, as it is told: what one copy adds to the goal, required ones included where they count."""
_ONE = {"accelerator.allocated": WHOLE, "admitted": 1}


def _row(
    part: _Part, most: int | None, demands: Sequence[Demanded], refused: Mapping[str, int], proved: bool = False
) -> ObjectiveValue:
    """Return what a goal comes to. most: units of it that copies which may be refused come to at most, None for all
    that there are · proved: whether that is reached, but for the rounding of units"""
    each = _TOTALS[part.goal.metric]
    total = math.fsum(each(demand) * demand.copies for demand in demands)
    lost = math.fsum(each(demand) * refused.get(demand.name, 0) for demand in demands)
    value = bound = total - lost
    if not proved:
        sure = math.fsum(each(demand) * demand.copies for demand in demands if demand.required)
        bound = total if most is None else min(total, sure + most * part.unit / _ONE[part.goal.metric])
        bound = max(value, bound)
    gap = (bound - value) / bound if bound else 0.0
    return ObjectiveValue(goal=str(part.goal), value=value, bound=bound, gap=gap, unit="1")
