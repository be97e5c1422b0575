"""Rounds weights so that what a layer computes changes least, not each weight for itself.

Weights are rounded one input after another; each error is made up for by the inputs that are still to be rounded, by
the second moments of what the layer was seen to take in (GPTQ: Frantar et al. 2023; optimal brain surgeon: Hassibi and
Stork 1993). What remains of the error on average goes into the bias (Nagel et al. 2019). Neither costs any time when
the network runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aios_plugins.quantization.graphs import constants, session

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from aios.spi.transform import Progress
    from aios_plugins.quantization.items import Items

__all__ = ["Rounded", "apply_rounding", "rounded_weights"]

_POSITIONS = 64
"""Places of an image, or of a text, that are looked at per item; neighbours are much alike."""

_WIDEST = 2048
"""Inputs of a layer from which on its weights are rounded each for itself: time grows with their third power."""

_BLOCK = 64
"""Inputs whose errors are passed on to all later inputs at once, as one matrix product."""

_ITEMS = 128
"""Items that are observed at most; each brings some dozens of positions of every layer."""

_BATCH = 4
"""Items that are observed at once; what all layers take in is held for as long."""

_DAMPING = 0.01
"""Share of the mean variance that is added to every variance: inputs that hardly vary would take up any error."""


_SINGLE = 1e-4
"""Relative error that sums over a few thousand rows in single precision, inputs together, stay well below."""


class Rounded(NamedTuple):
    """weight: in 8 bits, in the constant's shape · bias: what to add to the bias, one number per output, or None."""

    weight: NDArray[Any]
    bias: NDArray[Any] | None


