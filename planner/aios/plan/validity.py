"""Until when a plan may be applied, judged by the clock that is passed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aios.records.errors import Diagnostic
from aios.records.plan import Plan, Validity

__all__ = ["out_of_time", "validity"]

_SKEW = timedelta(minutes=5)
"""By how much the clock of the machine that applies may be behind that of the one that planned: clocks that are set by
the network agree far better, and one that went back further judges no expiry."""


def validity(made_at: str, expires_at: datetime) -> Validity:
    """Return from when to when a plan holds. made_at: ISO 8601"""
    return Validity(made_at=made_at, expires_at=_text(expires_at))


def out_of_time(plan: Plan, now: str) -> Diagnostic | None:
    """Return why ``plan`` may not be applied at ``now`` (ISO 8601); None where it may, or has no expiry."""
    if plan.valid is None:
        return None
    made, expires, current = map(datetime.fromisoformat, (plan.valid.made_at, plan.valid.expires_at, now))
    if current >= expires:
        return Diagnostic(
            summary="the plan has expired",
            reason=f"it could be applied until {_text(expires)}, and it is {_text(current)} now",
            remedy="plan again",
            command="aios plan PATH -o plan.json",
        )
    if current < made - _SKEW:
        return Diagnostic(
            summary="the clock of this machine is behind: nobody can tell whether the plan has expired",
            reason=f"the plan was made at {_text(made)}, and it is {_text(current)} here",
            remedy="set the clock, or plan again on this machine",
            command="timedatectl status",
        )
    return None


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
