"""What this process has in memory to compute with: which interpreter, which modules, which shared libraries.

``python -m aios_plugins.onnxruntime.programs`` prints it as JSON for a process that has loaded all that a worker does.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aios.records.base import digest_of
from aios.records.protection import Attestation
from aios.spi.attesting import check_runtime
from aios_plugins.onnxruntime.spec import file_digest

__all__ = ["check_programs", "main", "programs"]

_PACKAGES = ("aios-planner", "numpy", "onnxruntime", "onnxruntime-gpu")


def programs() -> Mapping[str, str]:
    """Return version or sha256 of everything that is loaded now.

    Modules are told by their source, which is what a reader can examine; of what Python compiled from it, and of the
    kernel, nothing is known here.
    """
    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found | {f"file {path}": file_digest(path) for path in sorted({*_modules(), *_libraries()})}


def _modules() -> Iterator[Path]:
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if name and (path := Path(name)).is_file():
            yield path.resolve()


def _libraries() -> Iterator[Path]:
    """Yield the interpreter and every shared library: what is mapped to be executed."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/"):
            path = Path(fields[5])
            if path.is_file():
                yield path
            elif fields[5].endswith(" (deleted)"):
                raise ValueError(f"{fields[5]} is loaded and its file was replaced: what runs cannot be told")


def check_programs(attested: Mapping[str, str]) -> None:
    """Raise ValueError unless all that is loaded now is as the attestation says.

    attested: file of the ``attestation``, and the ``digest`` of the one whose signature was found good
    """
    path = Path(attested["attestation"])
    found = Attestation.model_validate_json(path.read_bytes())
    if digest_of(found) != attested["digest"]:
        raise ValueError(f"{path} was changed while it was read")
    check_runtime(found.runtime, programs())


def main() -> int:
    """Print what a worker has in memory when it opens a model; returns the exit code."""
    import numpy  # noqa: F401 - a worker has them when it opens a model
    import onnxruntime

    import aios_plugins.onnxruntime.worker  # noqa: F401

    onnxruntime.SessionOptions()
    print(json.dumps(programs()))  # noqa: T201 - stdout is how this process answers
    return 0


if __name__ == "__main__":
    sys.exit(main())
