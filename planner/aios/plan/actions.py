"""What has to be done: the difference between what stands and what was chosen, one action per service."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from typing import Literal

from aios.plan.difference import changed_fields, in_words
from aios.records.errors import Diagnostic, InputError
from aios.records.plan import Action, ActionKind, Claim, Claims, Deployment
from aios.records.state import Resource, State

__all__ = ["actions_for", "destroy_actions", "doomed_by", "standing_as"]

_ORDER: Mapping[ActionKind, int] = {"delete": 0, "replace": 1, "update": 2, "create": 3, "keep": 4}
"""Deletes come first: they free ports, cores and memory that the others may need."""


def actions_for(
    wanted: Mapping[str, Deployment],
    claims: Sequence[Claim],
    state: State,
    *,
    in_place: Mapping[str, frozenset[str]],
    unhealthy: Mapping[str, str],
    refused: frozenset[str],
    keep_others: bool,
    unwanted: str = "its intent is not among those given",
    moved: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Action, ...]:
    """Return the actions that turn ``state`` into ``wanted``, in the order in which they are to be carried out.

    unwanted: why what is not wanted is deleted · moved: address -> those that it had before
    """
    found: list[Action] = []
    made = Claims(claims)
    sources = {address: standing_as(address, state, moved or {}) for address in wanted}
    for address, after in wanted.items():
        resource = sources[address]
        if resource is None:
            found.append(_create(address, after, "nothing stands yet"))
            continue
        fields, reason = in_place.get(after.executor, frozenset()), ""
        if resource.executor != after.executor:
            reason = f"executor {resource.executor} -> {after.executor}"
        elif address != resource.deployment.intent and "intent" not in fields:
            reason = f"moved {resource.deployment.intent} -> {address}: {after.executor} renames nothing that runs"
        if reason:
            found += [_delete(resource.address, resource, reason), _create(address, after, reason)]
        else:
            promised = made.concerning(address)
            change = _change(resource, address, after, fields, unhealthy.get(resource.address), promised)
            before = _as_of(address, resource)
            found.append(change.model_copy(update={"promised": before}) if before != promised else change)
    used = {resource.address for resource in sources.values() if resource is not None}
    for address, resource in state.resources.items():
        if address in used:
            continue
        if keep_others and address not in refused:
            reason = "not among the given intents: left as it is, and what it takes is not counted"
            found.append(_keep(address, resource.deployment, reason, resource))
        elif address in refused:
            found.append(_delete(address, resource, "its intent was not admitted"))
        else:
            found.append(_delete(address, resource, unwanted))
    return tuple(sorted(found, key=lambda action: (_ORDER[action.action], action.address)))


def standing_as(address: str, state: State, moved: Mapping[str, Sequence[str]]) -> Resource | None:
    """Return what stands at an address, or stood at one that it had before. moved: address -> those that it had"""
    names = (address, *moved.get(address, ()))
    return next((state.resources[name] for name in names if name in state.resources), None)


def _as_of(address: str, resource: Resource) -> tuple[Claim, ...]:
    """Return what is promised of a resource, said of the address that it has now, and of the pipeline of that."""
    old = resource.deployment.intent
    if old == address:
        return resource.claims
    names = {old.partition("/")[0]: address.partition("/")[0], old: address}
    return tuple(item.model_copy(update={"address": names.get(item.address, item.address)}) for item in resource.claims)


def destroy_actions(state: State, targets: Sequence[str] = ()) -> tuple[Action, ...]:
    """Return the deletes of ``targets``, or of everything that stands when none is named.

    Raises InputError as `doomed_by` does, and for services that are not to be destroyed.
    """
    names = doomed_by(state, targets)
    protected = [name for name in names if state.resources[name].prevent_destroy]
    if protected:
        raise InputError(*(_protected(state.resources[name]) for name in protected))
    return tuple(_delete(name, state.resources[name], "asked to destroy it") for name in names)


def doomed_by(state: State, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses that targets mean; all that stand where none is named. A pipeline, or a service in groups,
    means all of its parts.

    Raises InputError for a target that the state does not know, and for a part without the others.
    """
    wholes: dict[str, list[str]] = {}
    for name in state.resources:
        if "/" in name:
            wholes.setdefault(name.partition("/")[0], []).append(name)
    meant = {part for name in targets for part in wholes.get(name, [name])}
    problems = [_unknown(name, state) for name in sorted(meant) if name not in state.resources]
    for whole, parts in sorted(wholes.items()):
        left = [name for name in parts if name not in meant]
        if left and len(left) < len(parts):
            problems.append(_part(whole, [name for name in parts if name in meant], left))
    if problems:
        raise InputError(*problems)
    return tuple(sorted(meant or state.resources))


