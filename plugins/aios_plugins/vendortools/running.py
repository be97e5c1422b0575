"""Runs a vendor's tool: for a bounded time, a bounded output, never with an exception."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

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
    process: subprocess.Popen[bytes] | str = ""
    try:
        with _signals_held():
            process = _started([path, *arguments])
        if isinstance(process, str):
            return Answer(problem=f"`{command}` does not start: {process}")
        output, problem = _read(process, time.monotonic() + seconds)
    finally:
        if not isinstance(process, str):
            _end(process)
    if problem is None and process.returncode != 0:
        problem = f"ended with code {process.returncode}"
    if problem is not None:
        first = output.decode(errors="replace").strip().partition("\n")[0][:200].strip()
        return Answer(problem=f"`{command}` {problem}" + (f": {first}" if first else ""))
    return Answer(text=output.decode(errors="replace"))


def _started(command: list[str]) -> subprocess.Popen[bytes] | str:
    """Return the process, or why there is none."""
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as error:
        return error.strerror or str(error)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Have what would stop us wait until a process that is being started is known here, and so can be ended.

    A mask of this thread would not do: Python runs its handlers here whichever thread the kernel gave the signal to.
    """
    if threading.current_thread() is not threading.main_thread():  # no handler runs here
        yield
        return
    came: list[int] = []
    handlers: dict[int, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            handlers[number] = signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for held, handler in handlers.items():
            if handler is not None:  # None: one that is not Python's, which cannot be put back
                signal.signal(held, handler)
        for held in came:
            signal.raise_signal(held)


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
