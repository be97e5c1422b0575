"""One replica: a process that computes what the front process lays into their shared memory.

``python -m aios_plugins.onnxruntime.worker SOCKET_FD MEMORY_FD``. The first message on the socket is the spec; the
answer says that the model is open and what its inputs and outputs are, or why not. After that each message is one
batch. The worker ends when the socket does, and is killed with the front process.
"""

from __future__ import annotations

import gc
import math
import signal
import socket
import sys
import time
from typing import Any

from aios_plugins.onnxruntime.arena import MESSAGE_BYTES, Arena, align, pack, unpack
from aios_plugins.onnxruntime.session import Model, open_model
from aios_plugins.onnxruntime.spec import Spec
from aios_plugins.onnxruntime.system import die_with_parent
from aios_plugins.onnxruntime.tensors import ITEM_BYTES, NUMPY

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Serve until the socket ends; returns the exit code."""
    die_with_parent()
    # A Ctrl-C at the terminal or a stop of the whole group is the front process's to handle: it drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=int(arguments[0])) as channel:
        arena = Arena(int(arguments[1]))
        # Loaded while the front process makes ready what it will name.
        import onnxruntime  # noqa: F401

        spec = Spec(**unpack(channel.recv(MESSAGE_BYTES)))
        try:
            model = _open(spec)
        except Exception as error:  # noqa: BLE001 - whatever it is, the front process says it
            _send(channel, {"error": f"{error}"})
            return 1
        _send(channel, {"ready": _describe(model)})
        # Nothing that was made so far will be thrown away: keep the collector from walking it.
        gc.freeze()
        message = bytearray(MESSAGE_BYTES)
        while channel.recv_into(message):
            _send(channel, _answer(model, arena, unpack(message)))
    return 0


def _open(spec: Spec) -> Model:
    model = open_model(spec)
    # The first call of each batch size allocates; no request shall pay for that.
    for items in sorted({1, spec.batch if model.batchable else 1}):
        values = model.example(items)
        if values is not None:
            model.run(values)
    return model


def _describe(model: Model) -> dict[str, Any]:
    return {
        "inputs": [port.metadata() for port in model.inputs],
        "outputs": [port.metadata() for port in model.outputs],
        "batchable": model.batchable,
    }


def _answer(model: Model, arena: Arena, batch: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    arena.follow(batch["size"])
    values, end = [], 0
    for port, (offset, shape) in zip(model.inputs, batch["inputs"], strict=True):
        count = math.prod(shape)
        values.append(np.frombuffer(arena.memory, NUMPY[port.datatype], count, offset).reshape(shape))
        end = max(end, offset + count * ITEM_BYTES[port.datatype])
    begin = time.perf_counter_ns()
    try:
        outputs = model.run_in_pieces(values, batch["items"], batch["limit"])
    except Exception as error:  # noqa: BLE001 - onnxruntime raises many kinds; the request gets the text
        return {"error": str(error), "invalid": type(error).__name__ == "InvalidArgument"}
    compute_ns = time.perf_counter_ns() - begin
    if batch["joined"] and any(output.shape[:1] != (batch["items"],) for output in outputs):
        return {"error": "the model does not answer item by item", "invalid": False}
    places, end = [], align(end)
    for output in outputs:
        arena.reserve(end + output.nbytes)
        np.frombuffer(arena.memory, output.dtype, output.size, end)[:] = output.reshape(-1)
        places.append((end, output.shape))
        end = align(end + output.nbytes)
    return {"size": arena.size, "outputs": places, "compute_ns": compute_ns}


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    try:
        channel.send(pack(message))
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
