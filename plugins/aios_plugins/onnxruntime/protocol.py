"""The Open Inference Protocol, version 2, over HTTP: requests and answers as JSON or with binary tensors.

Specification: https://github.com/open-inference/open-inference-protocol (REST) and its binary tensor data extension.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aios_plugins.onnxruntime.pool import Answer, Refused
from aios_plugins.onnxruntime.tensors import ITEM_BYTES, NUMPY, Port

__all__ = ["HEADER_LENGTH", "Asked", "Codec"]

HEADER_LENGTH = b"inference-header-content-length"
"""HTTP header: bytes of JSON before the binary tensors."""

_JSON_KINDS = {"f": "iuf", "i": "iu", "u": "iu", "b": "b"}
"""numpy kind of an input -> kinds of JSON numbers that it takes without changing their meaning."""


_KEPT_HEADS = 256
_KEPT_HEAD_BYTES = 4096
"""JSON parts that are remembered, and the largest of them: clients send the same one with every item."""


@dataclass(frozen=True)
class Asked:
    """What the JSON part of a request says.

    given: per input of the model, its content when that stands in the JSON · sizes: (index of the input, bytes) of the
    binary tensors in their order · outputs: (index of the output, whether it is wanted binary), in the order of the
    answer
    """

    id: str | None
    given: list[bytes | None]
    shapes: list[list[int]]
    sizes: list[tuple[int, int]]
    outputs: tuple[tuple[int, bool], ...]


class Codec:
    """Reads the requests to one model and writes the answers. inputs, outputs: of the model."""

    def __init__(self, model: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
        self.inputs = inputs
        self._model, self._outputs = model, outputs
        self._asked: dict[bytes, Asked] = {}
        self._answered: dict[Any, bytes] = {}

    def parse(self, body: bytes, json_bytes: int | None) -> tuple[Asked, list[bytes | memoryview]]:
        """Return what a body asks and the content of each input; ``json_bytes``: value of HEADER_LENGTH.

        Raises Refused, status 400.
        """
        if json_bytes is not None and not 0 <= json_bytes <= len(body):
            raise Refused(400, f"the JSON part is said to have {json_bytes} bytes, but the body has {len(body)}")
        head = body if json_bytes is None else body[:json_bytes]
        asked = self._asked.get(head)
        if asked is None:
            asked = _asked(head, self.inputs, self._outputs)
            if asked.id is None and len(head) <= _KEPT_HEAD_BYTES:
                _keep(self._asked, head, asked)
        at, rest = len(head), memoryview(body)
        content: list[Any] = list(asked.given)
        for index, size in asked.sizes:
            if size > len(body) - at:
                name, left = self.inputs[index].name, len(body) - at
                raise Refused(400, f"input {name!r}: {size} bytes are announced, but the body has only {left} left")
            content[index] = rest[at : at + size]
            at += size
        if at < len(body):
            raise Refused(400, f"{len(body) - at} bytes are left over after the last binary tensor")
        return asked, content

    def encode(self, asked: Asked, answer: Answer) -> tuple[bytes, int | None]:
        """Return the body of an answer and the length of its JSON part, None when it is all JSON.

        Raises Refused for numbers that JSON cannot hold.
        """
        if asked.id is not None or not all(binary for _, binary in asked.outputs):
            head = _head(self._model, self._outputs, asked, answer)
        else:
            key = (asked.outputs, *(shape for _, shape in answer.outputs))
            known = self._answered.get(key)
            head = known or _head(self._model, self._outputs, asked, answer)
            if known is None:
                _keep(self._answered, key, head)
        pieces = [answer.outputs[index][0] for index, binary in asked.outputs if binary]
        return (b"".join((head, *pieces)), len(head)) if pieces else (head, None)


def _keep(memory: dict[Any, Any], key: Any, value: Any) -> None:
    if len(memory) >= _KEPT_HEADS:
        memory.clear()
    memory[key] = value


def _asked(head: bytes, inputs: Sequence[Port], outputs: Sequence[Port]) -> Asked:
    try:
        document = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the request is not JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list):
        raise Refused(400, "the request has no list of `inputs`")
    given = _by_name(document["inputs"], inputs)
    missing = [port.name for port in inputs if port.name not in given]
    if missing:
        raise Refused(400, f"the model needs the inputs {', '.join(map(repr, missing))}")
    index = {port.name: number for number, port in enumerate(inputs)}
    identity = document.get("id")
    return Asked(
        None if identity is None else str(identity),
        [given[port.name][0] for port in inputs],
        [given[port.name][1] for port in inputs],
        [(index[name], _bytes_of(inputs[index[name]], shape)) for name, (data, shape) in given.items() if data is None],
        tuple(_wanted(document, outputs)),
    )


def _bytes_of(port: Port, shape: Sequence[int]) -> int:
    return math.prod(shape) * ITEM_BYTES[port.datatype]


def _by_name(given: list[Any], ports: Sequence[Port]) -> dict[str, tuple[bytes | None, list[int]]]:
    """Return name -> (content, None when it is binary; shape), in the order given."""
    known = {port.name: port for port in ports}
    found: dict[str, tuple[bytes | None, list[int]]] = {}
    for tensor in given:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise Refused(400, "an input has no `name`")
        name = tensor["name"]
        if name not in known:
            names = ", ".join(map(repr, known))
            raise Refused(400, f"the model has no input {name!r}; it has {names}")
        if name in found:
            raise Refused(400, f"input {name!r} is given twice")
        found[name] = _tensor(tensor, known[name])
    return found


def _tensor(tensor: dict[str, Any], port: Port) -> tuple[bytes | None, list[int]]:
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
    size = _bytes_of(port, shape)
    parameters = tensor.get("parameters") or {}
    if "shared_memory_region" in parameters:
        raise Refused(400, f"input {port.name!r}: shared memory is not offered")
    if "binary_data_size" in parameters:
        if parameters["binary_data_size"] != size:
            announced = parameters["binary_data_size"]
            raise Refused(400, f"input {port.name!r}: shape {shape} takes {size} bytes, but {announced} are announced")
        return None, shape
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


def _wanted(document: dict[str, Any], ports: Sequence[Port]) -> list[tuple[int, bool]]:
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


def _head(model: str, ports: Sequence[Port], asked: Asked, answer: Answer) -> bytes:
    outputs = []
    for index, binary in asked.outputs:
        data, shape = answer.outputs[index]
        port = ports[index]
        entry: dict[str, Any] = {"name": port.name, "datatype": port.datatype, "shape": shape}
        if binary:
            entry["parameters"] = {"binary_data_size": len(data)}
        else:
            import numpy as np

            entry["data"] = np.frombuffer(data, NUMPY[port.datatype]).tolist()
        outputs.append(entry)
    document: dict[str, Any] = {"model_name": model, "model_version": "1", "outputs": outputs}
    if asked.id is not None:
        document["id"] = asked.id
    try:
        return json.dumps(document, allow_nan=False).encode()
    except ValueError:
        raise Refused(422, "an output holds NaN or infinity, which JSON cannot; ask for binary output") from None
