"""Copies of stored models for people: written beside the target, put on disk, then renamed over it, the model last."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from aios.records.errors import Diagnostic, InputError, WorldError
from aios.records.modelstore import Blob, Version
from aios.state.files import disk_trouble, make_folder, sync_folder

__all__ = ["copy_out"]


def copy_out(folder: Path, version: Version, target: Path, *, force: bool) -> None:
    """Write a version's model to ``target`` and the files that it reads beside that.

    folder: of its files in the store · force: also over other files. What is there with the same content stays as it
    is. Raises InputError where another file is there, WorldError.
    """
    places = {name: target if name == version.main else target.parent / name for name in version.files}
    wanted = {name: path for name, path in places.items() if not _is(path, version.files[name])}
    for path in wanted.values():
        if os.path.lexists(path) and (not force or path.is_dir()):
            remedy = (
                "name a file with --out" if path.is_dir() else "choose another with --out, or overwrite with --force"
            )
            raise InputError(Diagnostic(summary=f"{path} is there already, with another content", remedy=remedy))
    for name in sorted(wanted, key=lambda item: item == version.main):
        _copy(folder / name, wanted[name], version.files[name])


def _is(path: Path, blob: Blob) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != blob.bytes:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == blob.sha256
    except OSError as error:
        raise disk_trouble(error, path, "read") from error


def _copy(source: Path, target: Path, blob: Blob) -> None:
    make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with source.open("rb") as there, temporary.open("wb") as here:
            shutil.copyfileobj(there, here, 1 << 20)
            here.flush()
            os.fsync(here.fileno())
        if not _is(temporary, blob):
            raise WorldError(f"{source} was changed while it was read: {target} was not written")
        temporary.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise disk_trouble(error, target, "write") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
