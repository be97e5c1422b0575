"""What each operator computes: multiply-accumulates and floating-point operations, as integers.

A multiply-accumulate counts as two operations. Elementwise figures are operations per output element:

- 1 for what a processor does in one instruction (add, multiply, compare, select, round...);
- ``DIVIDE`` for division and square roots, whose throughput on current CPUs and GPUs is about a quarter of addition's;
- ``TRANSCENDENTAL`` for exp, log, tanh, erf and the like, which vector libraries evaluate as a range reduction and
  a polynomial of degree five to six: about ten operations (Cephes; the same shape in SLEEF and MLAS).

Published totals for convolutional networks leave all of these out; they are what ``macs`` states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aios_plugins.onnx.tensors import Tensor

__all__ = ["ALIASES", "COSTED", "MOVES", "PRODUCTS", "VIEWS", "Arithmetic", "arithmetic"]

DIVIDE = 4
TRANSCENDENTAL = 10
SOFTMAX = TRANSCENDENTAL + DIVIDE + 3
"""Per element: maximum, subtraction, exponential, sum, division."""

Arithmetic = tuple[int, int]
"""(multiply-accumulates, all operations: two per multiply-accumulate and the rest)"""
Attributes = Mapping[str, Any]


class _Call(NamedTuple):
    """One operator with what it is given and gives."""

    attributes: Attributes
    inputs: Sequence[Tensor | None]
    outputs: Sequence[Tensor]


_Rule = Callable[[_Call], Arithmetic]

VIEWS = frozenset(
    {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Dropout", "Optional", "OptionalGetElement"}
)
"""No arithmetic and no bytes: the output is the input under another shape or name (Dropout: at inference)."""

_MOVES = (
    "Cast CastLike BitCast Concat Slice Split Gather GatherElements GatherND Scatter ScatterElements ScatterND "
    "TensorScatter Transpose Pad Tile Expand DepthToSpace SpaceToDepth ReverseSequence EyeLike ConstantOfShape Range "
    "Shape Size OneHot NonZero Compress Unique Trilu MaxUnpool CenterCropPad Col2Im QLinearConcat "
    "SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SplitToSequence "
    "ConcatFromSequence OptionalHasElement"
)
MOVES = frozenset(_MOVES.split())
"""No arithmetic, but bytes."""

_ONE = (
    "Abs Add And BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil Equal Floor Greater GreaterOrEqual IsInf "
    "IsNaN Less LessOrEqual Max Min Mul Neg Not Or Relu Round Sign Sub Where Xor Sum CumSum CumProd"
)
_PER_OUTPUT: dict[str, int] = {
    **dict.fromkeys(_ONE.split(), 1),
    **dict.fromkeys(("Clip", "LeakyRelu", "PRelu", "ThresholdedRelu", "Shrink", "BatchNormalization"), 2),
    **dict.fromkeys(("Div", "Reciprocal", "Sqrt", "Mod", "Mean"), DIVIDE),
    **dict.fromkeys(
        [
            "Acos",
            "Acosh",
            "Asin",
            "Asinh",
            "Atan",
            "Atanh",
            "Cos",
            "Cosh",
            "Erf",
            "Exp",
            "Log",
            "Pow",
            "Sin",
            "Sinh",
            "Tan",
            "Tanh",
        ],
        TRANSCENDENTAL,
    ),
    **dict.fromkeys(("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"), TRANSCENDENTAL),
    **dict.fromkeys(("Bernoulli", "Multinomial", "HannWindow", "HammingWindow", "BlackmanWindow"), TRANSCENDENTAL),
    "HardSigmoid": 4,
    "HardSwish": 5,
    "Softsign": 2 + DIVIDE,
    "Elu": TRANSCENDENTAL + 3,
    "Celu": TRANSCENDENTAL + 3 + DIVIDE,
    "Selu": TRANSCENDENTAL + 4,
    "Sigmoid": TRANSCENDENTAL + DIVIDE + 1,
    "Softplus": 2 * TRANSCENDENTAL + 1,
    "Swish": TRANSCENDENTAL + DIVIDE + 2,
    "SwiGLU": TRANSCENDENTAL + DIVIDE + 3,
    "Mish": 3 * TRANSCENDENTAL + 2,
    "Gelu": TRANSCENDENTAL + 4,
    "BiasGelu": TRANSCENDENTAL + 5,
    "FastGelu": TRANSCENDENTAL + 8,
    "QuickGelu": TRANSCENDENTAL + DIVIDE + 2,
    "Softmax": SOFTMAX,
    "LogSoftmax": SOFTMAX + TRANSCENDENTAL,
    "Hardmax": 2,
    # Mean, centre, square, mean, one reciprocal root per row (not per element), scale, shift.
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization"), 7),
    "MeanVarianceNormalization": 5 + DIVIDE,
    "SkipLayerNormalization": 8,
    **dict.fromkeys(("RMSNormalization", "SimplifiedLayerNormalization", "LpNormalization"), 4),
    "RotaryEmbedding": 3,
    "QuantizeLinear": DIVIDE + 3,
    "DequantizeLinear": 2,
    "DynamicQuantizeLinear": DIVIDE + 5,
    "QLinearAdd": 5,
    "QLinearMul": 4,
    "QLinearLeakyRelu": 2,
    "QLinearSigmoid": 1,
    "QLinearSoftmax": SOFTMAX,
    "GridSample": 10,
}

_PER_INPUT: dict[str, int] = {
    **dict.fromkeys(["ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceMean", "ArgMax", "ArgMin"], 1),
    **dict.fromkeys(["ReduceL1", "ReduceL2", "ReduceSumSquare", "GlobalLpPool"], 2),
    "ReduceLogSum": 1,
    "ReduceLogSumExp": TRANSCENDENTAL + 1,
    **dict.fromkeys(["GlobalAveragePool", "GlobalMaxPool", "QLinearGlobalAveragePool"], 1),
}


def arithmetic(
    kind: str, attributes: Attributes, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]
) -> Arithmetic | None:
    """Return what one operator computes on tensors of these shapes; None if the operator is not known.

    Raises ValueError, IndexError, KeyError or TypeError when shapes are unknown or do not fit the operator.
    """
    kind = ALIASES.get(kind, kind)
    if kind in VIEWS or kind in MOVES:
        return 0, 0
    if kind in _PER_OUTPUT:
        return 0, _PER_OUTPUT[kind] * _size(outputs[0]) * _terms(kind, inputs)
    if kind in _PER_INPUT:
        return 0, _PER_INPUT[kind] * _size(inputs[0])
    rule = _RULES.get(kind)
    return None if rule is None else rule(_Call(attributes, inputs, outputs))


def _terms(kind: str, inputs: Sequence[Tensor | None]) -> int:
    return max(len(inputs) - 1, 1) if kind in {"Sum", "Max", "Min"} else 1


def _dims(tensor: Tensor | None) -> tuple[int, ...]:
    dims = tensor.dims if tensor is not None else None
    if dims is None:
        raise ValueError("a shape is not known")
    return dims


def _size(tensor: Tensor | None) -> int:
    return math.prod(_dims(tensor))


def _given(inputs: Sequence[Tensor | None], index: int) -> bool:
    return len(inputs) > index and inputs[index] is not None


def _product(macs: int, extra: int = 0) -> Arithmetic:
    return macs, 2 * macs + extra


def _conv(weight: int, bias: int) -> _Rule:
    """Each output element is a dot product over the kernel and its group's input channels (dilation adds nothing)."""

    def rule(call: _Call) -> Arithmetic:
        size = _size(call.outputs[0])
        return _product(size * math.prod(_dims(call.inputs[weight])[1:]), size if _given(call.inputs, bias) else 0)

    return rule


