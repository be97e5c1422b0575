"""The pure core of apply: a generator of instructions that is sent what came of each.

An action begins once those that it needs are done, beside at most ``parallelism`` others. Each turn is one batch: the
journal notes what begins and what was done, the state is written once, then the executors are called. Whatever point a
run ends at, the state names every address that was touched and what stood there before, and the journal the handle that
the state does not know yet.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any, TypeAlias

from aios.apply.breaches import outcome_breaches, world_breaches
from aios.apply.instructions import CarryOut, Instruction, Look, Note, Proceed, Reply, Save, Tell, Trouble, Turn
from aios.apply.reporting import Event, Report, Result, Status
from aios.apply.resources import Promise, begun, is_done, settled
from aios.apply.undo import undo_actions
from aios.records.errors import Diagnostic
from aios.records.plan import Action
from aios.records.state import Resource, State, Touched, UnfinishedRun
from aios.spi.executor import Outcome

__all__ = ["Run", "steps", "steps_back"]

_Steps: TypeAlias = Generator[Instruction, Any, None]


@dataclass(frozen=True)
class Run:
    """What is to be carried out.

    promises: address -> what the plan claims of it; an address without one keeps what the state says · recalled:
    address -> handle that its executor answered with in a run that ended before the state was written · needs: position
    of an action -> positions of those that must be done before it · parallelism: how many may run at once · rollback:
    once an action has failed, take back what the run did · restores: of a run that takes another one back: position of
    an action -> what the state shall say again when it is done
    """

    plan: str
    actions: Sequence[Action]
    promises: Mapping[str, Promise] = field(default_factory=dict)
    recalled: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    needs: Mapping[int, frozenset[int]] = field(default_factory=dict)
    parallelism: int = 1
    rollback: bool = False
    restores: Mapping[int, Resource | None] | None = None


def steps(run: Run, state: State) -> Generator[Instruction, Any, Report]:
    """Yield what to do next; what comes of it is sent back in. Returns the report."""
    forward = _Course(run, state)
    yield from forward.go()
    report = forward.report()
    if not (run.rollback and forward.failed) or report.interrupted:
        return report
    back = yield from steps_back(forward.state, {})
    return _merged(report, back)


def steps_back(state: State, recalled: Mapping[str, Mapping[str, Any]]) -> Generator[Instruction, Any, Report]:
    """Yield what takes the unfinished run of ``state`` back, one action after the other, the last one first."""
    assert state.run is not None, "only a run that is not finished can be taken back"
    plan = state.run.plan
    if not state.run.back:
        following = state.following({}, state.run.model_copy(update={"back": True}))
        yield Note("rollback", {"of": plan, "serial": following.serial})
        state = yield Save(following)
    undone = undo_actions(state)
    same = {i: frozenset({i - 1}) for i in range(1, len(undone)) if undone[i].address == undone[i - 1].address}
    run = Run(
        plan=plan,
        actions=[item.action for item in undone],
        recalled=recalled,
        needs=same,
        restores={position: item.restores for position, item in enumerate(undone)},
    )
    course = _Course(run, state)
    yield from course.go()
    came = course.report()
    results = tuple(
        result.model_copy(
            update={"address": item.of, "action": item.undoes, "status": _BACK.get(result.status, result.status)}
        )
        for item, result in zip(undone, came.results, strict=True)
    )
    return Report(results=results, interrupted=came.interrupted, rolled_back=came.complete)


_BACK: Mapping[Status, Status] = {"done": "rolled back", "kept": "rolled back"}


def _merged(report: Report, back: Report) -> Report:
    """Say of each action of ``report`` what became of it when the run was taken back."""
    last = {result.address: result for result in back.results}
    results = []
    for result in report.results:
        undone = last.get(result.address)
        if undone is None or result.status == "not begun":
            results.append(result)
        elif result.status == "failed":
            note = f"{result.note}; what it left behind: {undone.note}"
            results.append(
                result.model_copy(update={"note": note, "diagnostics": result.diagnostics + undone.diagnostics})
            )
        elif undone.status == "rolled back":
            results.append(result.model_copy(update={"status": "rolled back", "note": undone.note}))
        else:
            note = f"{result.note}; taking it back: {undone.note}"
            results.append(result.model_copy(update={"note": note, "diagnostics": undone.diagnostics}))
    return Report(results=tuple(results), interrupted=back.interrupted, rolled_back=back.rolled_back)


@dataclass
class _Batch:
    """What one turn comes to. before, after: lines of the journal around the write of the state"""

    before: list[Note] = field(default_factory=list)
    changes: dict[str, Resource | None] = field(default_factory=dict)
    after: list[Note] = field(default_factory=list)
    tells: list[Tell] = field(default_factory=list)
    starts: list[CarryOut | Look] = field(default_factory=list)


@dataclass
class _Underway:
    """An action that runs. at: when it began · outcome: once its executor has answered and the world is looked at"""

    at: str
    outcome: Outcome | None = None


class _Course:
    """One way through a run's actions."""

    def __init__(self, run: Run, state: State) -> None:
        self.run, self.state = run, state
        self.failed = False
        self._stopped = False
        self._results: dict[int, Result] = {}
        self._running: dict[int, _Underway] = {}
        self._recalled = dict(run.recalled)
        self._missing = {position: len(needed) for position, needed in run.needs.items()}
        self._followers: dict[int, list[int]] = {}
        for position, needed in run.needs.items():
            for other in needed:
                self._followers.setdefault(other, []).append(position)
        self._ready = [position for position in range(len(run.actions)) if not self._missing.get(position)]
        heapify(self._ready)
        self._batch = _Batch()
        earlier = state.run
        goes_on = earlier is not None and earlier.plan == run.plan and earlier.back == (run.restores is not None)
        self._record = earlier if goes_on and earlier else UnfinishedRun(plan=run.plan)
        self._touched = {item.address for item in self._record.touched}

    def go(self) -> _Steps:
        """Carry out everything that can be."""
        while True:
            turn: Turn = yield Proceed()
            self._stopped = self._stopped or turn.stop
            for position, reply in turn.ended:
                self._take(position, reply)
            self._begin(turn.at)
            yield from self._flush()
            if not self._running:
                break
        for position in range(len(self.run.actions)):
            if position not in self._results:
                self._end(position, "not begun", self._why_not(position))
        yield from self._flush()
        if self._complete() and self.state.run is not None:
            after = self.state.following({}, None)
            yield Note("settled", {"of": self.run.plan, "serial": after.serial})
            self.state = yield Save(after)

    def report(self) -> Report:
        """Return how every action ended, in the plan's order."""
        results = tuple(self._results[position] for position in range(len(self.run.actions)))
        cut = self._stopped and any(result.status == "not begun" for result in results)
        return Report(results=results, interrupted=cut)

    def _closed(self) -> bool:
        return self._stopped or (self.failed and self.run.rollback)

    def _complete(self) -> bool:
        ended = self._results.values()
        return len(ended) == len(self.run.actions) and all(result.status in ("done", "kept") for result in ended)

    def _why_not(self, position: int) -> str:
        if self._stopped:
            return "asked to stop before it"
        done = {other for other, result in self._results.items() if result.status in ("done", "kept")}
        lost = [self.run.actions[other] for other in sorted(self.run.needs.get(position, frozenset()) - done)]
        if not lost:
            return "another action failed, and the run is taken back"
        named = ", ".join(f"{action.action} {action.address}" for action in lost)
        return f"it waits for {named}, which {'was' if len(lost) == 1 else 'were'} not done"

    # One turn: what has ended, then what can begin.

    def _take(self, position: int, reply: Reply) -> None:
        """Judge what an executor answered."""
        action, underway = self.run.actions[position], self._running[position]
        if underway.outcome is None:
            problems = reply.diagnostics if isinstance(reply, Trouble) else outcome_breaches(action, reply)
            if not problems and isinstance(reply, Outcome):
                underway.outcome = reply
                self._batch.starts.append(Look(position, action, reply.handle))
                return
        else:
            problems = reply.diagnostics if isinstance(reply, Trouble) else world_breaches(action, reply)
        del self._running[position]
        if problems:
            self._fail(position, underway.outcome, problems)
        else:
            assert underway.outcome is not None
            self._settle(position, underway.outcome, underway.at)

    def _settle(self, position: int, outcome: Outcome, at: str) -> None:
        action, address = self.run.actions[position], self.run.actions[position].address
        if self.run.restores is None:
            known = settled(action, outcome.handle, self.run.promises.get(address), self.run.plan, at)
        else:
            restored = self.run.restores[position]
            known = restored and restored.model_copy(update={"handle": outcome.handle})
        self._batch.changes[address] = known
        self._note("did", {"address": address, "handle": outcome.handle})
        self._batch.after.append(Note("done", {"address": address}))
        self._end(position, "done", outcome.note)

    def _fail(self, position: int, outcome: Outcome | None, problems: tuple[Diagnostic, ...]) -> None:
        """Remember how to find what a breaching executor made, so that it can be deleted."""
        address, standing = self.run.actions[position].address, self._standing(self.run.actions[position].address)
        if outcome is not None and outcome.handle and standing is not None:
            self._batch.changes[address] = standing.model_copy(update={"handle": outcome.handle})
            self._note("breach", {"address": address, "handle": outcome.handle})
        reason = "; ".join(item.summary for item in problems)
        self._batch.after.append(Note("failed", {"address": address, "reason": reason}))
        self.failed = True
        self._end(position, "failed", problems[0].summary, problems)

    def _begin(self, at: str) -> None:
        while self._ready and not self._closed() and len(self._running) < self.run.parallelism:
            position = heappop(self._ready)
            action = self.run.actions[position]
            if self.run.restores is None and is_done(action, self._standing(action.address), self.run.plan):
                self._end(position, "done", "was done before the last run was interrupted")
            elif action.action == "keep":
                self._keep(position)
            else:
                self._start(position, at)

    def _keep(self, position: int) -> None:
        """Leave the service alone; bring what is promised of it up to date."""
        action = self.run.actions[position]
        resource, promise = self._standing(action.address), self.run.promises.get(action.address)
        known = resource
        if resource and self.run.restores is not None:
            restored = self.run.restores[position]
            known = restored and restored.model_copy(update={"handle": resource.handle})
        elif resource and promise and not promise.holds_of(resource):
            known = resource.model_copy(update={**promise._asdict(), "plan": self.run.plan})
        if known != resource:
            self._touch(action, resource)
            self._batch.changes[action.address] = known
            self._note("promises", {"of": action.address})
        self._end(position, "kept", action.reason)

    def _start(self, position: int, at: str) -> None:
        action = self.run.actions[position]
        address, resource = action.address, self._standing(action.address)
        if resource is None and action.moved_from is not None:
            resource = self._standing(action.moved_from)
            self._batch.changes[action.moved_from] = None
        prior = self._recalled.pop(address, None) or (resource.handle if resource else None) or None
        self._touch(action, resource)
        self._batch.changes[address] = begun(action, resource, prior, self.run.plan, at)
        self._note("begin", {"address": address, "action": action.action})
        self._tell(action, "begin", action.reason)
        self._batch.starts.append(CarryOut(position, action, prior))
        self._running[position] = _Underway(at)

    def _touch(self, action: Action, before: Resource | None) -> None:
        """Remember what stands at an address, before this run changes it for the first time."""
        if self.run.restores is None and action.address not in self._touched:
            self._touched.add(action.address)
            mark = Touched(address=action.address, action=action.action, before=before)
            self._record = self._record.model_copy(update={"touched": (*self._record.touched, mark)})

    def _standing(self, address: str) -> Resource | None:
        changes = self._batch.changes
        return changes[address] if address in changes else self.state.resources.get(address)

    def _end(self, position: int, status: Status, note: str, diagnostics: Sequence[Diagnostic] = ()) -> None:
        """Keep how an action ended, and release those that need it, or give them up with it."""
        action = self.run.actions[position]
        self._results[position] = Result(
            address=action.address, action=action.action, status=status, note=note, diagnostics=tuple(diagnostics)
        )
        self._tell(action, status, note)
        if status not in ("done", "kept"):
            return
        for follower in self._followers.get(position, ()):
            self._missing[follower] -= 1
            if not self._missing[follower]:
                heappush(self._ready, follower)

    def _note(self, event: str, facts: Mapping[str, Any]) -> None:
        self._batch.before.append(Note(event, {**facts, "serial": self.state.serial + 1}))

    def _tell(self, action: Action, phase: Any, text: str) -> None:
        back = self.run.restores is not None
        event = Event(address=action.address, action=action.action, phase=phase, text=text, back=back)
        self._batch.tells.append(Tell(event))

    def _flush(self) -> _Steps:
        """Do the turn: journal, state, journal, then the world."""
        batch, self._batch = self._batch, _Batch()
        yield from batch.before
        if batch.changes:
            record = None if self._complete() else self._record
            self.state = yield Save(self.state.following(batch.changes, record))
        yield from batch.after
        yield from batch.tells
        yield from batch.starts
