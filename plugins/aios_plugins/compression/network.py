"""A model file as pruning and training see it: nodes in order, weights by name, shapes by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.errors import Diagnostic, InputError

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

__all__ = ["Network", "Shape", "attributes_of", "constant", "open_network", "save_network"]

Shape = tuple[int | None, ...]

STANDS_IN = 64
"""What an open size of an input, other than the number of items, counts as where arithmetic is counted: shares of it
hardly depend on the size, and networks that halve their input a few times can still halve this."""

_STATED = ("aios.accuracy.", "aios.note")
"""Properties of the file that are true of the network it held, not of what is made of it."""
_LAYOUT = frozenset({"Identity", "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Flatten", "Cast"})
_PROTOBUF_LIMIT = 2**31 - 2**20


@dataclass(frozen=True)
class Network:
    """model: its weights included, every Constant among them · weights: name -> array · shapes: tensor -> sizes, None
    where open · sizes: the same for one item, with ``STANDS_IN`` for what is open"""

    model: onnx.ModelProto
    weights: dict[str, NDArray[Any]]
    shapes: Mapping[str, Shape]
    sizes: Mapping[str, Shape]

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return next((item.version for item in self.model.opset_import if item.domain in {"", "ai.onnx"}), 1)


def open_network(path: Path) -> Network:
    """Read the file, its external weights too; InputError for what is no model."""
    import onnx
    from onnx import numpy_helper

    try:
        model = onnx.load(path)
        _lift_constants(model)
        shapes = _inferred(model)
        sizes = _inferred(_for_one_item(model))
        weights = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    except Exception as error:
        raise InputError(Diagnostic(summary=f"{path} cannot be read as a model", reason=str(error))) from error
    return Network(model, weights, shapes, sizes)


def save_network(network: Network, path: Path) -> None:
    """Write the model with its weights as they stand in ``weights``; what it stated of the old network is left out."""
    import onnx
    from onnx import numpy_helper

    model = network.model
    for item in model.graph.initializer:
        item.CopyFrom(numpy_helper.from_array(network.weights[item.name], item.name))
    del model.graph.value_info[:]
    kept = {item.key: item.value for item in model.metadata_props if not item.key.startswith(_STATED)}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, kept)
    beside = model.ByteSize() > _PROTOBUF_LIMIT
    onnx.save(model, path, save_as_external_data=beside, location=f"{path.name}.data" if beside else None)
    onnx.checker.check_model(str(path), full_check=True)


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Return name -> value of a node's attributes."""
    import onnx

    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def constant(network: Network, node: onnx.NodeProto, index: int) -> NDArray[Any] | None:
    """Return the node's input of that index if it is a weight, else None."""
    return network.weights.get(node.input[index]) if index < len(node.input) else None


def _lift_constants(model: onnx.ModelProto) -> None:
    """Make weights of Constant nodes, of weights that are also inputs, and of weights that are only laid out anew."""
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    named = {item.name: item for item in graph.initializer}
    given_out = {item.name for item in graph.output}
    rest = []
    for node in graph.node:
        if node.op_type == "Constant":
            value = onnx.helper.get_attribute_value(node.attribute[0])
            tensor = value if isinstance(value, onnx.TensorProto) else _tensor(node.attribute[0].name, value)
        elif node.op_type in _LAYOUT and given_out.isdisjoint(node.output) and named.keys() >= set(node.input):
            tensor = numpy_helper.from_array(_evaluated(model, node, named))
        else:
            rest.append(node)
            continue
        lifted = graph.initializer.add()
        lifted.CopyFrom(tensor)
        lifted.name = node.output[0]
        named[lifted.name] = lifted
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in rest]
    del graph.node[:]
    graph.node.extend(nodes)
    inputs = [item for item in graph.input if item.name not in named]
    del graph.input[:]
    graph.input.extend(inputs)


def _evaluated(model: onnx.ModelProto, node: onnx.NodeProto, named: Mapping[str, onnx.TensorProto]) -> NDArray[Any]:
    import numpy as np
    import onnx
    from onnx.reference import ReferenceEvaluator

    output = onnx.helper.make_empty_tensor_value_info(node.output[0])
    alone = onnx.helper.make_graph([node], "alone", [], [output], [named[name] for name in node.input if name])
    single = onnx.helper.make_model(alone, opset_imports=model.opset_import, ir_version=model.ir_version)
    answers: Any = ReferenceEvaluator(single).run(None, {})
    made: NDArray[Any] = np.asarray(answers[0])
    return made


def _tensor(kind: str, value: Any) -> onnx.TensorProto:
    import numpy as np
    from onnx import numpy_helper

    types = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if kind not in types:
        raise ValueError(f"a Constant with {kind}")
    return numpy_helper.from_array(np.asarray(value, types[kind]))


def _for_one_item(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose inputs have fixed sizes: one item, ``STANDS_IN`` elsewhere."""
    import onnx

    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]
    for item in fixed.graph.input:
        for axis, size in enumerate(item.type.tensor_type.shape.dim):
            if not size.HasField("dim_value") or size.dim_value <= 0:
                size.dim_value = STANDS_IN if axis else 1
    for item in fixed.graph.output:
        item.type.tensor_type.ClearField("shape")
    return fixed


def _inferred(model: onnx.ModelProto) -> dict[str, Shape]:
    import onnx

    seen = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes: dict[str, Shape] = {item.name: tuple(item.dims) for item in seen.initializer}
    for item in (*seen.value_info, *seen.input, *seen.output):
        tensor = item.type.tensor_type
        if tensor.HasField("shape"):
            shapes[item.name] = tuple(
                size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None
                for size in tensor.shape.dim
            )
    return shapes
