"""history, in words."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.words import Ink, harmless, table

if TYPE_CHECKING:
    from aios.records.history import Run
    from aios.workflow.setting import Setting

__all__ = ["history", "short_plan"]

_INKS = {"complete": "green", "failed": "red", "interrupted": "yellow", "running": "yellow"}


def history(setting: Setting, *, last: int | None, json: bool) -> int:
    """List what was carried out, newest first."""
    from aios.workflow.recording import history as work

    runs = tuple(reversed(work(setting, last)))
    ink = Ink(sys.stdout)
    rows = [
        [
            f"@{run.number}",
            run.begun,
            harmless(f"{run.who.user}@{run.who.host}" + (f" ({run.who.job})" if run.who.job else "")),
            harmless(run.command),
            harmless(short_plan(run.plan)),
            _counts(run),
            ink(run.outcome, _INKS[run.outcome]),
        ]
        for run in runs
    ]
    head = ["RUN", "BEGAN", "WHO", "COMMAND", "PLAN", "ACTIONS", "OUTCOME"]
    emit(table(head, rows, ink) if rows else "nothing was ever applied", {"runs": runs}, json=json)
    return Exit.DONE


def short_plan(plan: str) -> str:
    """Return enough of a plan's id to tell it from others."""
    return plan.removeprefix("sha256:")[:12]


def _counts(run: Run) -> str:
    """Return how many actions there were of each kind, and how many did not come to their end."""
    kinds = Counter(step.action for step in run.steps)
    open_ends = Counter(step.status for step in run.steps if step.status not in ("done", "kept"))
    words = [f"{count} {kind}" for kind, count in kinds.items()]
    left = [f"{count} {harmless(status)}" for status, count in open_ends.items()]
    return (", ".join(words) or "none") + (f" ({', '.join(left)})" if left else "")
