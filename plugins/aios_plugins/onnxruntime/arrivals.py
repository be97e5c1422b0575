"""How long what arrives lies unread: the kernel lets something arrive at known moments, and its reader notes when it
looks.

A request that comes while the process is stopped, has no core or is busy with others waits in a socket, and nothing in
the process knows since when. Whatever arrives at moments of its own meets the same wait (R. Wolff, "Poisson arrivals
see time averages", 1982), so the wait is sampled instead.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Callable

__all__ = ["PERIOD_NS", "watch_arrivals"]

PERIOD_NS = 47_000_000
"""Between two arrivals: about 1,280 a minute, at 0.1 % of a core; no round figure that a client's own rhythm meets."""

_MOST = 10_000
"""Arrivals of one look that are told one by one; of more, every few stand for all."""

_MONOTONIC, _ABSOLUTE = 1, 1


def watch_arrivals(delayed: Callable[[int, int], None]) -> Callable[[], None]:
    """Have ``delayed(nanoseconds, times)`` called with the wait of each arrival; return what ends that.

    Needs a running event loop. Raises OSError where the kernel offers no such timer.
    """
    loop = asyncio.get_running_loop()
    first = time.perf_counter_ns() + PERIOD_NS
    timer = _timer(first)
    seen = 0

    def look() -> None:
        nonlocal seen
        now = time.perf_counter_ns()
        count = int.from_bytes(os.read(timer, 8), "little")
        stride = max(1, count // _MOST)
        for arrival in range(seen, seen + count, stride):
            delayed(max(0, now - first - arrival * PERIOD_NS), min(stride, seen + count - arrival))
        seen += count

    def end() -> None:
        loop.remove_reader(timer)
        os.close(timer)

    loop.add_reader(timer, look)
    return end


def _timer(first_ns: int) -> int:
    """Return a descriptor that can be read at ``first_ns`` of the monotonic clock and every period from then on."""
    library = ctypes.CDLL(None, use_errno=True)
    timer: int = library.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    # struct itimerspec: period and first moment, each in seconds and nanoseconds
    when = (ctypes.c_long * 4)(*divmod(PERIOD_NS, 10**9), *divmod(first_ns, 10**9))
    if timer < 0 or library.timerfd_settime(timer, _ABSOLUTE, when, None):
        raise OSError(ctypes.get_errno(), "no timer that tells of arrivals")
    return timer
