"""fidelity --ledger and calibrate --this-machine, in words."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.progress import Progress
from aios.cli.words import Ink, counted, harmless, table
from aios.records.errors import Diagnostic, InputError, UsageError

if TYPE_CHECKING:
    from aios.fidelity import ErrorRow
    from aios.records.calibration import LearntError
    from aios.records.correction import Correction
    from aios.workflow.setting import Setting

__all__ = ["calibrate_machine", "ledger"]

_COMPARED = ("median", "p90", "bias", "coverage")


def ledger(setting: Setting, by: Sequence[str], against: Path | None, *, json: bool, json_into: Path | None) -> int:
    """Print how far predictions were from what was then measured, group by group."""
    from aios.fidelity import error_rows
    from aios.fidelity.ledger import GROUPINGS
    from aios.workflow.ledger import ledger_of

    unknown = [name for name in by if name not in GROUPINGS]
    if unknown:
        raise UsageError(f"--by takes {', '.join(GROUPINGS)}, not {', '.join(unknown)}")
    before = {} if against is None else _old(against)
    entries = ledger_of(setting).load()
    if not entries:
        summary = f"{setting.profiles / 'ledger'} holds no predictions that were checked by a measurement"
        raise InputError(Diagnostic(summary=summary, remedy="measure some first", command="aios profile PATH"))
    rows = error_rows(entries, by)
    document = {"entries": len(entries), "ledger": [{**row._asdict(), "label": row.label} for row in rows]}
    emit(_words(rows, by, before), document, json=json, json_into=json_into)
    return Exit.DONE


def _old(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        return {row["label"]: row for row in jsonlib.loads(path.read_bytes())["ledger"]}
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        remedy = "write one with `aios fidelity --ledger --json-into FILE`"
        raise InputError(Diagnostic(summary=f"{path} is no report of a ledger", remedy=remedy)) from None


def _words(rows: Sequence[ErrorRow], by: Sequence[str], before: Mapping[str, Mapping[str, Any]]) -> str:
    ink = Ink(sys.stdout)
    cells = []
    for row in rows:
        old = before.get(row.label, {})
        figures = [_figure(name, getattr(row, name), old.get(name)) for name in _COMPARED]
        cells.append([*map(harmless, row.group.values()), row.correction, f"{row.n:,}", *figures])
    head = [*(name.upper() for name in by), "CORRECTION", "N", "MEDIAN", "P90", "BIAS", "COVERED"]
    return table(head, cells, ink)


def _figure(name: str, value: float, old: float | None) -> str:
    text = f"{100 * value:{'+' if name == 'bias' else ''}.1f} %"
    return text if old is None else f"{text} (was {100 * old:.1f} %)"


def calibrate_machine(
    setting: Setting, budget_s: float, each_s: float, seed: int, *, json: bool, json_into: Path | None
) -> int:
    """Measure sample networks here, learn from all that was measured here, and say what that is worth."""
    from dataclasses import replace

    from aios.cli.threads import one_thread
    from aios.workflow.thismachine import calibrate_machine as work

    one_thread()
    with Progress("calibrate", quiet=json) as progress:
        done = work(replace(setting, tell=progress), budget_s, each_s, seed)
    ink = Ink(sys.stdout)
    lines = [f"{done.measured} settings of sample networks measured in {done.seconds:.0f} s"]
    lines += [f"{counted(done.left, 'further sample')} left open: a larger budget measures them"] if done.left else []
    lines += [f"not measured: {harmless(name)}: {harmless(why)}" for name, why in done.failed.items()]
    for item in done.corrections:
        lines += ["", str(item.file), table(_HEAD, list(_judged(item.correction)), ink)]
    document = {
        "measured": done.measured,
        "left": done.left,
        "failed": done.failed,
        "corrections": [
            {"file": str(item.file), **item.correction.model_dump(mode="json")} for item in done.corrections
        ],
    }
    emit("\n".join(lines), document, json=json, json_into=json_into)
    return Exit.DONE


_HEAD = ["HELD OUT", "ROWS", "MEDIAN BEFORE", "AFTER", "P90 BEFORE", "AFTER", "COVERED", "USED"]


def _judged(correction: Correction) -> list[list[str]]:
    def share(error: LearntError | None, name: str) -> str:
        value = None if error is None else getattr(error, name)
        return "-" if value is None else f"{100 * value:.1f} %"

    return [
        [
            what,
            f"{held.after.rows:,}",
            *(share(error, name) for name in ("median", "p90") for error in (held.before, held.after)),
            share(held.after, "coverage"),
            "yes" if held.used else "no: it is no better",
        ]
        for what, held in (("whole models", correction.models), ("settings", correction.settings))
    ]
