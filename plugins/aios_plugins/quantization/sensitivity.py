"""How much each group of layers has to do with a network's noise and with its time."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from aios_plugins.quantization.covered import PRODUCTS, left_out
from aios_plugins.quantization.graphs import constants, session
from aios_plugins.quantization.ranges import operators

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import onnx
    from numpy.typing import NDArray

    from aios_plugins.quantization.items import Items

__all__ = ["Group", "ends_of", "groups_of", "noise", "outputs_of", "unsqueezed"]

_BATCH = 8

_PER_ELEMENT = 16
"""Multiplications that take as long as writing one number to memory and reading it again: between a CPU whose vectors
multiply 16 to 64 numbers per cycle and one whose caches move a few bytes per cycle and core."""


_SQUEEZING = ("Softmax", "LogSoftmax", "Sigmoid")
"""Operators that leave hardly any difference of most items, so that a few undecided ones would make all the noise."""

_PASSING = ("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten")


class Group(NamedTuple):
    """A product and what follows it up to the next one.

    name: of the product's node · nodes: names of all that can be quantised · cost: share of the network's arithmetic
    """

    name: str
    nodes: tuple[str, ...]
    cost: float


def groups_of(model: onnx.ModelProto, items: Items) -> list[Group]:
    """Return the groups of a float model, in its order."""
    sizes = _sizes(model, items)
    known, held, never = set(operators()), constants(model), left_out(model)
    owner: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    costs: dict[str, float] = {}
    for node in model.graph.node:
        if node.op_type in PRODUCTS:
            group = node.name
            costs[group] = _cost(node, held, sizes)
        else:
            group = next((owner[name] for name in node.input if name in owner), "")
        owner.update(dict.fromkeys(node.output, group))
        if node.op_type in known and node.name not in never:
            members.setdefault(group, []).append(node.name)
    total = sum(costs.values()) or 1.0
    return [Group(name, tuple(nodes), costs.get(name, 0.0) / total) for name, nodes in members.items() if nodes]


def _sizes(model: onnx.ModelProto, items: Items) -> dict[str, tuple[int, ...]]:
    """Return tensor -> its shape on one batch, for what products read and write."""
    import onnx

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    held, given = constants(model), {port.name for port in model.graph.input}
    products = [node for node in model.graph.node if node.op_type in PRODUCTS]
    names = {name for node in products for name in (*node.input[:2], *node.output)}
    wanted = sorted(names - given - set(held))
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    feed = next(items.feeds(1))
    found = dict(zip(wanted, session(watched, 1).run(wanted, feed), strict=True)) if wanted else {}
    shapes = {name: value.shape for name, value in {**feed, **found}.items()}
    return {**shapes, **{name: tuple(item.dims) for name, item in held.items()}}


def _cost(node: onnx.NodeProto, held: dict[str, onnx.TensorProto], sizes: dict[str, tuple[int, ...]]) -> float:
    written, taken, factor = (sizes[name] for name in (node.output[0], *node.input[:2]))
    if node.op_type in ("Conv", "ConvTranspose"):
        depth = math.prod(factor[1:]) if node.op_type == "Conv" else math.prod(factor) // max(1, factor[1])
    else:
        depth = math.prod(factor) // max(1, written[-1]) if node.input[1] in held else taken[-1]
    return float(math.prod(written) * (depth + _PER_ELEMENT) + math.prod(taken) * _PER_ELEMENT)


def ends_of(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return for each output the name of the node that squeezes it between 0 and 1; empty where none does."""
    made = {name: node for node in model.graph.node for name in node.output}
    ends = []
    for port in model.graph.output:
        end = made.get(port.name)
        while end is not None and end.op_type in _PASSING:
            end = made.get(end.input[0])
        ends.append(end.name if end is not None and end.op_type in _SQUEEZING else "")
    return tuple(ends)


@contextlib.contextmanager
def unsqueezed(model: onnx.ModelProto, ends: Sequence[str]) -> Iterator[None]:
    """Let the model give what the nodes ``ends`` read instead of their outputs, for as long as the context lasts."""
    import onnx

    nodes = {node.name: node for node in model.graph.node}
    own = [onnx.ValueInfoProto.FromString(port.SerializeToString()) for port in model.graph.output]
    names = [nodes[end].input[0] if end in nodes else port.name for port, end in zip(own, ends, strict=True)]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names))
    try:
        yield
    finally:
        del model.graph.output[:]
        model.graph.output.extend(own)


def outputs_of(opened: Any, items: Items) -> list[list[NDArray[Any]]]:
    """Return the outputs, batch by batch."""
    return [opened.run(None, feed) for feed in items.feeds(_BATCH)]


def noise(found: Sequence[Sequence[NDArray[Any]]], reference: Sequence[Sequence[NDArray[Any]]]) -> float:
    """Return the mean squared difference over the variance, the mean of all outputs; inf where that is not finite."""
    import numpy as np

    shares = []
    for column, wanted in zip(zip(*found, strict=True), zip(*reference, strict=False), strict=True):
        pairs = [(a, b) for a, b in zip(column, wanted, strict=False) if np.issubdtype(b.dtype, np.floating)]
        if not pairs:
            continue
        one = np.concatenate([np.ravel(a[: len(b)]).astype(np.float64) for a, b in pairs])
        other = np.concatenate([np.ravel(b[: len(a)]).astype(np.float64) for a, b in pairs])
        variance = float(other.var())
        shares.append(float(np.mean((one - other) ** 2)) / (variance or 1.0))
    mean = sum(shares) / len(shares) if shares else 0.0
    return mean if math.isfinite(mean) else math.inf
