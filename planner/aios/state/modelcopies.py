"""Copies of models: into the store, plain or encrypted; and for people, written beside the target, put on disk, then
renamed over it, the model last."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from aios.records.errors import Diagnostic, InputError, WorldError
from aios.records.modelstore import Blob, Version
from aios.spi.sealing import Key, repeatable, seal
from aios.spi.vault import SUFFIX, in_memory
from aios.state.files import disk_trouble, make_folder, sync_folder

__all__ = ["copied", "copy_out", "digests_of_sealed", "sealed_copy"]

_CHUNK_BYTES = 1 << 22


def copied(source: Path, target: Path, progress: Callable[[int], None]) -> str:
    """Copy a file into the store; return its digest. progress: takes the bytes that are done"""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, done = hashlib.sha256(), 0
    with source.open("rb") as there, target.open("xb") as here:
        while chunk := there.read(_CHUNK_BYTES):
            here.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress(done)
    target.chmod(0o444)
    return f"sha256:{digest.hexdigest()}"


def sealed_copy(source: Path, folder: Path, name: str, key: Key, context: str, progress: Callable[[int], None]) -> str:
    """Copy a file into a folder of the store, encrypted; return the digest of what is plain.

    The same file under the same key gives the same bytes, so that a damaged one can be put right. context: digest of
    the model · progress: takes the bytes that are done. Raises InputError where the file changes meanwhile.
    """
    target = folder / (name + SUFFIX)
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as there, target.open("xb") as here:
        digest = hashlib.file_digest(there, "sha256").hexdigest()
        size = there.tell()
        there.seek(0)
        reading = _Reading(there, progress)
        try:
            seal(reading, size, here, key, name, context, repeatable(key, name, context, digest))
        except ValueError:
            reading.digest.update(b"shorter")
    if reading.digest.hexdigest() != digest:
        target.unlink()
        raise InputError(Diagnostic(summary=f"{source} was changed while it was read", remedy="add it again"))
    target.chmod(0o444)
    return f"sha256:{digest}"


class _Reading:
    """A file that is read, and the digest of what was read of it."""

    def __init__(self, stream: BinaryIO, progress: Callable[[int], None]) -> None:
        self._stream, self._progress = stream, progress
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        chunk = self._stream.read(size)
        self.digest.update(chunk)
        self._progress(self._stream.tell())
        return chunk


def digests_of_sealed(folder: Path, key: Key, context: str) -> Mapping[str, str]:
    """Return name -> digest of what is plain in an encrypted folder of the store. Raises as `unseal` does."""
    plain = in_memory(folder, key, context)
    return {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in plain.items()}


def copy_out(folder: Path, version: Version, target: Path, key: Key | None = None, *, force: bool) -> None:
    """Write a version's model, plain, to ``target`` and the files that it reads beside that.

    folder: of its files in the store · key: of encrypted ones; what is written is for its owner alone then · force:
    also over other files. What is there with the same content stays as it is. Raises InputError where another file is
    there or the key is another one, WorldError.
    """
    content = {} if key is None else in_memory(folder, key, version.digest)
    files = {name: _blob(plain) for name, plain in content.items()} if key else version.files
    main = version.main.removesuffix(SUFFIX) if key else version.main
    places = {name: target if name == main else target.parent / name for name in files}
    wanted = {name: path for name, path in places.items() if not _is(path, files[name])}
    for path in wanted.values():
        if os.path.lexists(path) and (not force or path.is_dir()):
            remedy = (
                "name a file with --out" if path.is_dir() else "choose another with --out, or overwrite with --force"
            )
            raise InputError(Diagnostic(summary=f"{path} is there already, with another content", remedy=remedy))
    for name in sorted(wanted, key=lambda item: item == main):
        _write(content.get(name, folder / name), wanted[name], files[name])


def _blob(plain: memoryview) -> Blob:
    return Blob(sha256=hashlib.sha256(plain).hexdigest(), bytes=len(plain))


def _is(path: Path, blob: Blob) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != blob.bytes:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == blob.sha256
    except OSError as error:
        raise disk_trouble(error, path, "read") from error


def _write(source: Path | memoryview, target: Path, blob: Blob) -> None:
    make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as here:
            if isinstance(source, memoryview):
                os.fchmod(here.fileno(), 0o600)
                here.write(source)
            else:
                with source.open("rb") as there:
                    shutil.copyfileobj(there, here, 1 << 20)
            here.flush()
            os.fsync(here.fileno())
        if not _is(temporary, blob):
            raise WorldError(f"what is stored was changed while it was read: {target} was not written")
        temporary.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise disk_trouble(error, target, "write") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
