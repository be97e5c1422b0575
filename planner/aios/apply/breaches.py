"""Whether an executor's answer can be trusted: the rules of the seam, and what is true of the world."""

from __future__ import annotations

from aios.records.base import digest_of
from aios.records.errors import Diagnostic
from aios.records.plan import Action
from aios.spi.executor import Observation, Outcome

__all__ = ["outcome_breaches", "world_breaches"]


def outcome_breaches(action: Action, outcome: object) -> tuple[Diagnostic, ...]:
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


def world_breaches(action: Action, seen: object) -> tuple[Diagnostic, ...]:
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
