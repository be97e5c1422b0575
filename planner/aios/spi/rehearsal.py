"""What the rules of the seam are tried with: a world to act on, a journal in memory that may crash."""

# ruff: noqa: D102 - the world's methods are those of the executor, checked

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aios.records.plan import Action, ActionKind, Deployment
from aios.spi.executor import Executor, Observation, Outcome, Store

__all__ = ["STANDING", "Interrupted", "NotedJournal", "World", "action", "tree"]

STANDING = ("healthy", "written")
"""What is true of an address whose creation succeeded."""


class Interrupted(Exception):
    """Stands for the crash of aios at a journal point."""


@dataclass
class NotedJournal:
    """A journal in memory. earlier: notes of interrupted attempts · crash_at: number of the note that never returns."""

    earlier: Sequence[Mapping[str, Any]] = ()
    crash_at: int | None = None
    written: list[Mapping[str, Any]] = field(default_factory=list)

    def note(self, event: str, **facts: str | int | float | bool | None) -> None:
        """Keep the note, then crash if this is where to."""
        self.written.append({"event": event, **facts})
        if len(self.written) - 1 == self.crash_at:
            raise Interrupted(event)

    def notes(self) -> Sequence[Mapping[str, Any]]:
        """Return the notes of interrupted attempts."""
        return tuple(self.earlier)


def action(kind: ActionKind, after: Deployment | None, before: Deployment | None = None) -> Action:
    """Return an action on the deployment's own address."""
    subject = after or before
    assert subject is not None
    return Action(
        address=subject.intent,
        action=kind,
        reason="conformance",
        executor=subject.executor,
        before=before,
        after=after,
        undo="the opposite",
    )


class World:
    """What a rule does to the world, so that it can be taken back whatever happens."""

    def __init__(self, executor: Executor, store: Store, deployment: Deployment) -> None:
        self.executor, self.store, self.deployment = executor, store, deployment
        self.address = deployment.intent
        self.handle: Mapping[str, Any] | None = None
        self.notes: list[Mapping[str, Any]] = []

    def carry_out(
        self,
        kind: ActionKind,
        after: Deployment | None,
        prior: Mapping[str, Any] | None,
        journal: NotedJournal | None = None,
    ) -> Outcome:
        journal = journal or NotedJournal(earlier=tuple(self.notes))
        step = action(kind, after, None if kind == "create" else self.deployment)
        try:
            outcome = self.executor.carry_out(step, prior, journal, self.store)
        finally:
            self.notes += journal.written
        assert isinstance(outcome, Outcome), f"carry_out returned {outcome!r}, which is no Outcome"
        assert outcome.address == self.address, f"the outcome speaks of {outcome.address!r}, not {self.address!r}"
        self.handle = outcome.handle
        return outcome

    def create(self) -> Mapping[str, Any]:
        handle = self.carry_out("create", self.deployment, None).handle
        assert handle is not None, "create gave no handle: what was made could not be found again"
        return handle

    def observe(self, handle: Mapping[str, Any] | None) -> Observation:
        seen = self.executor.observe(self.address, handle)
        assert isinstance(seen, Observation), f"observe returned {seen!r}, which is no Observation"
        return seen

    def clean(self) -> None:
        self.carry_out("delete", None, self.handle)


def tree(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder."""
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
