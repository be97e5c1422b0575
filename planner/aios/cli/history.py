"""history, in words."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.words import Ink, harmless, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.records.history import Run
    from aios.records.measurement import Verdict
    from aios.workflow.setting import Setting

__all__ = ["OUTCOME_INKS", "history", "short_plan", "status_text", "verdict_counts", "who_text"]

OUTCOME_INKS = {
    "complete": "green",
    "failed": "red",
    "interrupted": "yellow",
    "running": "yellow",
    "rolled back": "yellow",
}
_VERDICT_INKS = {"held": "green", "broken": "red", "unmeasured": "yellow"}


def history(setting: Setting, address: str | None, *, last: int | None, json: bool) -> int:
    """List what was carried out, newest first; of one address, what was done with it and what was measured."""
    if address is not None:
        return _history_of(setting, address, last, json)
    from aios.workflow.recording import history as work

    runs = tuple(reversed(work(setting, last)))
    ink = Ink(sys.stdout)
    rows = [
        [
            f"@{run.number}",
            run.begun,
            who_text(run),
            harmless(run.command),
            harmless(short_plan(run.plan)),
            _counts(run),
            ink(run.outcome, OUTCOME_INKS[run.outcome]),
            verdict_counts([verdict for own in run.verdicts.values() for verdict in own], ink) or "-",
        ]
        for run in runs
    ]
    head = ["RUN", "BEGAN", "WHO", "COMMAND", "PLAN", "ACTIONS", "OUTCOME", "MEASURED"]
    emit(table(head, rows, ink) if rows else "nothing was ever applied", {"runs": runs}, json=json)
    return Exit.DONE


def _history_of(setting: Setting, address: str, last: int | None, json: bool) -> int:
    from aios.workflow.runs import concerns, runs_of

    runs = list(reversed(runs_of(setting, address)))[:last]
    ink = Ink(sys.stdout)
    rows = [
        [
            f"@{run.number}",
            run.begun,
            who_text(run),
            step.address,
            step.action,
            status_text(step.status, ink),
            harmless(step.note),
            verdict_counts(run.verdicts.get(step.address, ()), ink) or "-",
        ]
        for run in runs
        for step in run.steps
        if concerns(step.address, address)
    ]
    head = ["RUN", "BEGAN", "WHO", "ADDRESS", "ACTION", "STATUS", "NOTE", "MEASURED"]
    emit(table(head, rows, ink), {"address": address, "runs": runs}, json=json)
    return Exit.DONE


def who_text(run: Run) -> str:
    """Return who ran it, and what a pipeline calls the run."""
    return harmless(f"{run.who.user}@{run.who.host}" + (f" ({run.who.job})" if run.who.job else ""))


def status_text(status: str, ink: Ink) -> str:
    """Return how an action ended, coloured."""
    inks = {"done": "green", "kept": "dim", "failed": "red"}
    return ink(harmless(status), inks.get(status, "yellow"))


def verdict_counts(verdicts: Sequence[Verdict], ink: Ink | None = None) -> str:
    """Return ``3 held, 1 broken``: promises alone, not what was merely predicted; nothing where nothing was
    measured."""
    counts: Counter[str] = Counter(verdict.verdict for verdict in verdicts)
    told = [(f"{counts[name]} {name}", colour) for name, colour in _VERDICT_INKS.items() if counts[name]]
    return ", ".join(ink(text, colour) if ink else text for text, colour in told) or (
        "nothing promised" if verdicts else ""
    )


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
