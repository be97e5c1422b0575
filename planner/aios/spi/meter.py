"""What measures energy: the meter protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from aios.records.base import Record
from aios.records.fleet import DeviceType
from aios.records.measurement import Scope
from aios.spi.executor import Refusal

__all__ = ["Meter", "Reading", "Window"]


class Reading(Record):
    """Energy over a window.

    energy_j: None if the meter failed in the window · seconds: length of the window · meter: what measured it and
    how, in words ·
    scope: what is in the figure · derived: computed from other facts (CPU time × datasheet power), not read off an
    instrument
    """

    energy_j: float | None
    seconds: float
    meter: str
    scope: Scope
    derived: bool


class Window(Protocol):
    """A running measurement."""

    def end(self) -> Reading:
        """Stop and return what was measured."""


class Meter(Protocol):
    """Measures the energy of processes on a device. preference: the smaller, the better, among meters that can."""

    name: ClassVar[str]
    api_version: ClassVar[int]
    preference: ClassVar[int]

    def can(self, device: DeviceType) -> Refusal | None:
        """Say whether this meter can measure on such a device here and now."""

    def begin(self, device: DeviceType, pids: Sequence[int]) -> Window:
        """Start measuring what ``pids`` (and their descendants) draw on ``device``."""
