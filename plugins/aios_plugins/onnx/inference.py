"""Shapes and types of one operator's outputs: onnx's own inference, and rules for operators it has no schema of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aios_plugins.onnx.costs import ALIASES
from aios_plugins.onnx.tensors import ELEMENT_TYPES, Tensor

if TYPE_CHECKING:
    import onnx

__all__ = ["Inferred", "attributes_of", "infer"]

Inferred = list[Tensor]
FLOAT = 1

SAME_AS_FIRST = frozenset(
    [
        "Gelu",
        "FastGelu",
        "BiasGelu",
        "QuickGelu",
        "SkipLayerNormalization",
        "SimplifiedLayerNormalization",
        "SkipSimplifiedLayerNormalization",
        "LayerNormalization",
        "RotaryEmbedding",
        "QLinearSigmoid",
        "QLinearLeakyRelu",
        "QLinearSoftmax",
    ]
)
"""Operators that onnxruntime writes, without a schema in onnx, whose first output has the first input's shape."""


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the node's attributes as Python values; scalar tensors as arrays, graphs left out."""
    from onnx import AttributeProto, helper, numpy_helper

    found: dict[str, Any] = {}
    for item in node.attribute:
        if item.type in {AttributeProto.GRAPH, AttributeProto.GRAPHS} or item.ref_attr_name:
            continue
        try:
            if item.type != AttributeProto.TENSOR:
                found[item.name] = helper.get_attribute_value(item)
            elif math.prod(item.t.dims) <= 1 and item.t.data_location != item.t.EXTERNAL:
                found[item.name] = numpy_helper.to_array(item.t)
        except (ValueError, TypeError, KeyError):
            continue  # of a type that does not exist: to whoever asks for it, it is not there
    return found


