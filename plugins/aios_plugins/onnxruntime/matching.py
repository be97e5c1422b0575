"""Which array is meant for which input of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["matching"]


def matching(ports: Sequence[Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]] | None:
    """Return for each input the array of its name if that fits, else the first that fits; None unless all have one.

    An array fits when the input's type holds all its values and its shape is the input's, apart from the first axis,
    which counts items; it is returned in the input's type.
    """
    from aios_plugins.onnxruntime.tensors import NUMPY

    found: dict[str, NDArray[Any]] = {}
    for port in ports:
        names = sorted(arrays, key=lambda name: name != port.name)
        name = next((name for name in names if _fits(port, arrays[name])), None)
        if name is None:
            return None
        found[port.name] = arrays[name].astype(NUMPY[port.datatype], copy=False)
    return found


def _fits(port: Any, array: NDArray[Any]) -> bool:
    import numpy as np

    from aios_plugins.onnxruntime.tensors import NUMPY

    if not np.can_cast(array.dtype, NUMPY[port.datatype], "safe") or array.ndim != len(port.shape) or not len(array):
        return False
    return all(own in (None, size) for own, size in zip(port.shape[1:], array.shape[1:], strict=True))
