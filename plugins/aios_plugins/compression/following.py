"""How each operator passes channels on; what no rule here knows keeps all channels that reach it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aios_plugins.compression.channels import Axis, Channels, captured
from aios_plugins.compression.network import Network, Shape, attributes_of, constant
from aios_plugins.compression.reshaping import carried

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray

__all__ = ["follow"]

# fmt: off
_SAME = frozenset({
    "Abs", "AveragePool", "Cast", "Ceil", "Celu", "Clip", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu",
    "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu",
    "Log", "LpPool", "MaxPool", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign",
    "Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu"
})
"""One value in, one out, each from its own channel alone."""
_BROADCAST = frozenset({
    "Add", "And", "Div", "Equal", "Greater", "Less", "Max", "Mean", "Min", "Mul", "Or", "PRelu", "Pow", "Sub",
    "Sum", "Where"
})
_REDUCE = frozenset({
    "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"
})
_ALONG = frozenset({
    "ArgMax", "CumSum", "LogSoftmax", "LpNormalization", "Softmax"
})
"""Operators that work along one axis, which must not be that of the channels."""
# fmt: on
_READS_SHAPE = frozenset({"Shape", "Size"})


def follow(network: Network) -> Channels:
    """Return how the channels of the network hang together."""
    follower = _Follower(network)
    graph = network.model.graph
    for index, node in enumerate(graph.node):
        follower.step(index, node)
    given_out = {item.name for item in graph.output}
    follower.channels.block(given_out, "output")
    follower.channels.refuse_partial_uses(graph.node, given_out)
    return follower.channels


class _Follower:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.channels = Channels()
        self.rules: dict[str, Callable[[int, onnx.NodeProto, dict[str, Any]], bool]] = {
            "Conv": self._conv,
            "ConvTranspose": self._conv_transpose,
            "Gemm": self._gemm,
            "MatMul": self._matmul,
            "BatchNormalization": self._normalise,
            "InstanceNormalization": self._normalise,
            "Concat": self._concat,
            "Split": self._split,
            "Transpose": self._transpose,
            "Flatten": self._reshape,
            "Reshape": self._reshape,
            "Squeeze": self._reshape,
            "Unsqueeze": self._reshape,
            "Pad": self._pad,
            "Resize": self._resize,
            "Upsample": self._resize,
            **dict.fromkeys(_SAME, self._same),
            **dict.fromkeys(_BROADCAST, self._broadcast),
            **dict.fromkeys(_REDUCE, self._reduce),
            **dict.fromkeys(_ALONG, self._along),
        }

    def step(self, index: int, node: onnx.NodeProto) -> None:
        """Follow one node; what its rule cannot follow keeps its channels."""
        self.channels.block(captured(node), node.op_type)
        self._count(node)
        if node.domain in {"", "ai.onnx"}:
            if node.op_type in _READS_SHAPE:
                return
            rule = self.rules.get(node.op_type)
            if rule is not None and rule(index, node, attributes_of(node)):
                return
        self.channels.block(node.input, node.op_type)

    def _axis(self, name: str) -> Axis | None:
        return self.channels.of.get(name)

    def _shape(self, name: str) -> Shape | None:
        return self.network.shapes.get(name)

    def _pass(self, node: onnx.NodeProto, axis: int, atoms: NDArray[np.int64]) -> bool:
        self.channels.of[node.output[0]] = Axis(axis, atoms)
        return True

    def _count(self, node: onnx.NodeProto) -> None:
        """Count how often each number of a weight is multiplied for one item."""
        if node.op_type not in {"Conv", "ConvTranspose", "Gemm", "MatMul"} or len(node.input) < 2:
            return
        name = node.input[1]
        size = self.network.sizes.get(node.input[0] if node.op_type == "ConvTranspose" else node.output[0])
        if size is None or None in size:
            return
        known = [item or 1 for item in size]
        places = math.prod(known[2:]) if node.op_type.startswith("Conv") else math.prod(known[:-1])
        if name in self.network.weights:
            self.channels.counted[name] = self.channels.counted.get(name, 0.0) + places
        else:
            inner = self.network.sizes.get(node.input[0]) or (1,)
            self.channels.constant_work += float(places * known[-1] * (inner[-1] or 1))

    # Operators with weights

    def _conv(self, index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        weight, seen = constant(self.network, node, 1), self._axis(node.input[0])
        if weight is None or (seen is not None and seen.axis != 1):
            return False
        groups, channels, name = given.get("group", 1), self.channels, node.input[1]
        if groups > 1 and weight.shape[1] == 1:
            if seen is None:
                return True  # one filter for each channel of what is whole
            made = seen.atoms.repeat(weight.shape[0] // groups)
            channels.grouped[index] = seen.atoms
            channels.claim(index, name, 0, made, "scaled")
        else:
            if seen is not None:
                channels.claim(index, name, 1, self._alike(seen.atoms, groups), "used")
            made = self._tiled(channels.fresh(weight.shape[0] // groups), groups)
            channels.claim(index, name, 0, made, "made")
        if len(node.input) > 2 and node.input[2]:
            channels.claim(index, node.input[2], 0, made)
        return self._pass(node, 1, made)

    def _conv_transpose(self, index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        weight, seen = constant(self.network, node, 1), self._axis(node.input[0])
        if weight is None or (seen is not None and seen.axis != 1):
            return False
        groups, channels, name = given.get("group", 1), self.channels, node.input[1]
        if groups > 1 and weight.shape[0] == groups:
            if seen is None:
                return True
            made = seen.atoms.repeat(weight.shape[1])
            channels.grouped[index] = seen.atoms
            channels.claim(index, name, 0, seen.atoms, "scaled")
        else:
            if seen is not None:
                channels.claim(index, name, 0, self._tiled(self._alike(seen.atoms, groups), groups), "used")
            once = channels.fresh(weight.shape[1])
            made = self._tiled(once, groups)
            channels.claim(index, name, 1, once, "made")
        if len(node.input) > 2 and node.input[2]:
            channels.claim(index, node.input[2], 0, made)
        return self._pass(node, 1, made)

    def _alike(self, atoms: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
        """Tie the atoms of all groups, place by place, and return those of the first: groups must stay alike."""
        first, *others = atoms.reshape(groups, -1)
        for row in others:
            self.channels.tie(first, row)
        return first

    def _tiled(self, atoms: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
        import numpy as np

        tiled: NDArray[np.int64] = np.tile(atoms, groups)
        return tiled

    def _gemm(self, index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        weight, seen = constant(self.network, node, 1), self._axis(node.input[0])
        if weight is None or given.get("transA", 0) or (seen is not None and seen.axis != 1):
            return False
        out = 0 if given.get("transB", 0) else 1
        made = self.channels.fresh(weight.shape[out])
        if seen is not None:
            self.channels.claim(index, node.input[1], 1 - out, seen.atoms, "used")
        self.channels.claim(index, node.input[1], out, made, "made")
        if len(node.input) > 2 and node.input[2]:
            bias = constant(self.network, node, 2)
            if bias is None:
                self.channels.keep(made, node.op_type)
            elif bias.ndim and bias.shape[-1] == len(made):
                self.channels.claim(index, node.input[2], bias.ndim - 1, made)
        return self._pass(node, 1, made)

    def _matmul(self, index: int, node: onnx.NodeProto, _given: dict[str, Any]) -> bool:
        weight, seen = constant(self.network, node, 1), self._axis(node.input[0])
        shape = self._shape(node.input[0])
        if weight is None or weight.ndim != 2 or shape is None or len(shape) < 2:
            return False
        if seen is not None and seen.axis != len(shape) - 1:
            return False
        made = self.channels.fresh(weight.shape[1])
        if seen is not None:
            self.channels.claim(index, node.input[1], 0, seen.atoms, "used")
        self.channels.claim(index, node.input[1], 1, made, "made")
        return self._pass(node, len(shape) - 1, made)

    def _normalise(self, index: int, node: onnx.NodeProto, _given: dict[str, Any]) -> bool:
        seen = self._axis(node.input[0])
        if seen is None:
            return True
        if seen.axis != 1 or any(name not in self.network.weights for name in node.input[1:]):
            return False
        for name in node.input[1:]:
            self.channels.claim(index, name, 0, seen.atoms, "scaled" if name == node.input[1] else "carried")
        return self._pass(node, 1, seen.atoms)

    # Operators without

    def _same(self, _index: int, node: onnx.NodeProto, _given: dict[str, Any]) -> bool:
        seen = self._axis(node.input[0])
        if seen is not None:
            self.channels.of |= dict.fromkeys(node.output, seen)
        return True

    def _broadcast(self, index: int, node: onnx.NodeProto, _given: dict[str, Any]) -> bool:
        shapes = [self._shape(name) for name in node.input]
        tracked = [(name, self._axis(name)) for name in node.input]
        if not any(seen for _, seen in tracked):
            return True
        if any(shape is None for shape in shapes):
            return False
        known = [shape for shape in shapes if shape is not None]
        rank = max(len(shape) for shape in known)
        places = {seen.axis - len(shape) for (_, seen), shape in zip(tracked, known, strict=True) if seen}
        size = max(len(seen.atoms) for _, seen in tracked if seen)
        if len(places) != 1:
            return False
        (place,) = places  # from the end: negative
        atoms = next(seen.atoms for _, seen in tracked if seen and len(seen.atoms) == size)
        for (name, seen), shape in zip(tracked, known, strict=True):
            own = shape[place] if len(shape) >= -place else 1
            if seen is not None and len(seen.atoms) == size:
                self.channels.tie(atoms, seen.atoms)
            elif seen is not None:
                self.channels.keep(seen.atoms, node.op_type)
            elif own == size and name in self.network.weights:
                self.channels.claim(index, name, len(shape) + place, atoms)
            elif own != 1:
                self.channels.keep(atoms, node.op_type)
        return self._pass(node, rank + place, atoms)

    def _reduce(self, _index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        seen, shape = self._axis(node.input[0]), self._shape(node.input[0])
        if seen is None:
            return True
        axes = given.get("axes", constant(self.network, node, 1))
        if shape is None or axes is None:
            return False
        over = sorted({int(axis) % len(shape) for axis in axes})
        if seen.axis in over:
            return False
        gone = 0 if given.get("keepdims", 1) else sum(axis < seen.axis for axis in over)
        return self._pass(node, seen.axis - gone, seen.atoms)

    def _along(self, _index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        seen, shape = self._axis(node.input[0]), self._shape(node.input[0])
        if seen is None:
            return True
        if shape is None or self.network.opset < 13 or node.op_type == "CumSum":
            return False
        axis = given.get("axis", 0 if node.op_type == "ArgMax" else -1) % len(shape)
        if axis == seen.axis or not given.get("keepdims", 1):
            return False
        return self._pass(node, seen.axis, seen.atoms)

    def _concat(self, _index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        import numpy as np

        tracked = [self._axis(name) for name in node.input]
        shapes = [self._shape(name) for name in node.input]
        some = next((seen for seen in tracked if seen), None)
        if some is None:
            return True
        rank = len(shapes[0] or ())
        if any(shape is None for shape in shapes) or any(seen and seen.axis != some.axis for seen in tracked):
            return False
        if given["axis"] % rank != some.axis:
            for seen in tracked:
                if seen is None:
                    return False
                self.channels.tie(some.atoms, seen.atoms)
            return self._pass(node, some.axis, some.atoms)
        parts = []
        for seen, shape in zip(tracked, shapes, strict=True):
            size = (shape or ())[some.axis]
            if seen is None and size is None:
                return False
            parts.append(seen.atoms if seen else self._whole(size or 0))
        return self._pass(node, some.axis, np.concatenate(parts))

    def _whole(self, size: int) -> NDArray[np.int64]:
        """Return atoms of channels that are there in any case."""
        atoms = self.channels.fresh(size)
        self.channels.keep(atoms, "input")
        return atoms

    def _split(self, index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        import numpy as np

        seen, shape = self._axis(node.input[0]), self._shape(node.input[0])
        if seen is None:
            return True
        if shape is None or self.network.opset < 13:
            return False
        if given.get("axis", 0) % len(shape) != seen.axis:
            for name in node.output:
                self.channels.of[name] = seen
            return True
        sizes = constant(self.network, node, 1)
        if sizes is None:
            step = -(-len(seen.atoms) // len(node.output))
            sizes = np.full(len(node.output), step)
        parts = np.split(seen.atoms, np.cumsum(sizes)[:-1])
        self.channels.split[index] = parts
        for name, part in zip(node.output, parts, strict=True):
            self.channels.of[name] = Axis(seen.axis, part)
        return True

    def _transpose(self, _index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        seen, shape = self._axis(node.input[0]), self._shape(node.input[0])
        if seen is None:
            return True
        if shape is None:
            return False
        order = list(given.get("perm", reversed(range(len(shape)))))
        return self._pass(node, order.index(seen.axis), seen.atoms)

    def _reshape(self, index: int, node: onnx.NodeProto, _given: dict[str, Any]) -> bool:
        seen = self._axis(node.input[0])
        before, after = self._shape(node.input[0]), self._shape(node.output[0])
        if seen is None:
            return True
        if not before or not after or sum(size is None for size in after) > 1:
            return False
        found = carried(before, after, seen)
        if found is None:
            return False
        if node.op_type == "Reshape":
            self.channels.reshaped[index] = (after, found)
        return self._pass(node, found.axis, found.atoms)

    def _pad(self, _index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        seen, shape = self._axis(node.input[0]), self._shape(node.input[0])
        if seen is None:
            return True
        pads = given.get("pads", constant(self.network, node, 1))
        if shape is None or pads is None or len(pads) != 2 * len(shape):
            return False
        if pads[seen.axis] or pads[seen.axis + len(shape)]:
            return False
        return self._pass(node, seen.axis, seen.atoms)

    def _resize(self, _index: int, node: onnx.NodeProto, given: dict[str, Any]) -> bool:
        seen, shape = self._axis(node.input[0]), self._shape(node.input[0])
        if seen is None:
            return True
        scales = constant(self.network, node, 1 if node.op_type == "Upsample" else 2)
        if shape is None or scales is None or len(scales) != len(shape) or "axes" in given:
            return False
        if scales[seen.axis] != 1:
            return False
        return self._pass(node, seen.axis, seen.atoms)
