"""Actions at the same time: how many, which wait for which, and what becomes of the others when one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from aios.apply.order import circle_of, needs_of
from aios.records.base import digest_of
from aios.records.errors import InputError, WorldError
from aios.records.plan import Action, Deployment

Make = Callable[..., Deployment]


def statuses(report: Any) -> dict[str, str]:
    return {result.address: result.status for result in report.results}


def step(kind: Any, before: Deployment | None, after: Deployment | None, waits_for: tuple[str, ...] = ()) -> Action:
    subject = after or before
    assert subject is not None
    return Action(
        address=subject.intent,
        action=kind,
        reason="r",
        executor="files",
        before=before,
        after=after,
        undo="u",
        waits_for=waits_for,
    )


def failing(file_executor: type[Any], *addresses: str, undoing: str | None = None) -> type[Any]:
    """Return an executor that fails at these addresses. undoing: address that cannot be taken back"""

    class Failing(file_executor):  # type: ignore[misc] # the class comes through a fixture, so mypy cannot see it
        def carry_out(self, action: Action, prior: Any, journal: Any, store: Any) -> Any:
            back = "takes the" in action.reason
            if (action.address in addresses and not back) or (action.address == undoing and back):
                raise WorldError(f"no {action.address}")
            return super().carry_out(action, prior, journal, store)

    return Failing


def test_independent_actions_run_at_the_same_time_and_no_more_than_allowed(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    both = threading.Barrier(2, timeout=20)
    at_work, most, lock = 0, 0, threading.Lock()

    class Meeting(file_executor):  # type: ignore[misc] # the class comes through a fixture, so mypy cannot see it
        def carry_out(self, action: Action, prior: Any, journal: Any, store: Any) -> Any:
            nonlocal at_work, most
            with lock:
                at_work += 1
                most = max(most, at_work)
            both.wait()
            outcome = super().carry_out(action, prior, journal, store)
            with lock:
                at_work -= 1
            return outcome

    wanted = {name: deployment(name) for name in "abcdef"}
    report = world.apply(world.plan(wanted), executors={"files": Meeting(world.world)}, parallelism=2)
    assert report.complete
    assert most == 2
    assert world.stands() == {name: digest_of(item) for name, item in wanted.items()}
    lines = [line.split('"event":"')[1].split('"')[0] for line in world.journal_lines()]
    assert lines.count("begin") == lines.count("did") == lines.count("done") == 6


def test_what_waits_for_what(deployment: Make) -> None:
    calls, called = deployment("a", next=("b",)), deployment("b")
    coming = [step("create", None, calls), step("create", None, called), step("create", None, deployment("c"))]
    assert needs_of(coming) == {0: {1}}
    leaving = [step("delete", calls, None), step("delete", called, None)]
    assert needs_of(leaving) == {1: {0}}
    handed_on = [step("delete", deployment("x"), None), step("create", None, deployment("y"), ("x",))]
    assert needs_of(handed_on) == {1: {0}}
    moved = [step("delete", called, None), step("create", None, called), step("update", calls, calls)]
    assert needs_of(moved) == {1: {0}, 2: {1}}
    kept = [step("create", None, calls), step("keep", called, called)]
    assert needs_of(kept) == {}
    swapped = [step("replace", called, called, ("c",)), step("replace", deployment("c"), deployment("c"), ("b",))]
    assert set(circle_of(needs_of(swapped))) == {0, 1}


def test_a_circle_is_refused_before_anything_is_touched(world: Any, deployment: Make) -> None:
    actions = [step("create", None, deployment("a"), ("b",)), step("create", None, deployment("b"), ("a",))]
    with pytest.raises(WorldError, match="wait for each other: create a <- create b <- create a"):
        world.apply(actions)
    assert world.executor.calls == []


def test_a_failed_action_stops_its_dependants_only_and_the_report_says_why(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    wanted = {
        "a": deployment("a", next=("b",)),
        "b": deployment("b", next=("c",)),
        "c": deployment("c"),
        "d": deployment("d"),
    }
    broken = failing(file_executor, "c")(world.world)
    report = world.apply(world.plan(wanted), executors={"files": broken}, parallelism=4)
    assert statuses(report) == {"a": "not begun", "b": "not begun", "c": "failed", "d": "done"}
    notes = {result.address: result.note for result in report.results}
    assert notes["b"] == "it waits for create c, which was not done"
    assert notes["a"] == "it waits for create b, which was not done"
    assert not report.interrupted
    assert world.apply(world.plan(wanted), plan="p2", parallelism=4).complete
    assert set(world.stands()) == set(wanted)


def test_a_failure_takes_everything_back_in_reverse_and_begins_nothing_more(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    before = {"gone": deployment("gone"), "moved": deployment("moved"), "tuned": deployment("tuned")}
    world.apply(world.plan(before), plan="p0")
    known, serial = world.state().resources, world.state().serial
    wanted = {
        "fresh": deployment("fresh"),
        "last": deployment("last"),
        "moved": deployment("moved", threads=2),
        "tuned": deployment("tuned", batch=4),
        "unborn": deployment("unborn"),
    }
    broken = failing(file_executor, "last")(world.world)
    report = world.apply(world.plan(wanted), "p1", executors={"files": broken}, rollback_on_failure=True)
    assert statuses(report) == {
        "gone": "rolled back",
        "moved": "rolled back",
        "tuned": "rolled back",
        "fresh": "rolled back",
        "last": "failed",
        "unborn": "not begun",
    }
    assert report.rolled_back
    assert not report.complete
    assert [item.summary for item in report.diagnostics] == ["no last"]
    assert "the run is taken back" in report.results[-1].note
    begun = [(event.action, event.address) for event in world.events if event.phase == "begin" and event.back]
    assert begun == [
        ("delete", "last"),
        ("delete", "fresh"),
        ("update", "tuned"),
        ("replace", "moved"),
        ("create", "gone"),
    ]
    assert world.stands() == {name: digest_of(item) for name, item in before.items()}
    plain = {name: item.model_copy(update={"handle": {}}) for name, item in world.state().resources.items()}
    assert plain == {name: item.model_copy(update={"handle": {}}) for name, item in known.items()}
    assert world.state().run is None
    assert world.state().serial > serial
    assert not world.journal().resumes("p1", world.state())


def test_what_cannot_be_taken_back_is_told_and_can_be_tried_again(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    wanted = {name: deployment(name) for name in "abc"}
    stuck = failing(file_executor, "c", undoing="a")(world.world)
    report = world.apply(world.plan(wanted), executors={"files": stuck}, rollback_on_failure=True)
    assert statuses(report) == {"a": "done", "b": "rolled back", "c": "failed"}
    assert not report.rolled_back
    assert "taking it back: no a" in report.results[0].note
    assert [item.summary for item in report.diagnostics] == ["no a", "no c"]
    assert world.state().run.back
    assert world.roll_back().rolled_back
    assert world.stands() == {}
    with pytest.raises(InputError, match="no unfinished run"):
        world.roll_back()


def test_a_run_that_failed_in_part_can_be_taken_back_afterwards(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    world.apply(world.plan({"a": deployment("a")}), plan="p0", evaluate={"a": ("old.npz",)})
    wanted = {"a": deployment("a"), "b": deployment("b"), "c": deployment("c")}
    broken = failing(file_executor, "c")(world.world)
    world.apply(world.plan(wanted), executors={"files": broken}, evaluate={"a": ("new.npz",)})
    assert world.state().resources["a"].evaluate == ("new.npz",)
    report = world.roll_back()
    assert statuses(report) == {"c": "rolled back", "b": "rolled back", "a": "rolled back"}
    assert world.state().resources["a"].evaluate == ("old.npz",), "what was promised is as it was too"
    assert set(world.stands()) == {"a"}


def test_another_plan_after_a_run_that_failed_starts_from_what_is_true(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    broken = failing(file_executor, "b")(world.world)
    world.apply(world.plan({name: deployment(name) for name in "ab"}), "p1", executors={"files": broken})
    assert world.apply(world.plan({"a": deployment("a"), "c": deployment("c")}), "p2").complete
    assert set(world.stands()) == {"a", "c"}
    assert world.state().run is None


def test_a_run_that_is_interrupted_by_force_lets_executors_clear_away(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    begun, cleared = threading.Event(), threading.Event()

    class Slow(file_executor):  # type: ignore[misc] # the class comes through a fixture, so mypy cannot see it
        def carry_out(self, action: Action, prior: Any, journal: Any, store: Any) -> Any:
            if action.address == "b":
                begun.wait(20)
                raise KeyboardInterrupt
            journal.note("making", file="nothing")
            begun.set()
            try:
                while not cleared.wait(0.01):
                    pass
            except BaseException:
                cleared.set()
                raise
            return super().carry_out(action, prior, journal, store)

    actions = world.plan({name: deployment(name) for name in "ab"})
    with pytest.raises(KeyboardInterrupt):
        world.apply(actions, executors={"files": Slow(world.world)}, parallelism=2)
    assert cleared.is_set()
    assert {item.unfinished for item in world.state().resources.values()} == {"create"}
    assert world.apply(actions).complete
    assert set(world.stands()) == {"a", "b"}
