"""Follows small values - shapes, axes, indices - through a graph, so that what depends on them has a known shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aios_plugins.onnx.tensors import MAX_KNOWN_ELEMENTS, Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["fold"]

Values = Sequence[Any]
_Fold = Callable[[Mapping[str, Any], Values], Any]


def fold(
    kind: str, attributes: Mapping[str, Any], inputs: Sequence[Tensor | None], size: int | None
) -> NDArray[np.generic] | None:
    """Return the value of a one-output operator, or None when it does not follow or would be large.

    size: elements of the output, if known; what is larger than MAX_KNOWN_ELEMENTS is never computed.
    """
    import numpy as np

    if kind in {"Shape", "Size"}:
        return _shape(kind, attributes, inputs)
    rule = _rules().get(kind)
    if rule is None or size is None or size > MAX_KNOWN_ELEMENTS:
        return None
    values = [None if item is None else item.value for item in inputs]
    if any(item is not None and item.value is None for item in inputs):
        return None
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(rule(attributes, values))
    except (ValueError, TypeError, IndexError, KeyError, ZeroDivisionError, OverflowError, MemoryError):
        return None
    return result if result.size == size else None


def _shape(kind: str, attributes: Mapping[str, Any], inputs: Sequence[Tensor | None]) -> NDArray[np.generic] | None:
    import numpy as np

    dims = inputs[0].dims if inputs and inputs[0] is not None else None
    if dims is None:
        return None
    try:
        if kind == "Size":
            return np.asarray(np.prod(np.asarray(dims, dtype=object), initial=1), dtype=np.int64)
        return np.asarray(dims[attributes.get("start", 0) : attributes.get("end", len(dims))], dtype=np.int64)
    except (OverflowError, TypeError):
        return None


def _axes(attributes: Mapping[str, Any], values: Values) -> Any:
    """Return the axes, an attribute in old opsets and an input in new ones."""
    given = values[1].tolist() if len(values) > 1 and values[1] is not None else attributes.get("axes")
    return None if given is None else tuple(int(axis) for axis in given)


def _slice(attributes: Mapping[str, Any], values: Values) -> Any:
    data = values[0]
    if len(values) > 1:
        starts, ends = values[1].tolist(), values[2].tolist()
        axes = values[3].tolist() if len(values) > 3 and values[3] is not None else range(len(starts))
        steps = values[4].tolist() if len(values) > 4 and values[4] is not None else [1] * len(starts)
    else:
        starts, ends = attributes["starts"], attributes["ends"]
        axes, steps = attributes.get("axes", range(len(starts))), [1] * len(starts)
    cut = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        end_before_first = step < 0 and end < -data.shape[axis]
        cut[axis] = slice(start, None if end_before_first else end, step)
    return data[tuple(cut)]


def _divide(np: Any, values: Values) -> Any:
    left, right = values
    if np.issubdtype(left.dtype, np.integer):
        return (np.sign(left) * np.sign(right) * (abs(left) // abs(right))).astype(left.dtype)
    return left / right


def _reshape(attributes: Mapping[str, Any], values: Values) -> Any:
    shape = values[1].tolist() if len(values) > 1 else list(attributes["shape"])
    kept = values[0].shape
    return values[0].reshape([kept[i] if size == 0 else size for i, size in enumerate(shape)])


def _unsqueeze(np: Any, attributes: Mapping[str, Any], values: Values) -> Any:
    return np.expand_dims(values[0], _axes(attributes, values))


def _constant_of_shape(np: Any, attributes: Mapping[str, Any], values: Values) -> Any:
    fill = attributes.get("value")
    shape = tuple(values[0].tolist())
    return np.zeros(shape, np.float32) if fill is None else np.full(shape, fill.reshape(-1)[0], fill.dtype)


def _cast(attributes: Mapping[str, Any], values: Values) -> Any:
    from onnx import helper

    return values[0].astype(helper.tensor_dtype_to_np_dtype(attributes["to"]))


def _applied(function: Callable[..., Any]) -> _Fold:
    return lambda _, values: function(*values)


def _rules() -> dict[str, _Fold]:
    if not _RULES:
        _RULES.update(_make_rules())
    return _RULES


_RULES: dict[str, _Fold] = {}


def _make_rules() -> dict[str, _Fold]:
    import numpy as np

    plain: dict[str, Callable[..., Any]] = {
        "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Equal": np.equal, "Less": np.less,
        "LessOrEqual": np.less_equal, "Greater": np.greater, "GreaterOrEqual": np.greater_equal, "Not": np.logical_not,
        "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor, "Where": np.where, "Neg": np.negative,
        "Abs": np.abs, "Floor": np.floor, "Ceil": np.ceil, "Sqrt": np.sqrt, "Pow": np.power, "Sign": np.sign,
        "Identity": np.asarray, "Round": np.rint, "Max": lambda *v: np.max(np.broadcast_arrays(*v), axis=0),
        "Min": lambda *v: np.min(np.broadcast_arrays(*v), axis=0),
    }  # fmt: skip
    return {name: _applied(function) for name, function in plain.items()} | {
        "Div": lambda _, v: _divide(np, v),
        "Mod": lambda a, v: np.fmod(*v) if a.get("fmod") else np.mod(*v),
        "Cast": _cast,
        "Concat": lambda a, v: np.concatenate(v, axis=a["axis"]),
        "Gather": lambda a, v: np.take(v[0], v[1], axis=a.get("axis", 0)),
        "Slice": _slice,
        "Squeeze": lambda a, v: np.squeeze(v[0], axis=_axes(a, v)),
        "Unsqueeze": lambda a, v: _unsqueeze(np, a, v),
        "Reshape": _reshape,
        "Transpose": lambda a, v: np.transpose(v[0], a.get("perm")),
        "Expand": lambda _, v: v[0] * np.ones(v[1].tolist(), v[0].dtype),
        "ConstantOfShape": lambda a, v: _constant_of_shape(np, a, v),
        "Range": lambda _, v: np.arange(*(item.item() for item in v)).astype(v[0].dtype),
        "ReduceProd": lambda a, v: np.prod(v[0], axis=_axes(a, v), keepdims=bool(a.get("keepdims", 1))),
        "ReduceSum": lambda a, v: np.sum(v[0], axis=_axes(a, v), keepdims=bool(a.get("keepdims", 1))),
        "ReduceMax": lambda a, v: np.max(v[0], axis=_axes(a, v), keepdims=bool(a.get("keepdims", 1))),
        "ReduceMin": lambda a, v: np.min(v[0], axis=_axes(a, v), keepdims=bool(a.get("keepdims", 1))),
    }
