"""Weights in bfloat16: half the bytes of a file, brought back to fp32 where a runtime loads it.

onnxruntime's CPU engine has no kernels for arithmetic in bfloat16 (1.31: neither Conv nor MatMul, Add or Relu), but it
casts; a Cast of a constant is folded when a session opens, so what runs is fp32 with weights of 8 significant bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from aios_plugins.quantization.graphs import as_read, graphs_of, nothing_to_change, save, versions_of

if TYPE_CHECKING:
    import onnx

    from aios.spi.transform import Progress, Work

__all__ = ["BFloat16", "in_bfloat16"]

_WORTHWHILE = 1024
"""Numbers in a constant from which on it is converted: smaller ones (biases, scales) hold hardly any of a file's bytes,
and some of them the runtime must know as they are."""


class BFloat16:
    """Rounds to nearest, ties to even, with ``ml_dtypes``, which onnx is built on."""

    name: ClassVar[str] = "bfloat16"
    api_version: ClassVar[int] = 1

    def versions(self) -> Mapping[str, str]:
        """Return the libraries that the result depends on."""
        return versions_of("numpy", "onnx", "ml_dtypes")

    def make(self, work: Work, progress: Progress) -> Mapping[str, str]:
        """Write the model with its weights in bfloat16; raises InputError where it holds none that are worth it."""
        progress(0.0, "reading the model")
        model = as_read(work.source)
        progress(0.3, "rounding weights")
        converted = 0
        kept: list[str] = []
        for graph in graphs_of(model.graph):  # one after another: converting a graph replaces those that it holds
            done, left = _convert(graph)
            converted, kept = converted + done, kept + left
        if not converted:
            raise nothing_to_change(
                "bfloat16",
                f"it holds no constant of {_WORTHWHILE} fp32 numbers or more",
                "use the model's file as it is",
            )
        save(model, work.folder)
        return {"constants in bf16": str(converted), "too large for bf16, left in fp32": ", ".join(kept) or "none"}


def _convert(graph: onnx.GraphProto) -> tuple[int, list[str]]:
    """Put a Cast behind every large constant of one graph; return how many, and the names of those out of range."""
    import onnx

    casts, held, kept = [], [], []
    nodes = []
    for node in graph.node:  # constants that nodes hold are constants like any other
        value = next((item.t for item in node.attribute if item.name == "value"), None)
        if node.op_type == "Constant" and value is not None and _is_large(value):
            value.name = node.output[0]
            graph.initializer.append(value)
        else:
            nodes.append(node)
    for tensor in graph.initializer:
        narrow = in_bfloat16(tensor) if _is_large(tensor) else None
        if narrow is None:
            if _is_large(tensor):
                kept.append(tensor.name)
            held.append(tensor)
            continue
        casts.append(onnx.helper.make_node("Cast", [narrow.name], [tensor.name], to=onnx.TensorProto.FLOAT))
        held.append(narrow)
    names = {cast.output[0] for cast in casts}
    ports = [item for item in graph.input if item.name not in names]  # old files list constants as inputs too
    for field, values in (("initializer", held), ("node", [*casts, *nodes]), ("input", ports)):
        items = [type(item).FromString(item.SerializeToString()) for item in values]
        graph.ClearField(field)
        getattr(graph, field).extend(items)
    return len(casts), kept


def _is_large(tensor: onnx.TensorProto) -> bool:
    import math

    import onnx

    return tensor.data_type == onnx.TensorProto.FLOAT and math.prod(tensor.dims) >= _WORTHWHILE


def in_bfloat16(tensor: onnx.TensorProto) -> onnx.TensorProto | None:
    """Return an fp32 constant in bfloat16, infinities and NaN as they are; None where a finite number would overflow,
    as the lowest fp32 number of an attention mask does."""
    import ml_dtypes
    import numpy as np
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(ml_dtypes.bfloat16)
        if not np.array_equal(np.isfinite(narrow), np.isfinite(values)):
            return None
    return numpy_helper.from_array(narrow, f"{tensor.name}_bf16")
