"""Whether others kept this machine busy while it was measured."""

from __future__ import annotations

import re
from pathlib import Path

from aios.records.base import Record

__all__ = ["Snapshot", "snapshot", "why_busy"]

# A measurement loses about the share of the processors that others hold: from a half on it says little of the machine.
_BUSY_LOAD_PER_PROCESSOR = 0.5
# Time that a hypervisor gave to others; a few percent are usual on shared hosts.
_BUSY_STEAL = 0.1
# Passes of equal work differ by some ten percent on an idle machine.
_BUSY_SPREAD = 2.0


class Snapshot(Record):
    """The kernel's counters at one moment. load: mean runnable processes of the last minute · steal_ticks,
    total_ticks: time that the hypervisor gave to others, and all time, since the start, over all processors."""

    load: float | None = None
    steal_ticks: int | None = None
    total_ticks: int | None = None


def snapshot(root: Path = Path("/")) -> Snapshot:
    """Return /proc/loadavg and /proc/stat as they stand; ``root`` stands before /proc. Never raises."""
    load = re.match(r"(\d{1,6}\.\d+) ", _text(root / "proc/loadavg"))
    times = re.match(r"cpu((?: +\d{1,18}){8,})", _text(root / "proc/stat"))
    ticks = [int(number) for number in times[1].split()[:8]] if times else None  # the rest is contained in the first
    return Snapshot(
        load=float(load[1]) if load else None,
        steal_ticks=ticks[7] if ticks else None,
        total_ticks=sum(ticks) if ticks else None,
    )


def why_busy(before: Snapshot, after: Snapshot, processors: int, spread: float) -> str | None:
    """Return the signs that others were running between the two snapshots, as ``load 5.8, steal 12 %``; None if none.

    The load is that of ``before``, so that the measurement itself does not count. processors: online · spread: median
    over shortest time of the passes of a measurement.
    """
    signs = []
    if before.load is not None and before.load >= _BUSY_LOAD_PER_PROCESSOR * processors:
        signs.append(f"load {before.load:.1f}")
    steal = _steal(before, after)
    if steal is not None and steal >= _BUSY_STEAL:
        signs.append(f"steal {steal:.0%}".replace("%", " %"))
    if spread >= _BUSY_SPREAD:
        signs.append(f"passes {spread:.1f} times slower than the best")
    return ", ".join(signs) or None


def _steal(before: Snapshot, after: Snapshot) -> float | None:
    if None in {before.steal_ticks, before.total_ticks, after.steal_ticks, after.total_ticks}:
        return None
    passed = (after.total_ticks or 0) - (before.total_ticks or 0)
    return ((after.steal_ticks or 0) - (before.steal_ticks or 0)) / passed if passed > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