def infer(
    node: onnx.NodeProto, inputs: Sequence[Tensor | None], opsets: Mapping[str, int], ir_version: int
) -> tuple[Inferred, str | None]:
    """Return what is known of each output, and, when inference failed, why in onnx's own words."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    schema = _schema(node.op_type, opsets.get(domain, 1), domain)
    if schema is None:
        return _without_schema(node, inputs, opsets, ir_version), None
    from onnx.checker import ValidationError
    from onnx.shape_inference import InferenceError

    try:
        found = _ask_onnx(schema, node, inputs, opsets, ir_version)
    except (
        InferenceError,
        ValidationError,
        RuntimeError,
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        OverflowError,
    ) as error:
        return [Tensor() for _ in node.output], " ".join(str(error).split())[:200]
    return [_tensor(found[name]) if name in found else Tensor() for name in node.output], None


@lru_cache(maxsize=1024)
def _schema(kind: str, version: int, domain: str) -> Any:
    from onnx import defs

    try:
        return defs.get_schema(kind, min(max(version, 1), 2**31 - 1), domain)
    except defs.SchemaError:
        return None


def _ask_onnx(
    schema: Any, node: onnx.NodeProto, inputs: Sequence[Tensor | None], opsets: Mapping[str, int], ir_version: int
) -> dict[str, onnx.TypeProto]:
    from onnx import helper, numpy_helper, shape_inference

    types, data = {}, {}
    for name, tensor in zip(node.input, inputs, strict=True):
        if not name or tensor is None:
            continue
        types[name] = tensor.other if tensor.other is not None else _type_proto(tensor)
        if tensor.value is not None and tensor.dtype in {1, 6, 7, 9, 10, 11}:
            data[name] = numpy_helper.from_array(tensor.value)
    versions = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return shape_inference.infer_node_outputs(schema, node, types, data, opset_imports=versions, ir_version=ir_version)


def _type_proto(tensor: Tensor) -> onnx.TypeProto:
    from onnx import helper

    return helper.make_tensor_type_proto(tensor.dtype, tensor.shape)


def _tensor(proto: onnx.TypeProto) -> Tensor:
    if not proto.HasField("tensor_type"):
        return Tensor(other=proto)
    kind = proto.tensor_type
    if not kind.HasField("shape"):
        return Tensor(dtype=kind.elem_type)
    shape = tuple(int(d.dim_value) if d.HasField("dim_value") and d.dim_value >= 0 else None for d in kind.shape.dim)
    return Tensor(dtype=kind.elem_type, shape=shape)


def _without_schema(
    node: onnx.NodeProto, inputs: Sequence[Tensor | None], opsets: Mapping[str, int], ir_version: int
) -> Inferred:
    """Shapes of what onnxruntime's optimiser and quantiser write; everything else stays unknown."""
    first = inputs[0] if inputs else None
    outputs = [Tensor() for _ in node.output]
    if first is None or not outputs:
        return outputs
    kind = node.op_type
    if kind in SAME_AS_FIRST:
        outputs[0] = Tensor(first.dtype, first.shape)
    elif kind in {"QLinearAdd", "QLinearMul"} and len(inputs) > 3:
        outputs[0] = Tensor(first.dtype, _broadcast(first, inputs[3]))
    elif kind == "QLinearGlobalAveragePool" and first.shape:
        outputs[0] = Tensor(first.dtype, (*first.shape[:2], *(1 for _ in first.shape[2:])))
    elif kind == "QLinearConcat":
        outputs[0] = _joined(attributes_of(node), inputs[2::3])
    elif kind == "MatMulNBits" and first.shape:
        outputs[0] = Tensor(first.dtype, (*first.shape[:-1], int(attributes_of(node).get("N", 0)) or None))
    elif kind in {"MatMulIntegerToFloat", "DynamicQuantizeMatMul"} and len(inputs) > 1:
        outputs[0] = Tensor(FLOAT, _matmul_shape(first, inputs[1]))
    elif kind in ALIASES and not any(item.name.startswith("trans") for item in node.attribute):
        standard = {**opsets, "": max(opsets.get("", 13), 13)}
        if kind != "QLinearAveragePool":
            return infer(_standard(node, len(inputs)), inputs, standard, ir_version)[0]
        as_floats = infer(_standard(node, 1), [replace(first, dtype=FLOAT, value=None)], standard, ir_version)[0]
        outputs[0] = replace(as_floats[0], dtype=first.dtype)
    return outputs


def _standard(node: onnx.NodeProto, used: int) -> onnx.NodeProto:
    """Return the standard operator of the same shape, on the first ``used`` inputs."""
    from onnx import helper

    own = {"activation", "activation_params", "alpha", "channels_last"}
    plain = helper.make_node(ALIASES[node.op_type], list(node.input[:used]), list(node.output))
    plain.attribute.extend(item for item in node.attribute if item.name not in own)
    return plain


def _broadcast(left: Tensor, right: Tensor | None) -> tuple[int | None, ...] | None:
    if right is None or left.shape is None or right.shape is None:
        return None
    rank = max(len(left.shape), len(right.shape))
    a, b = ((1,) * (rank - len(shape)) + shape for shape in (left.shape, right.shape))
    return tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))


def _matmul_shape(left: Tensor, right: Tensor | None) -> tuple[int | None, ...] | None:
    if right is None or left.shape is None or right.shape is None or len(right.shape) != 2:
        return None
    return (*left.shape[:-1], right.shape[-1])


def _joined(attributes: Mapping[str, Any], parts: Sequence[Tensor | None]) -> Tensor:
    shapes = [part.shape for part in parts if part is not None and part.shape is not None]
    axis = attributes.get("axis", 0)
    if not shapes or len(shapes) != len(parts) or not -len(shapes[0]) <= axis < len(shapes[0]):
        return Tensor()
    shape = list(shapes[0])
    sizes = [item[axis] for item in shapes if len(item) == len(shape)]
    shape[axis] = None if None in sizes else sum(size for size in sizes if size is not None)
    dtype = next((part.dtype for part in parts if part is not None and part.dtype in ELEMENT_TYPES), 0)
    return Tensor(dtype, tuple(shape))
