"""A small real world to apply to: a service is a file in a folder. Its executor keeps the rules of the seam."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import made_plans
import pytest

from aios.apply import Event, Report, execute, roll_back
from aios.records.base import digest_of
from aios.records.errors import Diagnostic
from aios.records.plan import Action, Claim, Deployment
from aios.records.state import State
from aios.spi.executor import Journal, Observation, Outcome, Store
from aios.state import ArtefactStore, RunJournal, StateStore

NOW = "2026-01-01T00:00:00Z"


class FileExecutor:
    """Fake at the seam: the world is ``<world>/<address>-<random>``, each file holding the digest of its deployment."""

    name: ClassVar[str] = "files"
    api_version: ClassVar[int] = 1
    in_place: ClassVar[frozenset[str]] = frozenset({"batch"})

    def __init__(self, world: Path) -> None:
        self.world = world
        self.calls: list[tuple[str, str]] = []

    def validate(self, _action: Action) -> Sequence[Diagnostic]:
        return ()

    def carry_out(self, action: Action, prior: Mapping[str, Any] | None, journal: Journal, _store: Store) -> Outcome:
        self.calls.append((action.action, action.address))
        mine = [note["file"] for note in journal.notes()] + ([prior["file"]] if prior else [])
        there = [name for name in dict.fromkeys(mine) if (self.world / name).exists()]
        if action.action == "update" and there:
            return self._outcome(action, self._write(there.pop(), action), there)
        wanted = digest_of(action.after)
        fitting = [name for name in there if (self.world / name).read_text() == wanted]
        if action.action == "delete":
            return self._outcome(action, None, there)
        if fitting:
            return self._outcome(action, fitting[0], [name for name in there if name != fitting[0]])
        name = f"{action.address}-{uuid4().hex[:8]}"
        journal.note("making", file=name)
        return self._outcome(action, self._write(name, action), there)

    def observe(self, address: str, handle: Mapping[str, Any] | None) -> Observation:
        path = self.world / (handle["file"] if handle else "none")
        if not path.exists():
            return Observation(address=address, condition="absent", detail="no file")
        return Observation(
            address=address, condition="healthy", detail="file", deployment_digest=path.read_text(), replicas_ready=1
        )

    def _write(self, name: str, action: Action) -> str:
        temporary = self.world / f".{name}"
        with temporary.open("w") as handle:
            handle.write(digest_of(action.after))
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(self.world / name)
        with (self.world.parent / "made").open("a") as made:
            made.write(f"{action.action} {action.address}\n")
        return name

    def _outcome(self, action: Action, kept: str | None, others: Sequence[str]) -> Outcome:
        for name in others:
            (self.world / name).unlink()
        handle = {"file": kept} if kept else None
        return Outcome(address=action.address, handle=handle, note=f"{action.action} done")


def deployment(address: str, **changes: Any) -> Deployment:
    made: Deployment = made_plans.deployment(address, **{"executor": "files", "placement": (), **changes})
    return made


class World:
    """Everything on disk, and apply on it, the way that the corridor calls it: lock aside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = folder / "world"
        self.world.mkdir(exist_ok=True)
        self.store = StateStore(folder / "state.json", lambda: "lineage-1")
        self.artefacts = ArtefactStore(folder / "artefacts")
        self.executor = FileExecutor(self.world)
        self.events: list[Event] = []

    def journal(self, kind: type[RunJournal] = RunJournal) -> RunJournal:
        return kind(self.folder / "journal", lambda: NOW)

    def made(self) -> list[str]:
        """Return every action that wrote something, in order."""
        path = self.folder / "made"
        return path.read_text().splitlines() if path.exists() else []

    def journal_lines(self) -> list[str]:
        """Return the lines of the last run's journal."""
        return max((self.folder / "journal").iterdir()).read_text().splitlines()

    def state(self) -> State:
        return self.store.load()

    def plan(self, wanted: Mapping[str, Deployment]) -> tuple[Action, ...]:
        """Return the real diff, as a plan would hold it."""
        from aios.plan.actions import actions_for

        return actions_for(
            wanted,
            (),
            self.state(),
            in_place={"files": FileExecutor.in_place},
            unhealthy={},
            refused=frozenset(),
            keep_others=False,
        )

    def apply(
        self,
        actions: Sequence[Action],
        plan: str = "p",
        claims: Sequence[Claim] = (),
        evaluate: Mapping[str, tuple[str, ...]] | None = None,
        executors: Mapping[str, Any] | None = None,
        stop: Callable[[], bool] = lambda: False,
        journal: RunJournal | None = None,
        **manner: Any,
    ) -> Report:
        with journal or self.journal() as log:
            return execute(
                actions,
                plan=plan,
                claims=claims,
                evaluate=evaluate,
                state_store=self.store,
                executors={"files": self.executor} if executors is None else executors,
                artefacts=self.artefacts,
                journal=log,
                now=lambda: NOW,
                on_event=self.events.append,
                stop=stop,
                **manner,
            )

    def roll_back(self, journal: RunJournal | None = None, executors: Mapping[str, Any] | None = None) -> Report:
        """Take back what the last run did."""
        with journal or self.journal() as log:
            return roll_back(
                state_store=self.store,
                executors={"files": self.executor} if executors is None else executors,
                artefacts=self.artefacts,
                journal=log,
                now=lambda: NOW,
                on_event=self.events.append,
                stop=lambda: False,
            )

    def stands(self) -> dict[str, str]:
        """Return address -> digest of what stands, and make sure that the state knows exactly that."""
        files = sorted(path.name for path in self.world.iterdir() if not path.name.startswith("."))
        resources = self.state().resources
        assert files == sorted(resource.handle["file"] for resource in resources.values()), "orphans, or losses"
        for resource in resources.values():
            assert (self.world / resource.handle["file"]).read_text() == digest_of(resource.deployment)
            assert resource.unfinished is None
        return {address: digest_of(resource.deployment) for address, resource in resources.items()}


@pytest.fixture
def world() -> Iterator[World]:
    shared_memory = Path("/dev/shm")
    parent = shared_memory if os.access(shared_memory, os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="aios-apply-", dir=parent))
    yield World(path)
    shutil.rmtree(path)


@pytest.fixture(name="deployment")
def deployment_fixture() -> Callable[..., Deployment]:
    return deployment


@pytest.fixture
def open_world() -> Callable[[Path], World]:
    return World


@pytest.fixture
def file_executor() -> type[FileExecutor]:
    return FileExecutor
