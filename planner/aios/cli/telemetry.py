"""What a command leaves behind besides its output: the log of its run, and a trace where one is configured.

``--log-level`` and ``--log-file`` hold for every command and stand anywhere among its arguments; they are taken out
before the command sees the rest.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from aios.records.errors import UsageError
    from aios.workflow.runlog import RunLog
    from aios.workflow.stages import Stage

__all__ = ["LOGGED", "Asked", "Telemetry", "begin", "end", "keep_logs_beside", "taken"]

LOGGED = frozenset({"adopt", "apply", "calibrate", "destroy", "profile", "rollback", "state", "unlock", "verify"})
"""Commands whose runs are logged unless that is switched off: they change something or measure for long.

The others only answer, and leave nothing behind unless a log is asked for.
"""
CHOICES = ("debug", "info", "warning", "error", "off")
_OPTIONS = ("--log-level", "--log-file")


class Asked(NamedTuple):
    """What is asked for. level: of the log, None where nothing is said · file: to write it to"""

    level: str | None
    file: Path | None


def taken(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[Asked, list[str]]:
    """Return what is asked of the log and the arguments without it. Raises UsageError."""
    found: dict[str, str] = {}
    rest: list[str] = []
    pending = iter(arguments)
    for word in pending:
        name, given, value = word.partition("=")
        if word == "--":
            rest += [word, *pending]
        elif name not in _OPTIONS:
            rest.append(word)
        elif given:
            found[name] = value
        else:
            found[name] = next(pending, "")
    level = found.get("--log-level", environment.get("AIOS_LOG") or None)
    if level is not None and level.lower() not in CHOICES:
        where = "--log-level" if "--log-level" in found else "AIOS_LOG"
        raise _misused(f"{where} is {level!r}, which is no level", f"one of {', '.join(CHOICES)}")
    file = found.get("--log-file")
    if file == "":
        raise _misused("--log-file names no file", "name one; - is standard error")
    return Asked(level and level.lower(), Path(file) if file else None), rest


def _misused(summary: str, remedy: str) -> UsageError:
    from aios.records.errors import Diagnostic, UsageError

    return UsageError(Diagnostic(summary=summary, remedy=remedy))


class Telemetry:
    """The log and the trace of one run; trouble with them is told in one line and changes nothing else."""

    def __init__(self, asked: Asked, arguments: Sequence[str]) -> None:
        self._log: RunLog | None = None
        self._traces: Any = None
        self._handler: Any = None
        self._stage: Stage | None = None
        command = next((word for word in arguments if not word.startswith("-")), "aios")
        explicit = asked.level not in (None, "off") or asked.file is not None
        logged = asked.level != "off" and (explicit or command in LOGGED)
        traced = _traces_are_configured(os.environ)
        if logged or traced:
            self._begin(command, asked, arguments, logged=logged, traced=traced, explicit=explicit)

    @property
    def path(self) -> Path | None:
        """The log file, once there is one that has a name."""
        return self._log.path if self._log else None

    def keep_in(self, folder: Path) -> None:
        """Say where logs are kept."""
        if self._log:
            self._log.keep_in(folder)

    def _begin(
        self, command: str, asked: Asked, arguments: Sequence[str], *, logged: bool, traced: bool, explicit: bool
    ) -> None:
        import uuid

        from aios.workflow import stages

        run = str(uuid.uuid4())
        if logged:
            self._log = self._opened_log(command, asked, run, explicit)
        if traced:
            from aios.workflow.tracing import start

            self._traces = start(os.environ, _warn)
            if self._traces is not None:
                stages.watch(self._traces)
        self._stage = stages.begin("command", command=command, run=run, arguments=shlex.join(arguments), **_here())

    def _opened_log(self, command: str, asked: Asked, run: str, explicit: bool) -> RunLog:
        import logging

        from aios.workflow import stages
        from aios.workflow.runlog import RunLog, utc_now

        level: Any = asked.level if asked.level not in (None, "off") else "info"
        name = command if command.replace("-", "").isalpha() and command.isascii() else "aios"
        log = RunLog(name, level, run, utc_now, _warn, eager=explicit)
        if asked.file is not None:
            log.write_to(asked.file)
        stages.watch(log)
        self._handler = log.take_records()
        root = logging.getLogger()
        root.addHandler(self._handler)
        self._handler.setLevel(logging.INFO if level == "debug" else logging.WARNING)
        logging.captureWarnings(True)
        return log

    def end(self, code: int, error: BaseException | None) -> None:
        """End the log and the trace with the command's exit code, and name the log where the command failed."""
        if self._stage is None:
            return
        from aios.workflow import stages

        self._stage.note(exit_code=code)
        stages.finish(self._stage, error)
        stages.unwatch()
        self._stage = None
        if self._traces is not None:
            self._traces.close()
        if self._log is None:
            return
        import logging

        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self._handler)
        self._log.close()
        if code in _FAILED and self.path is not None:
            print(f"log: {self.path}", file=sys.stderr)


_FAILED = frozenset({1, 4, 5, 6, 70, 130, 143})
"""Exit codes of commands that did not do all that they were to do."""

_ONGOING: list[Telemetry] = []
"""Of the command that runs in this process."""


def begin(arguments: Sequence[str]) -> list[str]:
    """Begin the log and the trace that are asked for; return the arguments of the command itself. Raises UsageError."""
    asked, rest = taken(arguments, os.environ)
    _ONGOING.append(Telemetry(asked, rest))
    return rest


def end(code: int, error: BaseException | None) -> None:
    """End what was begun, if anything was. error: what ended the command, where that was no result of its own"""
    while _ONGOING:
        _ONGOING.pop().end(code, error)


def keep_logs_beside(state_folder: Path) -> None:
    """Say where the run that goes on keeps its state: its log goes there too."""
    for ongoing in _ONGOING:
        ongoing.keep_in(state_folder / "logs")


def _traces_are_configured(environment: Mapping[str, str]) -> bool:
    """Say whether the standard variables of OpenTelemetry ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return exporter != "none" and bool(exporter or any(environment.get(name) for name in endpoints))


def _here() -> dict[str, Any]:
    from aios import __version__

    return {
        "version": __version__,
        "folder": _folder(),
        "host": os.uname().nodename,
        "user": os.getuid(),
        "pid": os.getpid(),
        "python": ".".join(map(str, sys.version_info[:3])),
    }


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return None


def _warn(text: str) -> None:
    from aios.cli.words import Ink, harmless

    print(f"{Ink(sys.stderr)('note', 'yellow')}: {harmless(text)}", file=sys.stderr, flush=True)
