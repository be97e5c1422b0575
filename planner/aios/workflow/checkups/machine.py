"""Checks of the machine: memory, what control groups leave of it, open files, the clock, the terminal."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aios.records.fleet import Node
from aios.spi.checkup import Finding
from aios.workflow.checkups.patient import Patient

__all__ = ["clock", "descriptors", "limits", "memory", "terminal"]

_GIB = 2.0**30
_LITTLE_SHARE, _TOO_LITTLE_BYTES = 0.05, 128 * 2.0**20
"""Share of the memory that should be free, and the bytes below which the kernel soon ends something."""


def memory(patient: Patient) -> Iterable[Finding]:
    """Compare the memory that is free with what stands and was promised."""
    told = _meminfo()
    total, free = told.get("MemTotal"), told.get("MemAvailable")
    if total is None or free is None:
        yield Finding(check="memory", status="skipped", seen="/proc/meminfo does not say how much is free")
        return
    promised = _promised(patient)
    seen = f"{free / _GIB:.1f} GiB of {total / _GIB:.1f} GiB available"
    seen += f"; {promised / _GIB:.2g} GiB are promised to what stands" if promised else ""
    if free < _TOO_LITTLE_BYTES or promised > total:
        status: Any = "fail"
    else:
        status = "warn" if free < _LITTLE_SHARE * total else "ok"
    remedy = "end what takes memory, or plan for a machine with more" if status != "ok" else None
    command = "ps -eo pid,rss,comm --sort=-rss | head" if remedy else None
    yield Finding(check="memory", status=status, seen=seen, remedy=remedy, command=command)


def _meminfo() -> Mapping[str, float]:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return {}
    return {name: float(number) * 1024 for name, number in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}


def _promised(patient: Patient) -> float:
    """Return the memory (bytes) that the plans of what stands count with, all replicas together."""
    kept = patient.known_state()
    return sum(
        claim.estimate.value * item.deployment.replicas
        for item in (kept.resources.values() if kept else ())
        for claim in item.claims
        if claim.metric == "memory" and claim.address == item.address and item.deployment.device_kind == "cpu"
    )


def limits(patient: Patient) -> Iterable[Finding]:
    """Compare the cores and the memory that this process may use with those of the fleet file's `address: local`."""
    from aios.spi import registry
    from aios.workflow.discovering import asked

    found = [asked(name, registry.load("aios.probes", name), False) for name in ("cpu", "memory")]
    cores = next((item.cores for item in found if item.cores is not None), None)
    size = next((item.memory_bytes for item in found if item.memory_bytes is not None), None)
    seen = f"{cores} cores, {(size or 0) / _GIB:.1f} GiB for this process, by its affinity and control groups"
    written = patient.known_files()
    here = [node for node in written.fleet.nodes if node.address == "local"] if written and written.fleet else []
    if not here:
        yield Finding(check="limits", status="ok", seen=f"{seen}; no fleet file says what this machine should have")
        return
    for node in here:
        yield _compared(node, cores, size, seen)


def _compared(node: Node, cores: float | None, size: float | None, seen: str) -> Finding:
    missing = []
    if node.cores is not None and cores is not None and cores < node.cores:
        missing.append(f"{cores} of {node.cores} cores")
    if node.memory_bytes is not None and size is not None and size < 0.98 * node.memory_bytes:  # rounded in the file
        missing.append(f"{size / _GIB:.1f} of {node.memory_bytes / _GIB:.1f} GiB of memory")
    if not missing:
        return Finding(check="limits", status="ok", seen=f"{seen}; the fleet's node {node.name} asks for no more")
    return Finding(
        check="limits",
        status="fail",
        seen=f"the fleet's node {node.name} has more than this process may use: {' and '.join(missing)}",
        remedy="raise cpu.max, cpuset.cpus and memory.max of its control group (limits of the container), or write "
        "what there is into the fleet file: plans count on what it says",
        command="aios init --force",
    )


_FEW_FILES, _TOO_FEW_FILES = 1024, 256
"""Open files that a service with as many connections needs, and that a command with its solver does."""


def descriptors() -> Iterable[Finding]:
    """Say how many files a process may open: each connection of a service is one."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    seen = f"{now:,} open files at first, {most:,} at most" if most >= 0 else f"{now:,} open files at first"
    short = most if most >= 0 else _FEW_FILES
    status: Any = "fail" if short < _TOO_FEW_FILES else "warn" if short < _FEW_FILES else "ok"
    remedy = "raise the hard limit (LimitNOFILE= of a systemd unit, --ulimit nofile= of a container)"
    yield Finding(
        check="descriptors",
        status=status,
        seen=seen,
        remedy=None if status == "ok" else remedy,
        command=None if status == "ok" else "ulimit -Hn 65536",
    )


_TOLERATED_S = 120.0
"""How far a file of ours may be ahead of the clock: file servers have clocks of their own."""
_TIME_ERROR = 5
"""What adjtimex(2) returns for a clock that nothing keeps right."""


def clock(patient: Patient) -> Iterable[Finding]:
    """Find a clock that stands before what was written already, and one that nobody sets."""
    now = datetime.now(UTC).timestamp()
    newest = max(_times(patient), default=(0.0, ""))
    if newest[0] > now + _TOLERATED_S:
        yield Finding(
            check="clock",
            status="fail",
            seen=f"the clock went back: it is {_text(now)}, and {newest[1]} is of {_text(newest[0])}",
            remedy="set the clock: times in the state, of expiry and of measurements are wrong until then",
            command="timedatectl set-ntp true",
        )
    elif _unsynchronised():
        yield Finding(
            check="clock",
            status="warn",
            seen=f"{_text(now)}; the kernel says that nothing keeps it right",
            remedy="run a time service (chrony, systemd-timesyncd), or none if the host keeps the clock of this guest",
            command="timedatectl set-ntp true",
        )
    else:
        yield Finding(check="clock", status="ok", seen=f"{_text(now)}, and nothing of ours is newer")


def _times(patient: Patient) -> Iterable[tuple[float, str]]:
    """Yield when the files of ours were written and what stands was applied, seconds since 1970, each with its name."""
    setting = patient.setting
    own = (setting.state,) if isinstance(setting.state, Path) else ()
    for path in (*own, *setting.profiles.glob("*.json")):
        try:
            yield path.stat().st_mtime, str(path)
        except OSError:
            continue
    kept = patient.known_state()
    for resource_ in kept.resources.values() if kept else ():
        try:
            yield datetime.fromisoformat(resource_.applied_at).timestamp(), f"the state of {resource_.address}"
        except ValueError:
            continue


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _unsynchronised() -> bool:
    """Ask the kernel (adjtimex(2), modes = 0: nothing is set)."""
    try:
        ask = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return False
    return bool(ask(ctypes.create_string_buffer(512)) == _TIME_ERROR)  # struct timex takes 208 bytes


def terminal() -> Iterable[Finding]:
    """Say whether what aios prints (×, ≤, ✔) can be shown."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    locale = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), "none")
    if encoding in ("utf8", "utf8mb4"):
        yield Finding(check="terminal", status="ok", seen=f"UTF-8 (locale {locale})")
        return
    yield Finding(
        check="terminal",
        status="warn",
        seen=f"output is encoded in {sys.stdout.encoding} (locale {locale}): signs such as × are spelt out",
        remedy="choose a UTF-8 locale",
        command="export LC_ALL=C.UTF-8",
    )
