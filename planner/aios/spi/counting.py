"""How times are counted: the buckets that services sort them into, so that counts can be kept, added up and compared.

Imports nothing: the processes of a service use it too.
"""

from __future__ import annotations

__all__ = ["BOUNDS_S", "FORGET_S", "PER_DECADE", "TRIAL_HEADER"]

PER_DECADE = 24
"""Buckets for each factor of ten: a bucket is 10 % wide, so that a quantile read off its middle is within 5 %."""

_FIRST, _DECADES = -5, 7

BOUNDS_S: tuple[float, ...] = tuple(
    float(f"{10 ** (_FIRST + index / PER_DECADE):.3g}") for index in range(_DECADES * PER_DECADE + 1)
)
"""Upper ends of the buckets, seconds, from 10 us to 100 s, with three digits; one bucket more holds what took longer.
A time is in the first bucket whose end is not below it."""

TRIAL_HEADER = "aios-trial"
"""Header of requests that aios sends to measure: they are no load that anybody asked for, and are counted apart."""

FORGET_S = 24 * 3600.0
"""How long a service remembers what it counted."""
