"""Reads an encrypted model in a process of its own, which decrypts it into memory that it alone sees.

``python -m aios.models.sealed JOB``, JOB being JSON; the last line is ``{"read": ...}``, or ``{"kind": "input" |
"world", "errors": [...]}``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aios.records.errors import AiosError, Diagnostic, InputError, WorldError
from aios.spi.model_reader import ReadModel
from aios.spi.processes import die_with_parent, how_it_ended
from aios.spi.sealing import in_full, sealing_key
from aios.spi.vault import own_room, unsealed_into

__all__ = ["main", "read_sealed"]


def read_sealed(path: Path, opens: Mapping[str, str], reader: str, sizes: Mapping[str, int]) -> ReadModel:
    """Return what a reader finds in an encrypted file.

    opens: reference to its ``key``, and the ``context`` that it is bound to · sizes: dynamic dimension -> size. Raises
    InputError for another key or what is no model, WorldError for a damaged file or where memory cannot be mounted.
    """
    told = {**opens, "key": in_full(opens["key"])}
    job = {"path": str(path.absolute()), "opens": told, "reader": reader, "sizes": dict(sizes)}
    with tempfile.TemporaryDirectory(prefix="aios-read-") as scratch:
        command = [sys.executable, "-P", "-m", "aios.models.sealed", json.dumps({**job, "scratch": scratch})]
        environment = {**os.environ, "TMPDIR": scratch}
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
        ) as process:
            try:
                said, _ = process.communicate()
            except BaseException:
                process.kill()
                raise
    last = said.decode(errors="replace").strip().rpartition("\n")[2]
    try:
        answer = json.loads(last)
        if "read" in answer:
            return ReadModel.model_validate(answer["read"])
        errors = [Diagnostic.model_validate(item) for item in answer["errors"]]
    except (ValueError, KeyError, TypeError):
        reason = f"the process that reads it {how_it_ended(process.returncode)}; the last it said: {last[:500]}"
        raise WorldError(Diagnostic(summary=f"{path} cannot be read", reason=reason)) from None
    raise (InputError if answer["kind"] == "input" else WorldError)(*errors)


def main(arguments: list[str]) -> int:
    """Do the job; returns the exit code."""
    from aios.spi import registry

    die_with_parent()
    job = json.loads(arguments[0])
    path, room = Path(job["path"]), Path(job["scratch"])
    try:
        key = sealing_key(job["opens"]["key"])
        own_room(room)
        unsealed_into(room, path.parent, key, job["opens"]["context"])
        read = registry.load("aios.model_readers", job["reader"]).read(room / path.stem, job["sizes"])
        answer = {"read": read.model_dump(mode="json")}
    except AiosError as error:
        kind = "input" if isinstance(error, InputError) else "world"
        answer = {"kind": kind, "errors": [item.model_dump(mode="json") for item in error.diagnostics]}
    print(json.dumps(answer))  # noqa: T201 - stdout is how this process answers
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
