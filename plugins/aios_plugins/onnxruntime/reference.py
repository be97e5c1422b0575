"""A small network that others are timed against: what slows a machine down for a while slows both.

Guests of a shared machine find it up to half slower for some tenths of a second at a time, many times a minute. A time
is then the machine's as much as the network's; its ratio to that of another network at the same moment is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios_plugins.onnxruntime.session import options

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Reference", "write_reference"]

_CHANNELS, _SIDE = 128, 28
"""116 million multiply-accumulates, some milliseconds on one core: long against waking a thread, short against how long
disturbances last. All it touches fits a core's own cache."""


def write_reference(path: Path) -> None:
    """Write the network, a convolution of 3 x 3: one input ``x`` of float32 [1, 128, 28, 28]."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    values = np.random.default_rng(0).standard_normal((_CHANNELS, _CHANNELS, 3, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, _CHANNELS, _SIDE, _SIDE]) for name in "xy"]
    graph = helper.make_graph([node], "reference", ports[:1], ports[1:], [numpy_helper.from_array(values, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


class Reference:
    """The network, open on some threads."""

    def __init__(self, path: str, threads: int) -> None:
        import numpy as np
        import onnxruntime as ort

        self._session: Any = ort.InferenceSession(path, options(threads, "all"), providers=["CPUExecutionProvider"])
        values = np.random.default_rng(1).standard_normal((1, _CHANNELS, _SIDE, _SIDE))
        self._feeds: Mapping[str, Any] = {"x": values.astype(np.float32)}

    def run(self) -> None:
        """Compute once."""
        self._session.run(None, self._feeds)
