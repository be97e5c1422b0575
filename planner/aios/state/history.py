"""The record of runs as files: ``000001.json`` each, with its ``.plan.json`` and, of the state that
it left, ``.state.json``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from aios.records.errors import ConflictError, Diagnostic
from aios.records.history import Run
from aios.spi.backend import KEPT_STATES
from aios.state.files import read_bytes, write_atomically

__all__ = ["FileHistory"]


class FileHistory:
    """Reads and writes the runs under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def runs(self, last: int | None = None) -> Sequence[Run]:
        """Return all runs, or so many of the last, in the order of their numbers.

        Raises ConflictError, naming each record that is damaged, and WorldError where one cannot be read.
        """
        found, wrong = [], []
        numbers = self._numbers()
        for number in numbers if last is None else numbers[max(len(numbers) - last, 0) :]:
            path = self._path(number)
            try:
                run = Run.model_validate_json(read_bytes(path) or b"")
                if run.number != number:
                    raise ValueError(f"it says that it is number {run.number}")
                found.append(run)
            except ValidationError as error:
                wrong.append(_damaged(path, error.errors()[0]["msg"]))
            except ValueError as error:
                wrong.append(_damaged(path, str(error)))
        if wrong:
            raise ConflictError(*wrong)
        return found

    def record(self, run: Run, plan: str | None) -> Run:
        """Write ``run``, with the next number where it has none, and its plan. Raises WorldError."""
        if not run.number:
            run = run.model_copy(update={"number": max(self._numbers(), default=0) + 1})
        if plan is not None:
            write_atomically(self._plan_path(run.number), plan)
        write_atomically(self._path(run.number), run.model_dump_json(indent=2) + "\n")
        return run

    def plan_of(self, number: int) -> str | None:
        """Return the text of a run's plan. Raises WorldError."""
        data = read_bytes(self._plan_path(number))
        return None if data is None else data.decode(errors="replace")

    def keep_state(self, number: int, state: Path) -> None:
        """Keep the state file as it stands beside a run, and let go of that of one long ago. Raises WorldError.

        A copy and no link: what damages the state file, or is copied over it, leaves the history as it is.
        """
        kept, data = self._state_path(number), read_bytes(state)
        if data is not None and not kept.exists():
            write_atomically(kept, data)
        with suppress(OSError):
            self._state_path(number - KEPT_STATES).unlink()

    def state_after(self, number: int) -> bytes | None:
        """Return the text of the state that a run left. Raises WorldError."""
        return read_bytes(self._state_path(number))

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("[0-9]*.json") if path.stem.isdecimal())

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"

    def _state_path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.state.json"

    def _plan_path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.plan.json"


def _damaged(path: Path, why: str) -> Diagnostic:
    aside = path.with_name(path.name + ".damaged")
    return Diagnostic(
        summary=f"the record of a run {path} is damaged: {why}",
        reason="it was left as it is",
        remedy="restore it, or put it aside: the run is then no longer told of",
        command=f"mv -- {shlex.quote(str(path))} {shlex.quote(str(aside))}",
    )
