"""Small random networks that a machine is measured with: what it learns from them, it applies to networks of others.

Each is a stack of blocks of one of the forms that published networks are made of, of random width, size and
depth. Their weights are random too, for how long arithmetic takes does not depend on what it computes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aios_plugins.onnxruntime.operators import KINDS, chain

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["write_samples"]

_OPSET = 17  # the first with LayerNormalization
_FEWEST_MACS, _MOST_MACS = 3e4, 1e9
"""Per item: from what takes no longer than the call itself to what takes a tenth of a second on one core."""
_GOLDEN = (5**0.5 - 1) / 2
_EVERY = 4
_DRAWS = 64
_CLASSES = 100
_ACTIVATIONS = ("Relu", "Clip", "HardSwish", "Silu", "Relu")


class _Form(NamedTuple):
    """What a network is made of. side: of its maps at the input · depth: blocks · activation: after each product"""

    kind: str
    width: int
    side: int
    depth: int
    activation: str


def write_samples(folder: Path, count: int, seed: int) -> tuple[Path, ...]:
    """Write ``count`` files and return them; the same seed gives the same bytes.

    Every fourth one is a network, ``sample-NNN.onnx``, the others are chains of one operator, ``operator-NNN.onnx``.
    Input ``x``: float32 [batch, ...].
    """
    import numpy as np
    import onnx

    found = []
    for number in range(count):
        random = np.random.default_rng([seed, number])
        if number % _EVERY:
            path, made = folder / f"operator-{number:03}.onnx", _operators(random, number - number // _EVERY - 1)
        else:
            path, made = folder / f"sample-{number:03}.onnx", _network(random, number // _EVERY)
        onnx.save(made, str(path))
        found.append(path)
    return tuple(found)


_KINDS = ("inverted", "residual", "plain", "bottleneck", "inverted", "attention", "pyramid", "dense", "squeezed", "mlp",
          "temporal")  # fmt: skip


def _form(random: Generator, kind: str, number: int) -> _Form:
    """Return of some forms the one whose arithmetic is nearest to a size.

    Sizes go evenly over their logarithm, however many networks there are (multiples of the golden ratio).
    """
    wanted = math.log(_FEWEST_MACS) + (number * _GOLDEN % 1) * math.log(_MOST_MACS / _FEWEST_MACS)
    return min((_drawn(random, kind) for _ in range(_DRAWS)), key=lambda form: abs(math.log(_macs(form)) - wanted))


def _drawn(random: Generator, kind: str) -> _Form:
    width = int(8 * random.integers(1, 33)) if random.random() < 0.8 else int(random.integers(8, 200))
    side = int(random.choice([7, 10, 14, 20, 28, 40, 56, 80, 112]))
    form = _Form(kind, width, side, int(random.integers(2, 9)), str(random.choice(_ACTIVATIONS)))
    if kind == "mlp":
        return form._replace(width=int(32 * random.integers(2, 33)), side=1)
    if kind == "attention":
        return form._replace(width=int(32 * random.integers(1, 17)), side=int(random.choice([4, 7, 10, 14])))
    return form


def _macs(form: _Form) -> float:
    per_position = {"plain": 9.0, "residual": 18.0, "bottleneck": 1.1, "inverted": 8.0, "dense": 4.0, "pyramid": 12.0,
                    "squeezed": 9.0, "attention": 12.0, "mlp": 1.0, "temporal": 5.0}[form.kind]  # fmt: skip
    return per_position * form.width**2 * form.side**2 * form.depth


def _network(random: Generator, number: int) -> Any:
    form = _form(random, _KINDS[number % len(_KINDS)], number)
    graph = _Graph(random, form)
    if form.kind == "mlp":
        shape: list[int | str] = ["batch", form.width]
        last, given = graph.perceptron("x"), shape
    elif form.kind == "attention":
        shape = ["batch", form.side**2, form.width]
        last, given = graph.transformer("x"), shape
    else:
        first = int(random.choice([1, 1, 2]))
        sides = (1, form.side**2 * first) if form.kind == "temporal" else (form.side * first, form.side * first)
        shape, given = ["batch", 3, *sides], ["batch", _CLASSES]
        last = graph.vision(graph.convolution("x", 3, form.width, 3, stride=first))
    return _model(graph, f"sample-{number}", shape, last, given)


def _operators(random: Generator, number: int) -> Any:
    import onnx

    graph = _Graph(random, _Form("", 0, 0, 0, "Relu"))
    shape, last = chain(graph, random, number)
    model = _model(graph, f"{KINDS[number % len(KINDS)]}-{number}", shape, last, None)
    return onnx.shape_inference.infer_shapes(model)  # transforms refuse models that do not say what they give


def _model(graph: _Graph, name: str, shape: Sequence[int | str], last: str, given: Sequence[int | str] | None) -> Any:
    from onnx import TensorProto, helper

    taken = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    answered = [helper.make_tensor_value_info(last, TensorProto.FLOAT, given)]
    made = helper.make_graph(graph.nodes, name, taken, answered, graph.constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)


class _Graph:
    """Nodes and constants under construction; every method returns the name of what it made."""

    def __init__(self, random: Generator, form: _Form) -> None:
        self.random, self.form = random, form
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, *shape: int, scale: float = 1.0) -> str:
        import numpy as np

        return self._stored((scale * self.random.standard_normal(shape)).astype(np.float32))

    def floats(self, *values: float) -> str:
        import numpy as np

        return self._stored(np.array(values, dtype=np.float32))

    def integers(self, *values: int) -> str:
        import numpy as np

        return self._stored(np.array(values, dtype=np.int64))

    def scalar(self, value: float) -> str:
        import numpy as np

        return self._stored(np.array(value, dtype=np.float32))

    def _stored(self, values: Any) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def activated(self, x: str) -> str:
        if self.form.activation == "Silu":
            return self.node("Mul", x, self.node("Sigmoid", x))
        if self.form.activation == "Clip":
            return self.node("Clip", x, self.scalar(0.0), self.scalar(6.0))
        return self.node(self.form.activation, x)

    def convolution(
        self, x: str, inside: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1, plain: bool = False
    ) -> str:
        each = inside // groups
        flat = self.form.kind == "temporal"  # maps of height 1
        shape, strides = [1 if flat else kernel, kernel], [1 if flat else stride, stride]
        weight = self.constant(out, each, *shape, scale=(each * shape[0] * kernel) ** -0.5)
        made = self.node("Conv", x, weight, self.constant(out), kernel_shape=shape, strides=strides, group=groups,
                         pads=[size // 2 for size in shape] * 2)  # fmt: skip
        return made if plain else self.activated(made)

    def vision(self, x: str) -> str:
        """Blocks on maps, halved once or twice on the way, then a classifier."""
        block = getattr(self, self.form.kind)
        width, halvings = self.form.width, 0
        for number in range(self.form.depth):
            if halvings < 2 and self.form.side >> halvings > 7 and self.random.random() < 0.25:
                wider = min(2 * width, 512)
                x, width, halvings = self.convolution(x, width, wider, 3, stride=2), wider, halvings + 1
            x = block(x, width, number)
        pooled = self.node("Flatten", self.node("GlobalAveragePool", x))
        return self.node("Gemm", pooled, self.constant(width, _CLASSES), self.constant(_CLASSES))

    def plain(self, x: str, width: int, _number: int) -> str:
        return self.convolution(x, width, width, 3)

    def temporal(self, x: str, width: int, _number: int) -> str:
        return self.convolution(x, width, width, 5)

    def residual(self, x: str, width: int, _number: int) -> str:
        inner = self.convolution(self.convolution(x, width, width, 3), width, width, 3, plain=True)
        return self.activated(self.node("Add", x, inner))

    def bottleneck(self, x: str, width: int, _number: int) -> str:
        inner = max(8, width // 4)
        inside = self.convolution(self.convolution(x, width, inner, 1), inner, inner, 3)
        return self.activated(self.node("Add", x, self.convolution(inside, inner, width, 1, plain=True)))

    def inverted(self, x: str, width: int, number: int) -> str:
        wide, kernel = 4 * width, (3, 5)[number % 2]
        inside = self.convolution(self.convolution(x, width, wide, 1), wide, wide, kernel, groups=wide)
        return self.node("Add", x, self.convolution(inside, wide, width, 1, plain=True))

    def squeezed(self, x: str, width: int, _number: int) -> str:
        inside = self.convolution(x, width, width, 3)
        gate = self.convolution(self.node("GlobalAveragePool", inside), width, max(8, width // 4), 1)
        gate = self.node("Sigmoid", self.convolution(gate, max(8, width // 4), width, 1, plain=True))
        return self.node("Mul", inside, gate)

    def dense(self, x: str, width: int, _number: int) -> str:
        half = width // 2
        one = self.convolution(x, width, half, 1)
        both = self.node("Concat", one, self.convolution(one, half, half, 3), axis=1)
        return both if 2 * half == width else self.convolution(both, 2 * half, width, 1)

    def pyramid(self, x: str, width: int, _number: int) -> str:
        import numpy as np
        from onnx import numpy_helper

        scales = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array([1, 1, 2, 2], dtype=np.float32), scales))
        large = self.node("Resize", self.convolution(x, width, width, 1), "", scales, mode="nearest")
        pooled = self.node("MaxPool", large, kernel_shape=[2, 2], strides=[2, 2])
        return self.convolution(self.node("Add", x, pooled), width, width, 3)

    def linear(self, x: str, inside: int, out: int) -> str:
        product = self.node("MatMul", x, self.constant(inside, out, scale=inside**-0.5))
        return self.node("Add", product, self.constant(out))

    def transformer(self, x: str) -> str:
        """Blocks of self-attention and a perceptron, each with its norm, as vision and language models have them."""
        width, heads = self.form.width, self.form.width // 32
        for _ in range(self.form.depth):
            normal = self._normal(x)
            split = [self._heads(self.linear(normal, width, width), heads, turned=turned) for turned in (0, 1, 0)]
            scores = self.node("Softmax", self.node("MatMul", split[0], split[1]), axis=-1)
            mixed = self.node("Transpose", self.node("MatMul", scores, split[2]), perm=[0, 2, 1, 3])
            joined = self.node("Reshape", mixed, self.integers(0, 0, width))
            x = self.node("Add", x, self.linear(joined, width, width))
            inner = self.activated(self.linear(self._normal(x), width, 4 * width))
            x = self.node("Add", x, self.linear(inner, 4 * width, width))
        return x

    def _normal(self, x: str) -> str:
        width = self.form.width
        return self.node("LayerNormalization", x, self.constant(width), self.constant(width), axis=-1)

    def _heads(self, x: str, heads: int, *, turned: int) -> str:
        cut = self.node("Reshape", x, self.integers(0, 0, heads, self.form.width // heads))
        return self.node("Transpose", cut, perm=[0, 2, 3, 1] if turned else [0, 2, 1, 3])

    def perceptron(self, x: str) -> str:
        width = self.form.width
        for _ in range(self.form.depth):
            x = self.activated(
                self.node("Gemm", x, self.constant(width, width, scale=width**-0.5), self.constant(width))
            )
        return x
