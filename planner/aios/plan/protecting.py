"""Services that are not to be destroyed, and plans that would."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from aios.records.base import Span
from aios.records.errors import Diagnostic
from aios.records.plan import Action, Plan
from aios.records.state import Resource, State

__all__ = ["forbidden"]


def forbidden(
    plan: Plan, state: State, said: Mapping[str, Span | None], unhealthy: Mapping[str, str]
) -> Iterator[Diagnostic]:
    """Yield every delete and replacement of a service that is not to be destroyed.

    said: name of a given intent -> where it forbids that, None where it does not; of what has none any more, the state
    says · unhealthy: address -> what is wrong with it now

    What is dead or gone, or half made, may be replaced: nothing is lost with it.
    """
    for action in plan.actions:
        resource = state.resources.get(action.address) or state.resources.get(action.moved_from or "")
        if action.action not in ("delete", "replace") or resource is None or resource.unfinished:
            continue
        if action.action == "replace" and unhealthy.get(resource.address, "").startswith(("absent", "dead")):
            continue
        name = action.address if action.address in said else action.address.partition("/")[0]
        if name in said:
            where = said[name]
            if where is not None:
                yield _by_intent(action, where)
        elif resource.prevent_destroy:
            yield _by_state(action, resource, plan)


def _by_intent(action: Action, where: Span) -> Diagnostic:
    return Diagnostic(
        summary=f"this plan would {action.action} {action.address}, and its intent forbids that",
        where=where,
        reason=action.reason,
        remedy="take back what leads to that; or write `prevent_destroy: false` here, and plan again",
    )


def _by_state(action: Action, resource: Resource, plan: Plan) -> Diagnostic:
    back = plan.back_to is not None
    gone = "the earlier run did not want it" if back else "its intent is not among those given"
    lift = "write `lifecycle: {prevent_destroy: false}` in its intent and apply that first"
    return Diagnostic(
        summary=f"this plan would {action.action} {action.address}, which is not to be destroyed",
        reason=f"its intent said `prevent_destroy: true` when it was applied ({resource.applied_at}), and the state "
        f"keeps that; {gone if action.action == 'delete' else action.reason}",
        remedy=lift if back else f"give its intent as well, or --keep-others, so that it stays; or {lift}",
        command=shlex.join(["aios", "history", action.address]),
    )
