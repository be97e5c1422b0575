"""calibrate, in words."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.words import Ink, counted, diagnostic_text, harmless, print_diagnostics, table, warned
from aios.records.errors import Diagnostic, UsageError

if TYPE_CHECKING:
    from aios.records.calibration import LearntError
    from aios.records.fleet import DeviceType
    from aios.workflow.calibrating import Taught
    from aios.workflow.calibrationerrors import NotLearnt
    from aios.workflow.measuredtables import MeasuredTables

__all__ = ["calibrate"]

_MOST_NOTES = 20
_MOST_NAMES = 12


def calibrate(
    device: str | None,
    source: Path | None,
    data: Path | None,
    profiles: Path | None,
    predictor: str | None,
    out: Path,
    fleet: str | None,
    *,
    from_scratch: bool = False,
    json: bool,
    json_into: Path | None,
) -> int:
    """Learn from measured rows; write what was learnt, and say how much better it is than knowing nothing."""
    from aios import catalogue
    from aios.workflow.calibrating import calibrate_all, calibrate_device
    from aios.workflow.calibrations import load_calibrations

    _one_source(device, source, data, profiles, from_scratch)
    one_thread()
    with Progress("calibrate", quiet=json) as progress:
        known = load_calibrations([catalogue.root() / "calibrations", out], warned)
        if data is not None:
            taught = calibrate_all(data, predictor, None if from_scratch else known, out, progress)
        else:
            tables = _tables(source, profiles, progress)
            own = _described(fleet)
            taught = calibrate_device(device or "", tables, predictor, known, out, progress, own)
    unused = _unused(taught, out)
    lines = [_words(taught), *_remarks(taught, unused), *_left_out(taught.tables)]
    emit("\n".join(lines), _document(taught, unused), json=json, json_into=json_into)
    if taught.failed:
        told = [f"{name} failed: {why}; this is a bug in aios" for name, why in taught.failed.items()]
        print_diagnostics([Diagnostic(summary=harmless(text)) for text in told])
        return Exit.BUG
    return Exit.DONE


def _document(taught: Taught, unused: Mapping[Path, str]) -> Mapping[str, Any]:
    readings = taught.tables.readings
    few = [dict(zip(("device", "predictor", "metric", "rows"), item, strict=True)) for item in taught.few]
    return {
        "calibrations": [
            {
                "file": str(item.file),
                "predictor": item.calibration.predictor,
                "metric": item.calibration.metric,
                "device": item.calibration.device,
                "before": item.before,
                "after": item.calibration.errors,
                "after_with_others": item.others,
                "rows": item.rows,
                "built_upon": item.upon,
                "suspicious": _lines_of(item.left),
                "impossible": [told._asdict() for told in item.left.impossible] if item.left else [],
                "unknown_models": item.left.unknown_models if item.left else {},
                "no_longer_in_it": item.dropped,
                "seen_before": item.seen,
                "unused": unused.get(item.file),
            }
            for item in taught.learnt
        ],
        "unread": {item.table: item.reason for item in readings if item.reason},
        "unknown_devices": {item.table: list(item.unknown) for item in readings if item.unknown},
        "notes": [note for item in readings for note in item.notes],
        "not_learnt": [
            {**left._asdict(), "impossible": [told._asdict() for told in left.impossible]} for left in taught.left
        ],
        "too_few_rows": few,
        "failed": taught.failed,
    }


def _lines_of(left: NotLearnt | None) -> Mapping[str, list[int]]:
    """Return table -> lines of rows that are better or worse than can be true."""
    found: dict[str, set[int]] = {}
    for told in left.impossible if left else ():
        found.setdefault(told.table, set()).add(told.line)
    return {name: sorted(lines) for name, lines in found.items()}


def _unused(taught: Taught, out: Path) -> Mapping[Path, str]:
    """Return file -> why no plan is made with it. Plans that read another folder are none of its business."""
    from aios.workflow.calibrationuse import why_unused

    types = taught.tables.types
    told = {
        item.file: why_unused(item.calibration, types.get(item.calibration.device or ""), out) for item in taught.learnt
    }
    return {file: why for file, why in told.items() if why}


def _one_source(
    device: str | None, source: Path | None, data: Path | None, profiles: Path | None, from_scratch: bool
) -> None:
    """Raise UsageError unless a device with one source of its rows is named, or a folder of many devices."""
    if from_scratch and data is None:
        told = "`--from-scratch` learns of all devices what they have in common, which takes a folder of tables"
        raise UsageError(Diagnostic(summary=told, remedy="name one with `--data FOLDER`, or leave it out"))
    sources = [item for item in (source, profiles) if item is not None]
    if (data is not None and device is None and not sources) or (device is not None and len(sources) == 1 and not data):
        return
    raise UsageError(
        Diagnostic(
            summary="it is not said what to learn from",
            remedy="name a device and its rows (`--device D --table FILE`, or `--device D --from-profiles`), "
            "or a folder of tables (`--data FOLDER`)",
        )
    )


def _tables(source: Path | None, profiles: Path | None, progress: Progress) -> MeasuredTables:
    from aios.workflow.measuredtables import read_tables
    from aios.workflow.ownmeasurements import own_measurements
    from aios.workflow.setting import Setting

    if profiles is not None:
        return own_measurements(profiles, Setting().model_cache)
    assert source is not None  # see _one_source
    return read_tables(source, None, progress)


def _described(fleet: str | None) -> Mapping[str, DeviceType]:
    """Return the device types that a fleet file describes itself: the one that is named, or the one that lies here."""
    from aios.workflow.cataloguing import known_devices

    here = "fleet.yaml" if Path("fleet.yaml").is_file() else None
    return known_devices(fleet or here).own


def _words(taught: Taught) -> str:
    ink = Ink(sys.stdout)
    rows = []
    for item in taught.learnt:
        after = {error.level: error for error in item.calibration.errors if not error.table}
        rows.append(
            [
                item.calibration.device or "all devices",
                item.calibration.predictor,
                item.calibration.metric,
                str(item.rows),
                _error(item.before or after.get("zero-shot")),
                _error(after.get("calibrated")),
                str(item.file),
            ]
        )
    lines = [table(["DEVICE", "PREDICTOR", "METRIC", "ROWS", "BEFORE", "AFTER", "FILE"], rows, ink)]
    for left in [*(item.left for item in taught.learnt if item.left), *taught.left]:
        lines += _not_learnt(left, ink)
    told = "errors are medians of |predicted / measured - 1| of rows that were held back; - where too few would be left"
    return "\n".join([*lines, "", told])


def _not_learnt(left: NotLearnt, ink: Ink) -> list[str]:
    """Return which rows of a metric were not learnt from, and why."""
    what = f"{left.predictor} {left.metric}"
    lines = [
        f"{ink('suspicious', 'yellow')}: {harmless(told.table)}:{told.line}: {harmless(told.text)}; not learnt from"
        for told in left.impossible[:_MOST_NAMES]
    ]
    if len(left.impossible) > _MOST_NAMES:
        rest = counted(len(left.impossible) - _MOST_NAMES, "more row")
        lines.append(f"{ink('suspicious', 'yellow')}: and {rest} of {what} better or worse than can be true")
    for name, models in left.unknown_models.items():
        shown = ", ".join(harmless(model) for model in models[:_MOST_NAMES])
        more = f" and {len(models) - _MOST_NAMES} more" if len(models) > _MOST_NAMES else ""
        told = f"{what}: too little is known of {counted(len(models), 'model')} to learn from: {shown}{more}"
        lines.append(f"{ink('not learnt from', 'yellow')}: {harmless(name)}: {told}")
    return lines


def _remarks(taught: Taught, unused: Mapping[Path, str]) -> list[str]:
    """Return what of it is not as it looks: learnt from the same rows before, not used by plans, too little."""
    ink = Ink(sys.stdout)
    lines = []
    for item in taught.learnt:
        learnt = item.calibration
        what = f"{learnt.predictor} {learnt.metric}"
        if item.upon:
            told = f"{counted(item.upon, 'row')} of {learnt.device} that were known before are built upon"
            lines.append(f"{ink('note', 'yellow')}: {what}: {told}")
        if item.dropped:
            names = ", ".join(harmless(name) for name in item.dropped)
            lines.append(
                f"{ink('note', 'yellow')}: {what}: a table that was learnt from before is learnt anew, without others: "
                f"learn {names} again, or put all tables in one folder"
            )
        if item.others is not None:
            told = f"{_error(item.before)} without them, {_error(item.others)} with them"
            lines.append(
                f"{ink('note', 'yellow')}: {what}: models held back are predicted no better with what these rows say "
                f"of others ({told}): plans use them only for the models that were measured"
            )
        if item.seen:
            told = f"{what} of all devices was learnt from {counted(item.seen, 'row')} of {learnt.device}"
            lines.append(
                f"{ink('note', 'yellow')}: {told} too, these ones perhaps: BEFORE and AFTER are no errors on rows that "
                "nothing has seen"
            )
    for why in dict.fromkeys(unused.values()):
        first, *others = (str(file) for file, told in unused.items() if told == why)
        more = f" and {len(others)} more" if others else ""
        lines.append(f"{ink('not used by plans', 'yellow')}: {harmless(first)}{more}: {harmless(why)}")
    for device, predictor, metric, rows in taught.few:
        told = f"{harmless(device)} {predictor} {metric}: {counted(rows, 'row')} that can be used"
        lines.append(f"{ink('too few rows', 'yellow')}: {told}, nothing was learnt")
    return lines


def _left_out(tables: MeasuredTables) -> list[str]:
    """Return what was not learnt from: tables, cells, devices that nobody knows."""
    ink, readings = Ink(sys.stdout), tables.readings
    lines = [
        f"{ink('skipped', 'yellow')}: {harmless(item.table)}: {harmless(item.reason)}"
        for item in readings
        if item.reason
    ]
    notes = [note for item in readings for note in item.notes]
    lines += [diagnostic_text(note, ink, "note") for note in notes[:_MOST_NOTES]]
    lines += [f"and {counted(len(notes) - _MOST_NOTES, 'more note')}"] if len(notes) > _MOST_NOTES else []
    for item in readings:
        if item.unknown:
            names = ", ".join(harmless(name) for name in item.unknown[:_MOST_NAMES])
            rest = f" and {len(item.unknown) - _MOST_NAMES:,} more" if len(item.unknown) > _MOST_NAMES else ""
            lines.append(f"{harmless(item.table)}: no device of the catalogue, or not clear which: {names}{rest}")
    return lines


def _error(error: LearntError | None) -> str:
    return "-" if error is None else f"{100 * error.median:.1f} %"
