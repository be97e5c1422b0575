"""Processes as the kernel knows them: started apart from us, told from others, ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from aios.spi.listener import listener_of
from aios.spi.processes import die_with_parent, how_it_ended

__all__ = [
    "alive",
    "allow_descriptors",
    "children",
    "commands",
    "die_with_parent",
    "end",
    "find",
    "folders",
    "how_it_ended",
    "keep_memory",
    "listener",
    "module_command",
    "spawn",
    "started_at",
    "tail",
    "wake_sharply",
]

_PROC = Path("/proc")
_POLL_S = 0.01
_PR_SET_TIMERSLACK = 29
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES, _KEPT_BLOCK_BYTES = 64 << 20, 32 << 20


def allow_descriptors() -> int:
    """Let this process open as many files as it may: each connection is one, and 1024 is the usual start.

    Returns how many that is.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def wake_sharply() -> None:
    """Have the kernel end this thread's sleeps on time; it joins wake-ups within 50 microseconds otherwise."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)


def keep_memory() -> None:
    """Have the C library keep freed memory, up to some tens of MiB, for what comes next.

    It gives large blocks back at once otherwise, and the kernel clears new pages for every request: with images of
    600 kB that was more than half of the front process's time. (mallopt(3); 32 MiB is the largest block it takes.)
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of ours with this interpreter; the working directory is not searched."""
    return [sys.executable, "-P", "-m", f"aios_plugins.onnxruntime.{module}", *arguments]


def spawn(
    command: Sequence[str],
    *,
    log: Path | None,
    descriptors: Mapping[int, int],
    apart: bool,
    environment: Mapping[str, str],
) -> int:
    """Start a process and return its pid.

    log: file that stdout and stderr are added to, None to share ours · descriptors: number there -> number here ·
    apart: in a session of its own, so that no terminal reaches it
    """
    actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    ]
    if log is not None:
        actions.append((os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        actions.append((os.POSIX_SPAWN_DUP2, 1, 2))
    # Two steps, through numbers that are free in both tables: a target may be the number of another source.
    base = max((*descriptors, *descriptors.values(), 2)) + 1
    actions += [(os.POSIX_SPAWN_DUP2, here, base + i) for i, here in enumerate(descriptors.values())]
    actions += [(os.POSIX_SPAWN_DUP2, base + i, there) for i, there in enumerate(descriptors)]
    actions += [(os.POSIX_SPAWN_CLOSE, base + i) for i in range(len(descriptors))]  # type: ignore[misc]  # (action, fd)
    return os.posix_spawn(
        command[0],
        list(command),
        dict(environment),
        file_actions=actions,
        setsid=apart,
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE],
    )


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from the state on, or None when there is no such process or only its
    remains."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    if fields and fields[0] not in "ZX":
        return fields
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return None


def started_at(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot, or None when it is gone."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def alive(pid: int, started: int, token: str) -> bool:
    """Say whether this very process lives: same pid, same start, ``token`` among its arguments."""
    return started_at(pid) == started and token in _arguments(pid)


def _arguments(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def find(tokens: Iterable[str]) -> list[int]:
    """Return the pids of all live processes that have one of ``tokens`` among their arguments."""
    wanted = set(tokens)
    if not wanted:
        return []
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and wanted & set(_arguments(pid)) and started_at(pid)]


def commands(module: str) -> list[tuple[int, list[str]]]:
    """Return (pid, arguments of the module) of all live processes of this user that run it with two or more."""
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        arguments = _arguments(int(entry.name))[:-1]
        with contextlib.suppress(ValueError, OSError):
            after = arguments[arguments.index(module) :]
            if len(after) > 2 and entry.stat().st_uid == os.getuid() and started_at(int(entry.name)):
                found.append((int(entry.name), after[1:]))
    return found


def folders(pid: int, arguments: Sequence[str]) -> Iterator[Path]:
    """Yield the folder of the file that a process was started with, then those that it holds open: it may have been
    renamed since."""
    yield from (Path(text).parent for text in arguments if text.endswith(".json"))
    with contextlib.suppress(OSError):
        for entry in (_PROC / str(pid) / "fd").iterdir():
            target = entry.readlink()
            if target.is_dir():
                yield target


def listener(port: int) -> str | None:
    """Return in words who listens on a TCP port of this machine, None when nobody does or the kernel does not tell."""
    found = listener_of(port)
    if found is None:
        return None
    with contextlib.suppress(OSError):
        if found.pid is not None:
            return f"process {found.pid} ({(_PROC / str(found.pid) / 'comm').read_text().strip()})"
    return "a process of another user"


def children(pid: int) -> list[int]:
    """Return the pids of a process's direct children."""
    found: list[int] = []
    for task in (_PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in task.read_text().split()]
    return found


def end(pid: int, grace_s: float, number: signal.Signals = signal.SIGTERM) -> None:
    """Ask a process to stop, kill it when it has not after ``grace_s``, and return when it and its children are
    gone. number: the signal that asks"""
    started = started_at(pid)
    family = {child: started_at(child) for child in children(pid)} | {pid: started}
    _signal(pid, number)
    if not _gone(family, grace_s):
        for member, since in family.items():
            if since is not None and started_at(member) == since:
                _signal(member, signal.SIGKILL)
        _gone(family, grace_s)


def _gone(family: Mapping[int, int | None], within_s: float) -> bool:
    until = time.monotonic() + within_s
    while any(since is not None and started_at(pid) == since for pid, since in family.items()):
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_S)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log, or an empty text when there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
