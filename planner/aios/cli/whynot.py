"""explain --why-not, in words."""

from __future__ import annotations

import sys
from pathlib import Path

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.words import Ink, harmless, table
from aios.records.errors import UsageError
from aios.records.whynot import Difference, Verdict, WhyNot
from aios.workflow.setting import Setting

__all__ = ["why_not"]

_HEADS: dict[Verdict, tuple[str, str]] = {
    "chosen": ("it is what the plan chose", "green"),
    "worse": ("it can be had, and is no better", "yellow"),
    "no-room": ("there is no room for it", "red"),
    "breaks": ("it breaks a requirement", "red"),
    "rejected": ("it was left out before anything was priced", "red"),
    "absent": ("there is no such thing", "red"),
}


def why_not(setting: Setting, asked: str | None, intent: str | None, *, json: bool, json_into: Path | None) -> int:
    """Print what excludes a way of running an intent, or what choosing it would cost."""
    from dataclasses import replace

    from aios.workflow.whynot import why_not as work

    if asked is None:
        raise UsageError("`--intent` says which intent `--why-not` asks about, and there is no `--why-not`")
    one_thread()
    with Progress("explain", quiet=json) as progress:
        answer = work(replace(setting, tell=progress.doing), asked, intent)
    emit("" if json else _words(answer, Ink(sys.stdout)), answer, json=json, json_into=json_into)
    return Exit.DONE


def _words(answer: WhyNot, ink: Ink) -> str:
    head, colour = _HEADS[answer.verdict]
    family = ", ".join(f"{field} {value}" for field, value in answer.asked.items())
    lines = [f"{ink(harmless(answer.intent), 'bold')}: why not {harmless(family)}? {ink(head, colour, 'bold')}"]
    if answer.rule:
        where = f"  {ink(str(answer.where), 'dim')}" if answer.where else ""
        lines.append(f"{ink('rule', 'dim')}    {harmless(answer.rule)}{where}")
    lines.append(f"{ink('because', 'dim')} {harmless(answer.reason)}")
    if answer.lifted_by:
        lines.append(f"{ink('lifted by', 'dim')} {harmless(answer.lifted_by)}")
    if answer.would_cost:
        rows = [_row(item) for item in answer.would_cost]
        lines.append(table(["GOAL", "NOW", "WITH IT", "DIFFERENCE", "PERCENT"], rows, ink))
    if answer.changes:
        lines.append(f"{ink('with it', 'dim')} these would run differently too: {', '.join(answer.changes)}")
    if not answer.proved:
        lines.append(f"{ink('note', 'yellow')}: not proved: the solver's limit came first")
    return "\n".join(lines)


def _row(item: Difference) -> list[str]:
    percent = "-" if item.percent is None else f"{item.percent:+,.1f} %"
    unit = "" if item.unit == "1" else f" {item.unit}"
    return [
        item.goal,
        f"{item.now:.4g}{unit}",
        f"{item.then:.4g}{unit}",
        f"{item.difference:+.4g}{unit}" if item.difference else "none",
        percent if item.difference else "-",
    ]
