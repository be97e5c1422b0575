"""Networks of one kind of operator, of random sizes: what a machine is measured with to tell its kernels apart.

Each is a short chain, so that what one operator takes is more than what a call takes besides. Operators whose kernels
depend on the layout that a convolution leaves its values in stand behind one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["KINDS", "chain"]

KINDS = (
    "pointwise", "convolution", "product", "depthwise", "scaled", "strided", "pooled", "pointwise", "convolution",
    "product", "thin", "joined", "depthwise", "smooth", "vector", "reduced", "pointwise", "convolution", "grouped",
    "smooth", "spread", "product", "resized", "depthwise", "moved", "smooth", "strided", "gated", "attention",
    "pointwise", "alike", "grouped", "smooth", "halved", "normal", "product", "thin", "smooth", "transposed", "scaled",
    "recurrent", "smooth",
)  # fmt: skip
"""What is measured, in the order of turns; what networks mostly are of comes more often."""

_SIDES = (4, 7, 10, 14, 20, 28, 40, 56, 80)
_SMOOTH = ("Sigmoid", "Gelu", "LRN", "HardSwish", "Softmax", "Tanh", "HardSigmoid", "Pow", "LeakyRelu", "Erf", "Exp",
           "Sqrt")  # fmt: skip
"""Functions of single values, in the order of turns: each has a kernel of its own."""
_FEWEST_VALUES, _MOST_VALUES = 3e3, 1e6
_FEWEST_MACS, _MOST_MACS = 2e4, 6e7
_MOST_WEIGHTS = 6e6
_DRAWS = 500


class Graph(Protocol):
    """What a chain is put together with (``samples``)."""

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator; return the name of what it gives."""

    def constant(self, *shape: int, scale: float = 1.0) -> str:
        """Add random weights."""

    def scalar(self, value: float) -> str:
        """Add a number."""

    def floats(self, *values: float) -> str:
        """Add a vector of numbers."""

    def integers(self, *values: int) -> str:
        """Add a vector of integers."""


Chain = tuple[list[int | str], str]
"""Shape of the input, and the name of the last value."""


def chain(graph: Graph, random: Generator, number: int) -> Chain:
    """Put a chain of one of ``KINDS`` into an empty graph. number: the first has 0"""
    rounds, place = divmod(number, len(KINDS))
    kind = KINDS[place]
    return _Chains(graph, random, rounds * KINDS.count(kind) + KINDS[:place].count(kind)).of(kind)


