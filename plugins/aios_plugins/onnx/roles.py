"""Which of an operator's constant inputs are trained numbers, and which operators compute in 8-bit integers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios_plugins.onnx.costs import COSTED, PRODUCTS
from aios_plugins.onnx.tensors import EIGHT_BIT, FLOATING, Stored, Tensor

if TYPE_CHECKING:
    import onnx

__all__ = ["IntegerRegions", "is_integer_operator", "trained_in"]

_TRAINED: dict[str, tuple[int, ...]] = {
    "Conv": (1, 2),
    "FusedConv": (1, 2),
    "ConvTranspose": (1, 2),
    "ConvInteger": (1,),
    "DeformConv": (1, 3),
    "QLinearConv": (3, 8),
    "Gemm": (0, 1, 2),
    "FusedGemm": (0, 1, 2),
    "QGemm": (3, 6),
    "MatMul": (0, 1),
    "FusedMatMul": (0, 1),
    "MatMulInteger": (0, 1),
    "MatMulIntegerToFloat": (0, 1, 6),
    "DynamicQuantizeMatMul": (1, 4),
    "QLinearMatMul": (0, 3),
    "MatMulNBits": (1,),
    "QLinearAdd": (0, 3),
    "QLinearMul": (0, 3),
    "LSTM": (1, 2, 3, 7),
    "DynamicQuantizeLSTM": (1, 2, 3, 7),
    "GRU": (1, 2, 3),
    "RNN": (1, 2, 3),
    "BatchNormalization": (1, 2, 3, 4),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "RMSNormalization": (1,),
    "SimplifiedLayerNormalization": (1,),
    "SkipLayerNormalization": (2, 3, 4),
    "PRelu": (1,),
    "Gather": (0,),
    "GatherND": (0,),
}
"""Operator -> inputs that are weights whatever their size; its other inputs never are."""

_SETTINGS = frozenset(
    [
        "Resize",
        "Upsample",
        "Clip",
        "Pad",
        "Slice",
        "Split",
        "Pow",
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "Dropout",
        "TopK",
        "Tile",
        "Range",
        "OneHot",
        "NonMaxSuppression",
        "RoiAlign",
        "Equal",
        "Less",
        "LessOrEqual",
        "Greater",
        "GreaterOrEqual",
        "Mod",
        "BitShift",
        "CumSum",
        "Cast",
        "CastLike",
        "Shape",
        "Size",
        "ConstantOfShape",
        "EyeLike",
        "QLinearSigmoid",
        "QLinearLeakyRelu",
        "QLinearSoftmax",
        "DFT",
        "STFT",
        "Attention",
        "QLinearGlobalAveragePool",
        "QLinearAveragePool",
        "ScatterElements",
        "Scatter",
        "TensorScatter",
        "Unsqueeze",
        "Squeeze",
        "Trilu",
        "Not",
        "And",
        "Or",
        "Xor",
    ]
)
"""Operators whose constants are settings: sizes, bounds, scales, zero points, window functions."""

_WITH_GENERATED = frozenset(_TRAINED) | {"Mul", "Add"}
"""Operators that take tensors made by ConstantOfShape as weights: graphs published without their numbers do that."""

_INTEGER = frozenset(
    [
        "ConvInteger",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "DynamicQuantizeMatMul",
        "DynamicQuantizeLSTM",
        "QGemm",
        "QAttention",
    ]
)


def trained_in(kind: str, inputs: Sequence[Tensor | None]) -> Iterable[Stored]:
    """Yield the trained tensors among an operator's inputs.

    A float or 8-bit constant is trained if it stands where the operator takes weights or, in elementwise operators,
    has more than one element; a 32-bit integer only where it is the bias of a quantised operator. Other integers are
    shapes and indices.
    """
    places = _TRAINED.get(kind)
    if places is None and (kind in _SETTINGS or kind not in COSTED):
        return
    for index, tensor in enumerate(inputs):
        if tensor is None or not tensor.constant or (places is not None and index not in places):
            continue
        for stored in tensor.stored:
            number = (
                stored.dtype in FLOATING or stored.dtype in EIGHT_BIT or (stored.dtype == 6 and _is_bias(tensor, kind))
            )
            large = stored.elements > 1 or (places is not None and kind != "Gather")
            if number and large and (not stored.generated or kind in _WITH_GENERATED):
                yield stored


def _is_bias(tensor: Tensor, kind: str) -> bool:
    return tensor.carried == 6 or kind.startswith("QLinear") or kind == "QGemm"


def is_integer_operator(kind: str) -> bool:
    """Return whether the operator itself computes in 8-bit integers."""
    return kind in _INTEGER or kind.startswith("QLinear")


@dataclass(frozen=True)
class IntegerRegions:
    """Where a graph computes in 8 bits between DequantizeLinear and QuantizeLinear.

    computing: indices of operators that a runtime fuses with the pairs around them · absorbed: indices of the
    QuantizeLinear and DequantizeLinear that vanish in that
    """

    computing: frozenset[int]
    absorbed: frozenset[int]

    @classmethod
    def of(cls, nodes: Sequence[onnx.NodeProto], outputs: Iterable[str], constants: Iterable[str]) -> IntegerRegions:
        """Find them by name in one graph.

        A matrix product or convolution computes in integers when both its factors come from DequantizeLinear; any
        other operator when all that it reads does, too, and all that it writes goes to QuantizeLinear.
        """
        producer: dict[str, int] = {name: i for i, node in enumerate(nodes) for name in node.output if name}
        consumers: defaultdict[str, list[int]] = defaultdict(list)
        for i, node in enumerate(nodes):
            for name in node.input:
                consumers[name].append(i)
        kept, fixed = set(outputs), set(constants)

        def made_by(name: str, kind: str) -> bool:
            return name in producer and nodes[producer[name]].op_type == kind

        def only_read_by(name: str, wanted: frozenset[int]) -> bool:
            return name not in kept and bool(consumers[name]) and wanted.issuperset(consumers[name])

        quantizers = frozenset(i for i, node in enumerate(nodes) if node.op_type == "QuantizeLinear")
        computing = set()
        for i, node in enumerate(nodes):
            factors = node.input[:2] if node.op_type in PRODUCTS else [name for name in node.input if name not in fixed]
            if not factors or node.op_type in {"QuantizeLinear", "DequantizeLinear", "If", "Loop", "Scan"}:
                continue
            dequantized = all(made_by(name, "DequantizeLinear") for name in factors)
            if dequantized and (node.op_type in PRODUCTS or all(only_read_by(n, quantizers) for n in node.output if n)):
                computing.add(i)
        done = frozenset(computing)
        absorbed = {
            i
            for i, node in enumerate(nodes)
            if (node.op_type == "DequantizeLinear" and all(only_read_by(name, done) for name in node.output))
            or (node.op_type == "QuantizeLinear" and node.input and producer.get(node.input[0]) in done)
        }
        return cls(done, frozenset(absorbed))
