"""Tensors as the walk over a graph sees them: element type, shape and, for small ones, the value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "EIGHT_BIT",
    "ELEMENT_TYPES",
    "FLOATING",
    "MAX_KNOWN_ELEMENTS",
    "ElementType",
    "Stored",
    "Tensor",
    "bytes_of",
    "elements_of",
    "total_bytes",
]

MAX_KNOWN_ELEMENTS = 1024
"""Values up to this size are followed: shapes, axes and small tables; beyond it, folding would become computing."""


@dataclass(frozen=True, slots=True)
class ElementType:
    """One of ONNX's element types. name: as numpy writes it · precision: as the planner writes it · bits: of one."""

    name: str
    precision: str
    bits: int


ELEMENT_TYPES: dict[int, ElementType] = {
    1: ElementType("float32", "fp32", 32),
    2: ElementType("uint8", "int8", 8),
    3: ElementType("int8", "int8", 8),
    4: ElementType("uint16", "int16", 16),
    5: ElementType("int16", "int16", 16),
    6: ElementType("int32", "int32", 32),
    7: ElementType("int64", "int64", 64),
    8: ElementType("string", "string", 64),
    9: ElementType("bool", "bool", 8),
    10: ElementType("float16", "fp16", 16),
    11: ElementType("float64", "fp64", 64),
    12: ElementType("uint32", "int32", 32),
    13: ElementType("uint64", "int64", 64),
    14: ElementType("complex64", "complex64", 64),
    15: ElementType("complex128", "complex128", 128),
    16: ElementType("bfloat16", "bf16", 16),
    17: ElementType("float8_e4m3fn", "fp8", 8),
    18: ElementType("float8_e4m3fnuz", "fp8", 8),
    19: ElementType("float8_e5m2", "fp8", 8),
    20: ElementType("float8_e5m2fnuz", "fp8", 8),
    21: ElementType("uint4", "int4", 4),
    22: ElementType("int4", "int4", 4),
    23: ElementType("float4_e2m1fn", "fp4", 4),
    24: ElementType("float8_e8m0fnu", "fp8", 8),
    25: ElementType("uint2", "int2", 2),
    26: ElementType("int2", "int2", 2),
}
"""Number in ``TensorProto.DataType`` -> what it is; strings count as one 8-byte pointer each."""

FLOATING = frozenset({1, 10, 11, 16, 17, 18, 19, 20, 23, 24})
EIGHT_BIT = frozenset({2, 3, 21, 22, 25, 26})
"""Integer types that quantised weights and activations are held in: 8 bits and below."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A constant that the file holds, or makes with ConstantOfShape.

    key: unique in the model; tensors that share their bytes share it · generated: made, not stored
    """

    key: tuple[str, ...]
    dtype: int
    elements: int
    generated: bool = False

    @property
    def bytes(self) -> int:
        """Size at the type it is stored in."""
        return _packed(self.elements, self.dtype)


@dataclass(frozen=True, slots=True)
class Tensor:
    """What is known of one value of a graph.

    dtype: ONNX element type, 0 if unknown · shape: None if the rank is unknown, a None dimension if that one is ·
    value: of small tensors, when it follows from constants and shapes · constant: does not depend on any input of
    the model · stored: what a constant is made from · carried: type it had before DequantizeLinear (or, a constant,
    before Cast), 0 if none · other: TypeProto of what is no tensor (a sequence, an optional, a map)
    """

    dtype: int = 0
    shape: tuple[int | None, ...] | None = None
    value: NDArray[np.generic] | None = None
    constant: bool = False
    stored: tuple[Stored, ...] = ()
    carried: int = 0
    other: Any = None

    @property
    def dims(self) -> tuple[int, ...] | None:
        """The shape, if all of it is known."""
        if self.shape is None:
            return None
        known = tuple(size for size in self.shape if size is not None)
        return known if len(known) == len(self.shape) else None


def elements_of(tensor: Tensor) -> int | None:
    """Return how many elements the tensor has, None if its shape is not known."""
    dims = tensor.dims
    return None if dims is None else math.prod(dims)


def bytes_of(tensor: Tensor, dtype: int = 0) -> int | None:
    """Return the tensor's size at ``dtype``, else at its own type; None if shape or type is not known."""
    elements = elements_of(tensor)
    kind = dtype or tensor.dtype
    return None if elements is None or kind not in ELEMENT_TYPES else _packed(elements, kind)


def total_bytes(tensors: Iterable[Tensor], packed: bool = False) -> int:
    """Return the bytes of all tensors whose size is known; ``packed`` takes them at the type they were carried in."""
    return sum(bytes_of(item, item.carried if packed else 0) or 0 for item in tensors)


def _packed(elements: int, dtype: int) -> int:
    return -(-elements * ELEMENT_TYPES[dtype].bits // 8) if dtype in ELEMENT_TYPES else 0
