"""Which operators a runtime computes together with the convolution or product before them.

What every runtime fuses when nobody else reads the value in between: batch norms and activation functions after a
convolution or product, a bias after a product, and the sum of a convolution's result and another value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from aios_plugins.onnx.liveness import names_read

if TYPE_CHECKING:
    import onnx

__all__ = ["Fusing"]

_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_ACTIVATIONS = frozenset({"Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "Tanh"})


class Fusing:
    """Follows a graph's nodes in order, and remembers whose result each value is."""

    def __init__(self, nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> None:
        self._readers = Counter(name for node in nodes for name in names_read(node))
        self._readers.update(outputs)
        self._maker: dict[str, str] = {}

    def take(self, node: onnx.NodeProto, constant: Collection[str]) -> bool:
        """Say whether the node is fused to one before it. constant: those of its inputs that are constants"""
        kind, values = node.op_type, [name for name in node.input if name and name not in constant]
        makers = [self._maker[name] for name in values if name in self._maker and self._readers[name] == 1]
        fused = kind in _ACTIVATIONS and len(values) == 1 and bool(makers)
        fused |= kind == "BatchNormalization" and "Conv" in makers
        fused |= kind == "Add" and ("Conv" in makers if len(values) > 1 else "MatMul" in makers)
        if kind in _PRODUCTS:
            self._maker[node.output[0]] = kind
        elif fused and kind not in _ACTIVATIONS:
            self._maker[node.output[0]] = makers[0]
        return fused
