"""Runs a vendor's tool: for a bounded time, a bounded output, never with an exception."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from typing import NamedTuple

__all__ = ["Answer", "ask"]

_SECONDS = 10.0  # npu-smi takes about two on a machine with 16 chips
_MOST_BYTES = 4 * 2**20


class Answer(NamedTuple):
    """What a tool printed, or a sentence on why it did not. absent: it is not installed."""

    text: str = ""
    problem: str | None = None
    absent: bool = False


def ask(tool: str, *arguments: str, seconds: float = _SECONDS) -> Answer:
    """Return what ``tool`` prints on its standard output; its whole process group ends with it."""
    command = " ".join((tool, *arguments))
    path = shutil.which(tool)
    if path is None:
        return Answer(problem=f"`{tool}` is not on PATH", absent=True)
    try:
        process = subprocess.Popen(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as error:
        return Answer(problem=f"`{command}` does not start: {error.strerror}")
    try:
        output, problem = _read(process, time.monotonic() + seconds)
    finally:
        _end(process)
    if problem is None and process.returncode != 0:
        problem = f"ended with code {process.returncode}"
    if problem is not None:
        first = output.decode(errors="replace").strip().partition("\n")[0][:200].strip()
        return Answer(problem=f"`{command}` {problem}" + (f": {first}" if first else ""))
    return Answer(text=output.decode(errors="replace"))


def _read(process: subprocess.Popen[bytes], until: float) -> tuple[bytes, str | None]:
    """Return the output, and what went wrong if it did not come to its end."""
    assert process.stdout is not None
    pieces: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while size <= _MOST_BYTES:
            left = until - time.monotonic()
            if left <= 0 or not selector.select(left):
                return b"", "gave no answer in time and was ended"
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
        else:
            return b"", f"printed more than {_MOST_BYTES // 2**20} MiB and was ended"
    try:
        process.wait(max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return b"", "closed its output, did not end and was ended"
    return b"".join(pieces), None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the tool with everything that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # all gone, or not ours to end
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()
    process.wait()
