"""schedule, in words."""

from __future__ import annotations

import sys
from pathlib import Path

from aios.cli.exits import Exit
from aios.cli.gantt import clock, curves_of, draw_gantt, gantt_text
from aios.cli.output import emit
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.words import Ink, counted, harmless, table
from aios.records.errors import Diagnostic, InputError, UsageError
from aios.records.fleet import Fleet
from aios.records.forms import nearest
from aios.records.schedule import TOTALS, Frame, Run, Schedule, TimeGoal
from aios.records.selection import ObjectiveValue
from aios.records.units import Dimension, UnitError, format_quantity, parse_quantity
from aios.workflow.planning import Planned
from aios.workflow.scheduling import Scheduled, frame_of, schedule_jobs
from aios.workflow.setting import Setting

__all__ = ["schedule"]

_MOST_ROWS = 200


def schedule(
    setting: Setting,
    *,
    start: str | None,
    within: str | None,
    minimize: str | None,
    out: Path | None,
    json: bool,
    json_into: Path | None,
) -> int:
    """Schedule the jobs, print when they run, draw that if asked to."""
    from dataclasses import replace

    one_thread()
    frame, asked = frame_of(start, _within(within)), _asked(minimize)
    with Progress("schedule", quiet=json) as progress:
        found = schedule_jobs(replace(setting, tell=progress.doing), frame, asked)
        if out is not None and found.schedule.runs:
            progress.doing("drawing")
            draw_gantt(found.schedule, curves_of(found.considered.given.fleet, found.schedule), out)
    emit("" if json else _words(found, Ink(sys.stdout)), found.schedule, json=json, json_into=json_into)
    return {"infeasible": Exit.INFEASIBLE, "unknown": Exit.WORLD}.get(found.schedule.status, Exit.DONE)


