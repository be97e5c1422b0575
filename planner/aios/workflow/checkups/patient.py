"""What several checks look at, read once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.records.errors import AiosError, ConflictError
from aios.workflow.observing import Seen, observe
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.records.state import State
    from aios.workflow.reading import Written

__all__ = ["Patient"]


_PATIENCE_S = 6.0
"""How long other checks wait for a state that somebody else has begun to read: a database may not answer."""


class Patient:
    """The state and the files of a setting. Who asks second waits for who asked first."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._state_lock = threading.Lock()
        self._files_lock = threading.Lock()
        self._seen_lock = threading.Lock()
        self._state: State | None = None
        self._unreadable: AiosError | None = None
        self._seen: Mapping[str, Seen] | None = None
        self._files: Written | None = None

    def state(self) -> State:
        """Return the state. Raises ConflictError for a damaged one, WorldError where it cannot be read."""
        from aios.workflow.keeping import load_state

        with self._state_lock:
            if self._unreadable is not None:
                raise self._unreadable
            if self._state is None:
                try:
                    self._state = load_state(self.setting)
                except AiosError as error:
                    self._unreadable = error
                    raise
            return self._state

    def known_state(self) -> State | None:
        """Return the state; None where it cannot be read, or takes too long: the check of the state tells that."""
        if not self._state_lock.acquire(timeout=_PATIENCE_S):
            return None
        self._state_lock.release()
        try:
            return self.state()
        except AiosError:
            return None

    def is_reachable(self) -> bool:
        """Say whether the place of the state can be looked at, be it that the state there is damaged."""
        return self.known_state() is not None or isinstance(self._unreadable, ConflictError)

    def observed(self) -> Mapping[str, Seen]:
        """Return what is true now of everything that stands, by address."""
        kept = self.known_state()
        with self._seen_lock:
            if self._seen is None:
                self._seen = observe(list(kept.resources.values())) if kept else {}
            return self._seen

    def files(self) -> Written | None:
        """Return what the given files say, the fleet file here where none is given; None where there is nothing.

        Raises InputError with every mistake of every file.
        """
        from aios.workflow.documents import fleet_beside
        from aios.workflow.reading import read_written

        if not self.setting.paths and self.setting.fleet is None and fleet_beside(()) is None:
            return None
        with self._files_lock:
            if self._files is None:
                self._files = read_written(self.setting)
            return self._files

    def known_files(self) -> Written | None:
        """Return what the files say; None where they are wrong, which the check of the files tells."""
        try:
            return self.files()
        except AiosError:
            return None
