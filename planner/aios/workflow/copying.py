"""state pull, push and restore: the state as a document, out of where it is kept and back."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

from aios.records.errors import ConflictError, Diagnostic, InputError
from aios.records.state import NEW, State
from aios.spi.backend import Backend
from aios.spi.statetext import Damaged, decode, encode
from aios.workflow.keeping import locked_state, state_of
from aios.workflow.setting import Setting

__all__ = ["Put", "pull", "push", "restore"]


class Put(NamedTuple):
    """What was put where. before: None where what was kept could not be read · run: that left it, if one did"""

    before: State | None
    after: State
    run: int | None = None


def pull(setting: Setting, run: int | None = None) -> str:
    """Return the text of the state, or of that which a run left. Raises InputError where that is not kept."""
    with closing(state_of(setting)) as backend:
        return encode(backend.load() if run is None else _left_by(backend, run))


def push(setting: Setting, document: bytes, name: str, *, force: bool) -> Put:
    """Put the state in ``document`` in place of what is kept. name: of the document, for people

    Raises InputError for what is no state, ConflictError where it is of another lineage or older, or what is kept
    cannot be read, unless forced; then too where a newer aios wrote that.
    """
    try:
        state = decode(document)
    except Damaged as damage:
        remedy = "`aios state pull` writes such files"
        raise InputError(Diagnostic(summary=f"{name} is no state: {damage}", remedy=remedy)) from None
    with locked_state(setting, "aios state push") as backend:
        before = _readable(backend) if force else backend.load()
        if before is not None and before.model_copy(update={"serial": state.serial}) == state:
            return Put(before, before)  # such as when the push before this one was killed after it had written
        if before is not None and not force:
            _see_that_it_follows(before, state, name)
        return Put(before, backend.restore(state))


def restore(setting: Setting, run: int | None = None) -> Put:
    """Put back the state that a run left, the last one that left one by default. Raises InputError where there is
    none."""
    with locked_state(setting, "aios state restore") as backend:
        number = run
        if number is None:
            found = (item.number for item in reversed(backend.runs()) if _kept(backend, item.number))
            number = next(found, None)
        if number is None:
            remedy = "put a copy of your own back with `aios state push FILE --force`"
            raise InputError(Diagnostic(summary=f"no state is kept to go back to at {backend.place}", remedy=remedy))
        left = _left_by(backend, number)
        return Put(_readable(backend), backend.restore(left), number)


def _left_by(backend: Backend, run: int) -> State:
    left = _kept(backend, run)
    if left is None:
        raise InputError(
            Diagnostic(
                summary=f"no state of run @{run} is kept at {backend.place}",
                reason="the states of the last runs are kept, each as it stood when the run had ended",
                command="aios history",
            )
        )
    return left


def _kept(backend: Backend, run: int) -> State | None:
    """Return the state that a run left, where it is kept. Raises ConflictError, with the way on, for a damaged one."""
    try:
        return backend.state_after(run)
    except ConflictError as error:
        earlier = {"remedy": "go back to what an earlier run left", "command": f"aios state restore --run {run - 1}"}
        raise ConflictError(*(item.model_copy(update=earlier) for item in error.diagnostics)) from None


def _readable(backend: Backend) -> State | None:
    try:
        return backend.load()
    except ConflictError:
        return None


def _see_that_it_follows(before: State, state: State, name: str) -> None:
    if before.lineage not in (NEW, state.lineage):
        reason = f"{name} is of lineage {state.lineage}, what is kept of {before.lineage}"
        summary = f"{name} is the state of something else than what is kept"
    elif before.serial > state.serial:
        reason = f"{name} is serial {state.serial}, what is kept serial {before.serial}"
        summary = f"{name} is older than what is kept"
    else:
        return
    remedy = "pass --force if it shall take its place: services that only the other one lists then run on unseen"
    raise ConflictError(Diagnostic(summary=summary, reason=reason, remedy=remedy))
