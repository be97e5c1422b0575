"""Figures as whole numbers: exactly where they are few decimals, as prices are, else in fine steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

__all__ = ["LARGEST", "Figures", "whole_figures"]

LARGEST = 10**12
"""Steps that a sum of figures is told apart by, unless ties take more than a million of the engine's 63 bits."""


class Figures(NamedTuple):
    """Whole figures. step: what one of them is of the real figures · exact: whether none was rounded."""

    whole: tuple[int, ...]
    step: Fraction
    exact: bool


def whole_figures(figures: Sequence[float], most: float, largest: int = LARGEST) -> Figures:
    """Scale figures so that ``most``, the largest sum of them that is possible, is no more than ``largest`` steps.

    A figure counts as the decimal number that it is written as, so that 4 x 0.7 and 2.8 are equal. Where steps are too
    few for that, each figure is off by at most half a step, which is ``most`` / ``largest``.
    """
    written = [Fraction(repr(figure)) for figure in figures]
    step = Fraction(math.gcd(*(item.numerator for item in written)), math.lcm(*(item.denominator for item in written)))
    if not step:
        return Figures((0,) * len(figures), Fraction(1), True)
    if Fraction(most) <= step * largest:
        return Figures(tuple(int(item / step) for item in written), step, True)
    step = Fraction(most) / largest
    return Figures(tuple(round(item / step) for item in written), step, False)
