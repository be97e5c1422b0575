"""Checks of what is kept on disk: state, lock, journal, folders."""

from __future__ import annotations

import json
import os
import shlex
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from aios.spi.checkup import Finding
from aios.workflow.checkups.patient import Patient
from aios.workflow.setting import Setting

__all__ = ["folder", "journal", "lock", "state"]

_LITTLE_BYTES, _TOO_LITTLE_BYTES = 1 << 30, 64 << 20
"""Free space below which prepared models may not fit, and below which hardly anything can be written."""


def state(patient: Patient) -> Iterable[Finding]:
    """Read the state; look for what an earlier run did not finish, and for who else may write it."""
    kept = patient.state()
    path = patient.setting.state
    if kept.serial == 0:
        yield Finding(check="state", status="skipped", seen=f"nothing was applied: there is no {path}")
    else:
        seen = f"{path}: serial {kept.serial}, {len(kept.resources):,} resources"
        yield Finding(check="state", status="ok", seen=seen)
    unfinished = [name for name, resource in kept.resources.items() if resource.unfinished is not None]
    if unfinished:
        yield Finding(
            check="state.unfinished",
            status="warn",
            seen=f"a run ended in the middle of {_some(unfinished)}",
            remedy="apply again: it goes on from there",
            command="aios status",
        )
    yield from _writable_by_all(patient.setting)


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _writable_by_all(setting: Setting) -> Iterable[Finding]:
    """Find what of the state other users of this machine can replace."""
    found = []
    for path in (setting.home, setting.state, setting.journal, setting.artefacts):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            found.append(str(path))
    if found:
        yield Finding(
            check="state.permissions",
            status="warn",
            seen=f"every user of this machine may change {', '.join(found)}",
            remedy="take that right away: who changes the state decides what is destroyed, and what services run",
            command=shlex.join(["chmod", "o-w", *found]),
        )


def lock(patient: Patient) -> Iterable[Finding]:
    """Say who holds the state's lock, and whether that process lives."""
    from aios.state import Owner

    path = patient.setting.state.with_name(patient.setting.state.name + ".lock")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        yield Finding(check="lock", status="ok", seen="free")
        return
    except OSError as error:
        yield Finding(check="lock", status="fail", seen=f"{path} cannot be read: {error.strerror}")
        return
    try:
        owner = Owner.model_validate(json.loads(text))
    except ValueError:
        if _is_held(path):
            yield Finding(check="lock", status="ok", seen="another run is just starting")
        else:
            seen = f"{path} says of nobody who holds it, and nobody does"
            yield Finding(check="lock", status="warn", seen=seen, remedy="the next run takes it over")
        return
    alive = owner.alive()
    if alive:
        yield Finding(check="lock", status="ok", seen=f"a run is at work: {owner}")
    elif alive is False:
        yield Finding(
            check="lock",
            status="warn",
            seen=f"left by a run that ended without releasing it: {owner}",
            remedy="the next run takes it over and goes on with what was left",
        )
    else:
        yield Finding(
            check="lock",
            status="warn",
            seen=f"held from another machine, whose processes cannot be seen from here: {owner}",
            remedy="if that run has ended, remove the lock; else wait",
            command=shlex.join(["rm", "--", str(path)]),
        )


def _is_held(path: Path) -> bool:
    import fcntl

    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def journal(patient: Patient) -> Iterable[Finding]:
    """Read every journal, and say how the last run ended. Raises ConflictError for a damaged one."""
    from aios.state import RunJournal

    runs = sorted(patient.setting.journal.glob("[0-9]*.jsonl"))
    if not runs:
        yield Finding(check="journal", status="skipped", seen="no run has kept one")
        return
    with RunJournal(patient.setting.journal, patient.setting.now):
        pass
    (*_, last) = runs[-1].read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    if '"event":"end"' in last:
        yield Finding(check="journal", status="ok", seen=f"{len(runs)} runs, all of them readable")
        return
    yield Finding(
        check="journal",
        status="warn",
        seen=f"the last run ({runs[-1]}) goes on, or was cut off",
        remedy="if nothing is at work (see `lock`), apply again: it goes on from there",
        command="aios status",
    )


def folder(check: str, path: Path) -> Iterable[Finding]:
    """Write to a folder, or to the one that it would be made in, and say how much room there is."""
    place = next(item for item in (path.absolute(), *path.absolute().parents) if item.exists())
    where = str(path) if place == path.absolute() else f"{path} (not there yet; {place})"
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
        room = os.statvfs(place)
    except OSError as error:
        yield Finding(
            check=check,
            status="fail",
            seen=f"{where} cannot be written: {error.strerror or error}",
            remedy="make it writable for this user, free space, or name another place"
            + (" with --state" if check == "folder.state" else " with --profiles"),
            command=shlex.join(["df", "-h", str(place)]),
        )
        return
    free, files = room.f_bavail * room.f_frsize, room.f_favail
    seen = f"{where}: writable, {free / 2**30:,.1f} GiB free"
    if files == 0 and room.f_files > 0:
        seen += ", no file can be added (inodes)"
    if free >= _LITTLE_BYTES and (files > 0 or room.f_files == 0):
        yield Finding(check=check, status="ok", seen=seen)
        return
    yield Finding(
        check=check,
        status="fail" if free < _TOO_LITTLE_BYTES or (files == 0 and room.f_files > 0) else "warn",
        seen=seen,
        remedy="free space on that disk: prepared models may not fit",
        command=shlex.join(["df", "-h", str(place)]),
    )
