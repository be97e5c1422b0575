"""The constants of an ONNX model: initializers and the values of Constant nodes, from the file or from beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

    from aios.spi.weights import Constants

__all__ = ["weights_of"]


def weights_of(path: Path) -> Constants:
    """Yield name and values of every numeric constant of the main graph."""
    from onnx import numpy_helper

    from aios_plugins.onnx.loading import load

    for name, tensor in _constants(load(path).proto.graph):
        if tensor.data_type != tensor.STRING:
            yield name, numpy_helper.to_array(tensor, base_dir=str(path.parent))


def _constants(graph: onnx.GraphProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.HasField("t"):
                    yield node.output[0], attribute.t
