"""What a service is told to run: a plain JSON file, so that its processes need nothing of aios to read it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

__all__ = [
    "DRAIN_S",
    "NEXT_SPEC",
    "READY_MARK",
    "SPEC",
    "SUCCESSOR_SPEC",
    "Spec",
    "file_digest",
    "read_spec",
    "verified",
    "write_spec",
]

SPEC, NEXT_SPEC, READY_MARK = "spec.json", "spec.next.json", "ready"
"""Files in the runtime folder: what runs, what shall run next, and the mark of a service that was once ready."""
SUCCESSOR_SPEC = "spec.successor.json"
"""What a second service is told that shall take over. Under the name of `SPEC` it is the one that runs."""

DRAIN_S = 8.0
"""How long accepted requests may take to end when the service stops or changes."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Spec:
    """One deployment, as the service runs it.

    model: name that clients use · folder: of the artefact · files: path in the folder -> sha256 digest ·
    providers: execution providers, in order · optimized: the file holds the final graph, nothing is left to do ·
    threads: per replica · batch: items that a replica computes at once · deployment: digest of the Deployment ·
    token: in the argv of the supervisor, names this service among all processes · secret: proves to the service that
    a command comes from who started it · described: the Deployment itself, for whoever takes the service over ·
    sealed: the files are encrypted: reference to their ``key``, and the ``context`` that they are bound to · attested:
    they must be: by a key in the file ``verify_key``, as files of the ``digest``; for a worker, the file of the
    ``attestation`` that the programs must match, and its ``digest`` · graph: level to which the graph is optimised on
    load, where nothing was done before
    """

    model: str
    folder: str
    files: dict[str, str]
    providers: list[str]
    optimized: bool
    threads: int
    batch: int
    replicas: int
    host: str
    port: int
    deployment: str
    token: str
    secret: str
    described: dict[str, Any] | None = None
    sealed: dict[str, str] | None = None
    attested: dict[str, str] | None = None
    graph: str = "all"

    def as_json(self) -> dict[str, Any]:
        """Return the spec as JSON-able data."""
        return asdict(self)


def read_spec(path: Path) -> Spec:
    """Return the spec in a file; raises OSError or ValueError when there is none."""
    try:
        return Spec(**json.loads(path.read_bytes()))
    except TypeError as error:
        raise ValueError(f"{path} is no spec of this version: {error}") from error


def write_spec(path: Path, spec: Spec) -> None:
    """Write a spec, readable by its owner alone, in one step; it is on disk when this returns."""
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(spec.as_json(), file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def file_digest(path: Path) -> str:
    """Return ``sha256:<hex>`` of a file's content."""
    with path.open("rb") as file:
        return _digest(file)


@contextmanager
def verified(spec: Spec) -> Iterator[Path]:
    """Return a path of the artefact's folder under which its files are those that the spec says, all the while.

    The folder is pinned by a descriptor, so that another one in its place changes nothing; links are not followed; and
    a file that was changed, or changed and put back, between being verified and the end has another time of change.
    Raises ValueError for whatever differs.
    """
    try:
        folder = os.open(spec.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"{spec.folder} cannot be opened: {error.strerror}") from error
    try:
        before = {name: _verified(spec, folder, name) for name in spec.files}
        pinned = Path(f"/proc/self/fd/{folder}")
        yield pinned if pinned.exists() else Path(spec.folder)
        for name, seen in before.items():
            if _identity(os.stat(name, dir_fd=folder, follow_symlinks=False)) != seen:
                raise ValueError(f"{Path(spec.folder) / name} was changed while it was read")
    finally:
        os.close(folder)


def _verified(spec: Spec, folder: int, name: str) -> tuple[int, ...]:
    """Return what tells the file of this moment apart, once its content is what the spec says."""
    path = Path(spec.folder) / name
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        raise ValueError(f"{path} is missing") from None
    except OSError as error:
        raise ValueError(f"{path} is no file that can be opened: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path} is no plain file")
        if _digest(file) != spec.files[name]:
            raise ValueError(f"{path} is not what was prepared: its sha256 differs")
        return _identity(found)


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _digest(file: BinaryIO) -> str:
    state = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        state.update(chunk)
    return f"sha256:{state.hexdigest()}"
