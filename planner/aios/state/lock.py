"""The lock around the state: one run at a time, and whoever waits is told for whom.

The kernel's advisory lock (flock) on ``<state>.lock`` decides; it ends with the process that holds it, however that
ends. The file's content says who holds it. Content that nobody holds any more was left by a killed run.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from aios.records.base import Record
from aios.records.errors import ConflictError, Diagnostic
from aios.state.files import disk_trouble, make_folder

__all__ = ["Lock", "Owner"]

_HELD: set[int] = set()
"""Descriptors of held locks; a forked child closes its copies, so that no orphan keeps the lock of a dead parent."""


class Owner(Record):
    """Who holds a lock. process_started: clock ticks since boot, None where unknown · since: ISO time, UTC."""

    user: str
    host: str
    pid: int
    process_started: int | None
    purpose: str
    since: str

    @classmethod
    def here(cls, purpose: str, since: str) -> Owner:
        """Return this process as an owner."""
        pid = os.getpid()
        return cls(
            user=_user(),
            host=os.uname().nodename,
            pid=pid,
            process_started=_process_started(pid),
            purpose=purpose,
            since=since,
        )

    def __str__(self) -> str:
        return f"{self.user} on {self.host}, process {self.pid}, for `{self.purpose}`, since {self.since}"

    def alive(self) -> bool | None:
        """Say whether that very process still runs; None when it is on another host, where nobody can tell."""
        if self.host != os.uname().nodename:
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return self.process_started is None or _process_started(self.pid) == self.process_started


class Lock:
    """Context manager; raises ConflictError, naming the holder, when somebody else holds the lock.

    taken_over: the killed owner whose lock this was, once entered, or None.
    """

    def __init__(self, path: Path, owner: Owner) -> None:
        self.path = path
        self.owner = owner
        self.taken_over: Owner | None = None
        self._descriptor: int | None = None

    @property
    def notice(self) -> str | None:
        """What people should know about how the lock was got, if anything."""
        if self.taken_over is None:
            return None
        return f"the lock {self.path} was left by a run that ended without releasing it ({self.taken_over}): taken over"

    def __enter__(self) -> Lock:
        make_folder(self.path.parent)
        try:
            descriptor = self._locked()
            try:
                self._settle(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise disk_trouble(error, self.path, "lock") from error
        _HELD.add(descriptor)
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor is None:
            return
        with suppress(OSError):
            self.path.unlink()
        _HELD.discard(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None

    def _locked(self) -> int:
        """Return a descriptor that holds the lock on the file that ``path`` names now."""
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                        return descriptor
            except BlockingIOError:
                holder = _read(descriptor)
                os.close(descriptor)
                raise self._held(holder) from None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # its holder released and removed it between our open and our lock

    def _settle(self, descriptor: int) -> None:
        """Judge what the file says of an earlier owner, then write our own name."""
        left = _read(descriptor)
        if left is not None and left.alive() is not False:
            raise self._unsure(left)
        self.taken_over = left
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, self.owner.model_dump_json().encode(), 0)
        os.fsync(descriptor)

    def _held(self, holder: Owner | None) -> ConflictError:
        return ConflictError(
            Diagnostic(
                summary=f"another run is at work: {holder or 'it is just starting'}",
                reason=f"it holds the lock {self.path}",
                remedy="wait until that run has ended, then run the same command again",
            )
        )

    def _unsure(self, left: Owner) -> ConflictError:
        return ConflictError(
            Diagnostic(
                summary=f"the state is locked by {left}",
                reason=f"lock file {self.path}; whether that run still lives cannot be told from {os.uname().nodename}",
                remedy="make sure that it has ended, then remove the lock file",
                command=f"rm -- {shlex.quote(str(self.path))}",
            )
        )


def _read(descriptor: int) -> Owner | None:
    text = os.pread(descriptor, 65536, 0)
    try:
        return Owner.model_validate(json.loads(text)) if text else None
    except (ValueError, ValidationError):
        return None


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _process_started(pid: int) -> int | None:
    """Return the process's start time, clock ticks since boot (field 22 of /proc/<pid>/stat, see proc(5)).

    None for a process that has ended and only waits to be reaped (state Z), and where there is no /proc.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def _forget_in_child() -> None:
    for descriptor in _HELD:
        with suppress(OSError):
            os.close(descriptor)
    _HELD.clear()


os.register_at_fork(after_in_child=_forget_in_child)
