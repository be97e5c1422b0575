"""Signals that asked this process to stop: the entry point notes them, long work asks.

A signal unwinds the work by an exception, wherever it is. Work that must not be cut through (`patient`) is only told of
the first one: it ends what it has begun and begins nothing more; the second one unwinds it all the same. Work that has
a time limit (`within`) is unwound in the same way once that is over.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

__all__ = ["WORDS", "OutOfTime", "asked", "note", "patient", "within"]

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
"""The signals that ask to stop, and what they make of a command."""


@dataclass
class _State:
    """numbers: of the signals that came, in order · patient: whether what runs ends by itself when it is asked"""

    numbers: list[int] = field(default_factory=list)
    patient: bool = False


_STATE = _State()


def note(number: int) -> bool:
    """Note that signal ``number`` came; say whether what runs will end by itself."""
    _STATE.numbers.append(number)
    return _STATE.patient and len(_STATE.numbers) == 1


def asked() -> int | None:
    """Return the number of the last signal that asked to stop, None where none did.

    Who catches any error asks here too: compiled code (numpy's, pydantic's) tells of a signal met inside it by an error
    of its own.
    """
    return _STATE.numbers[-1] if _STATE.numbers else None


@contextmanager
def patient() -> Iterator[None]:
    """Mark work that asks before each of its steps whether to stop."""
    _STATE.patient = True
    try:
        yield
    finally:
        _STATE.patient = False


class OutOfTime(BaseException):
    """Work was cut off because its time was over. No ``Exception``: whoever expects errors of the work goes on
    clearing up and lets it through."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Unwind what runs by OutOfTime once the seconds are over. For the main thread, and one at a time."""
    rang = False

    def ring(_number: int, _frame: FrameType | None) -> None:
        nonlocal rang
        rang = True
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
        yield
    except Exception as error:
        if rang:  # compiled code tells of it by an error of its own
            raise OutOfTime from error
        raise
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        finally:
            signal.signal(signal.SIGALRM, before)
