"""Whether a series of calls was disturbed, and a figure that a disturbance moves little.

A series is cut into batch means, each long against the correlation of neighbouring calls (Law, Simulation Modeling and
Analysis, section 9.5.3). Their median is the figure: as long as less than half of them are disturbed it stays where it
was. Two things tell of a disturbance: a trend (Mann and Kendall's test of the batch means), as of a machine that heats
up or gets another guest, and batch means that spread far more than the calls within them explain.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

__all__ = ["Lost", "Series", "Traces", "lost_between", "of_series"]

_PARTS = 20
"""Into how many batch means a series is cut: enough for their median to be near normal."""

_Z90 = 1.6448536269514722
_STUDENT = 1.2
"""Student's quantile is that of the normal distribution times 1 + 1.2 / degrees of freedom, within 2 % from 4 on."""

_MEDIAN_SPREAD = 1.2533
"""Standard error of a median relative to that of the mean of a normal sample, sqrt(pi / 2)."""

_MAD_SPREAD = 1.4826
"""Standard deviation of a normal distribution relative to its median absolute deviation."""

_SEEN = 0.05
"""Relative change below which a trend or a spread is of no consequence: plans promise no better than that."""

_TREND_Z = 3.0
"""Of a steady series one in 370 has a trend so strong."""

_STEAL = 0.02
"""Share of CPU time taken by the hypervisor for others from which on figures are not those of this machine alone."""

_WAITED = 0.05
"""The same of time that the process was ready to run and other processes of this machine ran."""

_HEATED_K, _SLOWED = 10.0, 0.9
"""A rise of temperature and a fall of the clock within a measurement that a machine at a steady load does not have."""


class Series(NamedTuple):
    """A figure of a series of seconds, its 90 % interval, and in words what disturbed it."""

    value: float
    low: float
    high: float
    disturbed: tuple[str, ...]


def of_series(durations: Sequence[float], lost: float = 0.0, outside: Sequence[str] = ()) -> Series:
    """Return the figure of a series of at least five calls. Of a disturbed one the interval spans all batch means, and
    down to what is left of the least without the share of time that was lost to others.

    outside: in words, what else disturbed it
    """
    parts = min(_PARTS, len(durations))
    edges = [round(i * len(durations) / parts) for i in range(parts + 1)]
    means = [sum(durations[a:b]) / (b - a) for a, b in pairwise(edges)]
    value = statistics.median(means)
    spread = _MAD_SPREAD * statistics.median(abs(mean - value) for mean in means)
    half = _Z90 * (1 + _STUDENT / (parts - 1)) * _MEDIAN_SPREAD * spread / math.sqrt(parts)
    own = tuple(words for words in (_trend(means, value), _excess(durations, edges, means, value)) if words)
    if own or outside:
        least = (1 - lost) * min(*means, max(value - half, min(durations)))
        return Series(value, least, max(*means, value + half), (*own, *outside))
    return Series(value, max(value - half, min(durations)), value + half, ())


def _trend(means: Sequence[float], value: float) -> str | None:
    """Return in words a change that goes one way: Mann and Kendall's test, and Sen's slope over the whole series."""
    count = len(means)
    signs = sum((later > earlier) - (later < earlier) for earlier, later in combinations(means, 2))
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    slopes = [(means[j] - means[i]) / (j - i) for i, j in combinations(range(count), 2)]
    change = statistics.median(slopes) * (count - 1) / value if value > 0 else 0.0
    if abs(signs) <= _TREND_Z * deviation or abs(change) < _SEEN:
        return None
    return f"it changed by {change:+.0%} from beginning to end"


def _excess(durations: Sequence[float], edges: Sequence[int], means: Sequence[float], value: float) -> str | None:
    """Return in words a spread between parts far above that within them."""
    if value <= 0 or edges[1] < 2:
        return None
    within = statistics.median(statistics.variance(durations[a:b]) / (b - a) for a, b in pairwise(edges) if b - a > 1)
    between = statistics.variance(means)
    relative = math.sqrt(between) / value
    if relative < 2 * _SEEN or between < 10 * within:
        return None
    return f"its parts differ by {relative:.0%}, more than its calls explain"


class Traces(NamedTuple):
    """What the machine tells of itself at one moment. ticks: of all cores, as /proc/stat has them · heat_c: of the
    hottest zone · clock_hz: the mean of all cores; None where the machine does not say"""

    ticks: tuple[int, ...]
    heat_c: float | None
    clock_hz: float | None

    @classmethod
    def read(cls, root: Path = Path("/")) -> Traces:
        """Return them as they are now."""
        with (root / "proc/stat").open(encoding="utf-8") as file:
            ticks = tuple(int(word) for word in file.readline().split()[1:])
        heat = _numbers(root, "sys/class/thermal/thermal_zone*/temp")
        clock = _numbers(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
        return cls(ticks, max(heat) / 1e3 if heat else None, 1e3 * sum(clock) / len(clock) if clock else None)


class Lost(NamedTuple):
    """share: of the time, that others took · conditions: to note · disturbed: in words, what of it disturbs"""

    share: float
    conditions: Mapping[str, str]
    disturbed: tuple[str, ...]


def lost_between(before: Traces, after: Traces, waited_s: float, duration_s: float) -> Lost:
    """Return what others took between two moments from a process that ran so long and waited so long for a core."""
    spent = [b - a for a, b in zip(before.ticks, after.ticks, strict=True)]
    steal = spent[7] / sum(spent[:8]) if len(spent) > 7 and sum(spent[:8]) > 0 else 0.0
    waited = waited_s / duration_s if duration_s > 0 else 0.0
    conditions, disturbed = {"steal": f"{100 * steal:.1f} %", "waited": f"{100 * waited:.1f} %"}, []
    if steal > _STEAL:
        disturbed.append(f"the hypervisor gave {steal:.0%} of the CPU time to others")
    if waited > _WAITED:
        disturbed.append(f"it waited for a core for {waited:.0%} of the time: other programs ran")
    if before.heat_c is not None and after.heat_c is not None:
        conditions["temperature"] = f"{before.heat_c:.0f} to {after.heat_c:.0f} degC"
        if after.heat_c - before.heat_c > _HEATED_K:
            disturbed.append(f"the machine heated up by {after.heat_c - before.heat_c:.0f} K")
    if before.clock_hz and after.clock_hz:
        conditions["clock"] = f"{before.clock_hz / 1e9:.2f} to {after.clock_hz / 1e9:.2f} GHz"
        if after.clock_hz < _SLOWED * before.clock_hz:
            disturbed.append(f"its clock fell to {after.clock_hz / before.clock_hz:.0%}")
    return Lost(min(0.95, steal + waited), conditions, tuple(disturbed))


def _numbers(root: Path, pattern: str) -> list[float]:
    found = []
    for path in sorted(root.glob(pattern)):
        try:
            found.append(float(path.read_text()))
        except (OSError, ValueError):  # a sensor that is there and does not answer
            continue
    return found
