"""A run that is killed at any point is finished by the next one: nothing orphaned, nothing made twice, nothing lost.

A real child process kills itself (SIGKILL) just before, or just after, its n-th fsync, for every n. Each journal line,
each state, each backup and each of the executor's own files is one.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from killed_runs import is_killed

from aios.records.base import digest_of
from aios.records.plan import Action, Deployment

Make = Callable[..., Deployment]


def before(deployment: Make) -> dict[str, Deployment]:
    return {name: deployment(name) for name in ("gone", "moved", "same", "tuned")}


def after(deployment: Make) -> dict[str, Deployment]:
    return {
        "fresh": deployment("fresh"),
        "moved": deployment("moved", threads=2),
        "same": deployment("same"),
        "tuned": deployment("tuned", batch=4),
    }


def digests(wanted: Mapping[str, Deployment]) -> dict[str, str]:
    return {name: digest_of(item) for name, item in wanted.items()}


def killed_at(point: int, work: Callable[[], object]) -> bool:
    """Run ``work`` in a child that kills itself at ``point``; False when it ended before that point came."""

    def fatally() -> None:
        left = iter(range(point, -1, -1))
        real = os.fsync

        def fatal(descriptor: int) -> None:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            real(descriptor)
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        os.fsync = fatal
        work()

    killed: bool = is_killed(fatally)
    return killed


def scenario(world: Any, deployment: Make) -> tuple[Action, ...]:
    """Bring up what stood before, and plan the change: a delete, a replace, an update, a create, a keep."""
    world.apply(world.plan(before(deployment)), plan="p0")
    actions: tuple[Action, ...] = world.plan(after(deployment))
    assert [action.action for action in actions] == ["delete", "replace", "update", "create", "keep"]
    return actions


def every_point(
    world: Any, open_world: Callable[[Path], Any], actions: tuple[Action, ...], step: int = 1
) -> Iterator[tuple[int, Any]]:
    """Yield every point (or every ``step``-th) with a copy of the world as a run that was killed there left it."""
    for point in itertools.count(0, step):
        folder = world.folder / f"copy-{point}"
        shutil.copytree(world.folder, folder, ignore=shutil.ignore_patterns("copy-*"))
        copy = open_world(folder)
        if not killed_at(point, lambda copy=copy: copy.apply(actions, plan="p1")):
            assert point > 50
            return
        yield point, copy
        shutil.rmtree(folder)


def test_killed_at_every_point_each_way_on_leads_to_the_end(
    world: Any, open_world: Callable[[Path], Any], deployment: Make
) -> None:
    actions = scenario(world, deployment)
    for point, copy in every_point(world, open_world, actions):
        known = copy.state()  # whatever the point, the state is whole
        ended = any("complete" in line for line in copy.journal_lines())
        if point % 3 == 0 and not ended:
            assert known.serial == world.state().serial or copy.journal().resumes("p1", known)
            report = copy.apply(actions, plan="p1")
        else:
            report = copy.apply(copy.plan(after(deployment)), plan="p2")
        assert report.complete, report
        assert copy.stands() == digests(after(deployment)), f"point {point}"
        assert {action.action for action in copy.plan(after(deployment))} == {"keep"}
        made = [call for call in copy.executor.calls if call[1] == "same"]
        assert made == []


def test_killed_at_every_point_and_then_no_longer_wanted_leaves_nothing(
    world: Any, open_world: Callable[[Path], Any], deployment: Make
) -> None:
    actions = scenario(world, deployment)
    for point, copy in every_point(world, open_world, actions):
        if point % 2 == 0:
            report = copy.apply(copy.plan({}), plan="p2")
        else:
            from aios.plan import destroy_actions

            report = copy.apply(destroy_actions(copy.state()), plan="destroy")
        assert report.complete
        assert copy.stands() == {}, f"point {point}"
        assert [path.name for path in copy.world.iterdir() if not path.name.startswith(".")] == []


def test_killed_again_while_resuming(world: Any, open_world: Callable[[Path], Any], deployment: Make) -> None:
    actions = scenario(world, deployment)
    for point, copy in every_point(world, open_world, actions, step=5):
        killed_at((point * 7) % 40, lambda copy=copy: copy.apply(actions, plan="p1"))
        assert copy.apply(actions, plan="p1").complete
        assert copy.stands() == digests(after(deployment)), f"point {point}"


def test_an_interrupt_in_an_executor_leaves_a_run_to_resume(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    class Interrupted(file_executor):  # type: ignore[misc] # the class comes through a fixture, so mypy cannot see it
        def _write(self, name: str, action: Action) -> str:
            super()._write(name, action)
            raise KeyboardInterrupt

    actions = world.plan({"a": deployment("a"), "b": deployment("b")})
    with pytest.raises(KeyboardInterrupt):
        world.apply(actions, executors={"files": Interrupted(world.world)})
    assert world.state().resources["a"].unfinished == "create"
    assert world.journal().resumes("p", world.state())
    assert world.apply(actions).complete
    assert set(world.stands()) == {"a", "b"}
