"""How much of what a device may draw above idle it draws, by what its time goes into."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aios.cost.energy.work import Kind

if TYPE_CHECKING:
    from aios.records.observation import Floats

    Number = TypeVar("Number", float, Floats)

__all__ = ["ALONE", "BUSY", "intensities", "intensity", "shares_drawn"]

_COMPUTING, _READING, _LINKING, _WAITING = 0.9, 0.9, 0.3, 0.2
"""Share of rating less idle that is drawn while units compute, while they wait for memory, for other devices, and for
the host with their clocks up: looked for on published measurements of training, diffusion and decoding (ML.ENERGY,
Zeus, Wilkins); decoding at the rate of stacked memory draws as much as dense products."""
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


def shares_drawn(waiting: Number) -> dict[Kind, Number]:
    """Return kind of work -> share of rating less idle that a device draws while it does it. waiting: that it draws
    with its clocks up while it does nothing"""
    nothing = 0 * waiting
    return {
        "compute": _COMPUTING + nothing,
        "memory": _READING + nothing,
        "links": _LINKING + nothing,
        "waiting": waiting,
    }
