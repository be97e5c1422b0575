"""Which constants of an ONNX model are weights that bear a mark, as they are and as quantisation leaves them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.errors import Diagnostic, InputError
from aios_plugins.watermark.carrier import FEWEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["load", "marked", "weights_of"]

_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "FusedConv", "FusedGemm", "FusedMatMul"})
_INTEGER_PRODUCTS = frozenset({"ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"})


def load(path: Path) -> Any:
    """Return the model with its data. Raises InputError for what is no ONNX model."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(str(path))
    except OSError as error:
        summary = f"{path} cannot be read"
        raise InputError(Diagnostic(summary=summary, reason=error.strerror or str(error))) from error
    except (DecodeError, ValueError, onnx.checker.ValidationError) as error:
        raise InputError(Diagnostic(summary=f"{path} is no ONNX model", reason=" ".join(str(error).split()))) from error


def marked(model: Any) -> Iterator[tuple[Any, NDArray[Any]]]:
    """Yield the float constants that convolutions and matrix products read, each once, with their values."""
    import numpy as np
    from onnx import numpy_helper

    read = {name for node in model.graph.node if node.op_type in _PRODUCTS for name in node.input[1:2]}
    first = {node.input[0] for node in model.graph.node if node.op_type in _PRODUCTS}
    for name, tensor in _constants(model):
        if name in read | first and len(tensor.dims) > 1:
            values = numpy_helper.to_array(tensor)
            if values.dtype in (np.float16, np.float32, np.float64) and values.size >= FEWEST:
                yield tensor, values


def _constants(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, tensor) of every constant: some exporters write them as nodes."""
    yield from ((tensor.name, tensor) for tensor in model.graph.initializer)
    for node in model.graph.node:
        if node.op_type == "Constant":
            yield from ((node.output[0], attribute.t) for attribute in node.attribute if attribute.name == "value")


def weights_of(model: Any) -> Iterator[NDArray[Any]]:
    """Yield every array that may bear a mark: float weights, and 8-bit ones as what they stand for."""
    from onnx import numpy_helper

    yield from (values for _, values in marked(model))
    constants = dict(_constants(model))
    seen: set[str] = set()
    for node in model.graph.node:
        for name, scale, zero in _quantized(node):
            tensor = constants.get(name)
            if tensor is None or name in seen or len(tensor.dims) < 2:
                continue
            seen.add(name)
            yield _dequantized(numpy_helper.to_array(tensor), constants, scale, zero, _axis(node))


def _quantized(node: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (constant, its scale, its zero point) of what a node reads in 8 bits; names are empty where there is none.

    Without a scale rows are still right in themselves, and rows are compared at unit size.
    """
    inputs = [*node.input, *[""] * 8]
    if node.op_type == "DequantizeLinear":
        yield inputs[0], inputs[1], inputs[2]
    elif node.op_type in ("QLinearConv", "QLinearMatMul"):
        yield inputs[3], inputs[4], inputs[5]
    elif node.op_type in _INTEGER_PRODUCTS:
        zero = inputs[4] if node.op_type == "DynamicQuantizeMatMul" else inputs[3]
        yield inputs[1], "", zero


def _axis(node: Any) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)


def _dequantized(values: NDArray[Any], constants: Mapping[str, Any], scale: str, zero: str, axis: int) -> NDArray[Any]:
    import numpy as np
    from onnx import numpy_helper

    found = values.astype(np.float32)
    for name, change in ((zero, np.subtract), (scale, np.multiply)):
        if name in constants:
            by = numpy_helper.to_array(constants[name]).astype(np.float32)
            if by.size == values.shape[axis]:
                by = by.reshape([-1 if place == axis else 1 for place in range(values.ndim)])
            if by.size == 1 or by.ndim == values.ndim:
                found = change(found, by)
    return found
