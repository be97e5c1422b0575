"""show of a run of the history: what was done, by whom, what came of it, and the plan behind it."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.history import OUTCOME_INKS, status_text, verdict_counts, who_text
from aios.cli.markdown import code, folded, table_of, told
from aios.cli.measuring import verdict_table
from aios.cli.output import as_json, emit
from aios.cli.planwords import INPUT_WORDS
from aios.cli.words import Ink, one_line, table
from aios.records.history import Run
from aios.records.plan import Plan

if TYPE_CHECKING:
    from aios.workflow.setting import Setting

__all__ = ["show_run"]


def show_run(
    setting: Setting, text: str, *, markdown: bool, every: bool, json: bool, json_into: Path | None = None
) -> int:
    """Print a run of the history: its record, then the plan that it carried out."""
    from aios.plan import plan_text
    from aios.workflow.runs import tell_of

    run, plan = tell_of(setting, text)
    document = {"run": run, "plan": None if plan is None else jsonlib.loads(plan_text(plan))}
    words = "" if json else _markdown(run, plan) if markdown else _words(run, plan, Ink(sys.stdout), every)
    emit(words, as_json(document) if json or json_into else "", json=json, json_into=json_into)
    return Exit.DONE


def _words(run: Run, plan: Plan | None, ink: Ink, every: bool) -> str:
    blocks = ["\n".join(_head(run, ink))]
    rows = [[step.address, step.action, status_text(step.status, ink), one_line(step.note)] for step in run.steps]
    if rows:
        blocks.append(table(["ADDRESS", "ACTION", "STATUS", "NOTE"], [_plain(row) for row in rows], ink))
    for address, verdicts in run.verdicts.items():
        when = f" {ink(run.measured_at[address], 'dim')}" if address in run.measured_at else ""
        counts = verdict_counts(verdicts, ink)
        blocks.append(f"{ink('measured', 'bold')} {one_line(address)}{when}: {counts}\n{verdict_table(verdicts, ink)}")
    if plan is not None:
        from aios.cli.showing import words_of

        blocks.append(words_of(plan, None, ink, every))
    return "\n\n".join(blocks)


def _plain(row: list[str]) -> list[str]:
    return [one_line(row[0]), *row[1:]]


def _head(run: Run, ink: Ink) -> Iterator[str]:
    yield f"{ink(f'run @{run.number}', 'bold')} {one_line(run.command)}: {ink(run.outcome, OUTCOME_INKS[run.outcome])}"
    yield f"{ink('by', 'dim')} {who_text(run)}"
    yield f"{ink('from', 'dim')} {one_line(run.begun)} {ink('to', 'dim')} {one_line(run.ended or 'it is at work')}"
    after = "" if run.serial_after is None else f" -> {run.serial_after}"
    yield f"{ink('state', 'dim')} serial {run.serial_before}{after} of {one_line(run.lineage)}"
    if run.error:
        yield f"{ink('ended early', 'yellow')} {one_line(run.error)}"
    if run.inputs is not None:
        for name in type(run.inputs).model_fields:
            value = getattr(run.inputs, name)
            if value is not None and name != "state":
                yield f"{ink('made from', 'dim')} {INPUT_WORDS.get(name, name)} {value}"


def _markdown(run: Run, plan: Plan | None) -> str:
    """Return the run as Markdown; what others wrote in it is told as code."""
    after = "" if run.serial_after is None else f" to {run.serial_after}"
    lines = [
        f"### aios run @{run.number}: {run.outcome}",
        f"{told(run.command)} by {code(f'{run.who.user}@{run.who.host}')}"
        + (f" ({code(run.who.job)})" if run.who.job else "")
        + f", {code(run.begun)} to {code(run.ended or 'now')}; serial {run.serial_before}{after} of the state",
    ]
    if run.error:
        lines.append(f"Ended early: {told(run.error)}")
    if run.steps:
        rows = [[code(step.address), step.action, told(step.status), told(step.note)] for step in run.steps]
        lines.append(table_of(["service", "action", "status", "note"], rows))
    for address, verdicts in run.verdicts.items():
        when = f" at {code(run.measured_at[address])}" if address in run.measured_at else ""
        broken = [item for item in verdicts if item.verdict == "broken"]
        why = "".join(f"; {told(item.clause or item.metric)}: {told(item.reason)}" for item in broken)
        lines.append(f"Measured {code(address)}{when}: {verdict_counts(verdicts)}{why}")
    if plan is not None:
        from aios.cli.commenting import comment

        lines.append(folded("the plan that was carried out", comment(plan).rstrip("\n")))
    return "\n\n".join(lines)
