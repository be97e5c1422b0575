"""Makes an artefact: ``python -m aios_plugins.onnxruntime.build JOB``, JOB being JSON.

Ends with 0, or with 1 and, as the last line, ``{"kind": "input" | "world", "reason": ...}``: what was given cannot be
used, or the machine failed.
"""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from aios_plugins.onnxruntime.session import MODEL_FILE, options

__all__ = ["main"]

_WEIGHTS_FILE = "weights.bin"
_EXTERNAL_FROM_BYTES = 1024
"""Constants from this size on go into the shared file; smaller ones would cost more pages than they save."""

_PR_SET_PDEATHSIG = 1


class Unusable(Exception):
    """The model or the data cannot be used as asked."""


def main(arguments: list[str]) -> int:
    """Do the job; returns the exit code."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    job = json.loads(arguments[0])
    try:
        _make(job)
    except Unusable as error:
        return _report("input", str(error))
    except Exception as error:  # noqa: BLE001 - onnx and onnxruntime raise many kinds; the parent gets the text
        return _report(*_kind_of(error, Path(job["folder"])))
    return 0


def _report(kind: str, reason: str) -> int:
    print(json.dumps({"kind": kind, "reason": reason}))  # noqa: T201 - stdout is how this process answers
    return 1


def _kind_of(error: Exception, folder: Path) -> tuple[str, str]:
    if isinstance(error, OSError) and error.errno:
        return "world", f"{os.strerror(error.errno)} ({error.filename or folder})"
    space = os.statvfs(folder)
    if space.f_bavail * space.f_frsize < 1 << 20 or os.strerror(errno.EFBIG) in str(error):
        return "world", f"there is no space left at {folder}"
    if isinstance(error, MemoryError):
        return "world", "there is not enough memory"
    text = " ".join(str(error).split())
    return "input", text or type(error).__name__


def _make(job: dict[str, Any]) -> None:
    folder, scratch = Path(job["folder"]), Path(job["scratch"])
    source = Path(job["model"])
    if job["quantization"] != "none":
        from aios_plugins.onnxruntime.quantize import quantize

        source = quantize(source, scratch, job["quantization"], job["calibrate"], job["narrow_weights"])
    elif job["precision"] == "fp16":
        source = _half(source, scratch)
    if job["optimize"]:
        _optimise(source, folder)
    else:
        _copy(source, folder)


def _half(source: Path, scratch: Path) -> Path:
    """Convert to fp16 unless it is; inputs and outputs stay as they are, so that clients see no difference."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(str(source))
    if all(item.data_type != onnx.TensorProto.FLOAT for item in model.graph.initializer):
        return source
    made = scratch / "half.onnx"
    onnx.save(convert_float_to_float16(model, keep_io_types=True), str(made))
    return made


def _optimise(source: Path, folder: Path) -> None:
    """Save the graph that onnxruntime would make of the model on this CPU, constants in a file that can be mapped."""
    import onnxruntime as ort

    made = options(threads=1, optimize=True)
    made.optimized_model_filepath = str(folder / MODEL_FILE)
    made.add_session_config_entry("session.optimized_model_external_initializers_file_name", _WEIGHTS_FILE)
    made.add_session_config_entry(
        "session.optimized_model_external_initializers_min_size_in_bytes", str(_EXTERNAL_FROM_BYTES)
    )
    made.add_session_config_entry("session.save_external_prepacked_constant_initializers", "1")
    ort.InferenceSession(str(source), made, providers=["CPUExecutionProvider"])
    # Whatever was not written completely is found here and not when the service starts.
    again = options(threads=1, optimize=False)
    ort.InferenceSession(str(folder / MODEL_FILE), again, providers=["CPUExecutionProvider"])


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