def _part(whole: str, named: Sequence[str], left: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        summary=f"{', '.join(named)} cannot be destroyed without {', '.join(left)}",
        reason=f"together they are {whole}: none of them answers its requests without the others",
        remedy="destroy all of it; or plan an intent that does without, and apply that",
        command=shlex.join(["aios", "destroy", whole]),
    )


def _protected(resource: Resource) -> Diagnostic:
    return Diagnostic(
        summary=f"{resource.address} is not to be destroyed",
        reason="its intent said `prevent_destroy: true` when it was applied, and the state keeps that",
        remedy="write `lifecycle: {prevent_destroy: false}` in its intent and apply that, then destroy it",
        command="aios apply PATH",
    )


def _change(
    resource: Resource,
    address: str,
    after: Deployment,
    in_place: frozenset[str],
    trouble: str | None,
    claims: tuple[Claim, ...],
) -> Action:
    """Return the one action for a service that stands and is still wanted from the same executor, there or here."""
    before, source = resource.deployment, resource.address
    moved = source if source != address else before.intent if before.intent != address else None
    if resource.unfinished == "create":
        action = _create(address, after, "an earlier create did not finish")
        return action.model_copy(update={"moved_from": moved})
    changed = changed_fields(before, after)
    reasons = [in_words(before, after, changed)] if changed else []
    if resource.unfinished:
        reasons.append(f"an earlier {resource.unfinished} did not finish")
    if trouble:
        reasons.append(f"repair: {trouble}")
    if not reasons:
        return _keep(address, after, _kept_because(resource.claims, claims), resource)
    gentle = set(changed) <= in_place and not trouble and resource.unfinished in (None, "update")
    kind: Literal["update", "replace"] = "update" if gentle else "replace"
    undo = f"apply the earlier intent again ({in_words(after, before, changed)})" if changed else "nothing to take back"
    return Action(
        address=address,
        action=kind,
        reason="; ".join(reasons),
        executor=after.executor,
        before=before,
        after=after,
        undo=undo,
        moved_from=moved,
    )


def _kept_because(before: tuple[Claim, ...], after: tuple[Claim, ...]) -> str:
    if before == after:
        return "nothing changes"
    old, new = (", ".join(claim.clause for claim in claims if claim.clause) or "none" for claims in (before, after))
    if old != new:
        return f"the service stays as it is; what is promised changes: {old} -> {new}"
    return "the service stays as it is; what is predicted of it is brought up to date"


def _create(address: str, after: Deployment, reason: str) -> Action:
    return Action(
        address=address,
        action="create",
        reason=reason,
        executor=after.executor,
        after=after,
        undo=f"aios destroy {address}",
    )


def _delete(address: str, resource: Resource, reason: str) -> Action:
    return Action(
        address=address,
        action="delete",
        reason=reason,
        executor=resource.executor,
        before=resource.deployment,
        undo=f"apply the intent {address} again",
        promised=resource.claims,
    )


def _keep(address: str, after: Deployment, reason: str, resource: Resource) -> Action:
    return Action(
        address=address,
        action="keep",
        reason=reason,
        executor=resource.executor,
        before=resource.deployment,
        after=after,
        undo="nothing to take back",
    )


def _unknown(name: str, state: State) -> Diagnostic:
    near = difflib.get_close_matches(name, state.resources, n=1)
    return Diagnostic(
        summary=f"the state knows no service {name!r}",
        reason="it knows " + (", ".join(sorted(state.resources)) or "none"),
        remedy=f"did you mean `{near[0]}`?" if near else None,
        command=shlex.join(["aios", "destroy", near[0]]) if near else "aios status",
    )
