"""Starts the process that makes one result, tells what it does, and turns however it ends into an answer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from aios.records.errors import Diagnostic, InputError, PluginError, WorldError
from aios.spi.processes import how_it_ended

__all__ = ["Made", "run"]

_QUIET_S = 2.0
"""What is made faster than this needs no progress; nor does progress come more often."""


class Made(NamedTuple):
    """What came of a job. digest: of the result · report: what the transform says of what it did"""

    digest: str
    report: Mapping[str, str]


def run(job: Mapping[str, Any], what: str, tell: Callable[[str], None], warn: Callable[[str], None]) -> Made:
    """Do a job in a process of its own, which ends with this one. what: is made, in words.

    Raises InputError for a model or data that cannot be used, WorldError when the machine fails, PluginError when the
    plugin does.
    """
    scratch = Path(job["scratch"])
    with tempfile.TemporaryFile() as said:
        try:
            answer, code = _talk(job, what, tell, warn, said)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        if answer is not None and answer.get("made") is not None and code == 0:
            return Made(answer["made"], answer["report"])
        raise _failure(what, answer, code, said)


def _talk(
    job: Mapping[str, Any], what: str, tell: Callable[[str], None], warn: Callable[[str], None], said: IO[bytes]
) -> tuple[dict[str, Any] | None, int]:
    """Return the child's last word, if it had one, and how it ended."""
    scratch = Path(job["scratch"])
    (scratch / "job.json").write_text(json.dumps(job), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "aios.transforms.child", str(scratch / "job.json")]
    # Whatever the libraries print goes into `said`; answers come through stdin's twin, a pipe of their own.
    read, write = os.pipe()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    told = time.monotonic()
    answer = None
    with os.fdopen(read, encoding="utf-8", errors="replace") as answers:
        try:
            process = subprocess.Popen(
                [*command, str(write)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                pass_fds=(write,),
            )
        finally:
            os.close(write)
        with process:
            try:
                for line in answers:
                    message = _parsed(line)
                    if "warn" in message:
                        warn(f"{what}: {message['warn']}")
                    elif "share" in message:
                        if time.monotonic() - told >= _QUIET_S:
                            told = time.monotonic()
                            tell(f"{what}: {message['doing']} ({100 * message['share']:.0f} %)")
                    else:
                        answer = message
                process.wait()
            except BaseException:
                process.kill()
                raise
    return answer, process.returncode


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _failure(what: str, answer: dict[str, Any] | None, code: int, said: IO[bytes]) -> InputError | WorldError:
    if answer and "errors" in answer:
        found = [Diagnostic.model_validate(item) for item in answer["errors"]]
        first = found[0].model_copy(update={"summary": f"{what} cannot be made: {found[0].summary}"})
        kinds: tuple[type[InputError | WorldError], ...] = (InputError, PluginError)
        kind = next((item for item in kinds if item.__name__ == answer["kind"]), WorldError)
        return kind(first, *found[1:])
    said.seek(0)
    last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
    reason = f"the process that makes it {how_it_ended(code)}" + (f"; the last it said: {last[:500]}" if last else "")
    remedy = "if the machine ran out of memory, end what else runs; else exclude this transform in the intent"
    # The kernel and people kill; whatever else ends a process, the plugin did.
    kind = WorldError if -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT) else PluginError
    return kind(Diagnostic(summary=f"{what} cannot be made: {reason}", remedy=remedy))
