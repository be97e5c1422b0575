"""The ledger of errors: one file of JSON lines for each device and executor, fit to be checked into Git.

``<root>/<device>--<executor>.jsonl``. Lines are only ever appended, each on disk as a whole before its measurement
counts as kept. What a crash tore off the end of a file is cut before the next line is written.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from aios.records.base import Span, canonical_json
from aios.records.errors import Diagnostic, InputError
from aios.records.ledger import LedgerEntry
from aios.state.files import disk_trouble, make_folder, read_bytes, sync_folder

__all__ = ["Ledger"]

_TAIL = 4096
"""Bytes that are looked at for the last line break at a time: mostly it is the very last of them."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class Ledger:
    """Reads and appends the entries under ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def load(self) -> tuple[LedgerEntry, ...]:
        """Return every entry once, in the order of files and lines; a line that a crash tore off is left out.

        Raises InputError, naming every line that is no entry.
        """
        found: dict[str, LedgerEntry] = {}
        wrong: list[Diagnostic] = []
        for path in sorted(self.root.glob("[!.]*.jsonl")):
            *whole, _torn = (read_bytes(path) or b"").split(b"\n")
            for number, line in enumerate(whole, 1):
                try:
                    found.setdefault(line.decode(errors="replace"), LedgerEntry.model_validate_json(line))
                except ValidationError as error:
                    wrong.append(_damaged(path, number, error))
        if wrong:
            raise InputError(*wrong)
        return tuple(found.values())

    def append(self, entries: Iterable[LedgerEntry]) -> None:
        """Append entries; they are on disk when this returns. Raises WorldError: then none of a file's is there."""
        lines: dict[Path, list[bytes]] = {}
        for entry in entries:
            lines.setdefault(self.path_of(entry), []).append(canonical_json(entry).encode() + b"\n")
        for path, data in lines.items():
            make_folder(self.root)
            try:
                _append(path, b"".join(data))
            except OSError as error:
                raise disk_trouble(error, path, "write") from error

    def path_of(self, entry: LedgerEntry) -> Path:
        """Return the file that holds entries of the same device and executor."""
        device, executor = (_UNSAFE.sub("_", name).lstrip(".") or "_" for name in (entry.device, entry.executor))
        return self.root / f"{device}--{executor}.jsonl"


def _append(path: Path, data: bytes) -> None:
    """Append whole lines under the kernel's lock, so that two writers never mix theirs."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = _whole_size(descriptor)
        os.ftruncate(descriptor, size)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(path.parent)


def _whole_size(descriptor: int) -> int:
    """Return the bytes up to the last line break: what follows was torn off. Looks at the end of the file alone."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _TAIL)
        at = os.pread(descriptor, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def _damaged(path: Path, number: int, error: ValidationError) -> Diagnostic:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return Diagnostic(
        summary=f"{path}:{number} is no entry of a ledger: {place + ': ' if place else ''}{first['msg']}",
        where=Span(file=str(path), line=number, column=1),
        remedy="remove the line, or restore the file from version control",
    )
