"""What an operator asks, in the amounts that cards of networks state too (``aios.records.networks.WORK``).

A file tells all of them but two: a runtime makes inputs contiguous where it wants them so, and fuses attention as it
likes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aios_plugins.onnx.costs import ALIASES, MOVES, PRODUCTS, VIEWS
from aios_plugins.onnx.tensors import Tensor, elements_of

__all__ = ["form_of", "work_of"]

_CONVOLUTIONS = frozenset({"Conv", "ConvInteger", "QLinearConv", "DeformConv", "ConvTranspose"})
_NORMS = frozenset(
    {
        "LayerNormalization", "GroupNormalization", "InstanceNormalization", "MeanVarianceNormalization",
        "SkipLayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "LpNormalization", "LRN",
    }
)  # fmt: skip
_POOLS = frozenset(
    {
        "AveragePool", "MaxPool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool",
        "QLinearGlobalAveragePool", "ArgMax", "ArgMin", "TopK", "CumSum", "MaxRoiPool", "RoiAlign",
    }
)  # fmt: skip
_SOFTMAXES = frozenset({"Softmax", "LogSoftmax", "QLinearSoftmax", "Hardmax"})
_RESIZES = frozenset({"Resize", "Upsample", "GridSample"})
_WIDE_KERNEL = 64
_LANES = 8
_GROUP_LANES = 32
_THIN = 128


def work_of(
    kind: str, attributes: Mapping[str, Any], inputs: Sequence[Tensor | None], outputs: Sequence[Tensor], macs: int
) -> dict[str, int]:
    """Return the amounts of one operator, none for a view; sizes that are not known count as nothing."""
    kind = ALIASES.get(kind, kind)
    if kind in VIEWS:
        return {}
    given = [item for item in inputs if item is not None]
    values = sum(elements_of(item) or 0 for item in (*(i for i in given if not i.constant), *outputs))
    weights = sum(elements_of(item) or 0 for item in given if item.constant)
    if kind in _CONVOLUTIONS:
        return {"kernels": 1, **_convolution(kind, attributes, given, outputs, values, weights, macs)}
    if kind in PRODUCTS:
        return {"kernels": 1, **_product(kind, given, outputs, values, weights, macs)}
    name = _class_of(kind)
    found = {"kernels": 1, f"{name}_values": values} if name else {"kernels": 1}
    if kind == "GroupNormalization":
        found["group_normalization_values"] = values
    if kind in {"Swish", "SwiGLU"}:
        found["silu_values"] = values
    if kind == "AveragePool":
        found["pooling_taps"] = (elements_of(outputs[0]) or 0) * math.prod(attributes.get("kernel_shape", ()))
    return found


def form_of(
    kind: str, attributes: Mapping[str, Any], inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]
) -> tuple[int, int, int, int] | None:
    """Return channels in and out, positions of the kernel and groups of a convolution or of a product with weights;
    None of others, and where they are not known."""
    kind = ALIASES.get(kind, kind)
    place = 3 if kind == "QLinearConv" else 1
    weight = inputs[place] if len(inputs) > place else None
    if weight is None or not weight.dims or len(weight.dims) < 2 or not outputs or not outputs[0].dims:
        return None
    if kind in _CONVOLUTIONS:
        channels = _channels(inputs[0]) if inputs[0] is not None else 0
        return channels, _channels(outputs[0]), math.prod(weight.dims[2:]), max(1, int(attributes.get("group", 1)))
    if kind in {"Gemm", "MatMul", "MatMulInteger"} and weight.constant:
        columns = outputs[0].dims[-1]
        return (elements_of(weight) or 0) // max(columns, 1), columns, 1, 1
    return None


def _class_of(kind: str) -> str | None:
    """Return the class of an operator without products; None for batch norms, which are constants by then."""
    if kind == "BatchNormalization":
        return None
    if kind in _NORMS:
        return "normalization"
    if kind in _SOFTMAXES:
        return "softmax"
    if kind in _POOLS or kind.startswith("Reduce"):
        return "pooling"
    return "movement" if kind in MOVES or kind in _RESIZES else "elementwise"


def _convolution(
    kind: str,
    attributes: Mapping[str, Any],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    values: int,
    weights: int,
    macs: int,
) -> dict[str, int]:
    place = 3 if kind == "QLinearConv" else 1
    kernel = inputs[place].dims if len(inputs) > place else None
    channels_in, channels_out = _channels(inputs[0]), _channels(outputs[0])
    # A damaged file may state no group at all.
    groups, taps = max(1, int(attributes.get("group", 1))), math.prod(kernel[2:]) if kernel else 1
    if groups == 1:
        name = "pointwise" if taps == 1 else "convolution"
    else:
        name = "depthwise" if groups in (channels_in, channels_out) else "grouped"
    found = {f"{name}_macs": macs, f"{name}_values": values, "weights": weights}
    if name == "convolution":
        found["convolution_weights"] = weights
    if name == "depthwise" and taps >= _WIDE_KERNEL:
        found["wide_depthwise_macs"] = macs
    width = channels_in // groups
    if name == "grouped" and width > _GROUP_LANES and width % _GROUP_LANES:
        found["odd_grouped_macs"] = macs
    if groups == 1:
        found.update(_shape_of_product(name, channels_in, channels_out, values, macs))
    return found


def _product(
    kind: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor], values: int, weights: int, macs: int
) -> dict[str, int]:
    if kind == "Attention" or not any(item.constant and (elements_of(item) or 0) > 1 for item in inputs[:4]):
        return {"attention_macs": macs, "attention_values": values}
    size = elements_of(outputs[0]) or 0
    summed, columns = macs // size if size else 0, outputs[0].dims[-1] if outputs[0].dims else 0
    found = {"pointwise_macs": macs, "pointwise_values": values, "weights": weights}
    return found | _shape_of_product("pointwise", summed, columns, values, macs)


def _shape_of_product(name: str, summed: int, columns: int, values: int, macs: int) -> dict[str, int]:
    found = {}
    if summed % _LANES or columns % _LANES:
        found["misaligned_macs"] = macs
    if name == "pointwise" and summed <= _THIN:
        found["thin_pointwise_values"] = values
    return found


def _channels(tensor: Tensor) -> int:
    return tensor.dims[1] if tensor.dims and len(tensor.dims) > 1 else 0
