"""What a call takes at the pace that the machine usually has.

The pace of a shared machine changes from one second to the next, and with it every time by up to a half. What was timed
beside a reference network is told in calls of that, which the pace moves little, and put back into seconds by what the
reference usually takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from aios.records.measurement import RELATIVE, Measurement

__all__ = ["paced_s", "usual_s"]


def usual_s(measured: Iterable[Measurement]) -> Mapping[int, float]:
    """Return threads -> seconds that a call of the reference network on them took, in the middle of all that was
    measured."""
    found: dict[int, list[float]] = {}
    for item in measured:
        if RELATIVE in item.values and item.values[RELATIVE].value > 0:
            seconds = item.values["time"].value / item.values[RELATIVE].value
            found.setdefault(item.subject.threads, []).append(seconds)
    return {threads: median(seconds) for threads, seconds in sorted(found.items())}


def paced_s(item: Measurement, reference_s: Mapping[int, float]) -> float:
    """Return the seconds of a call: as it was measured where no reference was beside it. reference_s: ``usual_s``"""
    usual = reference_s.get(item.subject.threads)
    if RELATIVE in item.values and usual is not None:
        return item.values[RELATIVE].value * usual
    return item.values["time"].value
