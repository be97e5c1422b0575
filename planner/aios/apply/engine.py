"""The thin shell of apply: does what the core says, with real executors, journal and state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from aios.apply.core import (
    Answer,
    CarryOut,
    Event,
    Instruction,
    Look,
    Note,
    Proceed,
    Promise,
    Report,
    Run,
    Save,
    Tell,
    Trouble,
    Turn,
    is_done,
    steps,
)
from aios.records.errors import AiosError, Diagnostic, WorldError
from aios.records.plan import Action, Claim, Claims
from aios.records.state import State
from aios.spi.backend import RunLog, StateKeeper
from aios.spi.executor import Executor, Outcome, Store

__all__ = ["RunLog", "StateKeeper", "execute"]

_T = TypeVar("_T")


def execute(
    actions: Sequence[Action],
    *,
    plan: str,
    claims: Sequence[Claim] = (),
    evaluate: Mapping[str, tuple[str, ...]] | None = None,
    state_store: StateKeeper,
    executors: Mapping[str, Executor],
    artefacts: Store,
    journal: RunLog,
    now: Callable[[], str],
    on_event: Callable[[Event], None],
    stop: Callable[[], bool],
) -> Report:
    """Carry out ``actions`` in their order, one at a time, and return what came of each.

    plan: its id, or a word for what is no plan (``destroy``) · claims, evaluate: of the plan, kept in the state for
    verify · now: ISO time, UTC · stop: asked before each action

    A failing action fails alone, but for a later one on the same address: other actions do not depend on each other.
    Raises WorldError, with every reason and before anything is touched, when executors see that actions cannot be
    carried out; also when journal or state cannot be written, and ConflictError when the state is not the one that was
    read: the run ends there and the next resumes it.
    """
    state = state_store.load()
    made = Claims(claims)
    promises = {address: Promise(made.concerning(address), tuple(files)) for address, files in (evaluate or {}).items()}
    problems = _preflight([action for action in actions if not is_done(action, state, plan)], state, executors)
    if problems:
        raise WorldError(*problems)
    journal.begin(plan, state)
    recalled = {action.address: journal.outcome(action.address) or {} for action in actions}
    world = _World(state_store, executors, artefacts, journal, now, on_event, stop)
    core = steps(Run(plan=plan, actions=actions, promises=promises, recalled=recalled), state)
    answer: Answer = None
    while True:
        try:
            instruction = core.send(answer)
        except StopIteration as finished:
            report: Report = finished.value
            journal.end(report.complete)
            return report
        answer = world.perform(instruction)


class _World(NamedTuple):
    """What a run acts on; see ``execute``."""

    states: StateKeeper
    executors: Mapping[str, Executor]
    artefacts: Store
    journal: RunLog
    now: Callable[[], str]
    on_event: Callable[[Event], None]
    stop: Callable[[], bool]

    def perform(self, instruction: Instruction) -> Answer:
        """Do what the core says, and return what it wants to know of it."""
        match instruction:
            case Proceed():
                return Turn(stop=self.stop(), at=self.now())
            case Note(event, facts):
                self.journal.record(event, **facts)
            case Save(following):
                return self.states.save(following)
            case CarryOut(action, prior):
                return _asked(action, lambda: self._carry_out(action, prior))
            case Look(action, handle):
                return _asked(action, lambda: self.executors[action.executor].observe(action.address, handle))
            case Tell(event):
                self.on_event(event)
        return None

    def _carry_out(self, action: Action, prior: Mapping[str, Any] | None) -> Outcome:
        executor, notes = self.executors[action.executor], self.journal.action(action.address)
        return executor.carry_out(action, prior, notes, self.artefacts)


def _preflight(actions: Sequence[Action], state: State, executors: Mapping[str, Executor]) -> tuple[Diagnostic, ...]:
    """Return every reason why actions cannot be carried out from here.

    An address that an interrupted run has touched is not asked about: its executor would find its own half-made service
    in the way. It shows when it is carried out.
    """
    found: list[Diagnostic] = []
    for action in actions:
        resource = state.resources.get(action.address)
        if action.action == "keep":
            continue
        if action.executor not in executors:
            found.append(
                Diagnostic(
                    summary=f"cannot {action.action} {action.address}: there is no executor {action.executor!r}",
                    reason="installed: " + (", ".join(sorted(executors)) or "none"),
                    remedy="install the package that carries it",
                    command="aios plugins",
                )
            )
        elif resource is None or resource.unfinished is None:
            found.extend(executors[action.executor].validate(action))
    return tuple(found)


def _asked(action: Action, ask: Callable[[], _T]) -> _T | Trouble:
    """Return the executor's answer, or why there is none; an interrupt goes through."""
    try:
        return ask()
    except AiosError as error:
        return Trouble(tuple(error.diagnostics))
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it must end its own action and no other
        return Trouble(
            (
                Diagnostic(
                    summary=f"executor {action.executor!r} failed on {action.action} of {action.address}: "
                    f"{type(error).__name__}: {error}",
                    remedy="the other actions went on; mend the cause and apply again",
                    command="aios apply",
                ),
            )
        )