class _Chains:
    """turn: how many of its kind were there before"""

    def __init__(self, graph: Graph, random: Generator, turn: int) -> None:
        self.graph, self.random, self.turn = graph, random, turn

    def of(self, kind: str) -> Chain:
        if kind in ("product", "vector", "attention", "normal", "recurrent"):
            made: Chain = getattr(self, f"_{kind}")()
            return made
        if kind in ("pointwise", "convolution", "strided", "thin", "grouped", "transposed", "depthwise", "halved"):
            channels, side, last = getattr(self, f"_{kind}")()
        else:
            channels, side = self._map()
            before = "x" if kind in ("moved", "smooth") else self._conv("x", channels, channels, 1)
            last = getattr(self, f"_{kind}")(before, channels)
        return ["batch", channels, side, side], last

    def _channels(self, least: int = 8, most: int = 512) -> int:
        """Return mostly multiples of 16 or 8, as published networks have."""
        drawn = math.exp(self.random.uniform(math.log(least), math.log(most)))
        step = int(self.random.choice([16, 16, 16, 8, 8, 8, 1]))
        return max(step, round(drawn / step) * step)

    def _side(self) -> int:
        return int(self.random.choice(_SIDES))

    def _map(self) -> tuple[int, int]:
        """Return channels and side of a map."""
        for _ in range(_DRAWS):
            channels, side = self._channels(), self._side()
            if _FEWEST_VALUES < channels * side**2 < _MOST_VALUES:
                break
        return channels, side

    def _sizes(self, taps: int, least: float = _FEWEST_MACS) -> tuple[int, int, int]:
        """Return channels in and out and the side of a convolution that is neither too small nor too large."""
        for _ in range(_DRAWS):
            inside, outside, side = self._channels(), self._channels(), self._side()
            if least < inside * outside * taps * side**2 < _MOST_MACS:
                break
        return inside, outside, side

    def _conv(self, x: str, inside: int, outside: int, kernel: int, *, stride: int = 1, groups: int = 1) -> str:
        weight = self.graph.constant(outside, inside // groups, kernel, kernel, scale=0.1)
        return self.graph.node("Conv", x, weight, self.graph.constant(outside), kernel_shape=[kernel] * 2,
                               strides=[stride] * 2, pads=[kernel // 2] * 4, group=groups)  # fmt: skip

    def _stack(self, kernel: int) -> tuple[int, int, str]:
        inside, outside, side = self._sizes(kernel**2)
        x = "x"
        for one, two in ((inside, outside), (outside, inside)) * 2:
            x = self._conv(x, one, two, kernel)
            x = self._activated(x)
        return inside, side, x

    def _activated(self, x: str) -> str:
        """Put an activation function behind most products, as runtimes fuse it."""
        kind = str(self.random.choice(["Relu", "Clip", "Sigmoid", "none"], p=[0.4, 0.3, 0.1, 0.2]))
        ends = (0.0, 6.0) if kind == "Clip" else ()
        return x if kind == "none" else self.graph.node(kind, x, *map(self.graph.scalar, ends))

    def _pointwise(self) -> tuple[int, int, str]:
        return self._stack(1)

    def _convolution(self) -> tuple[int, int, str]:
        return self._stack(int(self.random.choice([3, 3, 3, 5])))

    def _strided(self) -> tuple[int, int, str]:
        kernel = int(self.random.choice([1, 3, 3]))
        inside, outside, side = self._sizes(kernel**2)
        return inside, side, self._conv(self._conv("x", inside, inside, 1), inside, outside, kernel, stride=2)

    def _thin(self) -> tuple[int, int, str]:
        inside, kernel = int(self.random.choice([1, 3, 3])), int(self.random.choice([3, 3, 5, 7]))
        side, stride = int(self.random.choice([28, 56, 96, 112, 160, 224])), int(self.random.choice([1, 2, 2]))
        return inside, side, self._conv("x", inside, self._channels(8, 96), kernel, stride=stride)

    def _grouped(self) -> tuple[int, int, str]:
        groups, kernel = int(self.random.choice([2, 3, 4, 8, 32])), int(self.random.choice([1, 3]))
        for _ in range(_DRAWS):
            each, side = self._channels(4, 128), self._side()
            if _FEWEST_MACS < groups * (each * kernel * side) ** 2 < _MOST_MACS:
                break
        channels, x = groups * each, "x"
        for _ in range(3):
            x = self._activated(self._conv(x, channels, channels, kernel, groups=groups))
        return channels, side, x

    def _transposed(self) -> tuple[int, int, str]:
        channels, side, kernel = self._channels(8, 96), int(self.random.choice([7, 14, 28, 40])), 2
        weight = self.graph.constant(channels, channels, kernel, kernel, scale=0.1)
        x = self._conv("x", channels, channels, 1)
        return channels, side, self.graph.node("ConvTranspose", x, weight, kernel_shape=[kernel] * 2, strides=[2, 2])

    def _depthwise(self) -> tuple[int, int, str]:
        (channels, side), kernel, x = self._map(), int(self.random.choice([3, 3, 3, 5, 5, 7])), "x"
        for _ in range(4):
            x = self._activated(self._conv(x, channels, channels, kernel, groups=channels))
        return channels, side, x

    def _halved(self) -> tuple[int, int, str]:
        (channels, side), kernel = self._map(), int(self.random.choice([3, 3, 5]))
        x = self._conv("x", channels, channels, kernel, groups=channels)
        return channels, side, self._conv(x, channels, channels, kernel, groups=channels, stride=2)

    def _scaled(self, x: str, _channels: int) -> str:
        for kind in self.random.permutation(["Mul", "Add", "Sub", "Div", "Clip", "Mul", "Relu"]):
            ends = (0.0, 6.0) if kind == "Clip" else () if kind == "Relu" else (1.5,)
            x = self.graph.node(str(kind), x, *map(self.graph.scalar, ends))
        return x

    def _spread(self, x: str, channels: int) -> str:
        for kind in ("Mul", "Add", "BatchNormalization", "Mul"):
            shape = (channels,) if kind == "BatchNormalization" else (channels, 1, 1)
            given = [self.graph.constant(*shape) for _ in range(3 if len(shape) == 1 else 1)]
            if kind == "BatchNormalization":  # variances are positive
                given.append(self.graph.constant(channels, scale=0.0))
            x = self.graph.node(kind, x, *given)
        return x

    def _alike(self, x: str, _channels: int) -> str:
        for kind in ("Mul", "Add", "Sub", "Max"):
            x = self.graph.node(kind, x, "x")
        return x

    def _gated(self, x: str, channels: int) -> str:
        for _ in range(3):
            gate = self._conv(self.graph.node("GlobalAveragePool", x), channels, channels, 1)
            x = self.graph.node("Mul", x, self.graph.node("Sigmoid", gate))
        return x

    def _smooth(self, x: str, _channels: int) -> str:
        kind = _SMOOTH[self.turn % len(_SMOOTH)]
        for _ in range(3):
            if kind == "Gelu":
                inner = self.graph.node("Erf", self.graph.node("Div", x, self.graph.scalar(math.sqrt(2))))
                product = self.graph.node("Mul", x, self.graph.node("Add", inner, self.graph.scalar(1.0)))
                x = self.graph.node("Mul", product, self.graph.scalar(0.5))
            elif kind == "LRN":
                x = self.graph.node(kind, x, size=5)
            else:
                x = self.graph.node(kind, x, *([self.graph.scalar(2.0)] if kind == "Pow" else []))
        return x

    def _pooled(self, x: str, channels: int) -> str:
        kind, size = str(self.random.choice(["MaxPool", "AveragePool"])), int(self.random.choice([2, 3, 3, 5]))
        stride = int(self.random.choice([1, 2]))
        x = self.graph.node(kind, x, kernel_shape=[size] * 2, strides=[stride] * 2, pads=[size // 2] * 4)
        return self._conv(x, channels, channels, 1)

    def _reduced(self, x: str, _channels: int) -> str:
        if self.random.random() < 0.5:
            return self.graph.node("GlobalAveragePool", x)
        return self.graph.node("ReduceMean", x, axes=[2, 3])

    def _joined(self, x: str, channels: int) -> str:
        both = self.graph.node("Concat", x, self._conv(x, channels, channels, 1), axis=1)
        return self._conv(both, 2 * channels, channels, 1)

    def _moved(self, x: str, channels: int) -> str:
        if self.random.random() < 0.5:
            half = self.graph.integers(max(channels // 2, 1))
            return self.graph.node("Slice", x, self.graph.integers(0), half, self.graph.integers(1))
        turned = self.graph.node("Transpose", x, perm=[0, 2, 3, 1])
        return self.graph.node("Transpose", turned, perm=[0, 2, 1, 3])

    def _resized(self, x: str, channels: int) -> str:
        mode = str(self.random.choice(["nearest", "nearest", "linear"]))
        pooled = self.graph.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
        larger = self.graph.node(
            "Resize", pooled, "", self.graph.floats(1, 1, 2, 2), mode=mode, coordinate_transformation_mode="asymmetric"
        )
        return self._conv(larger, channels, channels, 1)

    def _product(self) -> Chain:
        for _ in range(_DRAWS):
            rows, inside, outside = (
                int(self.random.choice([8, 16, 49, 64, 128, 196])),
                *(self._channels(16, 2048) for _ in range(2)),
            )
            if _FEWEST_MACS < rows * inside * outside < _MOST_MACS:
                break
        x = "x"
        for one, two in ((inside, outside), (outside, inside), (inside, outside)):
            x = self.graph.node("MatMul", x, self.graph.constant(one, two, scale=one**-0.5))
            x = self.graph.node("Add", x, self.graph.constant(two))
        return ["batch", rows, inside], x

    def _vector(self) -> Chain:
        for _ in range(_DRAWS):
            inside, outside, x = self._channels(64, 4096), self._channels(10, 4096), "x"
            if inside * outside < _MOST_WEIGHTS:
                break
        for one, two in ((inside, outside), (outside, inside)):
            x = self.graph.node("Gemm", x, self.graph.constant(one, two, scale=one**-0.5), self.graph.constant(two))
            x = self.graph.node("Relu", x)
        return ["batch", inside], x

    def _attention(self) -> Chain:
        heads, width = int(self.random.choice([1, 2, 4, 8, 12])), int(self.random.choice([16, 32, 64]))
        length = int(self.random.choice([16, 49, 64, 128, 196]))
        scores = self.graph.node("MatMul", "x", self.graph.node("Transpose", "x", perm=[0, 1, 3, 2]))
        if self.random.random() < 0.5:
            scores = self.graph.node("Softmax", scores, axis=-1)
        return ["batch", heads, length, width], self.graph.node("MatMul", scores, "x")

    def _normal(self) -> Chain:
        length, width, x = int(self.random.choice([16, 49, 64, 196, 512])), self._channels(32, 768), "x"
        for _ in range(3):
            x = self.graph.node(
                "LayerNormalization", x, self.graph.constant(width), self.graph.constant(width), axis=-1
            )
        return ["batch", length, width], x

    def _recurrent(self) -> Chain:
        inside, hidden = (int(self.random.choice([64, 128, 256])) for _ in range(2))
        steps = int(self.random.choice([1, 4, 16]))
        turned = self.graph.node("Transpose", "x", perm=[1, 0, 2])
        weights = [self.graph.constant(1, 4 * hidden, size, scale=0.05) for size in (inside, hidden)]
        made = self.graph.node("LSTM", turned, *weights, hidden_size=hidden)
        last = self.graph.node("Squeeze", made, self.graph.integers(1))
        return ["batch", steps, inside], self.graph.node("Transpose", last, perm=[1, 0, 2])
