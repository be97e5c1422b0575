"""Puts an open-loop load on a served endpoint, from a process of its own, and reads back what was met."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aios.records.errors import WorldError
from aios.spi.counting import TRIAL_HEADER
from aios.spi.executor import Exercise, Trace
from aios_plugins.onnxruntime.control import ControlError, ask, reachable_host
from aios_plugins.onnxruntime.measuring import fitting, output_of
from aios_plugins.onnxruntime.system import module_command
from aios_plugins.onnxruntime.tensors import NUMPY, ports_from

__all__ = ["exercise"]


def exercise(handle: Mapping[str, Any], load: Exercise) -> Trace:
    """Return what the load met. Requests that fail are in the trace.

    Raises WorldError when the service does not say what model it has, InputError when the data does not fit that model.
    """
    import numpy as np

    host, port, model = handle["host"], handle["port"], handle["model"]
    try:
        metadata = ask(host, port, "GET", f"/v2/models/{model}")
    except (OSError, ControlError) as error:
        raise WorldError(f"the service {model} at {host}:{port} does not answer: {error}") from error
    ports = ports_from(metadata["inputs"])
    values = fitting(ports, load.inputs)
    with tempfile.TemporaryDirectory(prefix="aios-exercise-") as name:
        folder = Path(name)
        np.save(folder / "at.npy", load.at_s)
        np.save(folder / "item.npy", load.item)
        for index, value in enumerate(values):
            np.save(folder / f"input{index}.npy", np.ascontiguousarray(value))
        job = {
            "host": reachable_host(host),
            "port": port,
            "path": f"/v2/models/{model}/infer",
            "inputs": [port.metadata() for port in ports],
            "fixed": ports[0].shape[0] if ports[0].shape else None,
            "keep": load.keep_outputs,
            "timeout_s": load.timeout_s,
            "headers": f"{TRIAL_HEADER}: 1\r\n" if load.trial else "",
            "folder": name,
        }
        report = output_of(module_command("load", json.dumps(job)))
        if "error" in report:
            raise WorldError(f"the load could not be sent: {report['error']}")
        times = np.load(folder / "times.npy")
        outputs = _outputs(folder, metadata, len(load.at_s)) if load.keep_outputs else {}
    return Trace(
        latency_s=times[0], queue_s=times[1], compute_s=times[2], outputs=outputs, errors=dict(report["errors"])
    )


def _outputs(folder: Path, metadata: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Return name -> array (request, ...); the rows of requests that failed are zero."""
    import numpy as np

    kept = json.loads((folder / "outputs.json").read_bytes())
    bodies = (folder / "outputs.bin").read_bytes()
    outputs: dict[str, Any] = {}
    for number, port in enumerate(ports_from(metadata["outputs"])):
        array: Any = None
        for request, shape, places in kept:
            first, size = places[number]
            dtype = NUMPY[port.datatype]
            value = np.frombuffer(bodies[first : first + size], dtype).reshape(shape[number])
            row = value[0] if len(shape[number]) and shape[number][0] == 1 else value
            if array is None:
                array = np.zeros((count, *row.shape), dtype)
            if row.shape == array.shape[1:]:
                array[request] = row
        outputs[port.name] = np.zeros((count, 0)) if array is None else array
    return outputs
