"""What a power cap does: it limits the watts, and the clock that is left stretches the part of the work that computes.

A device keeps the mean of its power below the cap by lowering the clock in its busy moments, so the mean nears the
smaller of cap and demand from below: ``(cap^-k + demand^-k)^(-1/k)``. Dynamic power goes as clock x voltage squared,
and voltage falls with the clock: watts above idle ~ clock^2 to clock^3 (Burd and Brodersen 1995; of graphics
processors: Mei, Wang and Chu 2017). Work that waits for memory or for the host does not slow down with the clock.
Functions take numbers or arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from aios.records.observation import Floats

    Number = TypeVar("Number", float, Floats)

__all__ = ["capped", "freedom", "stretched"]

_SHARPNESS = 4.0
"""k: at a cap equal to the demand the mean lies 16 % below it, as demand comes in bursts."""

_CLOCK_POWER = 2.5
"""Watts above idle ~ clock to this power: between 2 (voltage nearly fixed) and 3 (voltage as the clock)."""

_SLOWEST = 0.02
"""Share of its dynamic power that a device draws at least: no cap stops it."""


def capped(demand_w: Number, cap_w: Number) -> Number:
    """Return the mean watts under a cap of a workload that would draw ``demand_w`` without one; inf: no cap."""
    kept: Number = demand_w / (1 + (demand_w / cap_w) ** _SHARPNESS) ** (1 / _SHARPNESS)
    return kept


def freedom(demand_w: Number, cap_w: Number) -> Number:
    """Return by how many percent ``capped`` grows where the demand grows by one: 1 without a cap, 0 far above it."""
    left: Number = 1 / (1 + (demand_w / cap_w) ** _SHARPNESS)
    return left


def stretched(demand_w: Number, cap_w: Number, idle_w: Number, clocked: Number) -> Number:
    """Return time under a cap relative to time without one, at least 1.

    clocked: share of the time without a cap that goes with the clock
    """
    import numpy as np

    above = np.maximum(demand_w - idle_w, 1e-6)
    left = np.clip((capped(demand_w, cap_w) - idle_w) / above, _SLOWEST, 1.0)
    slower: Number = 1 - clocked + clocked / left ** (1 / _CLOCK_POWER)
    return slower
