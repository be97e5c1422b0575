"""tune, in words."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.applying import Underway, need_approval
from aios.cli.exits import Exit
from aios.cli.output import emit, metric_text
from aios.cli.progress import Progress
from aios.cli.words import Ink, harmless, table

if TYPE_CHECKING:
    from aios.records.candidate import Priced
    from aios.records.tuning import Trial, Tuning
    from aios.workflow.setting import Setting
    from aios.workflow.tuning import Limits

__all__ = ["tune"]


def tune(
    setting: Setting, address: str, limits: Limits, *, dry_run: bool, yes: bool, json: bool, json_into: Path | None
) -> int:
    """Tune one service; say what was tried and why. Exit 5 where a promise is still broken."""
    from dataclasses import replace

    from aios.workflow.tuning import tune as work
    from aios.workflow.tuning import what_next

    if not dry_run:
        need_approval(yes, "tune", [address, *setting.paths])
    with Progress("tune", quiet=json) as progress:
        if dry_run:
            found = what_next(replace(setting, tell=progress), address, limits)
        else:
            done = work(replace(setting, tell=progress), address, limits, Underway(progress))
    if dry_run:
        emit(_would(found), {"would_try": [item.candidate.id for item in found]}, json=json, json_into=json_into)
        return Exit.DONE
    emit(_words(done), {"tuning": done}, json=json, json_into=json_into)
    return Exit.BROKEN if done.still_broken else Exit.DONE


def _would(found: Sequence[Priced]) -> str:
    if not found:
        return "no other candidate can meet the intent: there is nothing to try"
    lines = [f"{place}. {harmless(item.candidate.id)}" for place, item in enumerate(found, 1)]
    return "\n".join(["if what stands disappoints, it would try:", *lines])


def _words(done: Tuning) -> str:
    ink = Ink(sys.stdout)
    if done.disappointed is None:
        return f"{harmless(done.home)} keeps what was promised: nothing to tune"
    lines = [f"{harmless(done.home)}: {harmless(done.disappointed)}"]
    if done.trials:
        rows = [_row(trial) for trial in done.trials]
        lines.append(table(["TRIED", "OBJECTIVE", "PREDICTED", "MEASURED", "OUTCOME", "BROKEN"], rows, ink))
    else:
        lines.append("no other candidate can meet the intent")
    moved = "stands again" if done.stands == done.home else "stands now"
    state = "still breaks a promise" if done.still_broken else "keeps its promises"
    lines.append(f"{harmless(done.stands)} {moved}, and {state}")
    if done.stands != done.home:
        lines.append("the next plan of these files chooses anew: measure it with `aios profile`, or pin it, to keep it")
    return "\n".join(lines)


def _row(trial: Trial) -> list[str]:
    def shown(value: float | None) -> str:
        return "-" if value is None else metric_text(trial.metric, value)

    broken = "; ".join(map(harmless, trial.broken))
    measured = shown(trial.measured)
    if trial.measured_low is not None and trial.measured_low != trial.measured_high:
        measured += f" ({shown(trial.measured_low)} to {shown(trial.measured_high)})"
    return [harmless(trial.candidate), trial.metric or "-", shown(trial.predicted), measured,
            trial.outcome, broken or "-"]  # fmt: skip
