"""fidelity, in words."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.words import Ink, counted, diagnostic_text, harmless, print_diagnostics, table
from aios.records.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from aios.fidelity import Change
    from aios.workflow.fidelity import Report, Request, Row

__all__ = ["fidelity", "tell"]

_HEADERS = [
    "TABLE",
    "BY",
    "METRIC",
    "LEVEL",
    "ROWS",
    "MEDIAN",
    "P90",
    "BIAS",
    "COVERED",
    "WIDTH",
    "ROOFLINE",
    "REGRESSION",
]
_DECIDED = ["UNDECIDED", "FEASIBLE", "REGRET", "REGRET P90"]
_MOST_NOTES = 20
_MOST_NAMES = 12


def fidelity(request: Request, *, against: Path | None, json: bool, json_into: Path | None) -> int:
    """Compare predictions with measured tables; with ``against``, also with an older report."""
    from aios.workflow.calibrations import shipped_calibrations
    from aios.workflow.fidelity import fidelity as work

    one_thread()
    before = None if against is None else _old(against)
    with Progress("fidelity", quiet=json) as progress:
        report = work(request, shipped_calibrations(progress).shared, progress)
    return tell(report, before, json=json, json_into=json_into)


def tell(report: Report, before: list[Mapping[str, Any]] | None, *, json: bool, json_into: Path | None) -> int:
    """Print a report, and what changed since an older one; return what it means for the caller."""
    document = report.as_json()
    if before is not None:
        from aios.fidelity import compared

        changes = compared(before, document["tables"])
        document["changes"] = [{**change._asdict(), "better": change.better} for change in changes]
        words = _words(report) + "\n\n" + _changes(changes)
    else:
        words = _words(report)
    emit(words, document, json=json, json_into=json_into)
    return _exit(report)


def _exit(report: Report) -> Exit:
    """Return what the report means for the caller; errors are told on standard error, beside what was found."""
    if report.failed:
        told = [f"{name} failed: {why}; this is a bug in aios" for name, why in report.failed.items()]
        print_diagnostics([Diagnostic(summary=harmless(text)) for text in told])
        return Exit.BUG
    if not report.rows:
        unread = Diagnostic(
            summary="no table could be read; each is named with its reason",
            remedy="docs/fidelity.md tells how a form beside a table says what its columns mean",
        )
        print_diagnostics([unread if report.skipped else Diagnostic(summary="no row is asked for")])
        return Exit.INPUT
    return Exit.DONE


def _old(path: Path) -> list[Mapping[str, Any]]:
    try:
        document = jsonlib.loads(path.read_bytes())
        rows = document["tables"]
        if not all(isinstance(row, dict) and "table" in row for row in rows):
            raise ValueError
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        remedy = "write one with `aios fidelity --data FOLDER --json-into FILE`"
        raise InputError(Diagnostic(summary=f"{path} is no report of `aios fidelity`", remedy=remedy)) from None
    return list(rows)


def _words(report: Report) -> str:
    ink = Ink(sys.stdout)
    decided = any(row.figures["feasible_share"] is not None for row in report.rows)
    rows = [_row(row, decided) for row in report.rows]
    lines = [table([*_HEADERS, *(_DECIDED if decided else [])], rows, ink)] if rows else []
    lines += ["", *_left_out(report), *_reasons(report), *_elsewhere(report)]
    lines += [f"{ink('failed', 'red')}: {harmless(name)}: {harmless(why)}" for name, why in report.failed.items()]
    lines += [f"{ink('skipped', 'yellow')}: {harmless(name)}: {harmless(why)}" for name, why in report.skipped.items()]
    notes = [note for reading in report.tables.readings for note in reading.notes]
    lines += [diagnostic_text(note, ink, "note") for note in notes[:_MOST_NOTES]]
    lines += [f"and {counted(len(notes) - _MOST_NOTES, 'more note')}"] if len(notes) > _MOST_NOTES else []
    unknown = {reading.table: reading.unknown for reading in report.tables.readings if reading.unknown}
    lines += _listed("no device of the catalogue, or not clear which", unknown)
    lines += _listed("models of which too little is known", report.unknown_models)
    lines += _listed("better or worse than can be true, neither learnt from nor judged: lines", report.suspicious)
    lines += _listed("choices that decide nothing", report.undecided)
    return "\n".join(lines)


def _listed(what: str, tables: Mapping[str, Sequence[object]]) -> list[str]:
    """Return a line for each table, with the first of its names."""
    found = []
    for name, items in tables.items():
        shown = ", ".join(harmless(str(item)) for item in items[:_MOST_NAMES])
        rest = f" and {len(items) - _MOST_NAMES:,} more" if len(items) > _MOST_NAMES else ""
        found.append(f"{harmless(name)}: {what}: {shown}{rest}")
    return found


def _row(row: Row, decided: bool) -> list[str]:
    figures, references = row.figures, row.figures["references"]
    cells = [
        harmless(row.table),
        row.predictor,
        row.metric,
        row.level,
        _of_all(figures["rows"], sum(row.reasons.values())),
        _right(figures) if "ran_admitted" in figures else _share(figures["median_ape"]),
        _share(figures["p90_ape"]),
        _share(figures["bias"], sign=True),
        _share(figures["coverage"]),
        "-" if figures["width"] is None else f"x{figures['width']:.3g}",
        *(_share(references.get(name, {}).get("median_ape")) for name in ("roofline", "regression")),
    ]
    return cells + (_decided(figures) if decided else [])


def _of_all(rows: int, unpredicted: int) -> str:
    """Return a number of rows, and of how many where the others cannot be predicted."""
    return f"{rows:,} of {rows + unpredicted:,}" if unpredicted else f"{rows:,}"


def _decided(figures: Mapping[str, Any]) -> list[str]:
    """Return what deciding by predictions is worth; undecided as a share of the intents."""
    intents = figures["intents"]
    undecided = figures["undecided"] / intents if intents else None
    return [_share(undecided), *(_share(figures[name]) for name in ("feasible_share", "regret_median", "regret_p90"))]


def _right(figures: Mapping[str, Any]) -> str:
    """Return what share is told rightly of what ran, and of what was out of memory."""
    return f"{_share(figures['ran_admitted'])} / {_share(figures['out_of_memory_refused'])} right"


def _share(value: float | None, sign: bool = False) -> str:
    """Return a fraction in percent."""
    if value is None:
        return "-"
    return f"{100 * value:{'+' if sign else ''}.1f} %"


def _reasons(report: Report) -> list[str]:
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in report.rows:
        for why, count in row.reasons.items():
            found.setdefault((row.table, row.metric, why), []).append(f"{row.level} {count:,}")
    return [
        f"{harmless(name)} {metric}: not predicted: {harmless(why)} ({', '.join(levels)})"
        for (name, metric, why), levels in found.items()
    ]


def _elsewhere(report: Report) -> list[str]:
    """Return a line for each figure that rests on something else than the other rows of the folder."""
    rows = [row for row in report.rows if "learnt_from" in row.figures]
    return [
        f"{harmless(row.table)} {row.metric} {row.level}: from {harmless(row.figures['learnt_from'])}" for row in rows
    ]


def _left_out(report: Report) -> list[str]:
    """Return a line for each table of which not every line is read."""
    found = []
    for reading in report.tables.readings:
        counts = reading.counts
        if counts.read == counts.lines:
            continue
        why = {"filtered": "by its form", "empty": "without a measured number", "unreadable": "that cannot be read"}
        left = [f"{getattr(counts, name):,} {text}" for name, text in why.items() if getattr(counts, name)]
        read = f"{counts.read:,} of {counts.lines:,} lines are read"
        found.append(f"{harmless(reading.table)}: {read}; left out: {', '.join(left)}")
    return found


def _changes(changes: tuple[Change, ...]) -> str:
    ink = Ink(sys.stdout)
    if not changes:
        return "nothing changed"
    rows = []
    for change in changes:
        style = {True: ("better", "green"), False: ("worse", "red"), None: ("", "dim")}[change.better]
        name, predictor, metric, level = change.key
        del predictor
        old, new = ("-" if value is None else f"{value:.4g}" for value in (change.old, change.new))
        delta = "" if change.old is None or change.new is None else f"{change.new - change.old:+.3g}"
        rows.append([harmless(name), metric, level, change.figure, old, new, delta, ink(*style)])
    return table(["TABLE", "METRIC", "LEVEL", "FIGURE", "BEFORE", "NOW", "CHANGE", ""], rows, ink)
