"""ONNX's operators as functions of torch: of the node's attributes, whether it is trained, and its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aios.records.errors import Diagnostic, InputError

__all__ = ["OPERATORS"]

Given = Mapping[str, Any]


def _torch() -> Any:
    import torch

    return torch


def _functional() -> Any:
    from torch.nn import functional

    return functional


def _unknown(what: str) -> InputError:
    return InputError(
        Diagnostic(
            summary=f"this model cannot be trained: it holds {what}",
            remedy="leave out training: `prune` with `fine_tune: 0` needs none",
        )
    )


def _text(given: Given, name: str, default: str) -> str:
    value = given.get(name, default)
    return value.decode() if isinstance(value, bytes) else str(value)


def _ints(value: Any) -> list[int]:
    return [int(item) for item in (value.tolist() if hasattr(value, "tolist") else value)]


def _padded(given: Given, value: Any, kernel: Sequence[int], fill: float = 0.0) -> Any:
    """Return the input with the operator's padding around it, as ``pads`` or ``auto_pad`` state it."""
    rank, mode = len(kernel), _text(given, "auto_pad", "NOTSET")
    steps, spread = given.get("strides", [1] * rank), given.get("dilations", [1] * rank)
    before, after = [0] * rank, [0] * rank
    if mode in {"SAME_UPPER", "SAME_LOWER"}:
        for axis, size in enumerate(value.shape[2:]):
            reach = spread[axis] * (kernel[axis] - 1) + 1
            total = max(0, (-(-size // steps[axis]) - 1) * steps[axis] + reach - size)
            small, large = total // 2, total - total // 2
            before[axis], after[axis] = (small, large) if mode == "SAME_UPPER" else (large, small)
    elif mode == "NOTSET":
        pads = given.get("pads", [0] * 2 * rank)
        before, after = list(pads[:rank]), list(pads[rank:])
    flat = [size for pair in zip(reversed(before), reversed(after), strict=True) for size in pair]
    return _functional().pad(value, flat, value=fill) if any(flat) else value


def _conv(given: Given, _training: bool, value: Any, weight: Any, bias: Any = None) -> Any:
    rank = weight.ndim - 2
    function = getattr(_functional(), f"conv{rank}d")
    padded = _padded(given, value, weight.shape[2:])
    steps, spread = given.get("strides", [1] * rank), given.get("dilations", [1] * rank)
    return function(padded, weight, bias, steps, 0, spread, given.get("group", 1))


def _conv_transpose(given: Given, _training: bool, value: Any, weight: Any, bias: Any = None) -> Any:
    rank = weight.ndim - 2
    pads = given.get("pads", [0] * 2 * rank)
    if "output_shape" in given or _text(given, "auto_pad", "NOTSET") != "NOTSET" or pads[:rank] != pads[rank:]:
        raise _unknown("a ConvTranspose whose padding is not stated alike on both sides")
    function = getattr(_functional(), f"conv_transpose{rank}d")
    steps, spread = given.get("strides", [1] * rank), given.get("dilations", [1] * rank)
    beyond = given.get("output_padding", [0] * rank)
    return function(value, weight, bias, steps, pads[:rank], beyond, given.get("group", 1), spread)


def _pool(given: Given, value: Any, kind: str) -> Any:
    kernel, rank = given["kernel_shape"], len(given["kernel_shape"])
    steps = given.get("strides", [1] * rank)
    rounded_up = bool(given.get("ceil_mode", 0))
    function = getattr(_functional(), f"{kind}_pool{rank}d")
    if kind == "max":
        padded = _padded(given, value, kernel, fill=float("-inf"))
        return function(padded, kernel, steps, 0, given.get("dilations", [1] * rank), rounded_up)
    padded = _padded(given, value, kernel)
    if padded is value or given.get("count_include_pad", 0):
        return function(padded, kernel, steps, 0, rounded_up)
    share = function(_padded(given, _torch().ones_like(value), kernel), kernel, steps, 0, rounded_up)
    return function(padded, kernel, steps, 0, rounded_up) / share


def _gemm(given: Given, _training: bool, left: Any, right: Any, bias: Any = None) -> Any:
    left = left.T if given.get("transA", 0) else left
    right = right.T if given.get("transB", 0) else right
    product = given.get("alpha", 1.0) * (left @ right)
    return product if bias is None else product + given.get("beta", 1.0) * bias


def _batch_norm(given: Given, training: bool, value: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    by_batch = training and value.shape[0] > 1
    return _functional().batch_norm(value, mean, variance, scale, bias, by_batch, 0.1, given.get("epsilon", 1e-5))


def _layer_norm(given: Given, _training: bool, value: Any, scale: Any, bias: Any = None) -> Any:
    axis = given.get("axis", -1) % value.ndim
    return _functional().layer_norm(value, value.shape[axis:], scale, bias, given.get("epsilon", 1e-5))


def _clip(given: Given, _training: bool, value: Any, least: Any = None, most: Any = None) -> Any:
    return _torch().clamp(value, given.get("min", least), given.get("max", most))


def _reshape(given: Given, _training: bool, value: Any, shape: Any) -> Any:
    sizes = _ints(shape)
    if not given.get("allowzero", 0):
        sizes = [value.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return value.reshape(sizes)


def _flatten(given: Given, _training: bool, value: Any) -> Any:
    axis = given.get("axis", 1)
    return value.reshape(int(_torch().tensor(value.shape[:axis]).prod()), -1)


def _squeeze(given: Given, _training: bool, value: Any, axes: Any = None) -> Any:
    listed = given.get("axes", axes)
    return value.squeeze() if listed is None else value.squeeze(tuple(_ints(listed)))


def _unsqueeze(given: Given, _training: bool, value: Any, axes: Any = None) -> Any:
    listed = _ints(given.get("axes", axes))
    for axis in sorted(axis % (value.ndim + len(listed)) for axis in listed):
        value = value.unsqueeze(axis)
    return value


def _reduce(name: str) -> Callable[..., Any]:
    def reduced(given: Given, _training: bool, value: Any, axes: Any = None) -> Any:
        listed = given.get("axes", axes)
        over = list(range(value.ndim)) if listed is None else _ints(listed)
        return getattr(_torch(), name)(value, dim=over, keepdim=bool(given.get("keepdims", 1)))

    return reduced


def _slice(given: Given, _training: bool, value: Any, *rest: Any) -> Any:
    names = ("starts", "ends", "axes", "steps")
    parts = [_ints(item) if item is not None else None for item in (*rest, None, None, None, None)[:4]]
    starts, ends, axes, steps = (given.get(name, part) for name, part in zip(names, parts, strict=True))
    for at, (start, end) in enumerate(zip(starts, ends, strict=True)):
        step = steps[at] if steps else 1
        if step < 1:
            raise _unknown("a Slice that goes backwards")
        axis = (axes[at] if axes else at) % value.ndim
        value = value[(slice(None),) * axis + (slice(start, end, step),)]
    return value


def _split(given: Given, _training: bool, value: Any, sizes: Any = None) -> Any:
    axis, listed = given.get("axis", 0), given.get("split", sizes)
    if listed is not None:
        return value.split(_ints(listed), dim=axis)
    if "num_outputs" not in given:
        raise _unknown("a Split that does not state its sizes")
    return value.split(-(-value.shape[axis] // given["num_outputs"]), dim=axis)


def _pad(given: Given, _training: bool, value: Any, pads: Any = None, fill: Any = None, axes: Any = None) -> Any:
    listed, mode = _ints(given.get("pads", pads)), _text(given, "mode", "constant")
    if axes is not None or mode != "constant":
        raise _unknown("a Pad of named axes or by reflection")
    rank = len(listed) // 2
    flat = [size for axis in reversed(range(rank)) for size in (listed[axis], listed[axis + rank])]
    return _functional().pad(value, flat, value=float(given.get("value", 0.0) if fill is None else fill))


def _resize(given: Given, _training: bool, value: Any, _area: Any = None, scales: Any = None, sizes: Any = None) -> Any:
    mode = _text(given, "mode", "nearest")
    where = _text(given, "coordinate_transformation_mode", "half_pixel")
    target = _ints(sizes)[2:] if sizes is not None and sizes.numel() else None
    if target is None:
        target = [int(size * float(scale)) for size, scale in zip(value.shape[2:], scales[2:], strict=True)]
    if mode == "nearest" and where == "asymmetric" and _text(given, "nearest_mode", "") == "floor":
        return _functional().interpolate(value, target, mode="nearest")
    if mode == "linear" and value.ndim == 4 and where in {"half_pixel", "pytorch_half_pixel", "align_corners"}:
        return _functional().interpolate(value, target, mode="bilinear", align_corners=where == "align_corners")
    raise _unknown(f"a Resize of mode {mode}, {where}")


def _cast(given: Given, _training: bool, value: Any) -> Any:
    torch = _torch()
    kinds = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16, 11: torch.float64}
    if given["to"] not in kinds:
        raise _unknown(f"a Cast to type {given['to']}")
    return value.to(kinds[given["to"]])


def _gather(given: Given, _training: bool, value: Any, places: Any) -> Any:
    axis = given.get("axis", 0) % value.ndim
    places = places.long() % value.shape[axis]
    taken = value.index_select(axis, places.reshape(-1))
    return taken.reshape(*value.shape[:axis], *places.shape, *value.shape[axis + 1 :])


def _flat_softmax(log: bool) -> Callable[..., Any]:
    def flat(given: Given, _training: bool, value: Any) -> Any:
        rows = value.flatten(given.get("axis", 1))
        function = _functional().log_softmax if log else _functional().softmax
        return function(rows, dim=-1).reshape(value.shape)

    return flat


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operator of its inputs alone; the function is looked up when torch is there."""
    return lambda given, _training, *values: function(given, *values)


OPERATORS: dict[str, Callable[..., Any]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _each(lambda _, left, right: left @ right),
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _each(
        lambda given, value, scale, bias: _functional().instance_norm(
            value, weight=scale, bias=bias, eps=given.get("epsilon", 1e-5)
        )
    ),
    "LayerNormalization": _layer_norm,
    "MaxPool": _each(lambda given, value: _pool(given, value, "max")),
    "AveragePool": _each(lambda given, value: _pool(given, value, "avg")),
    "GlobalAveragePool": _each(lambda _, value: value.mean(list(range(2, value.ndim)), keepdim=True)),
    "GlobalMaxPool": _each(lambda _, value: value.amax(list(range(2, value.ndim)), keepdim=True)),
    "Relu": _each(lambda _, value: value.relu()),
    "LeakyRelu": _each(lambda given, value: _functional().leaky_relu(value, given.get("alpha", 0.01))),
    "PRelu": _each(lambda _, value, slope: _torch().where(value < 0, value * slope, value)),
    "Elu": _each(lambda given, value: _functional().elu(value, given.get("alpha", 1.0))),
    "Sigmoid": _each(lambda _, value: value.sigmoid()),
    "HardSigmoid": _each(
        lambda given, value: _torch().clamp(given.get("alpha", 0.2) * value + given.get("beta", 0.5), 0, 1)
    ),
    "HardSwish": _each(lambda _, value: _functional().hardswish(value)),
    "Tanh": _each(lambda _, value: value.tanh()),
    "Gelu": _each(lambda given, value: _functional().gelu(value, approximate=_text(given, "approximate", "none"))),
    "Erf": _each(lambda _, value: value.erf()),
    "Softplus": _each(lambda _, value: _functional().softplus(value)),
    "Softmax": _each(lambda given, value: value.softmax(given.get("axis", -1))),
    "LogSoftmax": _each(lambda given, value: value.log_softmax(given.get("axis", -1))),
    "FlatSoftmax": _flat_softmax(log=False),
    "FlatLogSoftmax": _flat_softmax(log=True),
    "Exp": _each(lambda _, value: value.exp()),
    "Sqrt": _each(lambda _, value: value.sqrt()),
    "Reciprocal": _each(lambda _, value: value.reciprocal()),
    "Neg": _each(lambda _, value: -value),
    "Abs": _each(lambda _, value: value.abs()),
    "Add": _each(lambda _, left, right: left + right),
    "Sub": _each(lambda _, left, right: left - right),
    "Mul": _each(lambda _, left, right: left * right),
    "Div": _each(
        lambda _, left, right: left / right if left.is_floating_point() else left.div(right, rounding_mode="trunc")
    ),
    "Pow": _each(lambda _, value, power: value**power),
    "Equal": _each(lambda _, left, right: left == right),
    "Where": _each(lambda _, which, left, right: _torch().where(which, left, right)),
    "Clip": _clip,
    "Identity": _each(lambda _, value, *_rest: value),
    "Dropout": _each(lambda _, value, *_rest: value),
    "Cast": _cast,
    "Shape": _each(lambda given, value: _torch().tensor(value.shape)[given.get("start", 0) : given.get("end", None)]),
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _each(lambda given, value: value.permute(*given.get("perm", reversed(range(value.ndim))))),
    "Expand": _each(lambda _, value, shape: value * _torch().ones(_ints(shape), dtype=value.dtype)),
    "Concat": _each(lambda given, *values: _torch().cat(values, dim=given["axis"])),
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "Pad": _pad,
    "Resize": _resize,
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "ReduceMax": _reduce("amax"),
    "ReduceMin": _reduce("amin"),
}
