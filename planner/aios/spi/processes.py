"""Child processes that do one piece of work: they end with their parent, and how they ended is said in words."""

from __future__ import annotations

import ctypes
import signal

__all__ = ["die_with_parent", "how_it_ended"]

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends, in whatever way."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def how_it_ended(code: int) -> str:
    """Return a phrase for the exit code of a child process, negative when a signal ended it."""
    if code >= 0:
        return f"ended with {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    why = " (the kernel does that when memory runs out)" if -code == signal.SIGKILL else ""
    return f"was ended by {name}{why}"
