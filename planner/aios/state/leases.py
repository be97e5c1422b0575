"""Who uses a folder that may be removed: the kernel's lock on it, shared by all who use it, alone for who removes it.

It ends with the process that holds it, however that ends, so that nothing has to be tidied up after a killed one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from aios.records.errors import ConflictError, Diagnostic
from aios.state.files import disk_trouble, make_folder

__all__ = ["Lease", "alone", "one_at_a_time", "shared"]

_TRY_AGAIN_S = 0.02
_REMOVAL_S = 5.0
"""Removing begins with one rename: whoever is still kept out after this is kept out by something else."""


class Lease:
    """A lock that is held until it is closed, or until nobody knows of it any more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def close(self) -> None:
        """Let go."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def shared(folder: Path) -> Lease | None:
    """Return a lease that keeps ``folder`` from being removed; None where it is not there, or is just being removed.

    Raises WorldError.
    """
    end = time.monotonic() + _REMOVAL_S
    while True:
        try:
            lease = _taken(folder, fcntl.LOCK_SH)
        except BlockingIOError:
            if time.monotonic() > end:
                return None
            time.sleep(_TRY_AGAIN_S)
            continue
        return lease


def alone(folder: Path) -> Lease | None:
    """Return a lease that nobody shares, to remove ``folder``; None where somebody uses it, or it is not there."""
    try:
        return _taken(folder, fcntl.LOCK_EX)
    except BlockingIOError:
        return None


@contextmanager
def one_at_a_time(path: Path, patience_s: float) -> Iterator[None]:
    """Hold the lock file ``path``, which stays. Raises ConflictError when others hold it for longer than that."""
    make_folder(path.parent)
    end = time.monotonic() + patience_s
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise disk_trouble(error, path, "lock") from error
    with Lease(descriptor):
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ConflictError(
                        Diagnostic(
                            summary=f"another command has been changing {path.parent} for {patience_s:.0f} s",
                            remedy="wait until it has ended, then run the same command again",
                        )
                    ) from None
                time.sleep(_TRY_AGAIN_S)
            except OSError as error:
                raise disk_trouble(error, path, "lock") from error
        yield


def _taken(folder: Path, kind: int) -> Lease | None:
    """Return the lock on what ``folder`` names; raises BlockingIOError where others keep us from it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise disk_trouble(error, folder, "read") from error
    lease = Lease(descriptor)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        stands = os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        stands = False
    except BaseException:
        lease.close()
        raise
    if stands:
        return lease
    lease.close()
    return None
