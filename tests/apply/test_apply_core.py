"""The core without any world: instructions out, answers in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aios.apply.core import Run, steps
from aios.apply.instructions import CarryOut, Look, Note, Proceed, Save, Tell, Trouble, Turn
from aios.records.base import digest_of
from aios.records.errors import Diagnostic
from aios.records.plan import Action, Deployment
from aios.records.state import State
from aios.spi.executor import Observation, Outcome

EMPTY = State(lineage="l", serial=3)


def create(deployment: Deployment) -> Action:
    return Action(address="a", action="create", reason="new", executor="files", after=deployment, undo="destroy")


def drive(run: Run, state: State, carry_out: Any, look: Any) -> tuple[list[Any], Any]:
    """Answer every instruction; what is started has ended by the next turn. Return all of them and the report."""
    core = steps(run, state)
    answer: Any = None
    asked: list[Any] = []
    started: list[tuple[int, Any]] = []
    while True:
        try:
            instruction = core.send(answer)
        except StopIteration as finished:
            return asked, finished.value
        asked.append(instruction)
        answer = None
        match instruction:
            case Proceed():
                answer, started = Turn(stop=False, at="now", ended=tuple(started)), []
            case Save(following):
                answer = following
            case CarryOut(key):
                started.append((key, carry_out))
            case Look(key):
                started.append((key, look))


def test_journal_and_state_are_written_before_and_after_the_world(
    deployment: Callable[..., Deployment],
) -> None:
    action = create(deployment("a"))
    handle = {"pid": 1}
    seen = Observation(address="a", condition="healthy", detail="", deployment_digest=digest_of(action.after))
    run = Run(plan="p", actions=[action], promises={}, recalled={})
    asked, report = drive(run, EMPTY, Outcome(address="a", handle=handle, note="well"), seen)
    words = [item.event if isinstance(item, Note) else type(item).__name__ for item in asked if type(item) is not Tell]
    assert words == ["Proceed", "begin", "Save", "CarryOut", "Proceed", "Look", "Proceed", "did", "Save", "done"]
    begun, settled = (item.state for item in asked if isinstance(item, Save))
    assert (begun.serial, begun.resources["a"].unfinished, begun.resources["a"].handle) == (4, "create", {})
    assert (settled.serial, settled.resources["a"].unfinished, settled.resources["a"].handle) == (5, None, handle)
    assert [item.facts.get("serial") for item in asked if isinstance(item, Note)] == [4, 5, None]
    assert report.complete


def test_a_handle_that_only_the_journal_knows_is_handed_on(deployment: Callable[..., Deployment]) -> None:
    run = Run(plan="p", actions=[create(deployment("a"))], promises={}, recalled={"a": {"pid": 9}})
    asked, _ = drive(run, EMPTY, Trouble((Diagnostic(summary="no"),)), None)
    assert next(item for item in asked if isinstance(item, CarryOut)).prior == {"pid": 9}
    assert next(item for item in asked if isinstance(item, Save)).state.resources["a"].handle == {"pid": 9}


@pytest.mark.parametrize("condition", ["starting", "degraded"])
def test_a_service_that_is_on_its_way_is_no_breach(condition: Any, deployment: Callable[..., Deployment]) -> None:
    run = Run(plan="p", actions=[create(deployment("a"))], promises={}, recalled={})
    seen = Observation(address="a", condition=condition, detail="1 of 2")
    _, report = drive(run, EMPTY, Outcome(address="a", handle={"pid": 1}, note="well"), seen)
    assert report.complete
