"""The Open Inference Protocol, version 2, over HTTP: requests and answers as JSON or with binary tensors.

Specification: https://github.com/open-inference/open-inference-protocol (REST) and its binary tensor data extension.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from aios_plugins.onnxruntime.pool import Answer, Refused
from aios_plugins.onnxruntime.tensors import ITEM_BYTES, NUMPY, Port

__all__ = ["HEADER_LENGTH", "Request", "encode", "parse"]

HEADER_LENGTH = b"inference-header-content-length"
"""HTTP header: bytes of JSON before the binary tensors."""

_JSON_KINDS = {"f": "iuf", "i": "iu", "u": "iu", "b": "b"}
"""numpy kind of an input -> kinds of JSON numbers that it takes without changing their meaning."""


@dataclass(frozen=True)
class Request:
    """An inference request. outputs: (index of the output, whether it is wanted binary), in the order of the answer."""

    id: str | None
    inputs: list[bytes | memoryview]
    shapes: list[list[int]]
    outputs: list[tuple[int, bool]]


def parse(body: bytes, json_bytes: int | None, inputs: list[Port], outputs: list[Port]) -> Request:
    """Return the request in a body; ``json_bytes``: value of HEADER_LENGTH. Raises Refused, status 400."""
    if json_bytes is not None and not 0 <= json_bytes <= len(body):
        raise Refused(400, f"the JSON part is said to have {json_bytes} bytes, but the body has {len(body)}")
    head = body if json_bytes is None else body[:json_bytes]
    try:
        document = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the request is not JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list):
        raise Refused(400, "the request has no list of `inputs`")
    binary = _Binary(memoryview(body)[len(head) :])
    given = _by_name(document["inputs"], inputs, binary)
    missing = [port.name for port in inputs if port.name not in given]
    if missing:
        raise Refused(400, f"the model needs the inputs {', '.join(map(repr, missing))}")
    if binary.left:
        raise Refused(400, f"{binary.left} bytes are left over after the last binary tensor")
    ordered = [given[port.name] for port in inputs]
    identity = document.get("id")
    return Request(
        None if identity is None else str(identity),
        [data for data, _ in ordered],
        [shape for _, shape in ordered],
        _wanted(document, outputs),
    )


class _Binary:
    """The binary part of a body, taken piece by piece."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, name: str, size: int) -> memoryview:
        if size > self.left:
            raise Refused(400, f"input {name!r}: {size} bytes are announced, but the body has only {self.left} left")
        piece = self._data[self._at : self._at + size]
        self._at += size
        return piece


def _by_name(given: list[Any], ports: list[Port], binary: _Binary) -> dict[str, tuple[bytes | memoryview, list[int]]]:
    known = {port.name: port for port in ports}
    found: dict[str, tuple[bytes | memoryview, list[int]]] = {}
    for tensor in given:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise Refused(400, "an input has no `name`")
        name = tensor["name"]
        if name not in known:
            names = ", ".join(map(repr, known))
            raise Refused(400, f"the model has no input {name!r}; it has {names}")
        if name in found:
            raise Refused(400, f"input {name!r} is given twice")
        found[name] = _tensor(tensor, known[name], binary)
    return found


def _tensor(tensor: dict[str, Any], port: Port, binary: _Binary) -> tuple[bytes | memoryview, list[int]]:
    datatype = tensor.get("datatype")
    if datatype != port.datatype:
        raise Refused(400, f"input {port.name!r} is {port.datatype}, not {datatype}")
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise Refused(400, f"input {port.name!r}: `shape` is not a list of sizes")
    fits = len(shape) == len(port.shape) and all(
        own in (None, size) for own, size in zip(port.shape, shape, strict=True)
    )
    if not fits or 0 in shape[:1]:
        own = port.metadata()["shape"]
        raise Refused(400, f"input {port.name!r} has shape {own} (-1: any size from 1), not {shape}")
    size = math.prod(shape) * ITEM_BYTES[port.datatype]
    parameters = tensor.get("parameters") or {}
    if "shared_memory_region" in parameters:
        raise Refused(400, f"input {port.name!r}: shared memory is not offered")
    if "binary_data_size" in parameters:
        if parameters["binary_data_size"] != size:
            announced = parameters["binary_data_size"]
            raise Refused(400, f"input {port.name!r}: shape {shape} takes {size} bytes, but {announced} are announced")
        return binary.take(port.name, size), shape
    if "data" not in tensor:
        raise Refused(400, f"input {port.name!r} has neither `data` nor the parameter `binary_data_size`")
    return _from_json(tensor["data"], shape, port), shape


def _from_json(data: Any, shape: list[int], port: Port) -> bytes:
    import numpy as np

    wanted = np.dtype(NUMPY[port.datatype])
    try:
        array = np.array(data)
        if array.size and array.dtype.kind not in _JSON_KINDS[wanted.kind]:
            raise Refused(400, f"input {port.name!r}: `data` does not hold {port.datatype} values")
        if array.size != math.prod(shape):
            raise Refused(400, f"input {port.name!r}: shape {shape} does not fit the {array.size} values given")
        if wanted.kind in "iu" and array.size:
            limits = np.iinfo(wanted)
            if int(array.min()) < limits.min or int(array.max()) > limits.max:
                raise Refused(400, f"input {port.name!r}: a value is outside of what {port.datatype} holds")
        return array.astype(wanted).tobytes()
    except (ValueError, TypeError, OverflowError, RuntimeWarning) as error:
        raise Refused(400, f"input {port.name!r}: `data` is no {port.datatype} tensor: {error}") from None


def _wanted(document: dict[str, Any], ports: list[Port]) -> list[tuple[int, bool]]:
    parameters = document.get("parameters") or {}
    default = bool(parameters.get("binary_data_output", False)) if isinstance(parameters, dict) else False
    asked = document.get("outputs")
    if not asked:
        return [(index, default) for index in range(len(ports))]
    known = {port.name: index for index, port in enumerate(ports)}
    wanted = []
    for output in asked:
        name = output.get("name") if isinstance(output, dict) else None
        if name not in known:
            raise Refused(400, f"the model has no output {name!r}; it has {', '.join(map(repr, known))}")
        own = output.get("parameters") or {}
        for unknown in ("classification", "shared_memory_region"):
            if own.get(unknown):
                raise Refused(400, f"output {name!r}: {unknown} is not offered")
        wanted.append((known[name], bool(own.get("binary_data", default))))
    return wanted


def encode(request: Request, answer: Answer, model: str, ports: list[Port]) -> tuple[bytes, int | None]:
    """Return the body of an answer and the length of its JSON part, None when it is all JSON.

    Raises Refused for numbers that JSON cannot hold.
    """
    outputs, pieces = [], []
    for index, binary in request.outputs:
        data, shape = answer.outputs[index]
        port = ports[index]
        entry: dict[str, Any] = {"name": port.name, "datatype": port.datatype, "shape": shape}
        if binary:
            entry["parameters"] = {"binary_data_size": len(data)}
            pieces.append(data)
        else:
            import numpy as np

            entry["data"] = np.frombuffer(data, NUMPY[port.datatype]).tolist()
        outputs.append(entry)
    document: dict[str, Any] = {"model_name": model, "model_version": "1", "outputs": outputs}
    if request.id is not None:
        document["id"] = request.id
    try:
        head = json.dumps(document, allow_nan=False).encode()
    except ValueError:
        raise Refused(422, "an output holds NaN or infinity, which JSON cannot; ask for binary output") from None
    if not any(binary for _, binary in request.outputs):
        return head, None
    return b"".join((head, *pieces)), len(head)
