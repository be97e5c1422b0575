"""Checks of what is kept on disk: state, lock, journal, folders."""

from __future__ import annotations

import errno
import os
import shlex
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from aios.spi.checkup import Finding
from aios.workflow.checkups.patient import Patient
from aios.workflow.keeping import state_of

__all__ = ["folder", "history", "journal", "lock", "state"]

_RUNS = 100
"""Of the history that are read."""
_LITTLE_BYTES, _TOO_LITTLE_BYTES = 1 << 30, 64 << 20
"""Free space below which prepared models may not fit, and below which hardly anything can be written."""


def state(patient: Patient) -> Iterable[Finding]:
    """Read the state; look for what an earlier run did not finish, and for who else may write it."""
    kept = patient.state()
    with closing(state_of(patient.setting)) as backend:
        place, warnings = backend.place, backend.warnings()
    if kept.serial == 0:
        yield Finding(check="state", status="skipped", seen=f"nothing was applied: there is no state at {place}")
    else:
        seen = f"{place}: serial {kept.serial}, {len(kept.resources):,} resources"
        yield Finding(check="state", status="ok", seen=seen)
    unfinished = [name for name, resource in kept.resources.items() if resource.unfinished is not None]
    if unfinished or kept.run is not None:
        what = f"in the middle of {_some(unfinished)}" if unfinished else "before it had done everything"
        yield Finding(
            check="state.unfinished",
            status="warn",
            seen=f"a run ended {what}",
            remedy="apply again: it goes on from there; or take it back",
            command="aios apply --abort",
        )
    for text in warnings:
        yield Finding(
            check="state.permissions",
            status="warn",
            seen=text,
            remedy="who changes the state decides what is destroyed, and what services run",
        )


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def lock(patient: Patient) -> Iterable[Finding]:
    """Say who holds the state's lock, and whether that process lives."""
    if not patient.is_reachable():
        yield Finding(check="lock", status="skipped", seen="the state, which it is of, cannot be reached")
        return
    with closing(state_of(patient.setting)) as backend:
        hold = backend.holder()
    if hold is None:
        yield Finding(check="lock", status="ok", seen="free")
    elif hold.alive is False:
        yield Finding(
            check="lock",
            status="warn",
            seen=f"left by a run that ended without releasing it: {hold.owner}",
            remedy="the next run takes it over and goes on with what was left",
        )
    elif hold.alive or hold.owner is None:
        yield Finding(check="lock", status="ok", seen=f"a run is at work: {hold.owner or 'it is just starting'}")
    else:
        yield Finding(
            check="lock",
            status="warn",
            seen=f"held from another machine, whose processes cannot be seen from here: {hold.owner}",
            remedy="if that run has ended, release the lock; else wait",
            command=shlex.join(["aios", "unlock", hold.owner.id, "--state", str(patient.setting.state)]),
        )


def journal(patient: Patient) -> Iterable[Finding]:
    """Read every journal, and say how many there are. Raises ConflictError for a damaged one."""
    from aios.state import RunJournal

    if not patient.is_reachable():
        yield Finding(check="journal", status="skipped", seen="the state, which it is of, cannot be reached")
        return
    with closing(state_of(patient.setting)) as backend:
        lines = backend.lines()
        runs = lines.runs()
        if runs:
            with RunJournal(lines, patient.setting.now):
                pass
    if runs:
        yield Finding(check="journal", status="ok", seen=f"{len(runs)} runs, all of them readable")
    else:
        yield Finding(check="journal", status="skipped", seen="no run has kept one")


def history(patient: Patient) -> Iterable[Finding]:
    """Read what was recorded of the last runs. Raises ConflictError for a damaged record."""
    if not patient.is_reachable():
        yield Finding(check="history", status="skipped", seen="the state, which it is of, cannot be reached")
        return
    with closing(state_of(patient.setting)) as backend:
        runs = backend.runs(_RUNS)
    if runs:
        seen = f"the last {len(runs)} runs are readable" if len(runs) > 1 else "the last run is readable"
        yield Finding(check="history", status="ok", seen=seen)
    else:
        yield Finding(check="history", status="skipped", seen="no run is recorded")


def folder(check: str, path: Path) -> Iterable[Finding]:
    """Write to a folder, or to the one that it would be made in, and say how much room there is."""
    try:
        place = next(item for item in (path.absolute(), *path.absolute().parents) if item.exists())
    except OSError:
        remedy = "go to a folder that is there"
        yield Finding(check=check, status="fail", seen="the folder that this runs in was removed", remedy=remedy)
        return
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
            command=shlex.join([*(["df", "-h"] if error.errno == errno.ENOSPC else ["ls", "-ld"]), str(place)]),
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
