"""The write-ahead journal of apply runs: JSON lines, each durable before anything goes on, wherever they are kept.

A line that is torn off at the end was never acknowledged, so nothing was done on its strength: it is ignored. What is
remembered of an address is everything noted since its last finished action, over all runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from aios.records.errors import ConflictError, Diagnostic
from aios.records.state import NEW, State
from aios.spi.backend import Lines
from aios.state.lines import FileLines

__all__ = ["ActionJournal", "RunJournal"]

_KEPT_RUNS = 100
"""Journals of finished runs that are kept for people to read; older ones go: they must not grow for ever."""


@dataclass
class _Memory:
    """What is known of an address since its last finished action.

    outcome: handle that its executor answered with · serial: of the state that was to be written on that answer
    """

    notes: list[Mapping[str, Any]] = field(default_factory=list)
    outcome: Mapping[str, Any] | None = None
    serial: int | None = None
    runs: set[int] = field(default_factory=set)


class RunJournal:
    """The journal of one apply run, and the memory of those before it. Hold the state's lock while it is open."""

    def __init__(self, lines: Lines | Path, now: Callable[[], str]) -> None:
        """Read what earlier runs left. lines: where they are kept, or the folder of their files · now: ISO time, UTC

        Raises ConflictError for a damaged journal, WorldError when one cannot be read.
        """
        self._kept: Lines = FileLines(lines) if isinstance(lines, Path) else lines
        self._now = now
        self._number = 0
        self._memory: dict[str, _Memory] = {}
        self._last_run: list[Mapping[str, Any]] = []
        self._runs = list(self._kept.runs())
        for run in self._runs:
            found = list(_lines(self._kept, run))
            for line in found:
                self._remember(run, line)
            self._last_run = found or self._last_run

    def __enter__(self) -> RunJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._kept.close()

    @property
    def next_run(self) -> int:
        """The number of the run that ``begin`` starts."""
        return self._runs[-1] + 1 if self._runs else 1

    def reached(self, run: int) -> Mapping[str, str]:
        """Return address -> ``begun``, ``done`` or ``failed``: how far a run that is no longer at work came."""
        if run not in self._runs:
            return {}
        ways = {"begin": "begun", "done": "done", "failed": "failed"}
        lines = _lines(self._kept, run)
        return {str(line["address"]): ways[line["event"]] for line in lines if line.get("event") in ways}

    def resumes(self, plan: str, state: State) -> bool:
        """Say whether carrying out ``plan`` on ``state`` goes on with the last run, which did not complete.

        A saved plan then still fits although the state's serial has moved: only that run has moved it.
        """
        if not self._last_run or self._last_run[-1].get("complete") is True:
            return False
        first = self._last_run[0]
        serials = {line["serial"] for line in self._last_run if "serial" in line}
        same = first.get("lineage") in (state.lineage, NEW)
        return first.get("plan") == plan and same and state.serial in serials

    def begin(self, plan: str, state: State) -> None:
        """Start this run's own file. Raises WorldError when it cannot be written."""
        self._forget_old_runs()
        self._run = self.next_run
        self._kept.begin(self._run)
        self.record("run", plan=plan, lineage=state.lineage, serial=state.serial)
        for address in [name for name, memory in self._memory.items() if _written(name, memory, state)]:
            self.record("done", address=address)

    def record(self, event: str, **facts: Any) -> None:
        """Append one line; it is durable when this returns. Raises WorldError (disk full...): nothing is appended."""
        line = {"n": self._number + 1, "at": self._now(), "event": event, **facts}
        self._kept.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode())
        self._number += 1
        if event == "done":
            self._memory.pop(facts["address"], None)

    def end(self, complete: bool) -> None:
        """Close the run. complete: every action of the plan is done."""
        self.record("end", complete=complete)

    def outcome(self, address: str) -> Mapping[str, Any] | None:
        """Return the handle that an executor answered with when the run ended before the state was written."""
        memory = self._memory.get(address)
        return memory.outcome if memory else None

    def action(self, address: str) -> ActionJournal:
        """Return the narrow journal that an executor gets for one action."""
        memory = self._memory.get(address)
        return ActionJournal(self, address, tuple(memory.notes) if memory else ())

    @property
    def path(self) -> Path:
        """The file of this run's lines, where they are kept as files."""
        return Path(self._kept.where(self._run))

    def _remember(self, run: int, line: Mapping[str, Any]) -> None:
        address, event = line.get("address"), line.get("event")
        if not isinstance(address, str):
            return
        if event == "done":
            self._memory.pop(address, None)
            return
        memory = self._memory.setdefault(address, _Memory())
        memory.runs.add(run)
        if event == "note":
            memory.notes.append({"event": line.get("note"), **line.get("facts", {})})
        elif event in ("did", "breach"):
            memory.outcome = line.get("handle")
            memory.serial = line.get("serial") if event == "did" else None

    def _forget_old_runs(self) -> None:
        needed = {run for memory in self._memory.values() for run in memory.runs}
        self._kept.forget([run for run in self._runs[:-_KEPT_RUNS] if run not in needed])


class ActionJournal:
    """An executor's own notes about one address (`aios.spi.executor.Journal`)."""

    def __init__(self, run: RunJournal, address: str, earlier: Sequence[Mapping[str, Any]]) -> None:
        self._run = run
        self._address = address
        self._earlier = earlier

    def note(self, event: str, **facts: str | int | float | bool | None) -> None:
        """Record that ``event`` is about to happen or has happened; returns after it is on disk."""
        self._run.record("note", address=self._address, note=event, facts=facts)

    def notes(self) -> Sequence[Mapping[str, Any]]:
        """Return what earlier, interrupted attempts at the same address noted, oldest first."""
        return self._earlier


def _written(address: str, memory: _Memory, state: State) -> bool:
    """Say whether ``state`` holds what came of the action: only the journal's last word on it was lost."""
    resource = state.resources.get(address)
    finished = resource is None or resource.unfinished is None
    return memory.serial is not None and memory.serial <= state.serial and finished


def _lines(kept: Lines, run: int) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of a run.

    A last line that is no JSON was never acknowledged: the power went while it was written, and what came to the disk
    of it came in any order.
    """
    texts = list(kept.read(run))
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
            if not (isinstance(line, dict) and line["n"] == number):
                raise ValueError(f"line {number} is not number {number} of a run")
        except (ValueError, KeyError, RecursionError) as error:
            if number == len(texts) and isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
                return
            raise ConflictError(
                Diagnostic(
                    summary=f"line {number} of the journal {kept.where(run)} is damaged",
                    reason=str(error),
                    remedy="it was left as it is; put it aside (services that a killed run had begun may then have to "
                    "be ended by hand: `aios status` shows what the state knows), then run the same command again",
                    command=kept.aside(run),
                )
            ) from None
        yield line
