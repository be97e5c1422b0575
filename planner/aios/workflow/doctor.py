"""doctor: everything that can be broken here, looked at at the same time, each check with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from aios.records.errors import AiosError, Diagnostic
from aios.spi.checkup import Finding
from aios.workflow.checkups import machine, places, services, software
from aios.workflow.checkups.patient import Patient
from aios.workflow.redacting import redacted
from aios.workflow.setting import Setting
from aios.workflow.stages import note, stage

__all__ = ["examine"]

_DEADLINE_S = 12.0
"""From the beginning of all checks: they run side by side."""


class _Check(NamedTuple):
    """name: of what is looked at · look: returns what was found"""

    name: str
    look: Callable[[], Iterable[Finding]]


class _Running:
    """A check under way, in a thread that is left alone when it does not come back."""

    def __init__(self, check: _Check) -> None:
        self._check = check
        self._found: tuple[Finding, ...] | None = None
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        name = self._check.name
        try:
            self._found = tuple(self._check.look())
        except AiosError as error:
            self._found = tuple(_failed(name, item) for item in error.diagnostics)
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit too; the others go on
            remedy = "if a plugin is named, install it anew or remove it; else this is a bug in aios: please report it"
            self._found = (Finding(check=name, status="fail", seen=f"{type(error).__name__}: {error}", remedy=remedy),)

    def found(self, until: float) -> tuple[Finding, ...]:
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._found is not None:
            return self._found
        remedy = "what it looks at hangs: a driver, a network file system, a tool; see `dmesg` and `df`"
        seen = f"no answer within {_DEADLINE_S:g} s"
        return (Finding(check=self._check.name, status="fail", seen=seen, remedy=remedy),)


def examine(setting: Setting) -> tuple[Finding, ...]:
    """Return what was found, in an order that does not change. Changes nothing and does not hang."""
    patient = Patient(setting)
    with stage("examining", setting.tell, "looking") as at:
        running = [_Running(check) for check in _checks(patient)]
        until = time.monotonic() + _DEADLINE_S
        findings = tuple(_clean(finding) for one in running for finding in one.found(until))
        for finding in findings:
            level = {"fail": "error", "warn": "warning"}.get(finding.status, "debug")
            note("finding", level, **finding.model_dump(exclude_none=True))  # type: ignore[arg-type]  # of LEVELS
        at.note(findings=len(findings))
    return findings


def _failed(name: str, item: Diagnostic) -> Finding:
    told = [f"{item.where}: {item.summary}" if item.where else item.summary, *([item.reason] if item.reason else [])]
    remedy = item.remedy or "mend it, then look again"
    return Finding(check=name, status="fail", seen="; ".join(told), remedy=remedy, command=item.command)


def _clean(finding: Finding) -> Finding:
    """Return a finding without secrets: it may quote the command line of a process, or the address of a database."""
    return finding.model_copy(update={"seen": redacted(finding.seen)})


def _checks(patient: Patient) -> Iterable[_Check]:
    yield _Check("python", software.python)
    yield _Check("solver", software.solver)
    yield _Check("catalogue", software.catalogue)
    yield from (_Check(name, look) for name, look in software.plugins())
    yield _Check("files", lambda: software.files(patient))
    yield _Check("state", lambda: places.state(patient))
    yield _Check("lock", lambda: places.lock(patient))
    yield _Check("journal", lambda: places.journal(patient))
    yield _Check("history", lambda: places.history(patient))
    yield _Check("folder.state", lambda: places.folder("folder.state", patient.setting.home))
    yield _Check("folder.profiles", lambda: places.folder("folder.profiles", patient.setting.profiles))
    yield _Check("services", lambda: services.services(patient))
    yield _Check("ports", lambda: services.ports(patient))
    yield _Check("memory", lambda: machine.memory(patient))
    yield _Check("limits", lambda: machine.limits(patient))
    yield _Check("descriptors", machine.descriptors)
    yield _Check("clock", lambda: machine.clock(patient))
    yield _Check("terminal", machine.terminal)
