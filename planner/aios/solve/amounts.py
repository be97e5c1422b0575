"""Amounts as whole numbers; those that people state add up as people mean it."""

from __future__ import annotations

import math
from typing import NamedTuple

from aios.solve.packing.problem import WHOLE

__all__ = [
    "COARSE",
    "CORE_UNITS",
    "FINE",
    "MEMORY_UNITS",
    "SHARE_UNITS",
    "UNUSED",
    "Units",
    "rounded_down",
    "rounded_up",
    "share_units",
]

SHARE_UNITS = 10**9
"""A device in whole units. Shares are rounded down to them, so that thirds fill a device and no true fit is lost."""
CORE_UNITS = WHOLE
"""A core in whole units: the same parts of it are exact as of a device."""
MEMORY_UNITS = 1000
"""A byte in whole units: a thousandth of a GiB is 1,073,741.824 bytes."""
UNUSED = 1 - 1e-7
"""What must be free of a device for it to be given whole, however shares were rounded."""
_MOST_PARTS = 16
_WRITTEN = 5e-7
"""Up to how many equal parts of a device are known as such where they are written as decimals, and how near to a whole
number their number times the share must be: parts that fill a device are over by no more, half of what the checker
lets pass."""
_NOISE, _RELATIVE_NOISE = 1e-3, 1e-12
"""Parts of a unit, and of an amount, by which arithmetic on floats may be off: not even a thousandth of what the
checker lets pass."""


class Units(NamedTuple):
    """How many whole units a core and a byte of DRAM are. Services take whole ones, stated demands parts of them."""

    core: int = 1
    byte: int = 1


COARSE, FINE = Units(), Units(CORE_UNITS, MEMORY_UNITS)


def share_units(share: float) -> int:
    """Return units of a device: of its sixteenths and larger parts as many as are meant, however often they were
    rounded when written; else rounded up, so that what fits in units fits."""
    for parts in range(1, _MOST_PARTS + 1):
        if abs(share * parts - round(share * parts)) <= _WRITTEN and round(share * parts):
            return round(share * parts) * WHOLE // parts
    return rounded_up(share * WHOLE)


def rounded_up(amount: float) -> int:
    """Return the next whole number, up to the noise of arithmetic."""
    return max(int(amount > 0), round(amount) if _is_whole(amount) else math.ceil(amount))


def rounded_down(amount: float) -> int:
    """Return the whole number below, up to the noise of arithmetic."""
    return max(0, round(amount) if _is_whole(amount) else math.floor(amount))


def _is_whole(amount: float) -> bool:
    return abs(amount - round(amount)) <= _NOISE + _RELATIVE_NOISE * abs(amount)
