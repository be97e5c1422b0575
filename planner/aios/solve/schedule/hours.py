"""Values that change by the hour, as whole numbers over whole steps of time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

__all__ = ["Hours", "Segment", "bends", "segments"]


class Hours(NamedTuple):
    """A value for each hour, repeating from midnight on.

    values: per step of time · offset: steps from midnight to the start of the plan · hour: steps of an hour
    """

    values: tuple[int, ...]
    offset: int
    hour: int

    def at(self, step: int) -> int:
        """Return the value during a step."""
        return self.values[(step + self.offset) // self.hour % len(self.values)]

    def total(self, start: int, end: int) -> int:
        """Return the sum over the steps from ``start`` to ``end``."""
        return self._until(end) - self._until(start)

    def changes(self, low: int, high: int) -> Iterator[int]:
        """Yield the steps between ``low`` and ``high``, both left out, at which the value changes."""
        if len(set(self.values)) == 1:
            return
        first = (low + self.offset) // self.hour + 1
        for step in range(first * self.hour - self.offset, high, self.hour):
            if self.at(step) != self.at(step - 1):
                yield step

    def pieces(self, low: int, high: int) -> Iterator[tuple[int, int, int]]:
        """Yield start, end and value of the times of one value from ``low`` to ``high``."""
        for start, end in pairwise((low, *self.changes(low, high), high)):
            yield start, end, self.at(start)

    def _until(self, step: int) -> int:
        """Return the sum from midnight on."""
        hours, rest = divmod(step + self.offset, self.hour)
        days, hour = divmod(hours, len(self.values))
        before = _sums(self.values)
        return (days * before[-1] + before[hour]) * self.hour + self.values[hour] * rest


@lru_cache
def _sums(values: tuple[int, ...]) -> tuple[int, ...]:
    return (0, *accumulate(values))


class Segment(NamedTuple):
    """Starts from ``low`` to ``high``: the sum is ``base`` at the first, and ``slope`` more at each next one."""

    low: int
    high: int
    base: int
    slope: int

    @property
    def last(self) -> int:
        """The sum at the last start."""
        return self.base + self.slope * (self.high - self.low)


def bends(hours: Hours, length: int, low: int, high: int) -> list[int]:
    """Return the starts from ``low`` to ``high``, both among them, where the sum over ``length`` steps bends."""
    found = {*hours.changes(low, high), *(step - length for step in hours.changes(low + length, high + length))}
    return [low, *sorted(found), high]


def segments(hours: Hours, length: int, low: int, high: int) -> list[Segment]:
    """Return the sum over ``length`` steps as a piecewise linear function of the start, from ``low`` to ``high``.

    It bends only where the start or the end passes an hour at which the value changes.
    """
    found: list[Segment] = []
    for start, end in pairwise(bends(hours, length, low, high)):
        slope = hours.at(start + length) - hours.at(start)
        if found and found[-1].slope == slope:
            found[-1] = found[-1]._replace(high=end)
        else:
            found.append(Segment(start, end, hours.total(start, start + length), slope))
    return found