def _conv_transpose(call: _Call) -> Arithmetic:
    """Each input element is spread over the kernel and its group's output channels."""
    macs = _size(call.inputs[0]) * math.prod(_dims(call.inputs[1])[1:])
    return _product(macs, _size(call.outputs[0]) if _given(call.inputs, 2) else 0)


def _gemm(call: _Call) -> Arithmetic:
    left = _dims(call.inputs[0])
    inner = left[0] if call.attributes.get("transA", 0) else left[1]
    size = _size(call.outputs[0])
    return _product(size * inner, size if _given(call.inputs, 2) else 0)


def _matmul(call: _Call) -> Arithmetic:
    left = _dims(call.inputs[0])
    inner = left[-2] if call.attributes.get("transA", 0) else left[-1]
    return _product(_size(call.outputs[0]) * inner)


def _qlinear_matmul(call: _Call) -> Arithmetic:
    return _product(_size(call.outputs[0]) * _dims(call.inputs[0])[-1], _size(call.outputs[0]) * 3)


def _matmul_nbits(call: _Call) -> Arithmetic:
    macs = _size(call.outputs[0]) * int(call.attributes["K"])
    return _product(macs, 2 * int(call.attributes["K"]) * int(call.attributes["N"]))


def _einsum(call: _Call) -> Arithmetic:
    """One multiply-accumulate per combination of all indices, for each operand after the first."""
    equation = call.attributes["equation"].decode().replace(" ", "")
    terms = equation.split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, call.inputs, strict=True):
        dims = _dims(tensor)
        letters = term.replace("...", "")
        named = dims[-len(letters) :] if term.startswith("...") and letters else dims[: len(letters)]
        for letter, size in zip(letters, named, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), size)
    written = equation.split("->")[1].replace("...", "") if "->" in equation else ""
    free = math.prod(sizes[letter] for letter in written) or 1
    spread = _size(call.outputs[0]) // free if "..." in equation and written else 1
    combinations = math.prod(sizes.values()) * max(spread, 1)
    return _product(combinations * (len(terms) - 1)) if len(terms) > 1 else (0, _size(call.inputs[0]))


