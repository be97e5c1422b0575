"""When what a plan decides on runs."""

from __future__ import annotations

from collections.abc import Sequence

from aios.records.plan import Decision
from aios.records.schedule import Run

__all__ = ["OF_THE_HOURS", "in_time"]

OF_THE_HOURS = ("cost", "expense", "carbon")
"""Metrics that depend on when a job runs: its runs tell them, and no estimate of any time."""
_LATER = "it starts later than the plan, so that `aios apply`, which starts everything at once, refuses this plan"


def in_time(decision: Decision, runs: Sequence[Run]) -> Decision:
    """Return the decision with the runs of its copies, and what they come to; as it is where none is its."""
    own = tuple(run for run in runs if run.intent == decision.intent)
    if not own:
        return decision
    start, end = min(run.start_s for run in own), max(run.end_s for run in own)
    changed: dict[str, object] = {"start_s": start, "end_s": end, "runs": own}
    if start > 0 and decision.executor:
        changed["notes"] = (*decision.notes, _LATER)
    return decision.model_copy(update=changed)
