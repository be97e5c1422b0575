"""Makes an artefact: ``python -m aios_plugins.onnxruntime.build JOB``, JOB being JSON.

Ends with 0, or with 1 and, as the last line, ``{"kind": "input" | "world", "reason": ...}``: what was given cannot be
used, or the machine failed.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aios.records.errors import InputError, WorldError
from aios.spi.vault import sealed_work
from aios_plugins.onnxruntime.session import MODEL_FILE, Model, options
from aios_plugins.onnxruntime.spec import file_digest
from aios_plugins.onnxruntime.system import die_with_parent

__all__ = ["main"]

_WEIGHTS_FILE = "weights.bin"
_ALIGNMENT = 64
"""Bytes of the widest vector register (AVX-512) and of a cache line."""

_EXTERNAL_FROM_BYTES = 1024
"""Constants from this size on go into the shared file; smaller ones would cost more pages than they save."""


class Unusable(Exception):
    """The model or the data cannot be used as asked."""


def main(arguments: list[str]) -> int:
    """Do the job; returns the exit code."""
    die_with_parent()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    job = json.loads(arguments[0])
    try:
        if job.get("seal"):
            _make_sealed(job)
        else:
            _make(job)
    except (Unusable, InputError) as error:
        return _report("input", str(error))
    except WorldError as error:
        return _report("world", "; ".join(filter(None, (error.diagnostics[0].summary, error.diagnostics[0].reason))))
    except Exception as error:  # noqa: BLE001 - onnx and onnxruntime raise many kinds; the parent gets the text
        return _report(*_kind_of(error, Path(job["folder"])))
    return 0


def _report(kind: str, reason: str) -> int:
    print(json.dumps({"kind": kind, "reason": reason}))  # noqa: T201 - stdout is how this process answers
    return 1


def _kind_of(error: Exception, folder: Path) -> tuple[str, str]:
    if isinstance(error, OSError) and error.errno:
        return "world", f"{os.strerror(error.errno)} ({error.filename or folder})"
    text = " ".join(str(error).split())
    if "Failed to write" in text or "No space left" in text or f"error number {errno.ENOSPC}" in text:
        free = os.statvfs(folder)
        return (
            "world",
            f"it could not be written to {folder} ({free.f_bavail * free.f_frsize >> 20} MiB are free there)",
        )
    if isinstance(error, MemoryError) or "bad_alloc" in text:
        return "world", "there is not enough memory"
    return "input", text or type(error).__name__


def _make(job: dict[str, Any]) -> None:
    folder, source = Path(job["folder"]), Path(job["model"])
    if _digest(source) != job["digest"]:
        raise Unusable("the model file changed since the plan was made; plan again")
    if job["optimize"]:
        _optimise(source, folder, job["graph"])
    else:
        _copy(source, folder)


def _make_sealed(job: dict[str, Any]) -> None:
    """Do the job in memory that only this process sees, and leave nothing but encrypted files."""

    def work(source: Path, folder: Path, _scratch: Path) -> None:
        _make({**job, "model": str(source), "folder": str(folder)})

    source = (Path(job["model"]), job["opens"])
    sealed_work(job["seal"], source, Path(job["folder"]), Path(job["scratch"]), work)


def _digest(source: Path) -> str:
    """Return the digest that model readers give to the file and the data files that it refers to."""
    import onnx
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    from aios.spi.model_reader import model_digest

    tensors = _tensors(onnx.load(str(source), load_external_data=False).graph)
    names = {ExternalDataInfo(item).location for item in tensors if uses_external_data(item)}
    beside = {name: file_digest(source.parent / name) for name in sorted(names)}
    return model_digest(file_digest(source), beside)


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield every constant of a graph and of the graphs inside its nodes."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def _optimise(source: Path, folder: Path, graph: str) -> None:
    """Save the graph that onnxruntime makes of the model on this CPU, constants in a file that can be mapped.

    graph: level of optimisation
    """
    import onnxruntime as ort

    made = options(threads=1, graph=graph)
    made.optimized_model_filepath = str(folder / MODEL_FILE)
    made.add_session_config_entry("session.optimized_model_external_initializers_file_name", _WEIGHTS_FILE)
    made.add_session_config_entry(
        "session.optimized_model_external_initializers_min_size_in_bytes", str(_EXTERNAL_FROM_BYTES)
    )
    made.add_session_config_entry("session.save_external_prepacked_constant_initializers", "1")
    ort.InferenceSession(str(source), made, providers=["CPUExecutionProvider"])
    _align(folder)
    # Whatever cannot be opened or run is found here and not when the service starts.
    again = options(threads=1, graph="none")
    Model(ort.InferenceSession(str(folder / MODEL_FILE), again, providers=["CPUExecutionProvider"]))


def _align(folder: Path) -> None:
    """Move every constant in the file of weights to a multiple of 64 bytes.

    onnxruntime packs constants for the CPU's vector loads, which fault on addresses that are no multiple of the
    register's size, but writes them one right behind the other; it maps the file, so addresses follow offsets.
    """
    import onnx

    packed = folder / _WEIGHTS_FILE
    if not packed.exists():
        return
    model = onnx.load(str(folder / MODEL_FILE), load_external_data=False)
    old, aligned = packed.read_bytes(), packed.with_suffix(".aligned")
    with aligned.open("wb") as stream:

        def moved(offset: int, length: int) -> int:
            stream.write(bytes(-stream.tell() % _ALIGNMENT))
            place = stream.tell()
            stream.write(memoryview(old)[offset : offset + length])
            return place

        for tensor in _tensors(model.graph):
            entries = {entry.key: entry for entry in tensor.external_data}
            if "offset" not in entries:
                continue
            offset, length = entries["offset"], int(entries["length"].value)
            offset.value = str(moved(int(offset.value), length))
            for key, entry in entries.items():
                if key.startswith("prepacked_"):
                    # `<kernel>+<hash>|<offset>;<length>;<checksum>[|...]`, one group per packed buffer.
                    kernel, *buffers = entry.value.split("|")
                    fields = [buffer.split(";") for buffer in buffers]
                    if any(int(field[1]) == 0 for field in fields):
                        tensor.external_data.remove(entry)  # onnxruntime writes empty buffers and cannot read them
                        continue
                    places = [[str(moved(int(field[0]), int(field[1]))), *field[1:]] for field in fields]
                    entry.value = "|".join([kernel, *(";".join(place) for place in places)])
    aligned.replace(packed)
    onnx.save(model, str(folder / MODEL_FILE))


def _copy(source: Path, folder: Path) -> None:
    import onnx

    model = onnx.load(str(source))
    onnx.save(
        model,
        str(folder / MODEL_FILE),
        save_as_external_data=True,
        location=_WEIGHTS_FILE,
        size_threshold=_EXTERNAL_FROM_BYTES,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
