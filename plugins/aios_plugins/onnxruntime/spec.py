"""What a service is told to run: a plain JSON file, so that its processes need nothing of aios to read it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "DRAIN_S",
    "NEXT_SPEC",
    "READY_MARK",
    "SPEC",
    "SUCCESSOR_SPEC",
    "Spec",
    "damage",
    "file_digest",
    "manifest",
    "read_spec",
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
    a command comes from who started it
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
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return f"sha256:{state.hexdigest()}"


def manifest(folder: Path) -> dict[str, str]:
    """Return path -> digest of every file under a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}


def damage(spec: Spec) -> str | None:
    """Say in which way the artefact differs from what the spec says, or None when it is whole."""
    for name, digest in spec.files.items():
        path = Path(spec.folder) / name
        if not path.is_file():
            return f"{path} is missing"
        if file_digest(path) != digest:
            return f"{path} is not what was prepared: its sha256 differs"
    return None
