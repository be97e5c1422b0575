"""Two files compute the same where names, order and storage are all that sets them apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aios_plugins.onnx import Reader

WEIGHT = np.arange(6, dtype=np.float32).reshape(3, 2)


def made(path: Path, *, value: str = "h", weight: Any = WEIGHT, alpha: float = 0.1, swapped: bool = False) -> Path:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], [value]),
        helper.make_node("LeakyRelu", [value], ["left"], alpha=alpha),
        helper.make_node("Sigmoid", [value], ["right"]),
        helper.make_node("Add", ["right", "left"] if swapped else ["left", "right"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def changed(path: Path, change: Any) -> Path:
    model = onnx.load(str(path))
    change(model)
    other = path.with_name("changed.onnx")
    onnx.save(model, str(other))
    return other


def identity(model: Any) -> None:
    model.graph.node[-1].output[0] = "z"
    model.graph.node.append(helper.make_node("Identity", ["z"], ["y"]))


def constant(model: Any) -> None:
    (weight,) = model.graph.initializer
    node = helper.make_node("Constant", [], ["w"], value=weight)
    del model.graph.initializer[:]
    model.graph.node.insert(0, node)


def unused(model: Any) -> None:
    model.graph.node.append(helper.make_node("Relu", ["h"], ["nowhere"]))
    model.doc_string, model.producer_name = "told", "somebody"


def turned(model: Any) -> None:
    nodes = [model.graph.node[place] for place in (0, 2, 1, 3)]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


@pytest.mark.parametrize("change", [identity, constant, unused, turned])
def test_what_only_looks_different_computes_the_same(tmp_path: Path, change: Any) -> None:
    path = made(tmp_path / "net.onnx")
    assert Reader().computation(changed(path, change)) == Reader().computation(path)


def test_names_and_storage_do_not_count(tmp_path: Path) -> None:
    path = made(tmp_path / "net.onnx")
    named = made(tmp_path / "named.onnx", value="hidden")
    onnx.save(onnx.load(str(path)), str(tmp_path / "apart.onnx"), save_as_external_data=True, size_threshold=0)
    digests = {Reader().computation(item) for item in (path, named, tmp_path / "apart.onnx")}
    assert len(digests) == 1


def test_weights_attributes_and_order_of_inputs_count(tmp_path: Path) -> None:
    other = WEIGHT.copy()
    other[2, 1] = np.nextafter(other[2, 1], 9)
    paths = [
        made(tmp_path / "a.onnx"),
        made(tmp_path / "b.onnx", weight=other),
        made(tmp_path / "c.onnx", alpha=0.2),
        made(tmp_path / "d.onnx", swapped=True),
        made(tmp_path / "e.onnx", weight=WEIGHT.astype(np.float32) * -1),
    ]
    assert len({Reader().computation(path) for path in paths}) == 5
