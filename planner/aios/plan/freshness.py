"""Whether a saved plan still fits what it was made from."""

from __future__ import annotations

from aios.records.errors import Diagnostic
from aios.records.plan import Inputs, Plan

__all__ = ["stale"]

_CHANGED = {
    "intents": "the intents are not those that the plan was made from",
    "fleet": "the fleet is not the one that the plan was made for",
    "models": "the models or their data are not those that the plan was made from",
    "profiles": "the measurements are not those that the plan was made from",
    "catalogue": "the device catalogue is not the one that the plan was made from",
    "policies": "the policies are not those that the plan was judged by",
}


def stale(plan: Plan, current: Inputs) -> tuple[Diagnostic, ...]:
    """Return one diagnostic per fingerprint of ``plan`` that differs from ``current``; empty when it still fits."""
    found = [
        _diagnostic(text, getattr(plan.inputs, name), getattr(current, name))
        for name, text in _CHANGED.items()
        if getattr(plan.inputs, name) != getattr(current, name)
    ]
    if plan.inputs.state != current.state:
        found.append(_moved(plan.inputs.state, current.state))
    return tuple(found)


def _moved(planned: str, now: str) -> Diagnostic:
    (lineage, _, serial), (lineage_now, _, serial_now) = planned.rpartition(":"), now.rpartition(":")
    if lineage not in (lineage_now, "new"):  # "new": nothing had been applied yet
        return _diagnostic("the state is not the one that the plan was made against", planned, now)
    return _diagnostic(
        "something was applied since the plan was made", f"serial {serial} of the state", f"serial {serial_now}"
    )


def _diagnostic(summary: str, planned: str, now: str) -> Diagnostic:
    return Diagnostic(
        summary=summary,
        reason=f"planned with {planned}, now {now}",
        remedy="plan again",
        command="aios plan PATH -o plan.json",
    )
