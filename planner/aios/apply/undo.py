"""How an unfinished run is taken back: from what stands and what stood before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.plan import Action, ActionKind, Deployment
from aios.records.state import Resource, State, Touched, UnfinishedRun

__all__ = ["Undo", "undo_actions", "unfinished_run"]


class Undo(NamedTuple):
    """undoes: kind of the action that is taken back, and of: its address, under which what stood may be known no more ·
    action: that does it · restores: what the state says after it"""

    undoes: ActionKind
    of: str
    action: Action
    restores: Resource | None

    @property
    def address(self) -> str:
        """Where it acts."""
        return self.action.address


def unfinished_run(state: State) -> UnfinishedRun:
    """Return the run that can be taken back: the last one. Raises InputError when it came to its end."""
    if state.run is None:
        raise InputError(
            Diagnostic(
                summary="there is no unfinished run to roll back",
                reason="the last one came to its end, or nothing was ever applied",
                remedy="to go back to an earlier intent, apply that one",
                command="aios status",
            )
        )
    return state.run


def undo_actions(state: State) -> tuple[Undo, ...]:
    """Return what takes the unfinished run of ``state`` back, in the order in which it is to be done."""
    touched = state.run.touched if state.run is not None else ()
    return tuple(undo for item in reversed(touched) for undo in _undos(item, _now(item, state)))


def _now(touched: Touched, state: State) -> Resource | None:
    """Return what stands of what a run touched: where it put it, or where it was before that."""
    before = touched.before.address if touched.before is not None else touched.address
    return state.resources.get(touched.address) or state.resources.get(before)


def _undos(touched: Touched, now: Resource | None) -> Iterator[Undo]:
    before = touched.before
    if before is None or before.unfinished == "create":  # nothing whole stood there
        if now is not None:
            yield _undo(touched, "delete", now.executor, now.deployment, None, None)
        return
    whole = before.model_copy(update={"unfinished": None})
    if now is None:
        yield _undo(touched, "create", before.executor, None, before.deployment, whole)
    elif now.executor != before.executor:
        yield _undo(touched, "delete", now.executor, now.deployment, None, None)
        yield _undo(touched, "create", before.executor, None, before.deployment, whole)
    elif now.unfinished or now.deployment != before.deployment or now.address != before.address:
        kind: ActionKind = "update" if touched.action == "update" and before.unfinished is None else "replace"
        undo = _undo(touched, kind, before.executor, now.deployment, before.deployment, whole)
        moved = {"moved_from": touched.address} if touched.address != before.address else {}
        yield undo._replace(action=undo.action.model_copy(update=moved))
    elif now != whole:
        yield _undo(touched, "keep", before.executor, now.deployment, before.deployment, whole)


def _undo(
    touched: Touched,
    kind: ActionKind,
    executor: str,
    before: Deployment | None,
    after: Deployment | None,
    restores: Resource | None,
) -> Undo:
    action = Action(
        address=touched.address if restores is None else restores.address,
        action=kind,
        reason=f"takes the {touched.action} back",
        executor=executor,
        before=before,
        after=after,
        undo="apply the plan again",
    )
    return Undo(touched.action, touched.address, action, restores)
