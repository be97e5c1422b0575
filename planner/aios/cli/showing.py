"""show: a saved plan in words, from its document alone."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.conflicts import conflict_text
from aios.cli.daywords import day_words
from aios.cli.exits import Exit
from aios.cli.keys import vouched
from aios.cli.moving import move_words
from aios.cli.output import emit
from aios.cli.pipelines import pipeline_words
from aios.cli.planwords import action_words, ended, objective_words, promise_words, residence_words
from aios.cli.policing import rulings_line
from aios.cli.splitwords import split_words
from aios.cli.words import Ink, counted, harmless, table
from aios.records.candidate import label_of
from aios.records.plan import Decision, Plan
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.workflow.planfiles import Trust

__all__ = ["show", "words_of"]

_COLOURED = re.compile("(\x1b\\[(?:0|1|2|31|32|33|36|31;1)m)")
_ROWS = 40
"""Rows of a table that are told unless all are asked for."""


def show(
    setting: Setting, file: str, trust: Trust, *, markdown: bool, every: bool, json: bool, json_into: Path | None
) -> int:
    """Print a saved plan: as `plan` did, as a comment, or as the document that it is. Or a run of the history.

    trust: what a saved plan needs to be believed
    """
    from aios.plan import plan_text
    from aios.workflow.planfiles import read_plan_file
    from aios.workflow.runs import is_run

    if is_run(file):
        from aios.cli.showingruns import show_run

        return show_run(setting, file, markdown=markdown, every=every, json=json, json_into=json_into)
    plan = read_plan_file(file, trust)
    if markdown and not json:
        from aios.cli.commenting import comment

        words = comment(plan)
    else:
        words = "" if json else words_of(plan, file, Ink(sys.stdout), every)
    emit(words, plan_text(plan), json=json, json_into=json_into)
    return Exit.DONE


def words_of(plan: Plan, file: str | None, ink: Ink, every: bool) -> str:
    """Return a plan in words. file: that `apply` carries out, where it is one"""
    blocks = [_heading(plan, ink)]
    if plan.status == "unknown":
        blocks.append(f"{ink('unknown', 'red', 'bold')}: {ended(plan)} before a plan was found")
    elif plan.conflict is not None:
        impossible = [str(item.intent) for item in plan.conflict.clauses if item.id == f"{item.intent}/runs"]
        blocks.append(conflict_text(plan, impossible, (), ink))
    else:
        command = shlex.join(["aios", "apply", file]) if plan.at_once and file else None
        blocks += [
            _choices(plan, ink, every),
            _left_out(plan, ink, every),
            _refused(plan, ink),
            _times(plan, ink, every),
            split_words(plan, ink),
            residence_words(plan, ink),
            pipeline_words(plan, ink),
            day_words(plan, ink),
            promise_words(plan, ink),
            "\n".join(_notes(plan, ink)),
            "\n".join([*objective_words(plan, ink), *_proof(plan, ink)]),
            move_words(plan, ink, every),
            rulings_line(plan, ink),
            vouched(plan, ink),
            action_words(plan, ink, command),
        ]
    return "\n\n".join(_harmless(block) for block in blocks if block)


def _harmless(block: str) -> str:
    """Return a block without what a terminal would obey, but for our own colours."""
    return "".join(piece if index % 2 else harmless(piece) for index, piece in enumerate(_COLOURED.split(block)))


def _heading(plan: Plan, ink: Ink) -> str:
    _lineage, _, serial = plan.inputs.state.rpartition(":")
    made = ", ".join(map(str, plan.files.get("intents") or ["-"]))
    fleet = plan.files.get("fleet")
    where = f" on {fleet}" if fleet else ""
    back = f"{ink('back to', 'dim')} run @{plan.back_to.run}, whose plan this is\n" if plan.back_to else ""
    told = f"format {plan.format_version}, aios {plan.aios_version}, for serial {serial} of the state"
    return f"{ink('plan', 'dim')} {plan.id}\n{back}{ink('made from', 'dim')} {made}{where}; {told}"


def _choices(plan: Plan, ink: Ink, every: bool) -> str:
    """Return what was chosen for each intent, and where it stands."""
    head = ["INTENT", "MODEL", "DEVICE", "PRECISION", "B", "T", "R", "PLACED ON"]
    rows = [_row(decision) for decision in (plan.decisions if every else plan.decisions[:_ROWS])]
    return _listed(head, rows, len(plan.decisions), ink) if rows else ""


def _listed(head: list[str], rows: list[list[str]], count: int, ink: Ink) -> str:
    left = count - len(rows)
    more = [ink(f"… and {counted(left, 'more intent')} (--all lists them)", "dim")] if left else []
    return "\n".join([table(head, rows, ink), *more])


def _row(decision: Decision) -> list[str]:
    places = [f"{part.node}[{','.join(part.devices)}] x {part.replicas}" for part in decision.placement]
    left = f" and {len(places) - 3} more" if len(places) > 3 else ""
    stated = not decision.executor
    return [
        decision.intent,
        decision.model or "-",
        " ".join(filter(None, (decision.device, decision.power_mode))) or "-",
        label_of(decision, " ") or "-",
        "-" if stated else str(decision.batch),
        str(decision.threads or "-"),
        str(decision.replicas),
        ", ".join(places[:3]) + left or "-",
    ]


def _left_out(plan: Plan, ink: Ink, every: bool) -> str:
    if every:
        return "\n".join(ink(f"left out: {row.what}: {row.reason}", "dim") for row in plan.rejections)
    count = len(plan.rejections)
    families = counted(count, "family", "families")
    return ink(f"left out: {families} (--all says which and why)", "dim") if count else ""


def _refused(plan: Plan, ink: Ink) -> str:
    names = [f"{item.intent} ({item.count})" if item.count > 1 else item.intent for item in plan.refused]
    head = ink("refused", "yellow")
    return f"{head} {', '.join(names)}: no room beside what must run and what weighs more" if names else ""


def _times(plan: Plan, ink: Ink, every: bool) -> str:
    """Return when what runs to an end does, of a plan in time."""
    from aios.records.units import Dimension, format_quantity

    timed = [item for item in plan.decisions if item.start_s is not None and item.end_s is not None]
    if not timed:
        return ""
    rows = [
        [item.intent, *(format_quantity(seconds or 0.0, Dimension.TIME) for seconds in (item.start_s, item.end_s))]
        for item in (timed if every else timed[:_ROWS])
    ]
    start = (plan.frame.start if plan.frame else None) or "midnight UTC"
    return _listed(["INTENT", f"STARTS (AFTER {start})", "ENDS"], rows, len(timed), ink)


def _notes(plan: Plan, ink: Ink) -> Iterator[str]:
    for decision in plan.decisions:
        for note in decision.notes:
            yield f"{ink('note', 'yellow')} {decision.intent}: {note}"


def _proof(plan: Plan, ink: Ink) -> Iterator[str]:
    note = plan.solver
    if plan.status == "feasible":
        why = f"{ended(plan)}; a better plan is possible within the gaps above"
        yield f"{ink('not proved', 'yellow')}: {why}"
    limits = f"seed {note.seed}, {note.workers} worker"
    yield ink(f"{plan.status}: {note.version}, {limits}; the checker agreed when the plan was made", "dim")