def _within(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = parse_quantity(text, Dimension.TIME)
    except UnitError as error:
        raise UsageError(Diagnostic(summary=f"--within: {error.summary}", remedy=error.remedy)) from error
    if seconds <= 0:
        raise UsageError(Diagnostic(summary=f"--within: `{text}` leaves no time", remedy="write a time such as `2 d`"))
    return seconds


def _asked(text: str | None) -> tuple[TimeGoal, ...]:
    """Return the goals of ``expense,carbon``; raises UsageError."""
    found: list[TimeGoal] = []
    for word in [] if text is None else text.split(","):
        total = next((total for total in TOTALS if total == word.strip()), None)
        if total is None or any(goal.total == total for goal in found):
            near = nearest(word.strip(), list(TOTALS))
            meant = f"did you mean `{near}`? " if near and total is None else ""
            wrong = f"`{word.strip()}` is named twice" if total else f"a schedule has no `{word.strip()}` to make small"
            raise UsageError(Diagnostic(summary=f"--minimize: {wrong}", remedy=f"{meant}known: {', '.join(TOTALS)}"))
        found.append(TimeGoal(total=total))
    return tuple(found)


def _words(found: Scheduled, ink: Ink) -> str:
    result, fleet = found.schedule, found.considered.given.fleet
    blocks = [_heading(found, ink)]
    if not result.runs:
        blocks.append(_conflict(found, ink))
    else:
        blocks.append(_runs(result, ink))
        blocks.append(gantt_text(result, curves_of(fleet, result), ink))
        blocks.append(_proof(found, ink))
        blocks.append(_notes(result, ink))
    return "\n\n".join(block for block in blocks if block)


def _notes(result: Schedule, ink: Ink) -> str:
    return "\n".join(f"{ink('note', 'yellow')} {harmless(note)}" for note in result.notes)


def time_words(schedule: Schedule, fleet: Fleet, ink: Ink) -> str:
    """Return when the jobs of a plan run: a table, bars, and what the sums of their hours leave out."""
    if not schedule.runs:
        return ""
    chart = gantt_text(schedule, curves_of(fleet, schedule), ink)
    return "\n\n".join(block for block in (_runs(schedule, ink), chart, _notes(schedule, ink)) if block)


def draw_jobs(planned: Planned, file: Path) -> None:
    """Draw when the jobs of a plan run. Raises InputError where none does."""
    schedule = planned.schedule
    if schedule is None or not schedule.runs:
        remedy = "jobs are planned in time where one says `when`, or how long it takes where rents change over the day"
        raise InputError(Diagnostic(summary="this plan has no job whose time could be drawn", remedy=remedy))
    draw_gantt(schedule, curves_of(planned.considered.given.fleet, schedule), file)


def _heading(found: Scheduled, ink: Ink) -> str:
    fleet, frame = found.considered.given.fleet, found.schedule.frame
    start = f"{frame.start}" if frame.start else "midnight UTC of day 1"
    standing = f", beside {counted(len(found.services.chosen), 'service')}" if found.services else ""
    return (
        f"{ink('fleet', 'dim')} {fleet.name} ({fleet.origin}): {counted(len(found.jobs), 'job')} from {start}{standing}"
    )


def _runs(result: Schedule, ink: Ink) -> str:
    rows = [_row(run, result.frame) for run in result.runs[:_MOST_ROWS]]
    columns = ["JOB", "START", "END", "TAKES", "ON", "DEVICES", "POWER", "EXPENSE", "CARBON"]
    text = table(columns, rows, ink)
    left = len(result.runs) - _MOST_ROWS
    return text if left <= 0 else f"{text}\n... and {left} more (--json has them all)"


def _row(run: Run, frame: Frame) -> list[str]:
    machines = list(dict.fromkeys(part.node for part in run.placement))
    more = f" and {len(machines) - 1} more" if len(machines) > 1 else ""
    devices = sum(len(part.devices) * part.share * part.replicas for part in run.placement)
    return [
        harmless(run.job),
        clock(frame, run.start_s),
        clock(frame, run.end_s),
        format_quantity(run.end_s - run.start_s, Dimension.TIME),
        f"{machines[0]}{more}" if machines else run.node,
        f"{devices:g} x {harmless(_device(run))}" if devices else "-",
        "?" if run.power_w is None else format_quantity(run.power_w, Dimension.POWER),
        "?" if run.expense_usd is None else f"{run.expense_usd:.2f} USD",
        "?" if run.emissions_g is None else _grams(run.emissions_g),
    ]


def _device(run: Run) -> str:
    """Return the device type that a candidate's id names."""
    parts = run.candidate.split("/")
    return (parts[2] if len(parts) > 3 else parts[-1]).partition("@")[0]


def _grams(grams: float) -> str:
    return f"{grams / 1000:.4g} kgCO2" if grams >= 1000 else f"{grams:.4g} gCO2"


def _proof(found: Scheduled, ink: Ink) -> str:
    result = found.schedule
    lines = []
    for goal in result.goals:
        proof = "proved" if goal.gap <= 0 else f"bound {_value(goal, goal.bound)}, gap {goal.gap:.2%}"
        lines.append(f"{ink('objective', 'dim')} {goal.goal}: {_value(goal, goal.value)}, {proof}")
    note, horizon = result.termination, format_quantity(result.horizon_s, Dimension.TIME)
    lines.append(
        ink(f"{result.status} among schedules that end within {horizon}, in steps of {result.step_s:g} s, ", "dim")
        + ink(f"solved in {found.seconds:.2f} s, {note.version}, seed {note.seed}; the checker agrees", "dim")
    )
    return "\n".join(lines)


def _value(goal: ObjectiveValue, value: float) -> str:
    if goal.unit == "gCO2":
        return _grams(value)
    if goal.unit == "USD":
        return f"{value:.2f} USD"
    return format_quantity(value, Dimension.ENERGY if goal.unit == "J" else Dimension.TIME)


def _conflict(found: Scheduled, ink: Ink) -> str:
    conflict = found.schedule.conflict
    if conflict is None:
        return f"{ink('unknown', 'yellow')}: the limit came before a schedule was found or refuted"
    lines = [f"{ink('infeasible', 'red', 'bold')}: these cannot hold together; without any one of them the others can"]
    if len(conflict.clauses) == 1:
        lines = [f"{ink('infeasible', 'red', 'bold')}: this cannot hold"]
    for clause in conflict.clauses:
        where = f"  {ink(str(clause.where), 'dim')}" if clause.where else ""
        owner = f"{harmless(clause.intent)}: " if clause.intent else ""
        lines.append(f"  {owner}{harmless(clause.text)}{where}")
    if conflict.relaxations:
        lines.append("each of these alone would do, the others as they are:")
        lines += [f"  {harmless(item.clause)} -> {ink(item.to, 'green')}" for item in conflict.relaxations]
    rejected = {name for name in (clause.intent for clause in conflict.clauses) if name is not None}
    lines += [
        f"left out: {harmless(row.what)}: {harmless(row.reason)}"
        for row in found.considered.rejections
        if any(name in row.what for name in rejected)
    ]
    return "\n".join([*lines, *(f"note: {harmless(note)}" for note in conflict.notes)])