class _Layer(NamedTuple):
    """A product with constant weights. groups x outputs x inputs: how its weights divide."""

    node: onnx.NodeProto
    attributes: Mapping[str, Any]
    weight: NDArray[Any]
    groups: int

    @property
    def by_columns(self) -> bool:
        """Tell whether the constant's rows are inputs, as in a MatMul."""
        return self.node.op_type != "Conv" and not self.attributes.get("transB")

    def matrices(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what has the constant's shape as [groups, outputs, inputs]."""
        flat = values.T if self.by_columns else values.reshape(len(values), -1)
        return flat.reshape(self.groups, flat.shape[0] // self.groups, -1)

    def shaped(self, matrices: NDArray[Any]) -> NDArray[Any]:
        """Return [groups, outputs, inputs] in the constant's shape."""
        flat = matrices.reshape(-1, matrices.shape[-1])
        return flat.T if self.by_columns else flat.reshape(self.weight.shape)


def rounded_weights(
    ready: Path, plain: onnx.ModelProto, items: Items, threads: int, seed: int, progress: Progress
) -> dict[str, Rounded]:
    """Return constant -> how it is to be rounded, for every product whose weights ``plain`` holds in 8 bits."""
    import onnx

    model = onnx.load(str(ready))
    held = constants(plain)
    layers = [layer for layer in _layers(model) if layer.node.input[1] + "_quantized" in held]
    moments = _observed(
        model, layers, items.split(_ITEMS)[0], threads, seed, lambda share, what: progress(0.8 * share, what)
    )
    found = {}
    for done, layer in enumerate(layers):
        progress(0.8 + 0.2 * done / len(layers), f"rounding weights, {done} of {len(layers)} layers")
        mean, square = moments.pop(layer.node.output[0])
        found[layer.node.input[1]] = _round(layer, held, mean, square)
    return found


def apply_rounding(model: onnx.ModelProto, found: Mapping[str, Rounded]) -> None:
    """Put the rounded weights and the corrected biases into a quantised model, where it holds them in integers."""
    import numpy as np
    from onnx import numpy_helper

    held = constants(model)
    made = {name: node for node in model.graph.node for name in node.output if node.op_type == "DequantizeLinear"}

    def put(name: str, values: NDArray[Any]) -> None:
        held[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))

    for node in model.graph.node:
        source = made.get(node.input[1]) if len(node.input) > 1 else None
        name = source.input[0].removesuffix("_quantized") if source is not None else ""
        if name not in found:
            continue
        put(name + "_quantized", found[name].weight)
        bias, delta = made.get(node.input[2]) if len(node.input) > 2 else None, found[name].bias
        if bias is not None and delta is not None and bias.input[0] in held:
            scale = numpy_helper.to_array(held[bias.input[1]]).astype(np.float64)
            old = numpy_helper.to_array(held[bias.input[0]])
            limits = np.iinfo(old.dtype)
            new = np.clip(np.rint(old + delta / scale), limits.min, limits.max)
            put(bias.input[0], new.astype(old.dtype))


def _layers(model: onnx.ModelProto) -> Iterator[_Layer]:
    """Yield the products whose weights are constant, read by nothing else, and of a form that is seen through here."""
    import onnx
    from onnx import numpy_helper

    held = constants(model)
    readers: dict[str, int] = {}
    for name in (name for node in model.graph.node for name in node.input):
        readers[name] = readers.get(name, 0) + 1
    for node in model.graph.node:
        if node.op_type not in ("Conv", "MatMul", "Gemm") or node.input[1] not in held or readers[node.input[1]] > 1:
            continue
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        weight = numpy_helper.to_array(held[node.input[1]])
        plain_image = (
            weight.ndim == 4
            and set(attributes.get("dilations", [1])) == {1}
            and attributes.get("auto_pad", b"NOTSET") == b"NOTSET"
        )
        plain_matrix = weight.ndim == 2 and not attributes.get("transA")
        groups = attributes.get("group", 1) if node.op_type == "Conv" else 1
        layer = _Layer(node, attributes, weight, groups)
        if (plain_image if node.op_type == "Conv" else plain_matrix) and layer.matrices(weight).shape[-1] <= _WIDEST:
            yield layer


def _observed(
    model: onnx.ModelProto, layers: list[_Layer], items: Items, threads: int, seed: int, progress: Progress
) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Return output of a layer -> mean [groups, inputs] and second moments [groups, inputs, inputs] of its inputs."""
    import numpy as np
    import onnx

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    given = {port.name for port in model.graph.input}
    wanted = sorted({layer.node.input[0] for layer in layers} - given)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    opened = session(watched, threads) if wanted else None
    random = np.random.default_rng(seed)
    sums: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    rows: dict[str, int] = {}
    done = 0
    for feed in items.feeds(_BATCH):
        values = {**dict(zip(wanted, opened.run(wanted, feed) if opened else (), strict=True)), **feed}
        for layer in layers:
            taken, name = _taken(layer, values[layer.node.input[0]], random), layer.node.output[0]
            if name not in sums:
                groups, inputs = taken.shape[0], taken.shape[2]
                sums[name] = (np.zeros((groups, inputs), np.float32), np.zeros((groups, inputs, inputs), np.float32))
            mean, square = sums[name]
            mean += taken.sum(axis=1)
            square += np.matmul(taken.transpose(0, 2, 1), taken)
            rows[name] = rows.get(name, 0) + taken.shape[1]
        done += len(next(iter(feed.values())))
        progress(done / items.count, f"observing layers, {done} of {items.count} items")
    return {name: (mean / rows[name], square / rows[name]) for name, (mean, square) in sums.items()}


def _taken(layer: _Layer, values: NDArray[Any], random: Any) -> NDArray[Any]:
    """Return what the layer multiplies its weights with, at some positions: [groups, rows, inputs]."""
    import numpy as np

    if layer.node.op_type != "Conv":
        rows: NDArray[Any] = values.reshape(-1, values.shape[-1])
        some = random.permutation(len(rows))[: _POSITIONS * max(1, len(values) if values.ndim > 2 else len(rows))]
        chosen: NDArray[Any] = rows[np.sort(some)][None]
        return chosen
    height, width = layer.weight.shape[2:]
    top, left, bottom, right = layer.attributes.get("pads", [0, 0, 0, 0])
    down, across = layer.attributes.get("strides", [1, 1])
    padded = np.pad(values, ((0, 0), (0, 0), (top, bottom), (left, right)))
    ys, xs = (padded.shape[2] - height) // down + 1, (padded.shape[3] - width) // across + 1
    some = np.sort(random.permutation(ys * xs)[:_POSITIONS])
    y, x = (some // xs) * down, (some % xs) * across
    # [items, channels, positions, height, width]
    patches = padded[:, :, y[:, None, None] + np.arange(height)[:, None], x[:, None, None] + np.arange(width)]
    count, channels = values.shape[:2]
    split: NDArray[Any] = patches.reshape(count, layer.groups, channels // layer.groups, len(some), height * width)
    return np.ascontiguousarray(split.transpose(1, 0, 3, 2, 4)).reshape(layer.groups, count * len(some), -1)


def _round(layer: _Layer, held: Mapping[str, onnx.TensorProto], mean: NDArray[Any], square: NDArray[Any]) -> Rounded:
    import numpy as np
    from onnx import numpy_helper

    name = layer.node.input[1]
    scale = numpy_helper.to_array(held[name + "_scale"]).astype(np.float64).ravel()
    plain = numpy_helper.to_array(held[name + "_quantized"])
    top = 64 if np.abs(plain.astype(int)).max() <= 64 else 127
    weights = layer.matrices(layer.weight).astype(np.float64)
    scales = np.broadcast_to(scale, weights.shape[0] * weights.shape[1]).reshape(weights.shape[:2])
    corrected = len(layer.node.input) > 2
    mean, moments = mean.astype(np.float64), square.astype(np.float64)
    if corrected:  # the mean of the error goes into the bias, so only the variation counts
        # What single precision leaves of inputs that do not vary must not make the moments indefinite.
        floor = _SINGLE * np.diagonal(moments, axis1=1, axis2=2).max(axis=1)
        moments = moments - mean[:, :, None] * mean[:, None, :] + floor[:, None, None] * np.eye(moments.shape[1])
    integers = _second_order(weights / scales[:, :, None], moments, top)
    error = weights - integers * scales[:, :, None]
    bias = np.einsum("gok,gk->go", error, mean).ravel() if corrected else None
    return Rounded(layer.shaped(integers).astype(plain.dtype), bias)


def _second_order(weights: NDArray[Any], moments: NDArray[Any], top: int) -> NDArray[Any]:
    """Return integers within -top..top for weights in units of their scale.

    weights: [groups, outputs, inputs] · moments: [groups, inputs, inputs]
    """
    import numpy as np

    variance = np.diagonal(moments, axis1=1, axis2=2)
    order = np.argsort(-variance, axis=1, kind="stable")  # what varies most is rounded first, with most left to correct
    moments = np.take_along_axis(np.take_along_axis(moments, order[:, :, None], 1), order[:, None, :], 2)
    left = np.take_along_axis(weights, np.broadcast_to(order[:, None, :], weights.shape), 2)
    damping = _DAMPING * variance.mean(axis=1) + np.finfo(np.float32).tiny
    inputs = weights.shape[2]
    inverse = np.linalg.inv(moments + damping[:, None, None] * np.eye(inputs))
    upper = np.linalg.cholesky((inverse + inverse.transpose(0, 2, 1)) / 2).transpose(0, 2, 1)
    made = np.empty_like(left)
    for start in range(0, inputs, _BLOCK):
        end = min(start + _BLOCK, inputs)
        now, errors = left[:, :, start:end].copy(), np.empty_like(left[:, :, start:end])
        for at in range(start, end):
            here = at - start
            made[:, :, at] = np.clip(np.rint(now[:, :, here]), -top, top)
            errors[:, :, here] = (now[:, :, here] - made[:, :, at]) / upper[:, at, at][:, None]
            now[:, :, here + 1 :] -= errors[:, :, here, None] * upper[:, None, at, at + 1 : end]
        left[:, :, end:] -= np.matmul(errors, upper[:, start:end, end:])
    back = np.argsort(order, axis=1, kind="stable")
    return np.take_along_axis(made, np.broadcast_to(back[:, None, :], made.shape), 2)
