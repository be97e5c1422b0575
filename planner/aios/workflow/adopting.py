"""adopt: what runs already and nobody looks after, into the state as it is."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import ConflictError, Diagnostic, InputError
from aios.records.names import ADDRESS
from aios.records.plan import Action, Plan
from aios.records.state import Resource, State
from aios.spi import registry
from aios.spi.executor import Adopting, Found, Hint
from aios.workflow.keeping import Opened, artefacts_of, opened, state_of
from aios.workflow.planning import make_plan
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.spi.backend import Backend
    from aios.state import ArtefactStore

__all__ = ["Adoption", "adopt", "to_adopt"]

PLAN = "adopt"
"""What a state says of a service that it stands by no plan."""


class Adoption(NamedTuple):
    """What would be taken over. plan: of the intents, as if that had been done; None where none are given"""

    address: str
    executor: str
    found: Found
    plan: Plan | None

    @property
    def next(self) -> tuple[Action, ...]:
        """What that plan does with it."""
        return tuple(item for item in self.plan.actions if item.address == self.address) if self.plan else ()


def to_adopt(setting: Setting, address: str, executor: str, hint: Hint) -> Adoption:
    """Return what ``hint`` leads to, once it is proved to be that and nobody's. Changes nothing.

    Raises InputError where nothing is found, or it cannot be proved, ConflictError where it is looked after already.
    """
    if not ADDRESS.fullmatch(address):
        remedy = "name the intent that it serves; of a pipeline's stage `pipeline/stage`"
        raise InputError(Diagnostic(summary=f"{address[:80]!r} is no name of a service", remedy=remedy))
    with closing(state_of(setting)) as backend:
        return _found(setting, backend, artefacts_of(setting), address, executor, hint)


def adopt(setting: Setting, seen: Adoption, hint: Hint) -> Adoption:
    """Take over what was seen: its files come to where they belong, and the state says that it stands.

    Raises as `to_adopt`; ConflictError also where it is no longer what was seen.
    """
    with opened(setting, "aios adopt") as kept:
        adoption = _found(setting, kept.state, kept.artefacts, seen.address, seen.executor, hint)
        if (adoption.found.handle, adoption.found.deployment) != (seen.found.handle, seen.found.deployment):
            summary = f"{seen.address} is no longer what was shown"
            raise ConflictError(Diagnostic(summary=summary, remedy="look again", command="aios adopt"))
        _take(setting, kept, adoption)
    return adoption


def _take(setting: Setting, kept: Opened, adoption: Adoption) -> None:
    from aios.apply import Event, Report, Result
    from aios.workflow.recording import recorded

    address, found = adoption.address, adoption.found
    step = Action(
        address=address,
        action="keep",
        reason="to be taken over as it runs",
        executor=adoption.executor,
        before=found.deployment,
        after=found.deployment,
        undo="nothing to take back",
    )
    with recorded(kept, setting, [step], command="adopt", plan=PLAN, made=None) as recording:
        handle = _adopting(adoption.executor).take_over(address, found, kept.artefacts)
        state = kept.state.load()
        resource = _resource(adoption, setting.now()).model_copy(update={"handle": handle})
        kept.state.save(state.following({address: resource}, state.run))
        note = f"taken over as it runs: {found.note}"
        recording.note(Event(address=address, action="keep", phase="kept", text=note))
        result = Result(address=address, action="keep", status="kept", note=note)
        recording.report = Report(results=(result,), interrupted=False)


def _resource(adoption: Adoption, at: str) -> Resource:
    """Return what the state says of it: with the plan's promises where it is what the plan wants."""
    plan, address = adoption.plan, adoption.address
    same = plan is not None and any(item.action == "keep" for item in adoption.next)
    promised = plan if same else None
    return Resource(
        address=address,
        executor=adoption.executor,
        deployment=adoption.found.deployment,
        handle=adoption.found.handle,
        claims=tuple(claim for claim in promised.claims if claim.concerns(address)) if promised else (),
        evaluate=promised.evaluate.get(address, ()) if promised else (),
        prevent_destroy=promised is not None and address in promised.protected,
        plan=PLAN,
        applied_at=at,
    )


def _found(
    setting: Setting, backend: Backend, artefacts: ArtefactStore, address: str, executor: str, hint: Hint
) -> Adoption:
    state = backend.load()
    if address in state.resources:
        raise ConflictError(
            Diagnostic(
                summary=f"{address} is looked after already",
                reason=f"the state {backend.place} has it since {state.resources[address].applied_at}",
                remedy="take it over under another name, or see how it does",
                command=shlex.join(["aios", "status", address]),
            )
        )
    adopting = _adopting(executor)
    found = adopting.find(address, hint, artefacts)
    for whose, name in _holders(adopting, found, state, backend):
        raise ConflictError(_held(whose, name))
    adoption = Adoption(address, executor, found, None)
    if not setting.paths:
        return adoption
    after = state.following({address: _resource(adoption, setting.now())}, state.run)
    planned = make_plan(setting, state=after, keep_others=True).plan
    if planned.conflict is None and all(decision.intent != address for decision in planned.decisions):
        known = ", ".join(decision.intent for decision in planned.decisions)
        raise InputError(Diagnostic(summary=f"no intent is called {address}", reason=f"there are {known}"))
    return adoption._replace(plan=planned)


def _adopting(executor: str) -> Adopting:
    found = registry.load("aios.executors", executor)
    if not isinstance(found, Adopting):
        summary = f"the executor {executor} cannot take over what runs already"
        raise InputError(Diagnostic(summary=summary, remedy="apply an intent: that starts it anew"))
    return found


def _holders(adopting: Adopting, found: Found, state: State, backend: Backend) -> Iterator[tuple[str, str]]:
    """Yield the state and the address of whoever looks after it: ours, or one that is kept beside its files."""
    for name, resource in state.resources.items():
        if adopting.is_same(resource.handle, found.handle):
            yield backend.place, name
    for file, other in _states_beside(Path(found.folder)):
        if file.resolve() != Path(backend.place).resolve():
            for name, resource in other.resources.items():
                if adopting.is_same(resource.handle, found.handle):
                    yield str(file), name


def _states_beside(folder: Path) -> Iterator[tuple[Path, State]]:
    """Yield the states in whose home a service has its files: ``<home>/run/<address>``, with ``<home>/*.json``."""
    from aios.spi.statetext import Damaged, decode

    home = folder.absolute().parent.parent
    for file in sorted(home.glob("*.json")):
        try:
            yield file, decode(file.read_bytes())
        except (OSError, Damaged):
            continue


def _held(whose: str, name: str) -> Diagnostic:
    return Diagnostic(
        summary=f"what runs there is looked after already, as {name}",
        reason=f"the state {whose} has it",
        remedy="work with that state; or, if nobody does any more, put its file aside first",
        command=shlex.join(["aios", "status", name, "--state", whose]),
    )
