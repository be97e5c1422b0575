"""How many threads arithmetic takes."""

from __future__ import annotations

import os

__all__ = ["one_thread"]


def one_thread() -> None:
    """Let small matrices be multiplied by one thread, unless the user asks for more; said before numpy is loaded.

    Products of a few hundred numbers are over before a second thread has begun: on two cores, two threads take three
    times as much processor time and give sums that differ in their last digits.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
