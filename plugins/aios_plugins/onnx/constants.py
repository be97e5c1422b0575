"""Constants of a graph: initializers and Constant nodes, in the file or beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.errors import InputError
from aios_plugins.onnx.loading import region_of
from aios_plugins.onnx.tensors import ELEMENT_TYPES, MAX_KNOWN_ELEMENTS, Stored, Tensor

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray

__all__ = ["constant_node", "stored_tensor"]


def stored_tensor(proto: onnx.TensorProto, key: tuple[str, ...], model: Path) -> Tensor:
    """Return a stored tensor; its value only if it is small. Tensors that share external bytes share their key."""
    shape = tuple(int(size) for size in proto.dims)
    elements = math.prod(shape)
    if proto.data_location == proto.EXTERNAL:
        region = region_of(proto, model)
        key = ("external", region.location, str(region.offset), str(region.length))
    small = elements <= MAX_KNOWN_ELEMENTS and proto.data_type not in {0, 8}
    value = _value(proto, model) if small else None
    stored = Stored(key, proto.data_type, elements)
    return Tensor(proto.data_type, shape, value, constant=True, stored=(stored,))


def _value(proto: onnx.TensorProto, model: Path) -> NDArray[np.generic] | None:
    import onnx
    from onnx import numpy_helper

    try:
        if proto.data_location == proto.EXTERNAL:
            region = region_of(proto, model)
            with region.path.open("rb") as stream:
                stream.seek(region.offset)
                raw = stream.read(region.length)
            proto = onnx.TensorProto(dims=proto.dims, data_type=proto.data_type, raw_data=raw)
        return numpy_helper.to_array(proto)
    except (OSError, ValueError, TypeError, KeyError, InputError):
        return None


def constant_node(node: onnx.NodeProto, key: tuple[str, ...], model: Path) -> Tensor:
    """Return what a Constant node gives, in any of the forms that it may be written in."""
    import numpy as np

    for attribute in node.attribute:
        if attribute.name == "value":
            return stored_tensor(attribute.t, key, model)
        if attribute.name == "sparse_value":
            values = stored_tensor(attribute.sparse_tensor.values, key, model)
            return Tensor(values.dtype, tuple(attribute.sparse_tensor.dims), None, True, values.stored)
        value: Any = None
        if attribute.name in {"value_float", "value_floats"}:
            value = np.asarray(attribute.f if attribute.name == "value_float" else list(attribute.floats), np.float32)
        elif attribute.name in {"value_int", "value_ints"}:
            value = np.asarray(attribute.i if attribute.name == "value_int" else list(attribute.ints), np.int64)
        elif attribute.name in {"value_string", "value_strings"}:
            shape = () if attribute.name == "value_string" else (len(attribute.strings),)
            return Tensor(8, shape, None, constant=True)
        if value is not None:
            return _written_out(value, key)
    return Tensor(constant=True)


def _written_out(value: NDArray[np.generic], key: tuple[str, ...]) -> Tensor:
    dtype = next(number for number, kind in ELEMENT_TYPES.items() if kind.name == value.dtype.name)
    known = value if value.size <= MAX_KNOWN_ELEMENTS else None
    return Tensor(dtype, value.shape, known, constant=True, stored=(Stored(key, dtype, int(value.size)),))
