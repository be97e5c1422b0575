"""Makes one result: ``python -m aios.transforms.child JOB FD``, JOB being a file of JSON.

Lines of JSON go to the open file FD: ``{"share": 0.4, "doing": "..."}`` and ``{"warn": "..."}`` on the way, then
``{"made": DIGEST, "report": {...}}`` or ``{"kind": NAME OF THE ERROR, "errors": [...]}``. Whatever plugins and their
libraries print stays apart from that.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aios.records.errors import AiosError, Diagnostic, InputError, WorldError
from aios.spi.processes import die_with_parent

__all__ = ["main"]


_NO_MEMORY = (
    "bad_alloc",
    "Failed to allocate memory",
    "annot allocate memory",
    "Unable to allocate",
    "can't start new thread",
)
"""How libraries say that the system gave them no more memory: C++, onnxruntime, the system, numpy, threads' stacks."""


def main(arguments: list[str]) -> int:
    """Do the job; returns the exit code."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    job = json.loads(Path(arguments[0]).read_bytes())
    with os.fdopen(int(arguments[1]), "w", encoding="utf-8", buffering=1) as answers:

        def say(message: dict[str, Any]) -> None:
            answers.write(json.dumps(message) + "\n")

        try:
            digest, report = _sealed(job, say) if job["seal"] else _make(job, say)
        except Exception as error:  # noqa: BLE001 - libraries raise many kinds; the parent gets the text
            found = _explained(error, Path(job["folder"]))
            say({"kind": type(found).__name__, "errors": [item.model_dump(mode="json") for item in found.diagnostics]})
            return 1
        say({"made": digest, "report": report})
    return 0


def _sealed(job: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> tuple[str, dict[str, str]]:
    """Do the job where nobody else sees what is plain."""
    from aios.spi.vault import sealed_work

    def work(source: Path, folder: Path, scratch: Path) -> tuple[str, dict[str, str]]:
        return _make({**job, "source": str(source), "folder": str(folder), "scratch": str(scratch)}, say)

    source = (Path(job["source"]), job["opens"])
    return sealed_work(job["seal"], source, Path(job["folder"]), Path(job["scratch"]), work)


def _make(job: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> tuple[str, dict[str, str]]:
    from aios.spi import registry
    from aios.spi.transform import Work
    from aios.transforms.checking import checked_data, checked_result, checked_source

    source, folder = Path(job["source"]), Path(job["folder"])
    before = checked_source(source, job["digest"])
    data = {
        role: checked_data(role, [Path(path) for path in paths], digest, before, lambda text: say({"warn": text}))
        for role, (paths, digest) in job["data"].items()
    }
    work = Work(
        source=source,
        folder=folder,
        scratch=Path(job["scratch"]),
        precision=job["precision"],
        settings=job["settings"],
        data=data,
        task=job["task"],
        facts=job["facts"],
        threads=job["threads"],
        seed=job["seed"],
    )
    transform = registry.load("aios.transforms", job["transform"])
    report = transform.make(work, lambda share, doing: say({"share": share, "doing": doing}))
    after = checked_result(folder, source, before, job["digest"])
    return after.digest, dict(report)


def _explained(error: Exception, folder: Path) -> AiosError:
    """Return an error that speaks to people: what the machine lacks, else what is wrong with what was given."""
    text = " ".join(str(error).split())
    if isinstance(error, AiosError):
        return error
    short = any(word in text for word in _NO_MEMORY) or getattr(error, "errno", None) == errno.ENOMEM
    if short or isinstance(error, MemoryError):
        return WorldError(
            Diagnostic(
                summary="there is not enough memory",
                reason=text[:300] or None,
                remedy="end what else runs, give it fewer or smaller items of data, or make it on a machine with more",
            )
        )
    if "Failed to write" in text or "No space left" in text or f"error number {errno.ENOSPC}" in text:
        free = os.statvfs(folder)
        return WorldError(f"it could not be written to {folder} ({free.f_bavail * free.f_frsize >> 20} MiB are free)")
    if isinstance(error, OSError) and error.errno:
        return WorldError(f"{os.strerror(error.errno)} ({error.filename or folder})")
    return InputError(text or type(error).__name__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
