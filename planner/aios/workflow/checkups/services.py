"""Checks of what stands: whether it is well, and who holds the ports that it needs."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
from collections.abc import Iterable
from pathlib import Path

from aios.spi.checkup import Finding
from aios.spi.listener import listener_of
from aios.workflow.checkups.patient import Patient
from aios.workflow.observing import Seen

__all__ = ["ports", "services"]


def services(patient: Patient) -> Iterable[Finding]:
    """Observe everything that stands; what is not well is told with its last words."""
    kept = patient.known_state()
    if kept is None or not kept.resources:
        why = "the state, which names them, cannot be read" if kept is None else "nothing stands"
        yield Finding(check="services", status="skipped", seen=why)
        return
    seen = patient.observed()
    well = {address for address, item in seen.items() if item.observation and item.observation.condition in _WELL}
    if well:
        yield Finding(check="services", status="ok", seen=f"{len(well):,} of {len(seen):,} stand and answer")
    yield from (_unwell(patient, address, item) for address, item in seen.items() if address not in well)


_WELL = ("healthy", "written")


def _unwell(patient: Patient, address: str, item: Seen) -> Finding:
    check, seen = f"service.{address}", item.observation
    if seen is None:
        remedy = "see what is wrong with its executor"
        return Finding(check=check, status="fail", seen=item.why, remedy=remedy, command="aios plugins")
    if seen.condition == "starting":
        return Finding(check=check, status="warn", seen=f"it is starting: {seen.detail}")
    return Finding(
        check=check,
        status="fail",
        seen=f"{seen.condition}: {seen.detail}",
        remedy="apply again: what is not as it should be is made anew",
        command=shlex.join(["aios", "apply", *(patient.setting.paths or ("intent.yaml",))]),
    )


def ports(patient: Patient) -> Iterable[Finding]:
    """Try the ports that services stand at or are to stand at; say who holds one that is not theirs to hold."""
    kept, written = patient.known_state(), patient.known_files()
    standing = list(kept.resources.values()) if kept else []
    wanted = {(item.deployment.serve.host, item.deployment.serve.port): item.address for item in standing}
    for intent in written.intents if written else ():
        wanted.setdefault((intent.serve.host, intent.serve.port), intent.name)
    asked = {place: address for place, address in wanted.items() if place[1] is not None}
    if not asked:
        yield Finding(check="ports", status="skipped", seen="no port is asked for: services take free ones")
        return
    owners = {
        pid: address
        for address, item in patient.observed().items()
        if item.observation
        for pid in item.observation.pids
    }
    troubles = 0
    for (host, port), address in asked.items():
        trouble = _trouble(host, port or 0)
        if trouble is None:
            continue
        found = listener_of(port or 0)
        holder = found and found.pid
        if holder is not None and owners.get(holder) == address:
            continue
        troubles += 1
        who = _in_words(holder) if holder is not None else "a process that this user cannot see"
        taken = "in use" in trouble.lower()
        yield Finding(
            check=f"port.{port}",
            status="fail",
            seen=f"{host}:{port}, for {address}, is held by {who}" if taken else f"{host}:{port}: {trouble}",
            remedy=f"end that program, or choose another port in the `serve` of {address}",
            command=f"ss -ltnp 'sport = :{port}'",
        )
    if not troubles:
        yield Finding(check="ports", status="ok", seen=f"{len(asked)} asked for, free or held by their own services")


def _trouble(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _in_words(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        command = re.sub(r"\s+", " ", " ".join(words)).strip()[:100]
        return f"process {pid} ({command})"
    return f"process {pid}"
