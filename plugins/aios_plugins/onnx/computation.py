"""What a model computes, as one digest: two files that differ in names, order or storage alone have the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

__all__ = ["computation"]


def computation(path: Path) -> str:
    """Return the digest of the model's outputs.

    A value's digest is that of the operator that makes it, its attributes and its inputs' digests; a constant's is that
    of its type, shape and content. What no output depends on does not count.
    """
    import onnx

    model = onnx.load(str(path))
    opsets = sorted((item.domain, item.version) for item in model.opset_import)
    functions = sorted(_hashed("function", item.SerializeToString(deterministic=True)) for item in model.functions)
    return f"sha256:{_hashed('model', repr(opsets), *functions, *_outputs(model.graph, {}))}"


def _outputs(graph: onnx.GraphProto, outer: Mapping[str, str]) -> list[str]:
    """Return the digest of each output. outer: digests of the values that a graph inside of a node may use"""
    constants = {item.name for item in graph.initializer} | {item.values.name for item in graph.sparse_initializer}
    values = dict(outer)
    ports = (item for item in graph.input if item.name not in constants)
    values |= {item.name: _hashed("input", str(place)) for place, item in enumerate(ports)}
    values |= {item.name: _constant(item) for item in graph.initializer}
    for sparse in graph.sparse_initializer:
        values[sparse.values.name] = _hashed("sparse", sparse.SerializeToString(deterministic=True))
    for node in graph.node:  # in topological order, as the format demands
        if node.op_type == "Identity" and node.domain == "" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
            continue
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            values[node.output[0]] = _constant(node.attribute[0].t)
            continue
        given = [values.get(name, "") for name in node.input]
        own = [_attribute(item, values) for item in sorted(node.attribute, key=lambda item: item.name)]
        made = _hashed("node", node.domain, node.op_type, *own, "of", *given)
        values |= {name: _hashed(made, str(place)) for place, name in enumerate(node.output) if name}
    return [values.get(item.name, "") for item in graph.output]


def _attribute(item: onnx.AttributeProto, values: Mapping[str, str]) -> str:
    if item.HasField("g"):
        return _hashed("graph", item.name, *_outputs(item.g, values))
    if item.graphs:
        return _hashed("graphs", item.name, *(text for graph in item.graphs for text in _outputs(graph, values)))
    if item.HasField("t"):
        return _hashed("tensor", item.name, _constant(item.t))
    return _hashed("attribute", item.SerializeToString(deterministic=True))


def _constant(tensor: onnx.TensorProto) -> str:
    from onnx import numpy_helper

    if tensor.data_type == tensor.STRING:
        return _hashed("strings", repr(tuple(tensor.dims)), *tensor.string_data)
    array = numpy_helper.to_array(tensor)
    return _hashed("constant", str(tensor.data_type), repr(tuple(tensor.dims)), array.tobytes())


def _hashed(*parts: str | bytes) -> str:
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()
