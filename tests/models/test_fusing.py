"""Operators that runtimes compute with the product before them, and what convolutions are made of."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from aios.workflow.inspecting import inspect_model


def written(path, nodes, constants, shape=("batch", 8, 6, 6)):
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))]
    last = [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)]
    stored = [numpy_helper.from_array(np.ones(size, dtype=np.float32), name) for name, size in constants.items()]
    graph = helper.make_graph(nodes, "g", given, last, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return {item.kind: item for item in inspect_model(path, {}).operators}


def test_an_activation_behind_a_convolution_is_fused_unless_another_reads_between(tmp_path):
    convolution = helper.make_node("Conv", ["x", "w"], ["a"], pads=[1] * 4)
    alone = written(tmp_path / "a.onnx", [convolution, helper.make_node("Relu", ["a"], ["b"])], {"w": (16, 8, 3, 3)})
    assert alone["Relu"].fused
    assert alone["Conv"].form == (8, 16, 9, 1)
    sigmoid, product = helper.make_node("Sigmoid", ["a"], ["b"]), helper.make_node("Mul", ["a", "b"], ["c"])
    silu = written(tmp_path / "b.onnx", [convolution, sigmoid, product], {"w": (16, 8, 3, 3)})
    assert not silu["Sigmoid"].fused
    assert not silu["Mul"].fused


def test_a_residual_sum_is_fused_to_the_convolution_whose_result_nobody_else_reads(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1] * 4, group=8),
        helper.make_node("Add", ["a", "x"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Add", ["c", "x"], ["d"]),
    ]
    path = tmp_path / "a.onnx"
    found = written(path, nodes, {"w": (8, 1, 3, 3)})
    assert found["Conv"].form == (8, 8, 9, 8)
    assert found["Relu"].fused
    sums = [item.fused for item in inspect_model(path, {}).operators if item.kind == "Add"]
    assert sorted(sums) == [False, True]


def test_a_bias_is_fused_to_its_product_and_the_product_has_a_form(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Add", ["a", "bias"], ["b"])]
    found = written(tmp_path / "a.onnx", nodes, {"w": (12, 5), "bias": (5,)}, ("batch", 7, 12))
    assert found["MatMul"].form == (12, 5, 1, 1)
    assert found["Add"].fused
    assert found["Add"].form is None
