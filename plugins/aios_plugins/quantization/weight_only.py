"""Weight-only quantisation: weights of matrix products in blocks of 8 or 4 bits, arithmetic in float."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from aios_plugins.quantization.graphs import (
    constants,
    drop_unread,
    nothing_to_change,
    preprocessed,
    quiet,
    save,
    versions_of,
)

if TYPE_CHECKING:
    import onnx

    from aios.spi.transform import Progress, Work

__all__ = ["WeightOnly"]

_WORTHWHILE = 1 << 16
"""Numbers in a weight from which on it is quantised: smaller ones lie in the cache whatever they are stored in."""


class WeightOnly:
    """Quantises with onnxruntime, whose ``MatMulNBits`` reads the blocks."""

    name: ClassVar[str] = "weight-only"
    api_version: ClassVar[int] = 1

    def versions(self) -> Mapping[str, str]:
        """Return the libraries that the result depends on."""
        return versions_of("onnx", "onnxruntime", "onnx-ir")

    def make(self, work: Work, progress: Progress) -> Mapping[str, str]:
        """Write the quantised model; raises InputError where it holds no large matrix product with constant weights."""
        import onnx
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        progress(0.0, "reading the model")
        model = onnx.load(str(preprocessed(work)))
        _split_gemms(model)
        held = constants(model)
        chosen = [
            node.name
            for node in model.graph.node
            if node.op_type == "MatMul" and node.input[1] in held and _is_large(held[node.input[1]])
        ]
        if not chosen:
            raise nothing_to_change(
                "weight-only",
                f"it holds no MatMul or Gemm with {_WORTHWHILE} constant fp32 weights or more",
                "use static, which quantises convolutions too",
            )
        progress(0.3, f"quantising {len(chosen)} weights")
        level = work.settings["accuracy_level"]
        with quiet():
            quantizer = MatMulNBitsQuantizer(
                model,
                bits=int(work.precision.removeprefix("int")),
                block_size=int(work.settings["block_size"]),
                is_symmetric=work.settings["symmetric"] == "true",
                accuracy_level=int(level) if level != "0" else None,
                nodes_to_include=chosen,
            )
            quantizer.process()
        made: onnx.ModelProto = quantizer.model.model
        done = sum(node.op_type == "MatMulNBits" for node in made.graph.node)
        save(made, work.folder)
        left = [node.name for node in made.graph.node if node.op_type in ("MatMul", "Gemm") and node.input[1] in held]
        return {"weights quantised": str(done), "products left in float": ", ".join(left) or "none"}


def _is_large(tensor: onnx.TensorProto) -> bool:
    import onnx

    return (
        tensor.data_type == onnx.TensorProto.FLOAT
        and len(tensor.dims) == 2
        and tensor.dims[0] * tensor.dims[1] >= _WORTHWHILE
    )


def _split_gemms(model: onnx.ModelProto) -> None:
    """Write each plain Gemm with large constant weights as MatMul and Add, which the quantiser knows."""
    import numpy as np
    from onnx import helper, numpy_helper

    held = constants(model)
    nodes = []
    for node in model.graph.node:
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        plain = attributes.get("alpha", 1.0) == attributes.get("beta", 1.0) == 1.0 and not attributes.get("transA")
        if node.op_type != "Gemm" or not plain or node.input[1] not in held or not _is_large(held[node.input[1]]):
            nodes.append(node)
            continue
        weight = f"{node.name}_matrix"
        values = numpy_helper.to_array(held[node.input[1]])
        values = np.ascontiguousarray(values.T) if attributes.get("transB") else values
        model.graph.initializer.append(numpy_helper.from_array(values, weight))
        biased = len(node.input) > 2 and bool(node.input[2])
        product = f"{node.name}_product" if biased else node.output[0]
        nodes.append(helper.make_node("MatMul", [node.input[0], weight], [product], node.name))
        if biased:
            nodes.append(helper.make_node("Add", [product, node.input[2]], [node.output[0]], f"{node.name}_bias"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    drop_unread(model)
