"""whatif, in words: one table of the plan as it is and the plan as it would be, and what changes for each intent."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from aios.cli.changewords import changed_by, head_of, value_text
from aios.cli.differing import conflict_words, intent_words
from aios.cli.output import emit
from aios.cli.planning import code_of
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.words import Ink, harmless, table
from aios.records.differences import ValueChange
from aios.records.plan import Plan
from aios.workflow.setting import Setting

__all__ = ["what_if"]


def what_if(setting: Setting, options: Sequence[str], *, every: bool, json: bool, json_into: Path | None) -> int:
    """Print what would become of the plan if the options' changes were made."""
    from dataclasses import replace

    from aios.workflow.whatif import what_if as work

    one_thread()
    with Progress("whatif", quiet=json) as progress:
        found = work(replace(setting, tell=progress.doing), options)
    now, then = found.now.plan, found.then.plan
    ink = Ink(sys.stdout)
    blocks = [
        "\n".join(f"{ink('what if', 'dim')} {harmless(option)}" for option in options),
        table(["", "NOW", "WHAT IF", "CHANGE"], [*_status(now, then), *map(_row, found.figures)], ink),
        conflict_words(*found.difference.conflicts) if found.difference.conflicts else "",
    ]
    if then.conflict is None:
        same = "the choice for every intent stays the same"
        blocks.append(intent_words(found.difference.intents, ink, every) or same)
    document = {
        "changes": list(options),
        "status": {"now": now.status, "what_if": then.status},
        "figures": [
            {"name": row.metric, "now": row.before, "what_if": row.after, "unit": row.unit} for row in found.figures
        ],
        "difference": jsonlib.loads(found.difference.model_dump_json()),
    }
    emit("\n\n".join(block for block in blocks if block), document, json=json, json_into=json_into)
    return code_of(then)


def _status(now: Plan, then: Plan) -> Iterator[list[str]]:
    if now.status != then.status:
        yield ["status", now.status, then.status, ""]


def _row(row: ValueChange) -> list[str]:
    values = [value_text(row.metric, value, row.unit) for value in (row.before, row.after)]
    return [harmless(head_of(row.metric)), *values, changed_by(row)]
