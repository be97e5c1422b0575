"""The pure core of apply: a generator of instructions that is sent what came of each.

For every action, in the plan's order: note that it begins, mark it unfinished in the state, have the executor carry it
out, look whether the world agrees, note the outcome, write it to the state, note that it is done. Whatever point a run
ends at, the state names every address that was touched, and the journal the handle that the state does not know yet.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from aios.records.base import Record, digest_of
from aios.records.errors import Diagnostic
from aios.records.plan import Action, ActionKind, Claim
from aios.records.state import Resource, State
from aios.spi.executor import Observation, Outcome

__all__ = [
    "Answer",
    "CarryOut",
    "Event",
    "Instruction",
    "Look",
    "Note",
    "Proceed",
    "Promise",
    "Report",
    "Result",
    "Run",
    "Save",
    "Tell",
    "Trouble",
    "Turn",
    "is_done",
    "steps",
]


Status: TypeAlias = Literal["done", "kept", "failed", "not begun"]
"""How an action ended: ``kept`` needed nothing, ``not begun`` is left for another run."""


class Event(Record):
    """Progress. phase: ``begin`` or how it ended · text: the reason; then the executor's note, or why not."""

    address: str
    action: ActionKind
    phase: Literal["begin"] | Status
    text: str


class Result(Record):
    """How one action ended. note: one sentence · diagnostics: why it failed."""

    address: str
    action: ActionKind
    status: Status
    note: str
    diagnostics: tuple[Diagnostic, ...] = ()


class Report(Record):
    """What a run came to. interrupted: it was asked to stop; what is ``not begun`` is left for the next run."""

    results: tuple[Result, ...]
    interrupted: bool

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is so."""
        return all(result.status in ("done", "kept") for result in self.results)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Why actions failed, all together."""
        return tuple(item for result in self.results for item in result.diagnostics)


