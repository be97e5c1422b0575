"""Which operators static quantisation covers: convolutions and what follows them, and matrix products alone.

Between convolutions, engines compute everything in 8 bits, which spares moving activations in float. Around matrix
products stand softmax, normalisation, GELU, sums with what goes around a block, and masks of attention, whose values
span so much that a step of 8 bits is larger than most of them (a mask of -1e9 leaves nothing of the scores that it is
added to); there is next to no arithmetic in them, and engines compute them in float anyway. Hugging Face's Optimum
leaves out the same when it quantises transformers statically (its preprocessor excludes the nodes of LayerNorm and of
GELU, residual Adds, and Adds that Softmax follows).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

__all__ = ["CONVOLUTIONS", "PRODUCTS", "left_out"]

CONVOLUTIONS = ("Conv", "ConvTranspose")

PRODUCTS = (*CONVOLUTIONS, "MatMul", "Gemm")
"""Operators that hold nearly all the arithmetic of a network."""

_SIZES = frozenset({"Shape", "Size"})
"""Operators whose outputs are sizes, which nothing is computed on."""

_CONVOLVED, _OTHER = frozenset({"convolution"}), frozenset({"other"})


def left_out(model: onnx.ModelProto) -> frozenset[str]:
    """Return the names of nodes that stay in float: what computes on anything else than outputs of convolutions."""
    constant = {item.name for item in model.graph.initializer}
    behind: dict[str, frozenset[str]] = {}  # tensor -> kinds of what it was computed from, up to the last product
    found = set()
    for node in model.graph.node:
        read = [behind.get(name, _OTHER) for name in node.input if name and name not in constant]
        kinds = frozenset[str]() if node.op_type in _SIZES else frozenset[str]().union(*read)
        if node.op_type in PRODUCTS:
            kinds = _CONVOLVED if node.op_type in CONVOLUTIONS else _OTHER
        elif kinds != _CONVOLVED:
            found.add(node.name)
        behind.update(dict.fromkeys(node.output, kinds))
    return frozenset(found)
