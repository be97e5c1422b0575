"""The thin shell of apply: does what the core says, with real executors, journal and state.

This thread alone journals and saves; executors are called in threads of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Any

from aios.apply.core import Run, steps, steps_back
from aios.apply.instructions import Answer, CarryOut, Instruction, Look, Note, Proceed, Save, Tell, Turn
from aios.apply.order import circle_of, needs_of
from aios.apply.reporting import Event, Report
from aios.apply.resources import Promise, is_done
from aios.apply.undo import undo_actions, unfinished_run
from aios.apply.workers import Notebook, Shelf, Workers
from aios.records.data import DataFile
from aios.records.errors import Diagnostic, WorldError
from aios.records.plan import Action, Claim, Claims
from aios.records.state import State
from aios.spi.backend import StateKeeper, WriteAheadJournal
from aios.spi.executor import Executor, Outcome, Store

__all__ = ["StateKeeper", "WriteAheadJournal", "execute", "roll_back"]


def execute(
    actions: Sequence[Action],
    *,
    plan: str,
    claims: Sequence[Claim] = (),
    evaluate: Mapping[str, tuple[DataFile, ...]] | None = None,
    protected: Collection[str] = (),
    state_store: StateKeeper,
    executors: Mapping[str, Executor],
    artefacts: Store,
    journal: WriteAheadJournal,
    now: Callable[[], str],
    on_event: Callable[[Event], None],
    stop: Callable[[], bool],
    parallelism: int = 1,
    rollback_on_failure: bool = False,
) -> Report:
    """Carry out ``actions``, each once those that it needs are done, and return what came of each.

    plan: its id, or a word for what is no plan (``destroy``) · claims, evaluate: of the plan, kept in the state for
    verify · protected: addresses that are not to be destroyed from then on · now: ISO time, UTC · stop: asked whenever
    something has ended · parallelism: how many actions may run at once · rollback_on_failure: once an action
    fails, begin no other one and take back what the run did

    A failing action stops those that need it, and no others. Raises WorldError, with every reason and before anything
    is touched, when executors see that actions cannot be carried out; also when journal or state cannot be written, and
    ConflictError when the state is not the one that was read: the run ends there and the next resumes it.
    """
    state = state_store.load()
    made = Claims(claims)
    promises = {
        address: Promise(made.concerning(address), tuple(files), address in protected)
        for address, files in (evaluate or {}).items()
    }
    needs = needs_of(actions)
    _refuse_circle(actions, needs)
    left = [i for i, action in enumerate(actions) if not is_done(action, state.resources.get(action.address), plan)]
    problems = _preflight([(actions[i], i in needs) for i in left], state, executors)
    if problems:
        raise WorldError(*problems)
    journal.begin(plan, state)
    run = Run(
        plan=plan,
        actions=actions,
        promises=promises,
        recalled=_recalled([action.address for action in actions], journal),
        needs=needs,
        parallelism=parallelism,
        rollback=rollback_on_failure,
    )
    return _World(state_store, executors, artefacts, journal, now, on_event, stop).drive(steps(run, state))


def roll_back(
    *,
    state_store: StateKeeper,
    executors: Mapping[str, Executor],
    artefacts: Store,
    journal: WriteAheadJournal,
    now: Callable[[], str],
    on_event: Callable[[Event], None],
    stop: Callable[[], bool],
) -> Report:
    """Take back what the last run did, which did not come to its end: one action after the other, the last one first.

    Raises InputError when the last run did come to its end; otherwise as `execute`.
    """
    state = state_store.load()
    run = unfinished_run(state)
    actions = [undo.action for undo in undo_actions(state)]
    missing = [_no_executor(action, executors) for action in actions if action.executor not in executors]
    if missing:
        raise WorldError(*missing)
    journal.begin(run.plan, state)
    recalled = _recalled([action.address for action in actions], journal)
    world = _World(state_store, executors, artefacts, journal, now, on_event, stop)
    return world.drive(steps_back(state, recalled))


def _recalled(addresses: Sequence[str], journal: WriteAheadJournal) -> dict[str, Mapping[str, Any]]:
    return {address: handle for address in addresses if (handle := journal.outcome(address))}


class _World:
    """What a run acts on; see ``execute``."""

    def __init__(
        self,
        states: StateKeeper,
        executors: Mapping[str, Executor],
        artefacts: Store,
        journal: WriteAheadJournal,
        now: Callable[[], str],
        on_event: Callable[[Event], None],
        stop: Callable[[], bool],
    ) -> None:
        self._states, self._executors, self._journal = states, executors, journal
        self._now, self._on_event, self._stop = now, on_event, stop
        self._shelf = Shelf(artefacts)
        self._notebook = Notebook(journal.record, journal.action)
        self._workers = Workers()

    def drive(self, core: Generator[Instruction, Any, Report]) -> Report:
        """Do what the core says until it is through."""
        answer: Answer = None
        try:
            while True:
                try:
                    instruction = core.send(answer)
                except StopIteration as finished:
                    report: Report = finished.value
                    break
                answer = self._perform(instruction)
        except BaseException:
            self._notebook.close()
            self._workers.abandon()
            raise
        self._journal.end(report.complete or report.rolled_back)
        return report

    def _perform(self, instruction: Instruction) -> Answer:
        """Do what the core says, and return what it wants to know of it."""
        match instruction:
            case Proceed():
                ended = self._workers.ended()
                return Turn(stop=self._stop(), at=self._now(), ended=ended)
            case Note(event, facts):
                self._notebook.record(event, **facts)
            case Save(following):
                return self._states.save(following)
            case CarryOut(key, action, prior):
                self._workers.start(key, action, lambda: self._carry_out(action, prior))
            case Look(key, action, handle):
                executor = self._executors[action.executor]
                self._workers.start(key, action, lambda: executor.observe(action.address, handle))
            case Tell(event):
                self._on_event(event)
        return None

    def _carry_out(self, action: Action, prior: Mapping[str, Any] | None) -> Outcome:
        notes = self._notebook.of(action.address)
        return self._executors[action.executor].carry_out(action, prior, notes, self._shelf)


def _refuse_circle(actions: Sequence[Action], needs: Mapping[int, frozenset[int]]) -> None:
    circle = [f"{actions[i].action} {actions[i].address}" for i in circle_of(needs)]
    if circle:
        raise WorldError(
            Diagnostic(
                summary=f"these actions wait for each other: {' <- '.join(circle)}",
                reason="each one takes what another one has to free first",
                remedy="do it in two steps: give one of them another port or place first",
            )
        )


def _preflight(
    actions: Sequence[tuple[Action, bool]], state: State, executors: Mapping[str, Executor]
) -> tuple[Diagnostic, ...]:
    """Return every reason why actions cannot be carried out from here. actions: with whether it waits for others

    An address that an interrupted run has touched is not asked about: its executor would find its own half-made service
    in the way. Nor is one that waits for another: what it takes may still be taken. It shows when it is carried out.
    """
    found: list[Diagnostic] = []
    for action, waits in actions:
        resource = state.resources.get(action.address)
        if action.action == "keep":
            continue
        if action.executor not in executors:
            found.append(_no_executor(action, executors))
        elif not waits and (resource is None or resource.unfinished is None):
            found.extend(executors[action.executor].validate(action))
    return tuple(found)


def _no_executor(action: Action, executors: Mapping[str, Executor]) -> Diagnostic:
    return Diagnostic(
        summary=f"cannot {action.action} {action.address}: there is no executor {action.executor!r}",
        reason="installed: " + (", ".join(sorted(executors)) or "none"),
        remedy="install the package that carries it",
        command="aios plugins",
    )
