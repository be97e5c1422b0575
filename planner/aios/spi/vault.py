"""Plain content of encrypted artefacts: memory that nobody else has a name for.

A service and a build mount a file system of memory that they alone see (a mount namespace of their own), so that
onnxruntime finds files under names, maps them, and all replicas share one copy; it is gone with the last process,
however that ends. Where the kernel does not permit that, every process decrypts into memory of its own.

Services import this when they start: what is heavy is imported where it is used.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from aios.spi.sealing import Key

__all__ = ["SUFFIX", "in_memory", "own_room", "private_room", "seal_folder", "sealed_work", "unsealed_into"]

Result = TypeVar("Result")

SUFFIX = ".sealed"
"""At the end of the name of an encrypted file."""

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 1 << 14, 1 << 18


def private_room(at: Path) -> None:
    """Mount memory on the folder ``at``, seen by this process and those that it starts from now on.

    Never swapped where the kernel offers that (Linux 6.4). Raises OSError where it is not permitted.
    """
    at.mkdir(mode=0o700, exist_ok=True)
    user, group = os.geteuid(), os.getegid()
    try:
        _call("unshare", _CLONE_NEWNS)
    except OSError:
        # Without privilege: as the only user of a user namespace, under the same number.
        _call("unshare", _CLONE_NEWNS | _CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    try:
        _call("mount", b"aios", os.fsencode(at), b"tmpfs", flags, b"mode=0700,size=100%,noswap")
    except OSError:
        _call("mount", b"aios", os.fsencode(at), b"tmpfs", flags, b"mode=0700,size=100%")


def own_room(at: Path) -> None:
    """Do as `private_room` does; raises WorldError, for people, where the kernel permits no such mount."""
    from aios.records.errors import Diagnostic, WorldError

    try:
        private_room(at)
    except OSError as error:
        raise WorldError(
            Diagnostic(
                summary="encrypted models are neither read nor made here: no memory can be mounted for them alone",
                reason=f"{error.filename}: {error.strerror}; they would lie plain on a disk meanwhile",
                remedy="permit user namespaces to this user or container, or do it where they are permitted",
                command="sysctl -w user.max_user_namespaces=1000",
            )
        ) from error


def _call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)


def seal_folder(plain: Path, folder: Path, key: Key, context: str) -> None:
    """Write every file of ``plain``, encrypted, to ``folder``. context: digest of the artefact's recipe"""
    from aios.spi.sealing import seal

    for path in sorted(path for path in plain.iterdir() if path.is_file()):
        with path.open("rb") as source, (folder / (path.name + SUFFIX)).open("wb") as target:
            seal(source, path.stat().st_size, target, key, path.name, context, os.urandom)
        path.unlink()


def sealed_work(
    seal: Mapping[str, str],
    source: tuple[Path, Mapping[str, str] | None],
    folder: Path,
    scratch: Path,
    work: Callable[[Path, Path, Path], Result],
) -> Result:
    """Have ``work(source, folder, scratch)`` done in memory that this process alone sees; leave encrypted files alone.

    seal: reference to the ``key``, and the ``context`` that what is made is bound to · source: file to work on, and
    likewise what opens it where it is encrypted; its name is then that of the plain one · scratch: a folder, for memory
    to be mounted on. Raises WorldError where the kernel permits no such mount.
    """
    from aios.spi.sealing import sealing_key

    key = sealing_key(seal["key"])
    own_room(scratch)
    given, made, own = (scratch / name for name in ("given", "made", "own"))
    for path in (given, made, own):
        path.mkdir()
    file, opens = source
    if opens is not None:
        unsealed_into(given, file.parent, sealing_key(opens["key"]), opens["context"])
        file = given / file.name
    result = work(file, made, own)
    seal_folder(made, folder, key, seal["context"])
    return result


def unsealed_into(room: Path, folder: Path, key: Key, context: str) -> None:
    """Write every encrypted file of ``folder``, plain, into ``room``. Raises as `unseal` does."""

    from aios.spi.sealing import unseal

    def allocate(path: Path) -> Callable[[int], memoryview]:
        def made(size: int) -> memoryview:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb+") as file:
                file.truncate(size)
                return memoryview(mmap.mmap(file.fileno(), size)) if size else memoryview(b"")

        return made

    for name, path in _sealed_files(folder):
        with path.open("rb", buffering=0) as source:
            unseal(source, name, context, key, allocate(room / name), str(path)).release()


def in_memory(folder: Path, key: Key, context: str) -> Mapping[str, memoryview]:
    """Return name -> plain content of the encrypted files of ``folder``, in memory of this process."""

    from aios.spi.sealing import unseal

    def allocate(size: int) -> memoryview:
        return memoryview(mmap.mmap(-1, size)) if size else memoryview(b"")

    found = {}
    for name, path in _sealed_files(folder):
        with path.open("rb", buffering=0) as source:
            found[name] = unseal(source, name, context, key, allocate, str(path))
    return found


def _sealed_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        yield path.relative_to(folder).as_posix().removesuffix(SUFFIX), path
