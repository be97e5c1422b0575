"""Writes files so that a crash, a full disk or a lost race leaves the old content or the new one, never a mixture."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from aios.records.errors import Diagnostic, WorldError

__all__ = ["disk_trouble", "keep_backup", "make_folder", "read_bytes", "sync_folder", "write_atomically"]

_ABANDONED_AFTER_S = 3600.0
"""Age from which a temporary file is a leftover of a killed writer; no write of these small files takes an hour."""

_REMEDIES = {
    errno.ENOSPC: "free space on that disk, then run the same command again",
    errno.EDQUOT: "free space within your quota, then run the same command again",
    errno.EFBIG: "raise the limit on file sizes (`ulimit -f unlimited`), then run the same command again",
    errno.EACCES: "give this user the right to, or choose another place",
    errno.EPERM: "give this user the right to, or choose another place",
    errno.EROFS: "choose a place that is not mounted read-only",
    errno.ENOTDIR: "a part of that path is a file, not a folder: choose another place",
    errno.EEXIST: "a part of that path is a file, not a folder: choose another place",
    errno.EISDIR: "it is a folder: name a file",
    errno.ENOENT: "that place cannot hold files: choose another",
    errno.ELOOP: "it is a symbolic link, which nothing of aios's makes here: see who made it, and remove it",
    errno.EMFILE: "raise the limit on open files (`ulimit -n 4096`), then run the same command again",
}


def disk_trouble(error: OSError, path: Path, doing: str) -> WorldError:
    """Return the error for people: what could not be done with which file, why, and what to do."""
    return WorldError(
        Diagnostic(
            summary=f"cannot {doing} {path}",
            reason=error.strerror or str(error),
            remedy=_REMEDIES.get(error.errno or 0, "see to that disk, then run the same command again"),
        )
    )


@contextmanager
def _trouble(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_trouble(error, path, doing) from error


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace the content of ``path``; it is on disk when this returns. Folders are made, a link is followed.

    What is no regular file (a pipe, a device) is written to as it is: it has no content to replace.
    Raises WorldError (disk full, no permission...): the old file is then intact and nothing is left beside it.
    """
    data = content.encode() if isinstance(content, str) else content
    with _trouble(path, "write"):
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                stream.write(data)
            return
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _write_beside(target, data)
        try:
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
        _remove_abandoned(target)


def keep_backup(path: Path, backup: Path) -> None:
    """Have ``backup`` hold what ``path`` holds, without copying where the disk has links: for what is only replaced.

    Raises WorldError. Nothing happens where there is no such file.
    """
    with _trouble(backup, "write"):
        data: bytes | None = None
        try:
            for attempt in count():
                temporary = backup.with_name(f".{backup.name}.{os.getpid()}-{attempt}.tmp")
                with suppress(FileExistsError):
                    temporary.hardlink_to(path.resolve())
                    break
            temporary.replace(backup.resolve())
            temporary.unlink(missing_ok=True)  # where both names were of one file already, nothing was replaced
            return
        except FileNotFoundError:
            return
        except OSError:
            data = path.read_bytes()
        write_atomically(backup, data)


def read_bytes(path: Path) -> bytes | None:
    """Return the file's content, None if there is no such file. Raises WorldError when it cannot be read, or is a pipe
    or a device."""
    try:
        with open(path, "rb", opener=_without_waiting) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file")
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_trouble(error, path, "read") from error


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to would keep us waiting for ever."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def make_folder(path: Path) -> Path:
    """Return ``path`` after making it and its parents. Raises WorldError."""
    with _trouble(path, "make the folder"):
        path.mkdir(parents=True, exist_ok=True)
    return path


def sync_folder(path: Path) -> None:
    """Put a folder's entries on disk; after a rename the new name is only safe then."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_beside(target: Path, data: bytes) -> Path:
    """Write ``data`` to a new file in the target's folder, with the target's permissions if it exists."""
    descriptor, temporary = _open_beside(target)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, target.stat().st_mode & 0o7777)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _open_beside(target: Path) -> tuple[int, Path]:
    for attempt in count():
        temporary = target.with_name(f".{target.name}.{os.getpid()}-{attempt}.tmp")
        with suppress(FileExistsError):
            return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), temporary
    raise AssertionError("unreachable: count() does not end")


def _remove_abandoned(target: Path) -> None:
    """Remove what killed writers of this file left; age is told by the file system's own clock."""
    with suppress(OSError):
        newest = target.stat().st_mtime
        for leftover in target.parent.glob(f".{target.name}.*.tmp"):
            if newest - leftover.stat().st_mtime > _ABANDONED_AFTER_S:
                leftover.unlink(missing_ok=True)
