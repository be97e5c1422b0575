"""unlock: whose the lock is, and taking it away from a run that cannot release it itself."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

from aios.records.errors import ConflictError, Diagnostic, InputError
from aios.spi.backend import Backend, Hold
from aios.spi.owner import Owner
from aios.workflow.keeping import age_words, state_of
from aios.workflow.setting import Setting

__all__ = ["Holding", "holding", "release"]


class Holding(NamedTuple):
    """Whose lock it is. text: in words"""

    owner: Owner | None
    text: str


def holding(setting: Setting, lock: str | None, *, force: bool) -> Holding | None:
    """Return who holds the lock, None where it is free. lock: id that it must have

    Raises InputError where the lock has another id, and ConflictError where its owner is at work, unless forced.
    """
    with closing(state_of(setting)) as backend:
        return _checked(backend, lock, force, setting.now())


def release(setting: Setting, lock: str | None, *, force: bool) -> Holding | None:
    """Release the lock and return whose it was; see `holding`."""
    with closing(state_of(setting)) as backend:
        found = _checked(backend, lock, force, setting.now())
        if found is not None:
            backend.release()
        return found


def _checked(backend: Backend, lock: str | None, force: bool, now: str) -> Holding | None:
    hold = backend.holder()
    if hold is None:
        return None
    text = _words(hold, now)
    if lock is not None and (hold.owner is None or hold.owner.id != lock):
        raise InputError(
            Diagnostic(
                summary=f"there is no lock {lock!r} at {backend.place}",
                reason=f"the lock is that of {text}",
                remedy="a lock is released by its own id; the one that you mean has been released already",
            )
        )
    if hold.alive and not force:
        raise ConflictError(
            Diagnostic(
                summary=f"the run that holds the lock is still at work: {text}",
                reason="without its lock, another run could change the same things at the same time",
                remedy="wait until it has ended, or end it (it finishes what it is doing, and the next run goes on); "
                "--force releases the lock all the same",
            )
        )
    return Holding(hold.owner, text)


def _words(hold: Hold, now: str) -> str:
    if hold.owner is None:
        return "a run that does not say who it is"
    state = {True: "at work", False: "ended without releasing it", None: "whether it still runs cannot be told here"}
    return f"{hold.owner}, {age_words(hold.owner, now)} ({state[hold.alive]})"
