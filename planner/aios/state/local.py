"""The default backend: a state file, with its lock, journal and history in the folder beside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aios.records.errors import ConflictError, Diagnostic
from aios.records.history import Run
from aios.records.state import State
from aios.spi.backend import Hold
from aios.spi.owner import Owner
from aios.spi.statetext import Damaged, decode, unreadable
from aios.state.history import FileHistory
from aios.state.lines import FileLines
from aios.state.lock import Lock, holder_of, release
from aios.state.store import StateStore

__all__ = ["LocalBackend"]

_USUAL = "state.json"
"""A state file of this name keeps ``journal/`` and ``history/`` beside it, others ``<name>.journal/`` and so on."""


class LocalBackend:
    """Keeps a state in the file ``path`` (`aios.spi.backend.Backend`)."""

    def __init__(self, path: Path, new_lineage: Callable[[], str] | None = None) -> None:
        self.path = path
        own = "" if path.name == _USUAL else f"{path.stem}."
        self._store = StateStore(path, new_lineage) if new_lineage else StateStore(path)
        self._lines = FileLines(path.with_name(f"{own}journal"))
        self._history = FileHistory(path.with_name(f"{own}history"))
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock: Lock | None = None

    @property
    def place(self) -> str:
        """The path of the state file."""
        return str(self.path)

    def load(self) -> State:
        """Return the state; see `StateStore.load`."""
        return self._store.load()

    def save(self, state: State) -> State:
        """Write ``state``; see `StateStore.save`. Raises ConflictError when our lock was released from outside."""
        if self._lock is not None and not self._lock.stands():
            raise ConflictError(
                Diagnostic(
                    summary=f"the lock {self._lock_path} was released while this run was at work",
                    reason="another run may be at work now; what this one was doing is in the journal",
                    remedy="see what stands, then run the same command again",
                    command="aios status",
                )
            )
        return self._store.save(state)

    def restore(self, state: State) -> State:
        """Write ``state`` over whatever is kept; see `StateStore.restore`."""
        return self._store.restore(state)

    def lock(self, owner: Owner) -> Lock:
        """Return the lock beside the state file."""
        self._lock = Lock(self._lock_path, owner)
        return self._lock

    def holder(self) -> Hold | None:
        """Return who holds the lock, or left it behind."""
        return holder_of(self._lock_path)

    def release(self) -> None:
        """Remove the lock file."""
        release(self._lock_path)

    def lines(self) -> FileLines:
        """Return the journal's files."""
        return self._lines

    def runs(self, last: int | None = None) -> Sequence[Run]:
        """Return what was recorded."""
        return self._history.runs(last)

    def record(self, run: Run, plan: str | None = None) -> Run:
        """Record a run; once it has ended, with the state as it stands then."""
        run = self._history.record(run, plan)
        if run.ended:
            self._history.keep_state(run.number, self.path)
        return run

    def plan_of(self, number: int) -> str | None:
        """Return the text of a run's plan."""
        return self._history.plan_of(number)

    def state_after(self, number: int) -> State | None:
        """Return the state that a run left."""
        data = self._history.state_after(number)
        try:
            return None if data is None else decode(data)
        except Damaged as damage:
            raise unreadable(f"the state that run @{number} left", damage) from None

    def warnings(self) -> Sequence[str]:
        """Return what is unsafe about the folder and the files."""
        return list(_unsafe(self.path))

    def close(self) -> None:
        """Close the journal's file."""
        self._lines.close()


def _unsafe(path: Path) -> Iterator[str]:
    """Yield how others may change what is kept at ``path``."""
    try:
        folder = path.parent.stat()
        if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
            yield (
                f"anybody may write to the folder {path.parent}, and so change what aios believes to stand: "
                f"`chmod o-w {path.parent}`"
            )
        file = path.stat()
    except OSError:
        return
    if file.st_mode & stat.S_IWOTH:
        yield f"anybody may write to the state file {path}: `chmod o-w {path}`"
    if file.st_uid not in (os.geteuid(), 0):
        yield f"the state file {path} belongs to another user (uid {file.st_uid}), who may change it at any time"
