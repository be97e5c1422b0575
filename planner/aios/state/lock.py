"""The lock around the state: one run at a time, and whoever waits is told for whom.

The kernel's advisory lock (flock) on ``<state>.lock`` decides; it ends with the process that holds it, however that
ends. The file's content says who holds it. Content that nobody holds any more was left by a killed run.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from aios.records.errors import Diagnostic
from aios.spi.backend import Held, Hold
from aios.spi.owner import Owner
from aios.state.files import disk_trouble, make_folder, read_bytes

__all__ = ["Lock", "Owner", "holder_of", "release"]

_TRIES, _TRY_AGAIN_S = 20, 0.01
"""How often a lock is tried whose holder has not said yet who it is, or has just died: either takes milliseconds."""

_HELD: set[int] = set()
"""Descriptors of held locks; a forked child closes its copies, so that no orphan keeps the lock of a dead parent."""


class Lock:
    """Context manager; raises Held, naming the holder, when somebody else holds the lock.

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
            if self.stands():
                self.path.unlink()
        _HELD.discard(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None

    def stands(self) -> bool:
        """Say whether the lock is still ours: that it was not released from outside."""
        try:
            return self._descriptor is not None and os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def _locked(self) -> int:
        """Return a descriptor that holds the lock on the file that ``path`` names now."""
        patience = iter(range(_TRIES))
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                        return descriptor
            except BlockingIOError:
                holder = _read(descriptor)
                os.close(descriptor)
                if (holder is not None and holder.alive() is not False) or next(patience, None) is None:
                    raise self._held(holder) from None
                time.sleep(_TRY_AGAIN_S)
                continue
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

    def _held(self, holder: Owner | None) -> Held:
        return Held(
            Diagnostic(
                summary=f"another run is at work: {holder or 'it is just starting'}",
                reason=f"it holds the lock {self.path}",
                remedy="wait until that run has ended, then run the same command again; `--lock-timeout 5min` waits",
            ),
            Hold(holder, alive=True),
        )

    def _unsure(self, left: Owner) -> Held:
        return Held(
            Diagnostic(
                summary=f"the state is locked by {left}",
                reason=f"lock file {self.path}; whether that run still lives cannot be told from {os.uname().nodename}",
                remedy="make sure that it has ended, then remove the lock file",
                command=f"rm -- {shlex.quote(str(self.path))}",
            ),
            Hold(left, alive=left.alive()),
        )


def holder_of(path: Path) -> Hold | None:
    """Return who holds the lock ``path``, or left it behind; None where it is free. Raises WorldError."""
    if read_bytes(path) is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_trouble(error, path, "read") from error
    try:
        owner = _read(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: whoever else looks is nobody who holds it
    except BlockingIOError:
        return Hold(owner, alive=True)
    finally:
        os.close(descriptor)
    return Hold(owner, alive=owner.alive()) if owner else None


def release(path: Path) -> None:
    """Remove the lock file: who held it does so no more. Raises WorldError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise disk_trouble(error, path, "remove") from error


def _read(descriptor: int) -> Owner | None:
    text = os.pread(descriptor, 65536, 0)
    try:
        return Owner.model_validate(json.loads(text)) if text else None
    except (ValueError, ValidationError):
        return None


def _forget_in_child() -> None:
    for descriptor in _HELD:
        with suppress(OSError):
            os.close(descriptor)
    _HELD.clear()


os.register_at_fork(after_in_child=_forget_in_child)
