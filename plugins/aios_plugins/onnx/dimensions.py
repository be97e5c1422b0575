"""Which size each dynamic dimension is taken at, and which of them is the batch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aios.records.model import TensorSpec
from aios_plugins.onnx.tensors import ELEMENT_TYPES

if TYPE_CHECKING:
    import onnx

__all__ = ["Dimensions", "spec_of"]

SPATIAL = 224
"""Assumed height and width of images: the crop on which ImageNet networks are reported (AlexNet and since)."""
SEQUENCE = 128
"""Assumed length of anything else: the sequence length at which BERT-class encoders are usually compared."""

_SEQUENCE_NAME = re.compile(r"seq|len|time|step|token|frame|height|width|sample|position", re.IGNORECASE)
_SPATIAL_NAME = re.compile(r"height|width|spatial|^[hw]$", re.IGNORECASE)
_CHANNELS = frozenset({1, 3, 4})
UNNAMED = "?"


@dataclass
class Dimensions:
    """Sizes for one walk over a graph.

    given: sizes from the user, by dimension name or ``input.axis`` · batch: size taken for the batch · batch_names:
    names that mean the batch · assumed: filled with every other dynamic dimension and its size
    """

    given: Mapping[str, int]
    batch: int
    batch_names: frozenset[str] = frozenset()
    assumed: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def batch_of(inputs: list[onnx.ValueInfoProto]) -> frozenset[str]:
        """Return the names (or ``input.axis``) of dimensions that look like the batch.

        They are the dynamic first axes whose name speaks of no sequence or image; and, beside one, the nameless middle
        axis of a recurrent state, laid out as (layers, batch, hidden).
        """
        names = {
            _key(item, 0)
            for item in inputs
            if (dims := item.type.tensor_type.shape.dim)
            and _is_dynamic(dims[0])
            and not _SEQUENCE_NAME.search(dims[0].dim_param)
        }
        if names:
            states = (item for item in inputs if len(item.type.tensor_type.shape.dim) == 3)
            for item in states:
                layers, batch, hidden = item.type.tensor_type.shape.dim
                if not _is_dynamic(layers) and not _is_dynamic(hidden) and batch.dim_param in ("", UNNAMED):
                    names |= {_key(item, 1)} if _is_dynamic(batch) else set()
        return frozenset(names)

    def counts_items(self, item: onnx.ValueInfoProto) -> bool:
        """Return whether the input's first axis is the batch."""
        return bool(item.type.tensor_type.shape.dim) and _key(item, 0) in self.batch_names

    def shape_of(self, item: onnx.ValueInfoProto) -> tuple[int, ...] | None:
        """Return the shape an input is taken at, None if it declares none."""
        if not item.type.tensor_type.HasField("shape"):
            return None
        return tuple(
            self._size(item, axis) if _is_dynamic(dim) else int(dim.dim_value)
            for axis, dim in enumerate(item.type.tensor_type.shape.dim)
        )

    def shape_hint(self, item: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
        """Return what the file itself says of an inner tensor's shape, with the sizes already taken put in."""
        if not item.type.tensor_type.HasField("shape"):
            return None
        known = {**self.assumed, **dict.fromkeys(self.batch_names, self.batch)}
        return tuple(
            known.get(dim.dim_param) if _is_dynamic(dim) else int(dim.dim_value)
            for dim in item.type.tensor_type.shape.dim
        )

    def _size(self, item: onnx.ValueInfoProto, axis: int) -> int:
        key = _key(item, axis)
        if key in self.batch_names:
            return self.batch
        return self.assumed.setdefault(key, self.given.get(key, _default(item, axis)))


def _key(item: onnx.ValueInfoProto, axis: int) -> str:
    """Return what a dynamic dimension is called: its name in the file, or input and axis where it has none."""
    name = str(item.type.tensor_type.shape.dim[axis].dim_param)
    return name if name not in ("", UNNAMED) else f"{item.name}.{axis}"


def _is_dynamic(dim: onnx.TensorShapeProto.Dimension) -> bool:
    return not dim.HasField("dim_value") or dim.dim_value < 0


def _default(item: onnx.ValueInfoProto, axis: int) -> int:
    dims = item.type.tensor_type.shape.dim
    if _SPATIAL_NAME.search(dims[axis].dim_param):
        return SPATIAL
    if len(dims) == 4:
        sizes = [None if _is_dynamic(dim) else dim.dim_value for dim in dims]
        if (sizes[1] in _CHANNELS and axis >= 2) or (sizes[3] in _CHANNELS and axis in {1, 2}):
            return SPATIAL
    return SEQUENCE


def spec_of(item: onnx.ValueInfoProto) -> TensorSpec:
    """Return an input or output as its file declares it."""
    tensor = item.type.tensor_type
    kind = ELEMENT_TYPES.get(tensor.elem_type)
    shape = tuple((dim.dim_param or UNNAMED) if _is_dynamic(dim) else int(dim.dim_value) for dim in tensor.shape.dim)
    return TensorSpec(name=item.name, dtype=kind.name if kind else "unknown", shape=shape)
