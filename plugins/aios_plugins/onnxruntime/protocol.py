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
