"""The state file: what aios made and looks after. Whole, or refused with the way back."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from aios.records.errors import ConflictError, Diagnostic
from aios.records.state import NEW, State
from aios.spi.statetext import Damaged, decode, encode, moved, unreadable
from aios.state.files import keep_backup, read_bytes, write_atomically

__all__ = ["StateStore"]


def _random_lineage() -> str:
    import uuid

    return str(uuid.uuid4())


_Mark: TypeAlias = tuple[int, int, int, int, int]


def _mark(path: Path) -> _Mark | None:
    """Return what changes whenever a file is written, by whomever; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class StateStore:
    """Reads and writes one state file; the one before is kept beside it as ``<name>.backup``.

    Hold the lock around load and save: the serial check turns a forgotten lock into an error, not into a merge.
    """

    def __init__(self, path: Path, new_lineage: Callable[[], str] = _random_lineage) -> None:
        """``new_lineage`` names a state at its first save (a UUID)."""
        self.path = path
        self.backup = path.with_name(path.name + ".backup")
        self._new_lineage = new_lineage
        self._written: tuple[_Mark | None, str, int] | None = None

    def load(self) -> State:
        """Return the state; serial 0 and lineage ``new`` when there is no file.

        Raises ConflictError for a file that is damaged or newer than this aios, WorldError when it cannot be read.
        """
        return self._on_disk() or State(lineage=NEW, serial=0)

    def save(self, state: State) -> State:
        """Write ``state``, whose serial must be one more than that of the file on disk, of the same lineage.

        Returns what was written: the first save gives the state its lineage.

        Raises ConflictError when somebody else wrote in between, or the file was damaged: nothing is overwritten then.
        """
        lineage, serial = self._standing()
        if lineage != state.lineage or serial + 1 != state.serial:
            raise moved(f"the state file {self.path}", lineage, serial, state)
        if lineage == NEW:
            state = state.model_copy(update={"lineage": self._new_lineage()})
        return self._write(state)

    def restore(self, state: State) -> State:
        """Write ``state`` over whatever there is, with a serial beyond both; what cannot be read is put aside.

        Raises ConflictError for a file that a newer aios wrote.
        """
        data, current = read_bytes(self.path), None
        try:
            current = decode(data) if data is not None else None
        except Damaged as damage:
            if damage.newer:
                raise unreadable(f"the state file {self.path}", damage) from None
            write_atomically(self.path.with_name(self.path.name + ".damaged"), data or b"")
        serial = max(current.serial if current else 0, state.serial) + 1
        lineage = self._new_lineage() if state.lineage == NEW else state.lineage
        state = state.model_copy(update={"serial": serial, "lineage": lineage})
        return self._write(state, backup=current is not None)

    def _standing(self) -> tuple[str, int]:
        """Return lineage and serial of the file on disk, which is read only where it is not the one last written."""
        if self._written is not None and self._written[0] == _mark(self.path):
            return self._written[1:]
        current = self._on_disk()
        return (current.lineage, current.serial) if current else (NEW, 0)

    def _write(self, state: State, backup: bool = True) -> State:
        if backup:
            keep_backup(self.path, self.backup)
        write_atomically(self.path, encode(state))
        self._written = (_mark(self.path), state.lineage, state.serial)
        return state

    def _on_disk(self) -> State | None:
        data = read_bytes(self.path)
        if data is None:
            self._refuse_if_lost()
            return None
        try:
            return decode(data)
        except Damaged as damage:
            if damage.newer:
                raise unreadable(f"the state file {self.path}", damage) from None
            raise self._damaged(str(damage)) from None

    def _refuse_if_lost(self) -> None:
        """Refuse to start anew beside a backup that lists services: they would run on with nobody knowing."""
        kept = self._readable_backup()
        if kept is None or not kept.resources:
            return
        names = ", ".join(sorted(kept.resources))
        raise ConflictError(
            Diagnostic(
                summary=f"the state file {self.path} is gone, but its backup is there",
                reason=f"the backup (serial {kept.serial}) lists {names}",
                remedy=f"put the backup back; or, if nothing of it runs any more, remove {self.backup}",
                command=self._restore(),
            )
        )

    def _readable_backup(self) -> State | None:
        data = read_bytes(self.backup)
        try:
            return decode(data) if data is not None else None
        except Damaged:
            return None

    def _damaged(self, why: str) -> ConflictError:
        summary = f"the state file {self.path} is damaged: {why}"
        kept = self._readable_backup()
        if kept is None:
            aside = self.path.with_name(self.path.name + ".damaged")
            return ConflictError(
                Diagnostic(
                    summary=summary,
                    reason="it was left as it is; there is no readable backup beside it",
                    remedy="restore it from version control; or put it aside and start anew, knowing that services "
                    "which it listed run on until you end them",
                    command=f"mv -- {shlex.quote(str(self.path))} {shlex.quote(str(aside))}",
                )
            )
        names = ", ".join(sorted(kept.resources)) or "nothing"
        return ConflictError(
            Diagnostic(
                summary=summary,
                reason=f"it was left as it is; the backup is good: serial {kept.serial}, it lists {names}",
                remedy="put the backup back, then plan: what the last write changed shows up as actions",
                command=self._restore(),
            )
        )

    def _restore(self) -> str:
        return f"cp -- {shlex.quote(str(self.backup))} {shlex.quote(str(self.path))}"
