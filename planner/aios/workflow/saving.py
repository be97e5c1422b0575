"""Writing files that the user asked for."""

from __future__ import annotations

import errno
import os
import shlex
from pathlib import Path

from aios.records.errors import Diagnostic, WorldError

__all__ = ["save", "save_new", "see_place"]


def save(path: Path, text: str | bytes) -> None:
    """Write ``text`` to ``path``, whole or not at all. Raises WorldError when the disk refuses."""
    from aios.state import write_atomically

    write_atomically(path, text)


def save_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet, with these permissions from its first moment. Raises WorldError."""
    from aios.state.files import disk_trouble

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise disk_trouble(error, path, "write") from error


def see_place(path: Path, *, made: bool = False) -> None:
    """Raise WorldError where it is plain that no file can be written to ``path``: before long work, not after it.

    made: its folder is made where it is not there
    """
    folder = next(item for item in path.absolute().parents if os.path.lexists(item))
    if path.is_dir():
        trouble = errno.EISDIR
    elif not folder.is_dir():
        trouble = errno.ENOTDIR
    elif folder != path.absolute().parent and not made:
        raise _no_folder(path)
    elif not os.access(folder, os.W_OK | os.X_OK) and (path.is_file() or not path.exists()):
        trouble = errno.EACCES
    else:
        return
    from aios.state.files import disk_trouble

    raise disk_trouble(OSError(trouble, os.strerror(trouble)), path, "write")


def _no_folder(path: Path) -> WorldError:
    return WorldError(
        Diagnostic(
            summary=f"cannot write {path}",
            reason=f"there is no folder {path.parent}",
            remedy="make it first, or choose another place",
            command=shlex.join(["mkdir", "-p", str(path.parent)]),
        )
    )
