"""What a tensor is called by onnxruntime, by numpy and by the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["DATATYPES", "ITEM_BYTES", "NUMPY", "Port", "port_of", "ports_from"]

DATATYPES: dict[str, str] = {
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(float16)": "FP16",
    "tensor(bool)": "BOOL",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
}
"""onnxruntime's name of an element type -> datatype of the Open Inference Protocol."""

NUMPY: dict[str, str] = {
    "FP32": "float32",
    "FP64": "float64",
    "FP16": "float16",
    "BOOL": "bool",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
}
"""Datatype of the Open Inference Protocol -> numpy's name."""

ITEM_BYTES: dict[str, int] = {
    "FP32": 4,
    "FP64": 8,
    "FP16": 2,
    "BOOL": 1,
    "INT8": 1,
    "INT16": 2,
    "INT32": 4,
    "INT64": 8,
    "UINT8": 1,
    "UINT16": 2,
    "UINT32": 4,
    "UINT64": 8,
}
"""Bytes of one element."""


@dataclass(frozen=True)
class Port:
    """An input or output of a model. shape: an int, or None where the dimension is free."""

    name: str
    datatype: str
    shape: tuple[int | None, ...]

    def metadata(self) -> dict[str, Any]:
        """Return the tensor's entry in the protocol's model metadata; a free dimension is -1."""
        return {
            "name": self.name,
            "datatype": self.datatype,
            "shape": [-1 if size is None else size for size in self.shape],
        }


def port_of(node: Any) -> Port:
    """Return the port that an onnxruntime ``NodeArg`` describes.

    Raises ValueError for what the protocol's plain tensors cannot carry: sequences, maps, text, 8-bit floats...
    """
    datatype = DATATYPES.get(node.type)
    if datatype is None:
        raise ValueError(f"{node.name!r} is a {node.type}, which is no plain tensor of numbers")
    return Port(node.name, datatype, tuple(size if isinstance(size, int) else None for size in node.shape))


def ports_from(data: Sequence[Mapping[str, Any]]) -> list[Port]:
    """Return ports from their protocol metadata."""
    return [
        Port(item["name"], item["datatype"], tuple(None if size < 0 else size for size in item["shape"]))
        for item in data
    ]
