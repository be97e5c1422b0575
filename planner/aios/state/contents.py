"""What a folder holds, read so that nobody can show one thing and mean another.

Every folder and file is opened without following links, from the folder above it that is open already, and is judged by
what was opened: a link, a pipe, a device or a file that has a second name elsewhere is refused, never read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from aios.records.base import digest_of
from aios.records.errors import Diagnostic, WorldError

__all__ = ["Contents", "contents_of", "digest_of_contents", "is_own_folder", "read_plainly"]

Contents = Mapping[str, Mapping[str, str | int]]
"""Relative path -> ``sha256`` (hexadecimal) and ``bytes`` of a file."""

_CHUNK_BYTES = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_MANIFEST_BYTES = 1 << 26


def contents_of(root: Path, sync: bool = False) -> Contents:
    """Return every file under ``root``; ``sync`` puts them on disk first.

    Raises WorldError for anything but plain files and folders, OSError for what cannot be read.
    """
    found: dict[str, Mapping[str, str | int]] = {}
    for folder, folders, names, descriptor in os.fwalk(root, follow_symlinks=False, onerror=_raise):
        if sync:
            os.fsync(descriptor)
        for name in folders:
            if not stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                raise _not_plain(Path(folder) / name, "a link")
        for name in sorted(names):
            path = Path(folder) / name
            found[path.relative_to(root).as_posix()] = _fingerprint(name, descriptor, path, sync)
    return found


def digest_of_contents(contents: Contents) -> str:
    """Return the digest of an artefact: that of the canonical JSON of its contents."""
    return digest_of({name: dict(facts) for name, facts in contents.items()})


def is_own_folder(path: Path) -> bool:
    """Say whether ``path`` is a folder itself, and no link to one; raises FileNotFoundError for nothing."""
    return stat.S_ISDIR(path.lstat().st_mode)


def read_plainly(path: Path) -> bytes:
    """Return the content of a plain file that is no link. Raises WorldError for what is none, OSError."""
    descriptor = _open_plain(path.name, None, path)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(_MOST_MANIFEST_BYTES)


def _open_plain(name: str, folder: int | None, path: Path) -> int:
    """Return a descriptor of a plain file with one name. folder: descriptor of where ``name`` is looked up"""
    where = path if folder is None else name
    # Before it is opened: opening a device may already do something, and a pipe waits.
    _refuse_unless_plain(os.stat(where, dir_fd=folder, follow_symlinks=False), path)
    try:
        descriptor = os.open(where, _READ | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _not_plain(path, "a link") from None
        raise
    try:
        _refuse_unless_plain(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_unless_plain(found: os.stat_result, path: Path) -> None:
    kinds = (
        (stat.S_ISLNK, "a link"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISDIR, "a folder"),
    )
    if not stat.S_ISREG(found.st_mode):
        raise _not_plain(path, next((text for is_one, text in kinds if is_one(found.st_mode)), "a device"))
    if found.st_nlink > 1:
        raise _not_plain(path, f"a file with {found.st_nlink} names")


def _not_plain(path: Path, what: str) -> WorldError:
    return WorldError(
        Diagnostic(
            summary=f"{path} is no plain file: an artefact holds nothing else",
            reason=f"it is {what}, which could be changed from elsewhere",
            remedy="see who may write to that folder",
        )
    )


def _fingerprint(name: str, folder: int, path: Path, sync: bool) -> Mapping[str, str | int]:
    digest, size = hashlib.sha256(), 0
    with os.fdopen(_open_plain(name, folder, path), "rb") as handle:
        if sync:
            os.fsync(handle.fileno())
        while chunk := handle.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return {"sha256": digest.hexdigest(), "bytes": size}


def _raise(error: OSError) -> NoReturn:
    raise error
