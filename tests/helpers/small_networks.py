"""Networks of a few layers, built node by node, with random weights: [items, 3, 8, 8] -> [items, 5] unless said."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Builder:
    """Adds layers to a graph. Weights are normal, of the variance that keeps activations at one size."""

    def __init__(self, seed=0):
        self.random = np.random.default_rng(seed)
        self.nodes = []
        self.weights = []

    def weight(self, value):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def normal(self, *shape):
        fan = int(np.prod(shape[1:])) or 1
        return self.weight((self.random.standard_normal(shape) * np.sqrt(2 / fan)).astype(np.float32))

    def node(self, kind, *inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def conv(self, value, inputs, outputs, kernel=3, group=1, bias=True):
        weight = self.normal(outputs, inputs // group, kernel, kernel)
        given = [self.weight((self.random.standard_normal(outputs) * 0.1).astype(np.float32))] if bias else []
        return self.node("Conv", value, weight, *given, pads=[kernel // 2] * 4, group=group)

    def norm(self, value, channels):
        scale, bias, mean = (self.random.standard_normal(channels).astype(np.float32) * 0.1 + at for at in (1, 0, 0))
        variance = self.random.uniform(0.5, 2, channels).astype(np.float32)
        return self.node("BatchNormalization", value, *map(self.weight, (scale, bias, mean, variance)))

    def head(self, value, channels, classes=5):
        flat = self.node("Flatten", self.node("GlobalAveragePool", value))
        return self.node("Gemm", flat, self.normal(classes, channels), self.normal(classes), transB=1)

    def model(self, output, shape=("items", 3, 8, 8), classes=5, opset=18):
        self.nodes.append(helper.make_node("Identity", [output], ["scores"]))
        graph = helper.make_graph(
            self.nodes,
            "small",
            [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, (shape[0], classes))],
            self.weights,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        onnx.checker.check_model(made, full_check=True)
        return made


def plain(seed=0, width=16):
    """Two convolutions, pooled, flattened: channels stand at several places of a matrix."""
    b = Builder(seed)
    value = b.node("Relu", b.conv("image", 3, width))
    value = b.node("MaxPool", b.node("Relu", b.conv(value, width, width)), kernel_shape=[2, 2], strides=[2, 2])
    value = b.node("Reshape", value, b.weight(np.array([-1, width * 16])))
    return b.model(b.node("Gemm", value, b.normal(5, width * 16), b.normal(5), transB=1))


def residual(seed=0, width=16, inputs=3, size=8, classes=5):
    """Batch normalisation, two sums into one trunk, a squeeze-and-excitation block beside it."""
    b = Builder(seed)
    trunk = b.node("Relu", b.norm(b.conv("image", inputs, width, bias=False), width))
    for _ in range(2):
        inner = b.node("Relu", b.norm(b.conv(trunk, width, 2 * width, bias=False), 2 * width))
        trunk = b.node("Relu", b.node("Add", b.norm(b.conv(inner, 2 * width, width, bias=False), width), trunk))
    squeezed = b.node("Relu", b.conv(b.node("GlobalAveragePool", trunk), width, 8, kernel=1))
    gate = b.node("HardSigmoid", b.conv(squeezed, 8, width, kernel=1))
    trunk = b.node("Mul", trunk, gate)
    return b.model(b.head(trunk, width, classes), ("items", inputs, size, size), classes)


def depthwise(seed=0, width=16):
    """A depthwise convolution between two pointwise ones, as mobile networks have them, and a grouped one."""
    b = Builder(seed)
    value = b.node("HardSwish", b.conv("image", 3, width, kernel=1))
    value = b.node("Clip", b.conv(value, width, width, group=width), b.weight(np.float32(0)), b.weight(np.float32(6)))
    value = b.node("Relu", b.conv(value, width, width, kernel=1))
    value = b.node("Relu", b.conv(value, width, 2 * width, group=4))
    return b.model(b.head(value, 2 * width))


def concatenated(seed=0, width=16):
    """Branches that are joined, mixed, split again and transposed; a branch of the picture itself."""
    b = Builder(seed)
    first, second = (b.node("Relu", b.conv("image", 3, width, kernel=kernel)) for kernel in (1, 3))
    joined = b.node("Concat", first, "image", second, axis=1)
    value = b.node("Relu", b.conv(joined, 2 * width + 3, 2 * width))
    halves = ["left", "right"]
    b.nodes.append(helper.make_node("Split", [value, b.weight(np.array([width, width]))], halves, axis=1))
    value = b.node("Concat", b.node("Sigmoid", "right"), "left", axis=1)
    value = b.node("ReduceMean", b.node("Transpose", value, perm=[0, 2, 3, 1]), b.weight(np.array([1, 2])), keepdims=0)
    return b.model(b.node("MatMul", value, b.normal(2 * width, 5)))


def perceptron(seed=0, width=32):
    """The feed-forward block of a transformer: rows [items, 4, 8], a hidden layer, a residual sum, a normalisation."""
    b = Builder(seed)
    hidden = b.node("Add", b.node("MatMul", "image", b.normal(8, width)), b.normal(width))
    hidden = b.node("Mul", hidden, b.node("Sigmoid", hidden))
    value = b.node("Add", b.node("MatMul", hidden, b.normal(width, 8)), "image")
    ones, zeros = b.weight(np.ones(8, np.float32)), b.weight(np.zeros(8, np.float32))
    value = b.node("LayerNormalization", value, ones, zeros)
    value = b.node("ReduceMean", value, b.weight(np.array([1])), keepdims=0)
    return b.model(b.node("MatMul", value, b.normal(8, 5)), ("items", 4, 8))


ALL = {function.__name__: function for function in (plain, residual, depthwise, concatenated, perceptron)}
