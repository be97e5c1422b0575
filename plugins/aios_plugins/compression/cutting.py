"""Takes channels out of a network: weights become smaller, and whatever states their sizes says the new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.records.errors import Diagnostic, InputError
from aios_plugins.compression.channels import Channels, captured
from aios_plugins.compression.network import Network

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import onnx
    from numpy.typing import NDArray

__all__ = ["confirm", "cut", "silence"]

_TOLERANCE = 1e-3
"""Of the largest output: sums in another order differ by a hundredth of it, a wrong channel by far more."""
_SATURATED = 1e-5
"""Where an activation at its end leaves next to nothing, only rounding is left to compare."""


def cut(network: Network, channels: Channels, kept: NDArray[np.bool_]) -> Network:
    """Return the network without the atoms that are not kept; ``kept``: [atoms]. The one given stays as it is."""
    import numpy as np
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    weights = dict(network.weights)
    done = set[tuple[str, int]]()
    for claim in channels.claims:
        key = claim.weight, claim.place.axis
        if key not in done:
            done.add(key)
            weights[claim.weight] = np.compress(kept[claim.place.atoms], weights[claim.weight], axis=claim.place.axis)
    nodes = model.graph.node
    for index, atoms in channels.grouped.items():
        next(item for item in nodes[index].attribute if item.name == "group").i = int(kept[atoms].sum())
    for index, parts in channels.split.items():
        sizes = np.array([kept[part].sum() for part in parts], dtype=np.int64)
        _give(weights, nodes[index], sizes)
        others = [item for item in nodes[index].attribute if item.name != "num_outputs"]
        del nodes[index].attribute[:]
        nodes[index].attribute.extend(others)
    for index, (shape, axis) in channels.reshaped.items():
        sizes = np.array([-1 if size is None else size for size in shape], dtype=np.int64)
        sizes[axis.axis] = kept[axis.atoms].sum()
        _give(weights, nodes[index], sizes)
    read = {name for node in nodes for name in (*node.input, *captured(node))}
    read |= {item.name for item in model.graph.output}
    del model.graph.initializer[:]
    weights = {name: value for name, value in weights.items() if name in read}
    for name in weights:
        model.graph.initializer.add().name = name
    return Network(model, weights, {}, {})


def _give(weights: dict[str, NDArray[np.generic]], node: onnx.NodeProto, sizes: NDArray[np.int64]) -> None:
    """Have the node read those sizes as its second input."""
    name = f"{node.output[0]}.sizes"
    weights[name] = sizes
    del node.input[1:]
    node.input.append(name)


def silence(network: Network, channels: Channels, kept: NDArray[np.bool_]) -> Network:
    """Return the network in its full size, deaf to the atoms that are not kept: what uses them multiplies by zero."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    weights = dict(network.weights)
    for claim in channels.claims:
        if claim.role == "used":
            view = [1] * weights[claim.weight].ndim
            view[claim.place.axis] = -1
            weights[claim.weight] = weights[claim.weight] * kept[claim.place.atoms].reshape(view).astype("float32")
    return Network(model, weights, {}, {})


def confirm(whole: Path, small: Path, network: Network, seed: int) -> None:
    """Run both files on the same random input; InputError unless the answers agree.

    ``whole`` is the silenced network and ``small`` the cut one. They compute the same function if, and only if, every
    operator was followed as it works.
    """
    import numpy as np
    import onnx
    import onnxruntime

    random, feed = np.random.default_rng(seed), {}
    for item in network.model.graph.input:
        shape = [size or 1 for size in network.sizes[item.name]]
        kind = item.type.tensor_type.elem_type
        values = random.standard_normal(shape) if kind in {1, 10, 11} else np.zeros(shape)
        feed[item.name] = values.astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        answers = [
            onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, feed)
            for path in (whole, small)
        ]
    except Exception as error:
        raise InputError(Diagnostic(summary="the pruned model does not run", reason=str(error))) from error
    for before, after in zip(*answers, strict=True):
        far = max(_TOLERANCE * float(np.abs(before.astype(float)).max(initial=0.0)), _SATURATED)
        if before.shape != after.shape or not np.allclose(before, after, rtol=0, atol=far, equal_nan=True):
            raise InputError(
                Diagnostic(
                    summary="this model cannot be pruned: what is left of it computes something else",
                    reason="an operator depends on the number of channels in a way that is not known",
                )
            )
