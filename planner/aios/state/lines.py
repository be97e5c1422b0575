"""The journal's lines as files: one of JSON lines per run, each line on disk before anything goes on."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from aios.state.files import disk_trouble, make_folder, read_bytes, sync_folder

__all__ = ["FileLines"]


class FileLines:
    """``<folder>/000001.jsonl`` and so on (`aios.spi.backend.Lines`). Text after the last line break was torn off."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor: int | None = None
        self._path = folder
        self._size = 0

    def runs(self) -> Sequence[int]:
        """Return the numbers of the runs that are kept, in order."""
        return sorted(int(path.stem) for path in self.folder.glob("[0-9]*.jsonl") if path.stem.isdecimal())

    def read(self, run: int) -> Iterator[bytes]:
        """Yield the whole lines of a run, without line breaks. Raises WorldError."""
        *whole, _torn = (read_bytes(self.path_of(run)) or b"").split(b"\n")
        yield from whole

    def begin(self, run: int) -> None:
        """Start the file of a run, which must be new. Raises WorldError."""
        make_folder(self.folder)
        self._path, self._size = self.path_of(run), 0
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o666)
            sync_folder(self.folder)
        except OSError as error:
            raise disk_trouble(error, self._path, "write") from error

    def append(self, line: bytes) -> None:
        """Append a line; it is on disk when this returns. Raises WorldError (disk full...): nothing is appended."""
        assert self._descriptor is not None, "begin() first"
        data = line + b"\n"
        try:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
                os.fsync(self._descriptor)
            except BaseException:
                os.ftruncate(self._descriptor, self._size)
                raise
        except OSError as error:
            raise disk_trouble(error, self._path, "write") from error
        self._size += len(data)

    def forget(self, runs: Collection[int]) -> None:
        """Remove the files of these runs. Raises WorldError."""
        for run in runs:
            try:
                self.path_of(run).unlink(missing_ok=True)
            except OSError as error:
                raise disk_trouble(error, self.path_of(run), "remove") from error

    def path_of(self, run: int) -> Path:
        """Return the file of a run."""
        return self.folder / f"{run:06d}.jsonl"

    def where(self, run: int) -> str:
        """Return the name of a run's file."""
        return str(self.path_of(run))

    def aside(self, run: int) -> str:
        """Return the command that puts a run's file aside."""
        path = self.path_of(run)
        return f"mv -- {shlex.quote(str(path))} {shlex.quote(str(path.with_name(path.name + '.damaged')))}"

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
