"""How much of what a device may draw above idle it draws, by what its time goes into."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from aios.records.observation import Floats

    Number = TypeVar("Number", float, Floats)

__all__ = ["ALONE", "BUSY", "intensities", "intensity", "shares_drawn"]

_COMPUTING, _READING, _WAITING = 0.9, 0.65, 0.2
_LINKS = 0.3
"""Share of rating less idle that is drawn while units compute, while they wait for memory, and while they wait for the
host with their clocks up. Measured in the open tables of ML.ENERGY and Zeus: 0.9 to 1 (dense training, diffusion), 0.5
to 0.8 (decoding), 0.1 to 0.3 (small networks that wait for launches)."""
BUSY, ALONE = 0.7, 0.4
"""The same of work that nobody knows more about (H100s serving language models draw 0.71 of their rating in the
median), and where one request at a time leaves most units idle."""


def intensities(compute: Number, memory: Number, waiting: Number) -> dict[str, Number]:
    """Return the share of rating less idle that each part of the time draws; parts in any one unit, not all nothing."""
    total = compute + memory + waiting
    return {
        "compute": _COMPUTING * compute / total,
        "memory": _READING * memory / total,
        "waiting": _WAITING * waiting / total,
    }


def intensity(compute: float, memory: float, waiting: float) -> float:
    """Return the share of rating less idle that is drawn; parts of the time in any one unit, not all nothing."""
    return sum(intensities(compute, memory, waiting).values())


def shares_drawn(waiting: Number) -> dict[str, Number]:
    """Return kind of work -> share of rating less idle that a device draws while it does it. waiting: that it draws
    with its clocks up while it does nothing"""
    nothing = 0 * waiting
    return {
        "compute": _COMPUTING + nothing,
        "memory": _READING + nothing,
        "links": _LINKS + nothing,
        "waiting": waiting,
    }
