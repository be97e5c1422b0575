"""What the state says of an address: while an action runs, once it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aios.records.data import DataFile
from aios.records.plan import Action, Claim
from aios.records.state import Resource

__all__ = ["Promise", "begun", "is_done", "settled"]


class Promise(NamedTuple):
    """What the plan claims of an address, the files that accuracy is verified on, whether it must not be destroyed."""

    claims: tuple[Claim, ...]
    evaluate: tuple[DataFile, ...]
    prevent_destroy: bool = False

    def holds_of(self, resource: Resource) -> bool:
        """Say whether the state says so already."""
        return self == (resource.claims, resource.evaluate, resource.prevent_destroy)


def is_done(action: Action, resource: Resource | None, plan: str) -> bool:
    """Say whether an earlier, interrupted run of the same plan has finished this action. resource: what stands now"""
    if action.action == "delete":
        return resource is None or (resource.plan == plan and resource.executor != action.executor)
    return (
        action.action != "keep"
        and resource is not None
        and resource.unfinished is None
        and resource.plan == plan
        and resource.deployment == action.after
    )


def begun(action: Action, resource: Resource | None, handle: Mapping[str, Any] | None, plan: str, at: str) -> Resource:
    """Return what the state says while the action runs: that it is unfinished, and what stood before."""
    if resource is not None and action.action != "create":
        update = {"address": action.address, "unfinished": action.action, "handle": handle or {}}
        return resource.model_copy(update=update)
    deployment = action.after or action.before
    assert deployment is not None, "every action but a delete of nothing has a deployment"
    return Resource(
        address=action.address,
        executor=action.executor,
        deployment=deployment,
        handle=handle or {},
        plan=plan,
        applied_at=at,
        unfinished=action.action,
    )


def settled(
    action: Action, handle: Mapping[str, Any] | None, promise: Promise | None, plan: str, at: str
) -> Resource | None:
    """Return what the state says once the action is done; None after a delete."""
    if action.after is None or handle is None:
        return None
    claims, evaluate, prevented = promise or Promise((), ())
    return Resource(
        address=action.address,
        executor=action.executor,
        deployment=action.after,
        handle=handle,
        claims=claims,
        evaluate=evaluate,
        plan=plan,
        applied_at=at,
        prevent_destroy=prevented,
    )
