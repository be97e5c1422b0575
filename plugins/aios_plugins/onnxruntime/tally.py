"""What a service counts of itself: plain numbers that only grow, and what they were at each minute of the last day.

Counting costs a request one search in a list and a few additions; whoever asks gets differences.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections import deque
from typing import Any, NamedTuple

from aios.spi.counting import BOUNDS_S, FORGET_S

__all__ = ["BATCH_BOUNDS", "MINUTE_S", "Tally", "until_next_minute"]

_BOUNDS_NS = tuple(round(bound * 1e9) for bound in BOUNDS_S)
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper ends of the buckets of batch sizes, in requests."""

MINUTE_S = 60.0
_RECENT = 5
"""Minutes that are told together as what happens now."""


class _Mark(NamedTuple):
    """What the counts were at a moment. at_s: seconds since the machine started, sleep included"""

    at_s: float
    requests: int
    failed: int
    batches: int
    queue_us: int
    compute_us: int
    latency: tuple[int, ...]
    delay: tuple[int, ...]


class Tally:
    """Counts of one service since its start, whatever it was told to run meanwhile.

    outcomes: how requests for inference ended -> count; those of a trial are ``trial``, however they ended, and have no
    latency · latency_ns, delay_ns: sums · latency, delay: counts per bucket of ``BOUNDS_S``, and of one more ·
    batch_sizes: counts per bucket of ``BATCH_BOUNDS``, and of one more · restarts: replicas that died · under_way:
    requests that were read and not answered yet
    """

    def __init__(self) -> None:
        self.outcomes = {"ok": 0, "invalid": 0, "failed": 0, "overloaded": 0, "abandoned": 0, "trial": 0}
        self.latency = [0] * (len(BOUNDS_S) + 1)
        self.delay = [0] * (len(BOUNDS_S) + 1)
        self.latency_ns = self.delay_ns = 0
        self.requests = self.batches = self.queue_us = self.compute_us = 0
        self.batch_sizes = [0] * (len(BATCH_BOUNDS) + 1)
        self.restarts = self.under_way = 0
        self._marks: deque[_Mark] = deque([self._mark()], maxlen=_RECENT + 1)
        self._minutes: deque[tuple[float, bytes]] = deque()

    def answered(self, outcome: str, read_ns: int) -> None:
        """Count a request that is over; one that failed has no latency, one that was abandoned at least that."""
        self.under_way -= 1
        self.outcomes[outcome] += 1
        if outcome in ("ok", "abandoned"):
            took = time.perf_counter_ns() - read_ns
            self.latency[bisect_left(_BOUNDS_NS, took)] += 1
            self.latency_ns += took

    def delayed(self, delay_ns: int, times: int = 1) -> None:
        """Count what arrived and lay unread for so long."""
        self.delay[bisect_left(_BOUNDS_NS, delay_ns)] += times
        self.delay_ns += delay_ns * times

    def computed(self, requests: int, queue_us: int, compute_us: int) -> None:
        """Count a batch."""
        self.requests += requests
        self.batches += 1
        self.queue_us += queue_us
        self.compute_us += compute_us
        self.batch_sizes[bisect_left(BATCH_BOUNDS, requests)] += 1

    def statistics(self) -> dict[str, int]:
        """Return the few counts that the protocol's statistics show."""
        refused = sum(self.outcomes[outcome] for outcome in ("invalid", "failed", "overloaded"))
        return {
            "requests": self.requests,
            "batches": self.batches,
            "failed": refused,
            "queue_us": self.queue_us,
            "compute_us": self.compute_us,
        }

    def close_minute(self) -> None:
        """Remember what was counted since this was last called, and forget what is too old."""
        mark = self._mark()
        told = json.dumps(_between(self._marks[-1], mark), separators=(",", ":")).encode()
        self._minutes.append((mark.at_s, told))
        self._marks.append(mark)
        while self._minutes[0][0] < mark.at_s - FORGET_S:
            self._minutes.popleft()

    def recent(self) -> dict[str, Any]:
        """Return what was counted in the last minutes, as plain data."""
        mark = self._mark()
        return {"now": mark.at_s, **_between(self._marks[0], mark)}

    def remembered(self) -> bytes:
        """Return what was counted in each minute of the last day, and since, as JSON."""
        mark = self._mark()
        open_one = json.dumps(_between(self._marks[-1], mark), separators=(",", ":")).encode()
        stretches = b",".join([*(told for _, told in self._minutes), open_one])
        return b'{"now":%r,"stretches":[%b]}' % (mark.at_s, stretches)

    def _mark(self) -> _Mark:
        ok, left, overloaded = (self.outcomes[name] for name in ("ok", "abandoned", "overloaded"))
        failed = self.outcomes["failed"] + overloaded
        counts = tuple(self.latency), tuple(self.delay)
        at_s = round(time.clock_gettime(time.CLOCK_BOOTTIME), 3)
        return _Mark(at_s, ok + left + failed, failed, self.batches, self.queue_us, self.compute_us, *counts)


def _between(first: _Mark, then: _Mark) -> dict[str, Any]:
    """Return the difference; began and ended count from the start of the machine."""
    found: dict[str, Any] = {"began": first.at_s, "ended": then.at_s}
    for name in ("requests", "failed", "batches", "queue_us", "compute_us"):
        found[name] = getattr(then, name) - getattr(first, name)
    for name in ("latency", "delay"):
        pairs = enumerate(zip(getattr(first, name), getattr(then, name), strict=True))
        found[name] = [[index, after - before] for index, (before, after) in pairs if after > before]
    return found


def until_next_minute() -> float:
    """Return the seconds until the clock on the wall shows the next minute."""
    return MINUTE_S - time.time_ns() / 1e9 % MINUTE_S