@dataclass(frozen=True)
class Promise:
    """What the plan claims of an address, and the files that accuracy is verified on."""

    claims: tuple[Claim, ...]
    evaluate: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What is to be carried out. promises: address -> ...; an address without one keeps what the state says of it."""

    plan: str
    actions: Sequence[Action]
    promises: Mapping[str, Promise]
    recalled: Mapping[str, Mapping[str, Any]]
    """Address -> handle that its executor answered with in a run that ended before the state was written."""


# What the core may ask for, and (where something comes back) what it is sent.
@dataclass(frozen=True)
class Proceed:
    """Ask whether to go on; answered by a Turn."""


@dataclass(frozen=True)
class Note:
    """Write a line to the journal."""

    event: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Save:
    """Write the state; answered by the State as it was written."""

    state: State


@dataclass(frozen=True)
class CarryOut:
    """Have the executor act; answered by an Outcome or by Trouble."""

    action: Action
    prior: Mapping[str, Any] | None


@dataclass(frozen=True)
class Look:
    """Have the executor observe; answered by an Observation or by Trouble."""

    action: Action
    handle: Mapping[str, Any] | None


@dataclass(frozen=True)
class Tell:
    """Report progress."""

    event: Event


@dataclass(frozen=True)
class Turn:
    """stop: do not begin another action · at: ISO time, UTC."""

    stop: bool
    at: str


@dataclass(frozen=True)
class Trouble:
    """Why an executor did not do what it was asked to."""

    diagnostics: tuple[Diagnostic, ...]


Instruction: TypeAlias = Proceed | Note | Save | CarryOut | Look | Tell
Answer: TypeAlias = Turn | State | Outcome | Observation | Trouble | None
_Steps: TypeAlias = Generator[Instruction, Any, tuple[State, Result]]


def steps(run: Run, state: State) -> Generator[Instruction, Any, Report]:
    """Yield what to do next; what comes of it is sent back in. Returns the report."""
    results: list[Result] = []
    recalled = dict(run.recalled)
    for position, action in enumerate(run.actions):
        turn: Turn = yield Proceed()
        if turn.stop:
            left = [_result(a, "not begun", "asked to stop before it") for a in run.actions[position:]]
            for result in left:
                yield Tell(_event(result))
            return Report(results=(*results, *left), interrupted=True)
        if any(past.address == action.address and past.status == "failed" for past in results):
            result = _result(action, "not begun", "the action on it before this one failed")
        elif is_done(action, state, run.plan):
            result = _result(action, "done", "was done before the last run was interrupted")
        elif action.action == "keep":
            state, result = yield from _keep(run, action, state)
        else:
            yield Tell(Event(address=action.address, action=action.action, phase="begin", text=action.reason))
            resource = state.resources.get(action.address)
            prior = recalled.pop(action.address, None) or (resource.handle if resource else None) or None
            state, result = yield from _act(run, action, state, prior, turn.at)
        yield Tell(_event(result))
        results.append(result)
    return Report(results=tuple(results), interrupted=False)


def is_done(action: Action, state: State, plan: str) -> bool:
    """Say whether an earlier, interrupted run of the same plan has finished this action."""
    resource = state.resources.get(action.address)
    if action.action == "delete":
        return resource is None or (resource.plan == plan and resource.executor != action.executor)
    return (
        action.action != "keep"
        and resource is not None
        and resource.unfinished is None
        and resource.plan == plan
        and resource.deployment == action.after
    )


def _keep(run: Run, action: Action, state: State) -> _Steps:
    """Leave the service alone; bring what is promised of it up to date."""
    resource, promise = state.resources.get(action.address), run.promises.get(action.address)
    if resource and promise and (resource.claims, resource.evaluate) != (promise.claims, promise.evaluate):
        new = resource.model_copy(update={"claims": promise.claims, "evaluate": promise.evaluate, "plan": run.plan})
        after = _with(state, action.address, new)
        yield Note("promises", {"of": action.address, "serial": after.serial})
        state = yield Save(after)
    return state, _result(action, "kept", action.reason)


def _act(run: Run, action: Action, state: State, prior: Mapping[str, Any] | None, at: str) -> _Steps:
    """Carry one action out. prior: handle of what stands now, if anything."""
    address = action.address
    begun = _with(state, address, _begun(run, action, state.resources.get(address), prior, at))
    yield Note("begin", {"address": address, "action": action.action, "serial": begun.serial})
    state = yield Save(begun)
    outcome, problems = yield from _attempt(action, prior)
    if outcome is None or problems:
        if outcome is not None and outcome.handle:
            state = yield from _keep_handle(address, outcome.handle, state)
        yield Note("failed", {"address": address, "reason": "; ".join(item.summary for item in problems)})
        return state, _result(action, "failed", problems[0].summary, problems)
    settled = _with(state, address, _settled(run, action, outcome, at))
    yield Note("did", {"address": address, "handle": outcome.handle, "serial": settled.serial})
    state = yield Save(settled)
    yield Note("done", {"address": address})
    return state, _result(action, "done", outcome.note)


def _attempt(
    action: Action, prior: Mapping[str, Any] | None
) -> Generator[Instruction, Any, tuple[Outcome | None, tuple[Diagnostic, ...]]]:
    """Have the action carried out and observed; return the outcome, if it can be trusted, and what is wrong."""
    answer: Outcome | Trouble = yield CarryOut(action, prior)
    if isinstance(answer, Trouble):
        return None, answer.diagnostics
    breaches = _outcome_breaches(action, answer)
    if breaches:
        return None, breaches
    seen: Observation | Trouble = yield Look(action, answer.handle)
    return answer, seen.diagnostics if isinstance(seen, Trouble) else _world_breaches(action, seen)


def _keep_handle(address: str, handle: Mapping[str, Any], state: State) -> Generator[Instruction, Any, State]:
    """Remember how to find what a breaching executor made, so that it can be deleted."""
    known = _with(state, address, state.resources[address].model_copy(update={"handle": handle}))
    yield Note("breach", {"address": address, "handle": handle, "serial": known.serial})
    saved: State = yield Save(known)
    return saved


def _begun(run: Run, action: Action, resource: Resource | None, handle: Mapping[str, Any] | None, at: str) -> Resource:
    """Return what the state says while the action runs: that it is unfinished, and what stood before."""
    if resource is not None and action.action != "create":
        return resource.model_copy(update={"unfinished": action.action, "handle": handle or {}})
    deployment = action.after or action.before
    assert deployment is not None, "every action but a delete of nothing has a deployment"
    return Resource(
        address=action.address,
        executor=action.executor,
        deployment=deployment,
        handle=handle or {},
        plan=run.plan,
        applied_at=at,
        unfinished=action.action,
    )


def _settled(run: Run, action: Action, outcome: Outcome, at: str) -> Resource | None:
    """Return what the state says once the action is done; None after a delete."""
    if action.after is None or outcome.handle is None:
        return None
    promise = run.promises.get(action.address, Promise((), ()))
    return Resource(
        address=action.address,
        executor=action.executor,
        deployment=action.after,
        handle=outcome.handle,
        claims=promise.claims,
        evaluate=promise.evaluate,
        plan=run.plan,
        applied_at=at,
    )


def _outcome_breaches(action: Action, outcome: object) -> tuple[Diagnostic, ...]:
    """Return how the outcome breaks the rules of the seam."""
    if not isinstance(outcome, Outcome):
        return (_breach(action, f"it returned a {type(outcome).__name__} instead of an outcome"),)
    if outcome.address != action.address:
        return (_breach(action, f"it answered for {outcome.address!r}"),)
    if action.action == "delete" and outcome.handle is not None:
        return (_breach(action, "it says done, but returns a handle, as if something still stood"),)
    if action.action != "delete" and not outcome.handle:
        return (_breach(action, "it says done, but returns no handle to find the service by"),)
    return ()


def _world_breaches(action: Action, seen: object) -> tuple[Diagnostic, ...]:
    """Return how what is observed contradicts ``done``."""
    if not isinstance(seen, Observation):
        return (_breach(action, f"it observed a {type(seen).__name__} instead of an observation"),)
    if seen.address != action.address:
        return (_breach(action, f"it observed {seen.address!r} instead"),)
    if action.action == "delete":
        if seen.condition == "absent":
            return ()
        return (_breach(action, f"it says deleted, but observes that it is {seen.condition} ({seen.detail})"),)
    if seen.condition in ("absent", "dead"):
        return (_breach(action, f"it says done, but observes that it is {seen.condition} ({seen.detail})"),)
    wanted = digest_of(action.after)
    if seen.deployment_digest is not None and seen.deployment_digest != wanted:
        return (_breach(action, f"it runs another deployment ({seen.deployment_digest}) than asked for ({wanted})"),)
    return ()


def _breach(action: Action, what: str) -> Diagnostic:
    return Diagnostic(
        summary=f"executor {action.executor!r} broke its contract on {action.action} of {action.address}: {what}",
        reason="the core checks every outcome against the world; this is a fault of that plugin, not of the plan",
        remedy=f"see whether the service is well, and report it to the makers of {action.executor!r}",
        command="aios status",
    )


def _with(state: State, address: str, resource: Resource | None) -> State:
    """Return the next serial of ``state`` with ``resource`` at ``address``; None takes it out."""
    return state.following(address, resource)


def _result(action: Action, status: Status, note: str, diagnostics: Sequence[Diagnostic] = ()) -> Result:
    return Result(
        address=action.address, action=action.action, status=status, note=note, diagnostics=tuple(diagnostics)
    )


def _event(result: Result) -> Event:
    return Event(address=result.address, action=result.action, phase=result.status, text=result.note)
