"""The log of a run: one file of JSON lines, whose trouble is never the command's.

Each line is written by one call to the system: a run that is killed leaves whole lines. Nothing waits for the disk. A
file that cannot be written is told of once, and then the run goes on without.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.workflow.redacting import redacted
from aios.workflow.stages import LEVELS, Level, Stage

if TYPE_CHECKING:
    import logging

__all__ = ["RunLog", "utc_now"]

_KEPT = 50
"""Logs of a folder, the newest, that are kept."""
_MOST_BYTES = 16 << 20
"""Of one log: some fifty thousand lines, more than anybody reads."""
_MOST_BYTES_OF_ALL = 64 << 20
_MOST_HELD = 1000
"""Lines that are held back until it is known where they go."""
_NAME = re.compile(r"\d{8}T\d{6}Z-[a-z-]+-\d+(?:-\d+)?\.jsonl")


def utc_now() -> str:
    """Return the UTC time to the microsecond, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class RunLog:
    """A `Watcher` that writes what it is told, from ``level`` on.

    run: names the run in every line · now: UTC time with microseconds, ISO 8601 · warn: receives, once, why the log
    cannot be written · path: of the file, once it is there · eager: the file is made although nothing is done but read
    """

    def __init__(
        self, command: str, level: Level, run: str, now: Callable[[], str], warn: Callable[[str], None], *, eager: bool
    ) -> None:
        self._command = command
        self._from = LEVELS.index(level)
        self._run = run
        self._now = now
        self._warn = warn
        self._eager = eager
        self._folder = Path(".aios/logs")
        self._descriptor: int | None = None
        self._held: list[bytes] | None = []
        self._bytes = 0
        self._lock = threading.RLock()
        self._named: Path | None = None
        self._told_at_first: frozenset[str] = frozenset()
        self.path: Path | None = None

    def keep_in(self, folder: Path) -> None:
        """Say in which folder logs are kept, before the first stage begins."""
        self._folder = folder

    def write_to(self, path: Path) -> None:
        """Add to this file instead of making one; ``-`` is standard error."""
        self._named = path
        self._open()

    def wants(self, level: Level) -> bool:
        """Say whether the level is logged."""
        return LEVELS.index(level) >= self._from

    def begin(self, stage: Stage) -> None:
        """Log that a stage begins; the first one of a command, which is the command itself, makes no file yet."""
        if stage.parent is None:
            self._told_at_first = frozenset(stage.attributes) - {"command"}
        else:
            self._open()
        self._log(f"{stage.name}.begin", stage.level, stage.attributes)

    def end(self, stage: Stage, error: BaseException | None) -> None:
        """Log that a stage has ended, how long it took, and why it failed if it did."""
        told = self._told_at_first if stage.parent is None else frozenset()
        facts = {name: fact for name, fact in stage.attributes.items() if name not in told}
        facts["seconds"] = round(stage.seconds, 6)
        if error is None:
            self._log(f"{stage.name}.end", stage.level, facts)
        elif isinstance(error, Exception):
            facts |= {"error": type(error).__name__, "reason": redacted(str(error))}
            self._log(f"{stage.name}.failed", "error", facts)
        else:
            self._log(f"{stage.name}.stopped", "warning", facts)

    def event(self, name: str, level: Level, facts: Mapping[str, Any], stage: Stage | None) -> None:
        """Log something that happened; stage: during which."""
        within = {} if stage is None or stage.parent is None else {"during": stage.name}
        self._log(name, level, {**within, **facts})

    def take_records(self) -> logging.Handler:
        """Return a handler of the standard library's log that writes its records here: those of other packages."""
        import logging

        log = self

        class Records(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                level: Level = next((name for name in reversed(LEVELS) if record.levelno >= _NUMBERS[name]), "debug")
                with suppress(Exception):  # a record that cannot be told in words is not worth a word
                    log._log("record", level, {"logger": record.name, "text": redacted(record.getMessage())})

        return Records()

    def close(self) -> None:
        """End the log. Where nothing was begun that deserves one, and none was asked for, there is none."""
        if self._eager:
            self._open()
        with self._lock:
            if self._descriptor is not None and self._descriptor != 2:
                os.close(self._descriptor)
            self._descriptor, self._held = None, None

    def _log(self, event: str, level: Level, facts: Mapping[str, Any]) -> None:
        if not self.wants(level) or (self._held is None and self._descriptor is None):
            return
        line = {"time": self._now(), "level": level, "run": self._run, "event": event, **facts}
        data = json.dumps(line, separators=(",", ":"), default=str).encode() + b"\n"
        with self._lock:
            if self._held is None:
                self._write(data)
            elif len(self._held) < _MOST_HELD:
                self._held.append(data)

    def _write(self, data: bytes) -> None:
        """Write one line, or give the file up."""
        if self._descriptor is None:
            return
        full = self._bytes + len(data) > _MOST_BYTES
        if full:
            line = {"time": self._now(), "level": "warning", "run": self._run, "event": "log.full"}
            data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        try:
            self._bytes += os.write(self._descriptor, data)
        except OSError as error:
            self._give_up(error)
        if full:
            self._descriptor = None

    def _open(self) -> None:
        with self._lock:
            held, self._held = self._held, None
            if held is None:
                return
            try:
                self._descriptor = self._opened()
            except OSError as error:
                self._give_up(error)
                return
            for data in held:
                self._write(data)

    def _opened(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        if self._named is not None:
            if str(self._named) == "-":
                return 2
            self.path = self._named
            return os.open(self._named, flags, 0o600)
        self._folder.mkdir(parents=True, exist_ok=True)
        stamp = re.sub(r"[-:]|\.\d+", "", self._now())
        for number in range(1, 1000):
            more = "" if number == 1 else f"-{number}"  # same second and process id: another container
            self.path = self._folder / f"{stamp}-{self._command}-{os.getpid()}{more}.jsonl"
            with suppress(FileExistsError):
                descriptor = os.open(self.path, flags | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                _forget_old(self._folder)
                return descriptor
        raise FileExistsError(17, "every name for it is taken", str(self.path))

    def _give_up(self, error: OSError) -> None:
        path, self.path, self._descriptor = self.path or self._folder, None, None
        self._warn(f"the log {path} cannot be written ({error.strerror or error}): this run goes on without")


_NUMBERS: Mapping[Level, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def _forget_old(folder: Path) -> None:
    """Remove the oldest logs where there are too many, or too many bytes of them."""
    with suppress(OSError):
        names = sorted((entry.name for entry in os.scandir(folder) if _NAME.fullmatch(entry.name)), reverse=True)
        taken = 0
        for position, name in enumerate(names):
            path = folder / name
            taken += path.lstat().st_size
            if position >= _KEPT or (taken > _MOST_BYTES_OF_ALL and position > 0):
                path.unlink(missing_ok=True)
