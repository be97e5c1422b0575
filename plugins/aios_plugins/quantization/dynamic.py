"""Dynamic quantisation: weights of matrix products in 8 bits, ranges of activations found at every call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from aios_plugins.quantization.graphs import narrow_weights, nothing_to_change, preprocessed, quiet, save, versions_of

if TYPE_CHECKING:
    from aios.spi.transform import Progress, Work

__all__ = ["Dynamic"]

_OPERATORS = ["MatMul", "Gemm", "Attention", "LSTM", "EmbedLayerNormalization"]
"""Convolutions stay in float: onnxruntime's ConvInteger is slower than its float convolution."""


class Dynamic:
    """Quantises with onnxruntime; weights per output channel, symmetric."""

    name: ClassVar[str] = "dynamic"
    api_version: ClassVar[int] = 1

    def versions(self) -> Mapping[str, str]:
        """Return the libraries that the result depends on."""
        return versions_of("onnx", "onnxruntime")

    def make(self, work: Work, progress: Progress) -> Mapping[str, str]:
        """Write the quantised model; raises InputError where it holds no matrix product with constant weights."""
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        progress(0.0, "reading the model")
        ready, made = preprocessed(work), work.scratch / "quantized.onnx"
        progress(0.4, "quantising weights")
        with quiet():
            quantize_dynamic(
                str(ready),
                str(made),
                op_types_to_quantize=_OPERATORS,
                per_channel=True,
                reduce_range=narrow_weights(work),
                weight_type=QuantType.QInt8,
            )
        model = onnx.load(str(made))
        kinds = [node.op_type for node in model.graph.node]
        integer = sum(kind in ("MatMulInteger", "DynamicQuantizeLSTM", "QAttention") for kind in kinds)
        if not integer and "QEmbedLayerNormalization" not in kinds:
            raise nothing_to_change(
                "dynamic",
                f"it holds no {' or '.join(('MatMul', 'Gemm', 'LSTM'))} with constant weights",
                "use static, which quantises convolutions too",
            )
        save(model, work.folder)
        left = sum(kind in ("MatMul", "Gemm", "Conv", "ConvTranspose", "LSTM", "GRU") for kind in kinds)
        return {"operators in int8": str(integer), "products left in float": str(left)}
