"""Writing files that the user asked for."""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["save", "see_place"]


def save(path: Path, text: str | bytes) -> None:
    """Write ``text`` to ``path``, whole or not at all. Raises WorldError when the disk refuses."""
    from aios.state import write_atomically

    write_atomically(path, text)


def see_place(path: Path) -> None:
    """Raise WorldError where it is plain that no file can be written to ``path``: before long work, not after it."""
    folder = next(item for item in path.absolute().parents if os.path.lexists(item))
    if path.is_dir():
        trouble = errno.EISDIR
    elif not folder.is_dir():
        trouble = errno.ENOTDIR
    elif not os.access(folder, os.W_OK | os.X_OK):
        trouble = errno.EACCES
    else:
        return
    from aios.state.files import disk_trouble

    raise disk_trouble(OSError(trouble, os.strerror(trouble)), path, "write")
