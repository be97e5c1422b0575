"""What a device's time goes into."""

from __future__ import annotations

from typing import NamedTuple

from aios.cost.energy.intensity import intensity

__all__ = ["Spent"]


class Spent(NamedTuple):
    """Parts of a device's time in any one unit, not all nothing: it computes, it waits for memory, it waits for
    operators to be started or for other devices."""

    compute: float
    memory: float
    waiting: float

    @property
    def intensity(self) -> float:
        """How near its rating the device comes, as ``energy.intensity`` has it."""
        return intensity(self.compute, self.memory, self.waiting)

    @property
    def clocked(self) -> float:
        """Share of the time that goes with the clock."""
        return self.compute / (self.compute + self.memory + self.waiting)
