"""Graphs in 8-bit integers: QuantizeLinear and DequantizeLinear pairs, integer operators, weight-only quantisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from aios.records.model import ModelProfile

Read = Callable[..., ModelProfile]


def array(name: str, value: Any, dtype: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def scales() -> list[onnx.TensorProto]:
    return [array("s", 0.5, np.float32), array("z", 0, np.int8), array("z32", 0, np.int32)]


def pair(build: Any, name: str) -> list[onnx.NodeProto]:
    return [
        build.node("QuantizeLinear", [name, "s", "z"], [f"{name}_q"]),
        build.node("DequantizeLinear", [f"{name}_q", "s", "z"], [f"{name}_d"]),
    ]


@pytest.fixture
def qdq(build: Any) -> onnx.ModelProto:
    """x -> Q DQ -> Conv(int8 weights, int32 bias) -> Q DQ -> Relu -> Q DQ -> y."""
    nodes = [
        *pair(build, "x"),
        build.node("DequantizeLinear", ["w", "s", "z"], ["w_d"]),
        build.node("DequantizeLinear", ["b", "s", "z32"], ["b_d"]),
        build.node("Conv", ["x_d", "w_d", "b_d"], ["c"]),
        *pair(build, "c"),
        build.node("Relu", ["c_d"], ["r"]),
        *pair(build, "r"),
        build.node("Identity", ["r_d"], ["y"]),
    ]
    constants = [array("w", np.ones((8, 3, 3, 3)), np.int8), array("b", np.ones(8), np.int32), *scales()]
    return build.model(nodes, [build.value("x", ["batch", 3, 10, 10])], ["y"], constants)


def test_weights_behind_dequantize_count_as_stored(qdq: onnx.ModelProto, read: Read) -> None:
    profile = read(qdq)
    assert profile.parameters == 8 * 27 + 8
    assert profile.weight_bytes == 8 * 27 + 4 * 8
    assert profile.precision == "int8"
    assert profile.batch_axis == 0


def test_operators_between_pairs_compute_in_bytes(qdq: onnx.ModelProto, read: Read) -> None:
    operators = {
        item.kind: item for item in read(qdq).operators if item.kind not in {"QuantizeLinear", "DequantizeLinear"}
    }
    conv, relu = operators["Conv"], operators["Relu"]
    assert conv.quantized
    assert relu.quantized
    assert (conv.input_bytes, conv.output_bytes) == (300, 8 * 64)
    assert conv.weight_bytes == 8 * 27 + 4 * 8
    assert (relu.input_bytes, relu.output_bytes) == (8 * 64, 8 * 64)


def test_only_the_pairs_at_the_border_cost(qdq: onnx.ModelProto, read: Read) -> None:
    """Into int8 at x, out of it at the end; what lies between integer operators vanishes into them."""
    counted = {item.kind: item.count for item in read(qdq).operators}
    assert counted["QuantizeLinear"] == 1
    assert counted["DequantizeLinear"] == 1


def test_activation_memory_is_bytes_inside(qdq: onnx.ModelProto, read: Read) -> None:
    """At most: y's float32 beside the int8 it is made from."""
    assert read(qdq).activation_bytes == 8 * 64 * (4 + 1)


def test_product_of_a_float_activation_is_not_integer(build: Any, read: Read) -> None:
    """Weight-only quantisation: fewer bytes, but float arithmetic."""
    nodes = [build.node("DequantizeLinear", ["w", "s", "z"], ["w_d"]), build.node("MatMul", ["x", "w_d"], ["y"])]
    constants = [array("w", np.ones((16, 4)), np.int8), *scales()]
    profile = read(build.model(nodes, [build.value("x", [1, 16])], ["y"], constants))
    matmul = next(item for item in profile.operators if item.kind == "MatMul")
    assert not matmul.quantized
    assert matmul.weight_bytes == 64
    assert (profile.weight_bytes, profile.precision) == (64, "int8")


def test_dynamic_quantisation_as_onnxruntime_writes_it(build: Any, read: Read) -> None:
    nodes = [
        build.node("DynamicQuantizeLinear", ["x"], ["x_q", "x_s", "x_z"]),
        build.node("MatMulInteger", ["x_q", "w", "x_z", "z"], ["i"]),
        build.node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        build.node("Mul", ["x_s", "s"], ["scale"]),
        build.node("Mul", ["f", "scale"], ["y"]),
    ]
    constants = [array("w", np.ones((16, 4)), np.int8), *scales()]
    profile = read(build.model(nodes, [build.value("x", ["batch", 16])], ["y"], constants))
    integer = next(item for item in profile.operators if item.kind == "MatMulInteger")
    assert integer.quantized
    assert profile.macs == 64
    assert integer.input_bytes == 16 + 1  # bytes, and the zero point
    assert profile.parameters == 64
    assert profile.batch_axis == 0


def test_operator_form_of_a_convolution(build: Any, read: Read) -> None:
    names = ["x", "s", "z", "w", "s", "z", "s", "z", "b"]
    constants = [array("w", np.ones((8, 3, 3, 3)), np.int8), array("b", np.ones(8), np.int32), *scales()]
    node = build.node("QLinearConv", names, ["y"])
    profile = read(build.model([node], [build.value("x", [1, 3, 10, 10], TensorProto.INT8)], ["y"], constants))
    assert profile.operators[0].quantized
    assert profile.macs == 64 * 8 * 27
    assert profile.parameters == 8 * 27 + 8


def test_four_bit_weights_pack_two_to_a_byte(build: Any, read: Read) -> None:
    from onnx.helper import make_tensor

    packed = make_tensor("w", TensorProto.INT4, [16, 4], [1] * 64)
    nodes = [build.node("DequantizeLinear", ["w", "s"], ["w_d"]), build.node("MatMul", ["x", "w_d"], ["y"])]
    profile = read(
        build.model(nodes, [build.value("x", [1, 16])], ["y"], [packed, array("s", 0.5, np.float32)], opset=21)
    )
    assert (profile.parameters, profile.weight_bytes, profile.precision) == (64, 32, "int4")


def test_contributed_operators_of_the_quantiser(build: Any, read: Read) -> None:
    """The quantiser's additions and poolings have no schema in onnx; their shapes follow all the same."""
    add = ["x", "s", "z", "x", "s", "z", "s", "z"]
    nodes = [
        build.node("QLinearAdd", add, ["a"], domain="com.microsoft"),
        build.node("QLinearAveragePool", ["a", *["s", "z"] * 2], ["p"], domain="com.microsoft", kernel_shape=[2, 2]),
        build.node("QLinearGlobalAveragePool", ["p", *["s", "z"] * 2], ["y"], domain="com.microsoft"),
    ]
    graph = build.model(
        nodes, [build.value("x", [1, 3, 10, 10], TensorProto.INT8)], ["y"], scales(), domains={"com.microsoft": 1}
    )
    profile = read(graph)
    assert not profile.unknown_operators
    assert profile.flops == 300 * 5 + 3 * 81 * 4 + 3 * 81
    assert all(item.quantized for item in profile.operators)
