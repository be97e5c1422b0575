"""The store of measurements: one plain, pretty-printed file each, fit to be checked into Git.

``<root>/<device>/<kind>-<first 16 hex of the subject's digest>.json``
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from aios.records.base import Span, digest_of
from aios.records.errors import Diagnostic, InputError
from aios.records.measurement import Measurement, Subject
from aios.state.files import read_bytes, write_atomically

__all__ = ["ProfileStore"]

_LEARNT = frozenset({"calibrations", "corrections", "ledger"})
"""Folders beside those of devices: what was learnt from measurements, which is none."""


class ProfileStore:
    """Reads and writes the measurements under ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def load(self) -> Mapping[str, Measurement]:
        """Return every measurement by the digest of its subject; empty when there is no such folder.

        Raises InputError, naming each file that is damaged or holds something else than its name says.
        """
        found: dict[str, Measurement] = {}
        wrong: list[Diagnostic] = []
        for path in sorted(self.root.glob("*/[!.]*.json")):
            if path.parent.name in _LEARNT:
                continue
            try:
                measurement = Measurement.model_validate_json(read_bytes(path) or b"")
            except ValidationError as error:
                wrong.append(_damaged(path, error))
                continue
            if path != self.path_of(measurement.subject):
                wrong.append(self._misplaced(path, measurement.subject))
                continue
            found[measurement.subject.digest] = measurement
        if wrong:
            raise InputError(*wrong)
        return found

    def save(self, measurement: Measurement) -> Path:
        """Write ``measurement``, in place of an older one of its subject, and return its file. Raises WorldError."""
        path = self.path_of(measurement.subject)
        text = json.dumps(measurement.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
        write_atomically(path, _ARRAY_OF_NUMBERS.sub(_on_one_line, text) + "\n")
        return path

    def path_of(self, subject: Subject) -> Path:
        """Return where a measurement of ``subject`` is kept."""
        device = _UNSAFE.sub("_", subject.device).lstrip(".") or "_"
        return self.root / device / f"{subject.kind}-{subject.digest.removeprefix('sha256:')[:16]}.json"

    @staticmethod
    def digest(measurements: Iterable[Measurement]) -> str:
        """Return one digest over these measurements, whatever their order: the fingerprint that a plan keeps."""
        return digest_of({item.subject.digest: item for item in measurements})

    def _misplaced(self, path: Path, subject: Subject) -> Diagnostic:
        return Diagnostic(
            summary=f"{path} does not hold the measurement that its name says",
            where=Span(file=str(path), line=1, column=1),
            reason=f"its subject belongs into {self.path_of(subject)}",
            remedy="the file was edited or renamed: remove it and measure again",
            command="aios profile",
        )


_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_ARRAY_OF_NUMBERS = re.compile(r"\[[\s\d.,eE+-]+\]")


def _on_one_line(match: re.Match[str]) -> str:
    return " ".join(match[0].split()).replace("[ ", "[").replace(" ]", "]")


def _damaged(path: Path, error: ValidationError) -> Diagnostic:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return Diagnostic(
        summary=f"{path} is no measurement: {place + ': ' if place else ''}{first['msg']}",
        where=Span(file=str(path), line=1, column=1),
        remedy="remove it and measure again, or restore it from version control",
        command="aios profile",
    )