def _recurrent(gates: int, elementwise: int) -> _Rule:
    """``gates`` products of (input + hidden) x hidden per step and direction; ``elementwise`` operations per unit."""

    def rule(call: _Call) -> Arithmetic:
        steps, batch, width = _dims(call.inputs[0])  # layout 1 swaps the first two; only their product counts
        directions, _, _ = _dims(call.inputs[1])
        hidden = _dims(call.inputs[2])[2]
        units = steps * batch * directions * hidden
        return _product(units * gates * (width + hidden), units * elementwise)

    return rule


def _attention(call: _Call) -> Arithmetic:
    """Scores (queries x keys x width), softmax over them, and the weighted sum of values (ai.onnx Attention)."""
    query, key, value = (_dims(item) for item in call.inputs[:3])
    if len(query) == 3:
        heads, kv_heads = int(call.attributes["q_num_heads"]), int(call.attributes["kv_num_heads"])
        query = (query[0], heads, query[1], query[2] // heads)
        key = (key[0], kv_heads, key[1], key[2] // kv_heads)
        value = (value[0], kv_heads, value[1], value[2] // kv_heads)
    keys = key[2] + (_dims(call.inputs[4])[2] if _given(call.inputs, 4) else 0)
    scores = query[0] * query[1] * query[2] * keys
    return _product(scores * (query[3] + value[3]), scores * SOFTMAX)


def _pool(call: _Call) -> Arithmetic:
    return 0, _size(call.outputs[0]) * math.prod(int(size) for size in call.attributes["kernel_shape"])


def _lrn(call: _Call) -> Arithmetic:
    """A square and a sum over ``size`` channels, a power and a division."""
    return 0, _size(call.outputs[0]) * (2 * int(call.attributes["size"]) + TRANSCENDENTAL + DIVIDE)


def _resize(call: _Call) -> Arithmetic:
    """Nearest copies; linear weighs two points per resized axis, cubic four; a weight is a multiply and an add."""
    points = {b"linear": 2, b"bilinear": 2, b"cubic": 4}.get(call.attributes.get("mode", b"nearest"), 0)
    resized = sum(a != b for a, b in zip(_dims(call.inputs[0]), _dims(call.outputs[0]), strict=True))
    return 0, 2 * _size(call.outputs[0]) * points**resized if points else 0


def _topk(call: _Call) -> Arithmetic:
    """A heap of k per row: one comparison per level for every input element."""
    kept = max(_dims(call.outputs[0])[-1:] or (1,))
    return 0, _size(call.inputs[0]) * (1 + max(kept, 1).bit_length())


def _roi(call: _Call) -> Arithmetic:
    """Bilinear samples: eight operations each, ``sampling_ratio`` squared of them per output (2 x 2 if adaptive)."""
    ratio = int(call.attributes.get("sampling_ratio", 0)) or 2
    return 0, _size(call.outputs[0]) * 8 * ratio * ratio


def _non_maximum(call: _Call) -> Arithmetic:
    """Upper end of the usual case: every score is looked at once and every kept box is compared with all others."""
    boxes = _dims(call.inputs[0])[1]
    return 0, _size(call.inputs[1]) + boxes * 12


def _fourier(call: _Call) -> Arithmetic:
    """5 n log2 n per transform of length n (Cooley-Tukey), taken over all output values."""
    size = _size(call.outputs[0]) // 2
    length = max(_dims(call.outputs[0])[-2], 2)
    return 0, 5 * size * length.bit_length()


_RULES: dict[str, _Rule] = {
    "Conv": _conv(1, 2),
    "ConvInteger": _conv(1, 99),
    "QLinearConv": _conv(3, 8),
    "DeformConv": _conv(1, 3),
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "QLinearMatMul": _qlinear_matmul,
    "MatMulNBits": _matmul_nbits,
    "Einsum": _einsum,
    # LSTM: three sigmoids, two tanh, four products and sums. GRU: two sigmoids, one tanh. RNN: one tanh.
    "LSTM": _recurrent(4, 3 * (TRANSCENDENTAL + DIVIDE + 1) + 2 * TRANSCENDENTAL + 8),
    "GRU": _recurrent(3, 2 * (TRANSCENDENTAL + DIVIDE + 1) + TRANSCENDENTAL + 8),
    "RNN": _recurrent(1, TRANSCENDENTAL + 2),
    "Attention": _attention,
    "AveragePool": _pool,
    "MaxPool": _pool,
    "LpPool": _pool,
    "LRN": _lrn,
    "Resize": _resize,
    "Upsample": _resize,
    "TopK": _topk,
    "RoiAlign": _roi,
    "MaxRoiPool": _roi,
    "NonMaxSuppression": _non_maximum,
    "DFT": _fourier,
    "STFT": _fourier,
}

ALIASES: dict[str, str] = {
    "FusedConv": "Conv",
    "QLinearAveragePool": "AveragePool",
    "FusedMatMul": "MatMul",
    "TransposeMatMul": "MatMul",
    "MatMulIntegerToFloat": "MatMulInteger",
    "DynamicQuantizeMatMul": "MatMulInteger",
    "FusedGemm": "Gemm",
}
"""Operators that onnxruntime's optimiser and quantiser write -> the standard operator with the same arithmetic."""

PRODUCTS = frozenset(
    [
        "Conv",
        "ConvInteger",
        "QLinearConv",
        "DeformConv",
        "ConvTranspose",
        "Gemm",
        "MatMul",
        "MatMulInteger",
        "QLinearMatMul",
        "MatMulNBits",
        "Einsum",
        "LSTM",
        "GRU",
        "RNN",
        "Attention",
    ]
)
"""Operators whose arithmetic is multiply-accumulates."""

COSTED = VIEWS | MOVES | frozenset(_PER_OUTPUT) | frozenset(_PER_INPUT) | frozenset(_RULES) | frozenset(ALIASES)
"""Every operator whose cost is known."""
