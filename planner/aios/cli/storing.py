"""The model store, in words: add, log, tag, branch, checkout, rollback, rm, gc, fsck."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.cli.exits import Exit
from aios.cli.output import emit, metric_text
from aios.cli.progress import Progress
from aios.cli.words import Ink, counted, harmless, one_line, print_diagnostics, table
from aios.records.errors import UsageError
from aios.records.units import Dimension, format_quantity

if TYPE_CHECKING:
    from aios.records.measurement import Measured
    from aios.records.modelstore import Entry, Version
    from aios.records.transform import Provenance
    from aios.workflow.collecting import Collected
    from aios.workflow.modelstore import Added, Moved
    from aios.workflow.setting import Setting

__all__ = ["add", "branch", "checkout", "fsck", "gc", "log", "make", "rm", "rollback", "tag"]


def add(
    setting: Setting,
    file: Path,
    name: str | None,
    branch: str,
    message: str,
    meta: tuple[str, ...],
    key: str | None,
    *,
    json: bool,
) -> int:
    """Keep a model file, and say as what."""
    from aios.workflow.modelstore import Adding, add_model

    with Progress("add", quiet=json) as progress:
        wanted = Adding(file, name, branch, message, _pairs(meta, "--meta"), key=key)
        done = add_model(replace(setting, tell=progress.doing), wanted)
    return _tell_added(done, branch, json=json)


def _tell_added(done: Added, branch: str, *, json: bool) -> int:
    version = done.version
    if not done.new:
        words = f"{done.name}@{branch} is that very model already: {version.told}"
    else:
        size = format_quantity(float(version.size), Dimension.BYTES)
        words = (
            f"{done.name}@v{version.number}  {version.digest}  {size}, {branch} {_went(done.before, version.number)}"
        )
    emit(words, {"name": done.name, "version": version, "new": done.new, "before": done.before}, json=json)
    return Exit.DONE


def make(
    setting: Setting,
    reference: str,
    transform: str,
    settings: tuple[str, ...],
    more: Mapping[str, Any],
    *,
    json: bool,
) -> int:
    """Have a transform make a version of another one. more: the other fields of what is wanted"""
    from aios.workflow.modelmaking import Wanted, make_model

    with Progress("make", quiet=json) as progress:
        wanted = Wanted(transform, _pairs(settings, "--set"), **more)
        done = make_model(replace(setting, tell=progress.doing), reference, wanted)
    return _tell_added(done, wanted.branch, json=json)


def _pairs(given: tuple[str, ...], option: str) -> Mapping[str, str]:
    found = {}
    for item in given:
        key, equals, value = item.partition("=")
        if not key or not equals:
            raise UsageError(f"{option} takes KEY=VALUE, not {item!r}")
        found[key] = value
    return found


def log(setting: Setting, reference: str, *, json: bool) -> int:
    """List versions with their lineage."""
    from aios.workflow.modelstore import log_model

    found = log_model(setting, reference)
    ink = Ink(sys.stdout)
    blocks = [_version_text(item, found.entry, found.measured.get(item.digest, {}), ink) for item in found.versions]
    document = {
        "name": found.entry.name,
        "branches": found.entry.branches,
        "tags": found.entry.tags,
        "versions": found.versions,
        "measured": found.measured,
        "moves": found.entry.moves,
    }
    emit("\n\n".join(blocks), document, json=json)
    return Exit.DONE


def _version_text(version: Version, entry: Entry, measured: Mapping[str, Measured], ink: Ink) -> str:
    labels = [
        label for label, pointer in (*entry.branches.items(), *entry.tags.items()) if pointer.at == version.number
    ]
    head = ink(f"{entry.name}@v{version.number}", "bold") + (f"  ({', '.join(labels)})" if labels else "")
    facts = [
        ("digest", version.digest),
        ("size", format_quantity(float(version.size), Dimension.BYTES)),
        ("encrypted", f"by the key {version.key_id}" if version.key_id else ""),
        ("added", f"{version.at} by {version.author} to {version.branch}"),
        ("from", ", ".join(version.parents)),
        ("why", version.message),
        *((name, value) for name, value in sorted(version.meta.items())),
        *(("made by", _step_text(step)) for step in version.provenance if step.transform),
        *(("measured", _measured_text(name, item)) for name, item in sorted(measured.items())),
    ]
    lines = [f"  {ink(one_line(name).ljust(9), 'dim')} {one_line(value)}" for name, value in facts if value]
    return "\n".join([head, *lines])


def _step_text(step: Provenance) -> str:
    settings = ", ".join(f"{name}={value}" for name, value in sorted(step.settings.items()))
    versions = ", ".join(f"{name} {value}" for name, value in sorted(step.versions.items()))
    how = f" ({settings})" if settings else ""
    return f"{step.transform}{how} of {step.source[:15]}{f' with {versions}' if versions else ''}"


def _measured_text(name: str, item: Measured) -> str:
    low, high = metric_text(name, item.low), metric_text(name, item.high)
    return f"{name} {metric_text(name, item.value)} ({low} to {high}, {item.n} items)"


def tag(setting: Setting, reference: str, label: str, *, json: bool) -> int:
    """Put a tag at a version."""
    from aios.workflow.modelstore import tag_model

    return _tell_moved(tag_model(setting, reference, label), json=json)


def branch(setting: Setting, reference: str, label: str, *, json: bool) -> int:
    """Put the end of a branch at a version."""
    from aios.workflow.modelstore import branch_model

    return _tell_moved(branch_model(setting, reference, label), json=json)


def rollback(setting: Setting, reference: str, version: str | None, *, json: bool) -> int:
    """Put a branch or tag back."""
    from aios.workflow.modelstore import roll_back_model

    return _tell_moved(roll_back_model(setting, reference, version), json=json)


def _tell_moved(moved: Moved, *, json: bool) -> int:
    went = f"stands at v{moved.after} already" if moved.before == moved.after else _went(moved.before, moved.after)
    emit(f"{moved.name}@{moved.label} {went}", moved._asdict(), json=json)
    return Exit.DONE


def _went(before: int | None, after: int | None) -> str:
    return f"begins at v{after}" if before is None else f"went from v{before} to v{after}"


def checkout(setting: Setting, reference: str, out: Path | None, key: str | None, *, force: bool, json: bool) -> int:
    """Write the file of a version."""
    from aios.workflow.modelstore import checkout_model

    with Progress("checkout", quiet=json):
        version, path = checkout_model(setting, reference, out, force, key)
    emit(f"{path} is {reference}, {version.told}", {"file": str(path), "version": version}, json=json)
    return Exit.DONE


def rm(setting: Setting, reference: str, *, whole: bool, json: bool) -> int:
    """Forget a version, a tag, a branch or a name."""
    from aios.workflow.modelstore import remove_model

    done = remove_model(setting, reference, whole)
    what = f"{done.name} with all of its versions" if done.what == "name" else f"{done.what} of {done.name}"
    emit(f"forgotten: {what}; `aios model gc` removes files that nothing needs", done._asdict(), json=json)
    return Exit.DONE


def gc(setting: Setting, unused_s: float, *, dry: bool, json: bool) -> int:
    """Remove what nobody needs, and say what that was."""
    from aios.workflow.collecting import collect

    with Progress("gc", quiet=json):
        done = collect(setting, unused_s, dry=dry)
    document = {"dry": dry, "lines": [line._asdict() for line in done.lines], "bytes": done.bytes, "kept": done.kept}
    emit(_collected_text(done), document, json=json)
    return Exit.DONE


def _collected_text(done: Collected) -> str:
    ink = Ink(sys.stdout)
    rows = [
        [
            line.kind,
            (line.digest or "unreadable")[:15],
            format_quantity(float(line.bytes), Dimension.BYTES),
            "kept: in use just now" if line.in_use else line.reason,
            harmless(line.path),
        ]
        for line in done.lines
    ]
    size = format_quantity(float(done.bytes), Dimension.BYTES)
    count = sum(not line.in_use for line in done.lines)
    verb = "would be removed" if done.dry else "removed"
    told = f"{verb}: {counted(count, 'model or artefact', 'models and artefacts')}, {size}; kept: {done.kept}"
    return f"{table(['KIND', 'MODEL', 'SIZE', 'WHY', 'FOLDER'], rows, ink)}\n\n{told}" if rows else told


def fsck(setting: Setting, names: tuple[str, ...], *, json: bool) -> int:
    """Compare every stored byte, and say what differs."""
    from aios.workflow.modelstore import check_store

    with Progress("fsck", quiet=json) as progress:
        done = check_store(replace(setting, tell=progress.doing), names)
    size = format_quantity(float(done.bytes), Dimension.BYTES)
    told = f"{counted(done.versions, 'model')} compared, {size}: "
    told += f"{counted(len(done.wrong), 'mistake')}" if done.wrong else "all are what was stored"
    if not json:
        print_diagnostics(done.wrong)
    emit(told, {"models": done.versions, "bytes": done.bytes, "wrong": done.wrong}, json=json)
    return Exit.WORLD if done.wrong else Exit.DONE
