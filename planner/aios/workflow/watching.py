"""Executors and states as they are watched: every call that may take time is a stage, under that of its action."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aios.workflow import stages
from aios.workflow.stages import Level, Stage

if TYPE_CHECKING:
    from aios.apply import Event
    from aios.records.candidate import Rejection
    from aios.records.selection import Selection
    from aios.records.state import State

__all__ = ["Watching", "found_by", "tell_rejected", "watched_executors"]

_CALLS: Mapping[str, Level] = {
    "validate": "debug",
    "prepare": "info",
    "carry_out": "info",
    "observe": "debug",
    "measure": "info",
    "infer": "debug",
    "exercise": "info",
    "render": "debug",
}
"""Methods of an executor that may take time, and the level that their stages are logged at."""


class _Executor:
    """An executor whose calls are stages; all else of it is its own."""

    def __init__(self, executor: Any, parent_of: Callable[[str], Stage | None]) -> None:
        self._executor = executor
        self._parent_of = parent_of

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._executor, name)
        return partial(self._call, name, found) if name in _CALLS else found

    def _call(self, name: str, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        first = arguments[0] if arguments else None
        address = getattr(first, "address", getattr(first, "intent", first if isinstance(first, str) else None))
        facts = {"executor": self._executor.name} | ({"address": address} if address else {})
        parent = self._parent_of(str(address))
        with stages.stage(f"executor.{name}", level=_CALLS[name], parent=parent, **facts) as at:
            answer = method(*arguments, **named)
            at.note(**_told(answer))
            return answer


def _told(answer: Any) -> Mapping[str, Any]:
    """Return what an answer says in a word: an outcome's note, an observation's condition, how many faults."""
    found = {name: getattr(answer, name) for name in ("note", "condition", "detail") if hasattr(answer, name)}
    return found or ({"problems": len(answer)} if isinstance(answer, list | tuple) else {})


def watched_executors(
    executors: Mapping[str, Any], parent_of: Callable[[str], Stage | None] = lambda _: None
) -> Mapping[str, Any]:
    """Return executors whose calls are stages; the very same where nobody watches. parent_of: address -> its stage"""
    if not stages.watched():
        return executors
    return {name: _Executor(executor, parent_of) for name, executor in executors.items()}


class Watching:
    """Watches an apply: a stage for each action from its events, with the executor's calls under it."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._open: dict[str, Stage] = {}

    def __enter__(self) -> Watching:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the stages of actions that were cut off."""
        while self._open:
            stages.finish(self._open.popitem()[1], error)

    def executors(self, executors: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return executors whose calls are stages of the action on their address."""
        return watched_executors(executors, self._open.get)

    def states(self, store: Any) -> Any:
        """Return a store of states that tells each serial that is written."""
        return _States(store) if stages.watched() else store

    def event(self, event: Event) -> None:
        """Begin or end an action's stage, and pass the event on."""
        if stages.watched():
            self._take(event)
        self._on_event(event)

    def _take(self, event: Event) -> None:
        facts: dict[str, Any] = {"address": event.address, "action": event.action}
        if event.phase == "begin":
            self._open[event.address] = stages.begin("action", **facts, reason=event.text)
            return
        opened = self._open.pop(event.address, None)
        if opened is None:  # it took no time: kept, or not begun
            stages.note("action", **facts, status=event.phase, text=event.text)
            return
        opened.note(status=event.phase, text=event.text)
        stages.finish(opened, ActionFailed(event.text) if event.phase == "failed" else None)


class ActionFailed(Exception):
    """What a failed action ended its stage with; the message says why. It is told, never raised."""


class _States:
    """A store of states that tells each serial."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def load(self) -> State:
        """Return the state."""
        state: State = self._store.load()
        stages.note("state.read", lineage=state.lineage, serial=state.serial, resources=len(state.resources))
        return state

    def save(self, state: State) -> State:
        """Write the state."""
        saved: State = self._store.save(state)
        stages.note("state.written", lineage=saved.lineage, serial=saved.serial)
        return saved


def found_by(selection: Selection) -> Mapping[str, Any]:
    """Return what a search came to, in the words of a trace."""
    facts: dict[str, Any] = {"status": selection.status, "stopped": selection.termination.stopped}
    for goal in selection.objective:
        stages.note("goal", "debug", goal=goal.goal, value=goal.value, bound=goal.bound, gap=goal.gap, unit=goal.unit)
    if selection.objective:
        facts["gap"] = max(goal.gap for goal in selection.objective)
    return facts


def tell_rejected(rejections: Sequence[Rejection]) -> None:
    """Tell of each family of candidates that was left out, and why."""
    if stages.watched():
        for item in rejections:
            stages.note("rejected", "debug", what=item.what, clause=item.clause, reason=item.reason, by=item.by)
