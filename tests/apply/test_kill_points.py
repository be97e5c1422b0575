"""A run that is killed at any line of its journal, before, in the midst of or after writing it, with several actions
at work: whatever comes next leaves no orphan, loses nothing and does nothing twice.

The suite kills once at each line, in one of the three ways. `pytest tests/apply/test_kill_points.py --kill-repeats 20`
kills in all three, and repeats that with other numbers of services and of workers, and other ways to go on.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killed_runs import KillingJournal, is_killed

from aios.records.base import digest_of
from aios.records.errors import WorldError
from aios.records.plan import Action, Deployment
from aios.records.state import State
from aios.state import RunJournal

Make = Callable[..., Deployment]
Wanted = Mapping[str, Deployment]

KINDS = ("create", "update", "replace", "delete", "rollback")
NAMES = "abcd"


def failing(executor: type[Any], address: str) -> type[Any]:
    class Failing(executor):  # type: ignore[misc] # the class comes through a fixture, so mypy cannot see it
        def carry_out(self, action: Action, prior: Any, journal: Any, store: Any) -> Any:
            outcome = super().carry_out(action, prior, journal, store)
            if action.address == address and "takes the" not in action.reason:
                raise WorldError("it came up and went down")
            return outcome

    return Failing


class Case:
    """What stood before, what is wanted, and how it is applied."""

    def __init__(self, kind: str, number: int, deployment: Make, executor: type[Any]) -> None:
        self.kind, self.random = kind, np.random.default_rng((KINDS.index(kind), number))
        names = NAMES[: self.random.integers(2, len(NAMES), endpoint=True)]
        self.parallelism = int(self.random.choice((1, 2, 10)))
        all_, batch = {name: deployment(name) for name in names}, {"batch": 1 + number % 7 + 1}
        changes: dict[str, tuple[Wanted, Wanted]] = {
            "create": ({}, all_),
            "update": (all_, {name: deployment(name, **batch) for name in names}),
            "replace": (all_, {name: deployment(name, threads=2) for name in names}),
            "delete": (all_, {}),
            "rollback": (
                {names[0]: all_[names[0]], "gone": deployment("gone"), "tuned": deployment("tuned")},
                {**all_, names[0]: deployment(names[0], threads=2), "tuned": deployment("tuned", **batch)},
            ),
        }
        self.before, self.after = changes[kind]
        self.executor = failing(executor, names[-1]) if kind == "rollback" else executor
        self.plan = "p1"

    def apply(self, world: Any, actions: Any, journal: RunJournal | None = None) -> Any:
        """Go on as the command would: to the end, or back where the run was being taken back."""
        executors = {"files": self.executor(world.world)}
        run = world.state().run
        if run is not None and run.back and run.plan == self.plan:
            return world.roll_back(journal, executors)
        manner = {"parallelism": self.parallelism, "rollback_on_failure": self.kind == "rollback"}
        return world.apply(actions, self.plan, journal=journal, executors=executors, **manner)


def digests(wanted: Wanted) -> dict[str, str]:
    return {name: digest_of(item) for name, item in wanted.items()}


def as_it_was(state: State) -> dict[str, Any]:
    """Return what a state says, but for how services are found again."""
    return {name: item.model_copy(update={"handle": {}}) for name, item in state.resources.items()}


def copy_of(world: Any, open_world: Callable[[Path], Any]) -> Any:
    folder = world.folder / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(world.folder, folder, ignore=shutil.ignore_patterns("copy"))
    return open_world(folder)


def killed_at(point: int, case: Case, world: Any, actions: Any) -> bool:
    def work() -> None:
        KillingJournal.left = point
        case.apply(world, actions, world.journal(KillingJournal))

    return is_killed(work)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_point(
    kind: str,
    world: Any,
    open_world: Callable[[Path], Any],
    deployment: Make,
    file_executor: type[Any],
    request: pytest.FixtureRequest,
) -> None:
    repeats = request.config.getoption("--kill-repeats")
    for repeat in range(repeats):
        case = Case(kind, repeat, deployment, file_executor)
        stood = (
            open_world(world.folder / f"repeat-{repeat}")
            if (world.folder / f"repeat-{repeat}").mkdir() is None
            else world
        )
        if case.before:
            stood.apply(stood.plan(case.before), plan="p0")
        actions, known = stood.plan(case.after), as_it_was(stood.state())
        already = Counter(stood.made())
        for turn in count():
            point = turn if repeats > 1 else 3 * turn + turn % 3
            copy = copy_of(stood, open_world)
            if not killed_at(point, case, copy, actions):
                break
            go_on(case, copy, actions, known, already)
        assert point > 3 * len(case.after or case.before) * 3, "every line has three points"


def go_on(case: Case, world: Any, actions: Any, known: dict[str, Any], already: Counter[str]) -> None:
    """Go on in one of the ways there are, and see that all is well."""
    way = case.random.choice(("again", "again", "killed again", "abort", "another plan"))
    if way == "killed again":
        killed_at(int(case.random.integers(40)), case, world, actions)
    if way == "abort" and world.state().run is not None:
        assert world.roll_back(executors={"files": case.executor(world.world)}).rolled_back
        expected = digests(case.before)
        assert as_it_was(world.state()) == known
    elif way == "another plan":
        wanted = {**case.before, **case.after}
        assert world.apply(world.plan(wanted), plan="p2", parallelism=case.parallelism).complete
        expected = digests(wanted)
    else:
        report = case.apply(world, actions)
        back = case.kind == "rollback"
        assert report.rolled_back if back else report.complete, report
        expected = digests(case.before if back else case.after)
        assert not back or as_it_was(world.state()) == known
        if case.kind in ("create", "replace"):
            made = Counter(world.made()) - already
            assert all(count == 1 for count in made.values()), f"made twice: {made}"
    assert world.stands() == expected, way
    assert world.state().run is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    line=st.integers(0, 25),
    written=st.integers(0, 400),
    garbage=st.binary(max_size=200).filter(lambda data: b"\n" not in data),
    ends=st.booleans(),
)
def test_a_power_loss_in_the_midst_of_a_write(
    kind: str,
    line: int,
    written: int,
    garbage: bytes,
    ends: bool,
    world: Any,
    open_world: Callable[[Path], Any],
    deployment: Make,
    file_executor: type[Any],
) -> None:
    """The last line of the journal, and what was being written beside the state, hold anything at all."""
    case = Case(kind, line, deployment, file_executor)
    folder = world.folder / "stood"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    stood = open_world(folder)
    if case.before:
        stood.apply(stood.plan(case.before), plan="p0")
    actions, known = stood.plan(case.after), as_it_was(stood.state())
    already = Counter(stood.made())
    if not killed_at(3 * line, case, stood, actions):
        return
    torn = b'{"n":7,"at":"2026-01-01T00:00:00Z","event":"begin","address":"a"}'[:written] + garbage
    with max((folder / "journal").iterdir()).open("ab") as journal:
        journal.write(torn + b"\x00}" + (b"\n" if ends else b""))
    for name in ("state.json.part", "state.json.backup.part", ".state.json.tmp"):
        (folder / name).write_bytes(torn)
    go_on(case, stood, actions, known, already)
