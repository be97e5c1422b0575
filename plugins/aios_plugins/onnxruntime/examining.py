"""What keeps onnxruntime from serving here: what is not installed, what cannot be loaded, GPUs that it cannot use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from aios.spi.checkup import Finding, tried_apart
from aios_plugins.onnxruntime.capability import INSTALL, MODULES

__all__ = ["examine"]

_CHECK = "executor.onnxruntime"

# A provider is listed when it was built in; whether the libraries that it needs are here shows when it is loaded.
_LOOK = """
import ctypes, json, pathlib, uvloop, httptools
import onnxruntime as ort
found = {"version": ort.__version__, "providers": ort.get_available_providers(), "trouble": None}
if "CUDAExecutionProvider" in found["providers"]:
    folder = pathlib.Path(ort.__file__).parent / "capi"
    getattr(ort, "preload_dlls", lambda: None)()
    try:
        ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        found["trouble"] = str(error)
print(json.dumps(found))
"""


def examine(root: Path = Path("/")) -> Sequence[Finding]:
    """Return what is found. root: stands before /dev"""
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        seen = f"not installed: {', '.join(missing)}; plans can be made, but nothing served on this machine"
        return [Finding(check=_CHECK, status="warn", seen=seen, remedy="install what it needs", command=INSTALL)]
    works, said = tried_apart(_LOOK)
    if not works:
        return [
            Finding(
                check=_CHECK,
                status="fail",
                seen=f"onnxruntime cannot be imported: {said}",
                remedy="install it anew, of a build for this processor and this Python",
                command="pip install --force-reinstall onnxruntime uvloop httptools",
            )
        ]
    found = json.loads(said)
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in found["providers"])
    seen = f"onnxruntime {found['version']}: computes with {names}"
    if found["trouble"]:
        return [
            Finding(
                check=_CHECK,
                status="fail",
                seen=f"{seen}; CUDA cannot be loaded: {found['trouble']}",
                remedy="install the CUDA and cuDNN libraries that this build needs",
                command="pip install 'onnxruntime-gpu[cuda,cudnn]'",
            )
        ]
    if (root / "dev/nvidiactl").exists() and "CUDAExecutionProvider" not in found["providers"]:
        return [
            Finding(
                check=_CHECK,
                status="warn",
                seen=f"{seen}; the NVIDIA GPU of this machine cannot be served on",
                remedy="install the build for GPUs in its place",
                command="pip uninstall onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'",
            )
        ]
    return [Finding(check=_CHECK, status="ok", seen=seen)]
