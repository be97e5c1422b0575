"""Apply carries out what the plan says, one action after the other, and tells exactly how each ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.records.base import digest_of
from aios.records.candidate import Estimate
from aios.records.errors import ConflictError, Diagnostic, WorldError
from aios.records.plan import Action, Claim, Deployment
from aios.records.state import State
from aios.spi.executor import Observation, Outcome
from aios.state import Lock, Owner

Make = Callable[..., Deployment]


def claim(bound: float) -> Claim:
    estimate = Estimate(
        metric="latency.p99", value=0.008, low=0.007, high=0.009, unit="s", source="measured", basis="profile"
    )
    return Claim(address="a", metric="latency.p99", estimate=estimate, clause=f"<= {bound}", bound=bound)


def statuses(report: Any) -> dict[str, str]:
    return {result.address: result.status for result in report.results}


def test_a_first_apply_creates_and_a_second_changes_nothing(world: Any, deployment: Make) -> None:
    wanted = {name: deployment(name) for name in "ab"}
    report = world.apply(world.plan(wanted), claims=[claim(0.01)], evaluate={"a": ("eval.npz",), "b": ()})
    assert statuses(report) == {"a": "done", "b": "done"}
    assert [(event.address, event.phase) for event in world.events] == [
        ("a", "begin"),
        ("a", "done"),
        ("b", "begin"),
        ("b", "done"),
    ]
    assert world.events[0].text == "nothing stands yet"
    resource = world.state().resources["a"]
    assert (resource.claims, resource.evaluate, resource.plan) == ((claim(0.01),), ("eval.npz",), "p")
    before, calls = world.store.path.read_bytes(), list(world.executor.calls)
    again = world.plan(wanted)
    report = world.apply(again, plan="p2", claims=[claim(0.01)], evaluate={"a": ("eval.npz",), "b": ()})
    assert statuses(report) == {"a": "kept", "b": "kept"}
    assert report.complete
    assert world.store.path.read_bytes() == before
    assert world.executor.calls == calls


def test_a_kept_service_takes_the_new_promise_and_one_left_alone_keeps_its_own(world: Any, deployment: Make) -> None:
    wanted = {"a": deployment("a")}
    world.apply(world.plan(wanted), claims=[claim(0.01)], evaluate={"a": ()})
    world.apply(world.plan(wanted), plan="p2", claims=[claim(0.02)], evaluate={"a": ()})
    assert world.state().resources["a"].claims == (claim(0.02),)
    world.apply(world.plan(wanted), plan="p3")
    assert world.state().resources["a"].claims == (claim(0.02),)
    assert len(world.executor.calls) == 1


_changes = st.fixed_dictionaries({"batch": st.integers(1, 3), "threads": st.integers(1, 2)})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(rounds=st.lists(st.dictionaries(st.sampled_from("abc"), _changes), min_size=1, max_size=3), data=st.data())
def test_plan_apply_plan_gives_only_keep(
    world: Any, open_world: Callable[[Path], Any], deployment: Make, rounds: Any, data: st.DataObject
) -> None:
    folder = world.folder / str(data.draw(st.uuids(), label="folder"))
    here = open_world(folder) if folder.mkdir(exist_ok=True) is None else world
    for number, changes in enumerate(rounds):
        wanted = {name: deployment(name, **fields) for name, fields in changes.items()}
        assert here.apply(here.plan(wanted), plan=f"p{number}").complete
        assert here.stands() == {name: digest_of(item) for name, item in wanted.items()}
        assert {action.action for action in here.plan(wanted)} <= {"keep"}


def test_it_stops_between_actions_when_asked_and_the_next_run_goes_on(world: Any, deployment: Make) -> None:
    actions = world.plan({name: deployment(name) for name in "abc"})
    report = world.apply(actions, stop=lambda: len(world.executor.calls) == 1)
    assert statuses(report) == {"a": "done", "b": "not begun", "c": "not begun"}
    assert report.interrupted
    assert not report.complete
    assert world.journal().resumes("p", world.state())
    report = world.apply(actions)
    assert report.results[0].note == "was done before the last run was interrupted"
    assert world.executor.calls == [("create", name) for name in "abc"]
    assert set(world.stands()) == {"a", "b", "c"}


def failing(file_executor: type[Any], error: Exception, after_writing: bool) -> type[Any]:
    class Failing(file_executor):  # type: ignore[misc] # the class comes through a fixture, so mypy cannot see it
        def carry_out(self, action: Action, prior: Any, journal: Any, store: Any) -> Outcome:
            if action.address != "b":
                return super().carry_out(action, prior, journal, store)
            if after_writing:
                super().carry_out(action, prior, journal, store)
            raise error

    return Failing


@pytest.mark.parametrize("after_writing", [False, True])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (WorldError("port 8080 is taken"), "port 8080 is taken"),
        (ZeroDivisionError("oh"), "executor 'files' failed on create of b: ZeroDivisionError: oh"),
    ],
)
def test_a_failing_action_fails_alone_and_is_done_by_the_next_plan(
    world: Any, deployment: Make, file_executor: type[Any], error: Exception, words: str, after_writing: bool
) -> None:
    wanted = {name: deployment(name) for name in "abc"}
    broken = failing(file_executor, error, after_writing)(world.world)
    report = world.apply(world.plan(wanted), executors={"files": broken})
    assert statuses(report) == {"a": "done", "b": "failed", "c": "done"}
    assert words in report.diagnostics[0].summary
    assert not report.complete
    assert not report.interrupted
    assert world.state().resources["b"].unfinished == "create"
    actions = world.plan(wanted)
    assert {a.address: (a.action, a.reason) for a in actions}["b"] == ("create", "an earlier create did not finish")
    assert world.apply(actions, plan="p2").complete
    assert world.stands() == {name: digest_of(item) for name, item in wanted.items()}


def test_what_failed_half_way_is_removed_when_it_is_no_longer_wanted(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    broken = failing(file_executor, WorldError("x"), after_writing=True)(world.world)
    world.apply(world.plan({"b": deployment("b")}), executors={"files": broken})
    assert len(list(world.world.iterdir())) == 1
    assert world.apply(world.plan({}), plan="p2").complete
    assert world.stands() == {}


def absent(_self: Any, address: str, _handle: Any) -> Observation:
    return Observation(address=address, condition="absent", detail="nothing there")


def dead(_self: Any, address: str, _handle: Any) -> Observation:
    return Observation(address=address, condition="dead", detail="gone")


def healthy(_self: Any, address: str, _handle: Any) -> Observation:
    return Observation(address=address, condition="healthy", detail="well", deployment_digest="sha256:other")


def raising(_self: Any, _address: str, _handle: Any) -> Observation:
    raise OSError("no network")


@pytest.mark.parametrize(
    ("kind", "method", "words"),
    [
        ("create", {"carry_out": lambda *_: Outcome(address="a", handle=None, note="")}, "returns no handle"),
        ("create", {"carry_out": lambda *_: Outcome(address="a", handle={}, note="")}, "returns no handle"),
        ("create", {"carry_out": lambda *_: Outcome(address="z", handle={"f": 1}, note="")}, "answered for 'z'"),
        ("create", {"carry_out": lambda *_: None}, "returned a NoneType instead of an outcome"),
        ("create", {"observe": absent}, "observes that it is absent (nothing there)"),
        ("create", {"observe": dead}, "observes that it is dead"),
        ("create", {"observe": healthy}, "runs another deployment (sha256:other)"),
        ("create", {"observe": lambda *_: True}, "observed a bool"),
        ("create", {"observe": raising}, "OSError: no network"),
        ("delete", {"carry_out": lambda *_: Outcome(address="a", handle={"f": 1}, note="")}, "returns a handle"),
        ("delete", {"observe": healthy}, "observes that it is healthy"),
        ("delete", {"observe": dead}, "observes that it is dead"),
    ],
)
def test_a_breach_of_the_seam_names_the_plugin(
    world: Any, deployment: Make, file_executor: type[Any], kind: str, method: Mapping[str, Any], words: str
) -> None:
    wanted = {"a": deployment("a")}
    if kind == "delete":
        world.apply(world.plan(wanted), plan="p0")
        wanted = {}
    faulty = type("Faulty", (file_executor,), dict(method))(world.world)
    report = world.apply(world.plan(wanted), executors={"files": faulty})
    assert statuses(report) == {"a": "failed"}
    assert "executor 'files'" in report.diagnostics[0].summary
    assert words in report.diagnostics[0].summary
    assert world.state().resources["a"].unfinished == kind
    assert world.apply(world.plan(wanted), plan="p2").complete
    assert set(world.stands()) == set(wanted)


def test_everything_that_cannot_be_done_is_said_before_anything_is(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    class Refusing(file_executor):  # type: ignore[misc] # the class comes through a fixture, so mypy cannot see it
        def validate(self, action: Action) -> Sequence[Diagnostic]:
            return () if action.address == "a" else (Diagnostic(summary=f"cannot reach {action.address}"),)

    wanted = {name: deployment(name) for name in "abc"} | {"d": deployment("d", executor="elsewhere")}
    with pytest.raises(WorldError) as caught:
        world.apply(world.plan(wanted), executors={"files": Refusing(world.world)})
    assert [item.summary for item in caught.value.diagnostics] == [
        "cannot reach b",
        "cannot reach c",
        "cannot create d: there is no executor 'elsewhere'",
    ]
    assert world.state() == State(lineage="new", serial=0)
    assert list(world.world.iterdir()) == []
    assert not (world.folder / "journal").exists()


def test_moving_to_another_executor_deletes_with_the_one_and_creates_with_the_other(
    world: Any, deployment: Make, file_executor: type[Any]
) -> None:
    world.apply(world.plan({"a": deployment("a")}))
    other = file_executor(world.world)
    actions = world.plan({"a": deployment("a", executor="other")})
    assert [(action.action, action.executor) for action in actions] == [("delete", "files"), ("create", "other")]
    report = world.apply(actions, plan="p2", executors={"files": world.executor, "other": other})
    assert report.complete
    assert (world.executor.calls[-1], other.calls) == (("delete", "a"), [("create", "a")])
    assert world.state().resources["a"].executor == "other"
    world.stands()


def test_a_create_does_not_follow_a_delete_that_failed(world: Any, deployment: Make, file_executor: type[Any]) -> None:
    world.apply(world.plan({"b": deployment("b")}))
    stuck = failing(file_executor, WorldError("stuck"), after_writing=False)(world.world)
    other = file_executor(world.world)
    actions = world.plan({"b": deployment("b", executor="other")})
    report = world.apply(actions, plan="p2", executors={"files": stuck, "other": other})
    assert [result.status for result in report.results] == ["failed", "not begun"]
    assert other.calls == []
    assert world.state().resources["b"].executor == "files"
    again = world.plan({"b": deployment("b", executor="other")})
    assert world.apply(again, plan="p3", executors={"files": world.executor, "other": other}).complete
    world.stands()


def test_a_state_that_moves_under_a_run_stops_it_and_what_it_made_is_adopted(world: Any, deployment: Make) -> None:
    other = world.state().model_copy(update={"serial": 1})

    def meddle() -> bool:
        if not world.store.path.exists():
            world.store.save(other)
        return False

    actions = world.plan({"a": deployment("a")})
    with pytest.raises(ConflictError, match="not the one that was read"):
        world.apply(actions, stop=meddle)
    assert world.apply(world.plan({"a": deployment("a")}), plan="p2").complete
    assert set(world.stands()) == {"a"}


def test_of_two_applies_at_once_one_is_told_to_wait(world: Any, deployment: Make) -> None:
    path = world.folder / "state.json.lock"
    actions = world.plan({name: deployment(name) for name in "abc"})
    began, ended = os.pipe()
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            status = 99
            try:
                with Lock(path, Owner.here("apply", "2026-01-01T00:00:00Z")):
                    os.close(ended)
                    os.read(began, 1)  # holds the lock until both have tried
                    status = 0 if world.apply(actions).complete else 98
            except ConflictError:
                status = 4
            finally:
                os._exit(status)
        children.append(child)
    os.close(began)
    first, status = os.wait()
    assert os.waitstatus_to_exitcode(status) == 4
    os.close(ended)
    children.remove(first)
    assert os.waitpid(children[0], 0)[1] == 0
    assert set(world.stands()) == {"a", "b", "c"}
    assert len(list(world.world.iterdir())) == 3
