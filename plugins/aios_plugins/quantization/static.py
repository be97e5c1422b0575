"""Static quantisation: weights and activations in 8 bits, the ranges of activations read from calibration data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from aios_plugins.quantization.covered import PRODUCTS, left_out
from aios_plugins.quantization.graphs import (
    constants,
    narrow_weights,
    nothing_to_change,
    preprocessed,
    quiet,
    save,
    session,
    versions_of,
)
from aios_plugins.quantization.items import read_items
from aios_plugins.quantization.ranges import operators, ranges

if TYPE_CHECKING:
    import onnx

    from aios.spi.transform import Progress, Work

__all__ = ["Static", "in_float", "inferred", "quantized", "scales"]


class Static:
    """Quantises with onnxruntime, in its QDQ form."""

    name: ClassVar[str] = "static"
    api_version: ClassVar[int] = 1

    def versions(self) -> Mapping[str, str]:
        """Return the libraries that the result depends on."""
        return versions_of("numpy", "onnx", "onnxruntime")

    def make(self, work: Work, progress: Progress) -> Mapping[str, str]:
        """Write the quantised model; raises InputError where data does not fit or nothing can be quantised."""
        progress(0.0, "reading the model")
        ready = preprocessed(work)
        items = read_items(session(ready, work.threads), work.data.get("calibrate", ()), work.seed)
        symmetric = work.settings["activations"] == "symmetric"
        calibration = work.settings["calibration"]
        options: dict[str, Any] = {"symmetric": symmetric}
        if calibration == "percentile":
            options["percentile"] = float(work.settings["percentile"])
        found = ranges(
            ready, work.scratch, items, calibration, options, lambda share, what: progress(0.1 + 0.8 * share, what)
        )
        progress(0.9, "quantising")
        model = quantized(
            inferred(ready),
            found,
            per_channel=work.settings["per_channel"] == "true",
            symmetric=symmetric,
            narrow=narrow_weights(work),
        )
        kept = in_float(model)
        products = [node.name for node in model.graph.node if node.op_type in PRODUCTS]
        if len(kept) == len(products) and not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
            raise nothing_to_change(
                "static", "it holds no operator that onnxruntime computes in int8", "use the model in its own precision"
            )
        save(model, work.folder)
        return {
            "calibration items": str(items.count),
            "products in int8": str(len(products) - len(kept)),
            "products left in float": ", ".join(kept) or "none",
        }


def inferred(ready: Path) -> onnx.ModelProto:
    """Return the preprocessed model as the quantiser takes it: with every shape, in an opset that has all it needs."""
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.quant_utils import load_model_with_shape_infer, update_opset_version

    with quiet():
        model: onnx.ModelProto = update_opset_version(load_model_with_shape_infer(ready), QuantType.QInt8)
    return model


def quantized(
    model: onnx.ModelProto,
    found: Any,
    *,
    per_channel: bool = True,
    symmetric: bool = False,
    narrow: bool,
    only: Collection[str] = (),
    but: Collection[str] = (),
    known: Mapping[str, Any] | None = None,
) -> onnx.ModelProto:
    """Return the model, which is used up, with QuantizeLinear and DequantizeLinear around all that can be quantised.

    found: ranges of activations · narrow: keep weights to 7 bits · only: names of nodes, where not all are meant ·
    but: names of nodes that stay in float, beside those that are not covered ·
    known: ``scales`` of an earlier result, which saves half of the time
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    uncovered = left_out(model)
    kept = {*but, *uncovered}
    chosen = sorted({*only} - kept)
    with quiet():
        quantizer = QDQQuantizer(
            model,
            per_channel,
            narrow,
            QuantType.QInt8,
            # Unsigned activations and signed weights are the pair that most CPUs have instructions for.
            QuantType.QInt8 if symmetric else QuantType.QUInt8,
            found,
            chosen,
            sorted(kept),
            operators(),
            {
                "WeightSymmetric": True,
                "ActivationSymmetric": symmetric,
                "TensorQuantOverrides": dict(known or {}),
                # What follows is computed in float, so the sums are not rounded to 8 bits once more.
                "OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"],
            },
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
        made: onnx.ModelProto = quantizer.model.model
    _read_in_float(made, uncovered)
    return made


def _read_in_float(model: onnx.ModelProto, names: Collection[str]) -> None:
    """Let nodes that are not covered read what others of them made before it was rounded for somebody else.

    onnxruntime's quantiser rounds a tensor for all who read it: what goes around the blocks of a transformer would be
    rounded at every block.
    """
    made = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        for place, name in enumerate(node.input if node.name in names else ()):
            if name not in made or made[name].op_type != "DequantizeLinear":
                continue
            rounded = made.get(made[name].input[0])
            if rounded is None:
                continue  # a constant
            writer = made.get(rounded.input[0])
            if writer is None or writer.name in names or writer.op_type in ("MatMul", "Gemm"):
                node.input[place] = rounded.input[0]


def scales(model: onnx.ModelProto) -> dict[str, list[dict[str, Any]]]:
    """Return constant -> its scales and zeros in a quantised model, as onnxruntime's ``TensorQuantOverrides``."""
    import onnx
    from onnx import numpy_helper

    held, found = constants(model), {}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in held:
            continue
        scale, zero = (numpy_helper.to_array(held[name]) for name in node.input[1:3])
        if held[node.input[0]].data_type not in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8):
            continue  # a bias, whose scale follows from those of its product
        axis = {item.name: item.i for item in node.attribute if item.name == "axis"} if scale.ndim else {}
        pairs = zip(scale.ravel(), zero.ravel(), strict=True)
        name = node.input[0].removesuffix("_quantized")
        found[name] = [{**axis, "scale": one, "zero_point": other} for one, other in pairs]
    return found


def in_float(model: onnx.ModelProto) -> list[str]:
    """Return the names of matrix products and convolutions that compute in float."""
    made = {name: node.op_type for node in model.graph.node for name in node.output}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in PRODUCTS and not all(made.get(name) == "DequantizeLinear" for name in node.input[:2])
    ]
