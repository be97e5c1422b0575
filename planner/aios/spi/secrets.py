"""The one place where secrets are read: late, by reference, and handed to who needs them without being kept.

A reference is ``env:NAME`` or ``file:PATH``. What it leads to is never shown, not even in an error.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from aios.spi.refusing import input_error

if TYPE_CHECKING:
    from aios.records.errors import InputError

__all__ = ["read_secret"]

_MOST_BYTES = 1 << 16
"""More than any key or passphrase has: a reference to something else ends soon."""


def read_secret(reference: str, what: str, *, path_too: bool = False) -> bytes:
    """Return what ``reference`` leads to, without the line break at its end.

    what: the secret is, for messages · path_too: a bare path will do, as for files that hold keys

    Raises InputError for no reference, for one that leads nowhere, and for a file that others may read.
    """
    scheme, colon, name = reference.partition(":")
    if scheme == "env" and colon:
        return _from_environment(name, what)
    if scheme == "file" and colon:
        return _from_file(name, what)
    if path_too and "\n" not in reference and "PRIVATE KEY" not in reference:
        return _from_file(reference, what)
    raise input_error(
        f"{what} was given itself, not where it stands",
        reason="command lines are seen by others: in the list of processes, in histories and in logs",
        remedy="write a reference, `env:NAME` or `file:PATH`" + (" (or a path)" if path_too else ""),
    )


def _from_environment(name: str, what: str) -> bytes:
    value = os.environ.get(name)
    if not value:
        missing = "is not set" if value is None else "is empty"
        raise input_error(f"{what}: the environment variable {name} {missing}", remedy="set it")
    return os.fsencode(value).rstrip(b"\r\n")


def _from_file(name: str, what: str) -> bytes:
    path = Path(name)
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_IROTH | stat.S_IWOTH):
                raise _open_to_others(path, what, mode)
            data = stream.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name holds a zero byte"
        summary = f"{what}: the file {path} cannot be read"
        raise input_error(summary, reason=reason, remedy="check the path") from None
    if not data.strip() or len(data) > _MOST_BYTES:
        size = "is empty" if not data.strip() else f"has more than {_MOST_BYTES // 1024} KiB"
        raise input_error(f"{what}: the file {path} {size}", remedy="name the file that holds it")
    return data.rstrip(b"\r\n")


def _open_to_others(path: Path, what: str, mode: int) -> InputError:
    return input_error(
        f"{what}: everybody on this machine may {'read' if mode & stat.S_IROTH else 'change'} {path}",
        reason=f"its mode is {stat.S_IMODE(mode):04o}",
        remedy="take that away (of a mounted secret: `defaultMode: 0440`)",
        command=f"chmod o-rwx -- {shlex.quote(str(path))}",
    )
