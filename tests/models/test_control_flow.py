"""If, Loop, Scan and local functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aios.records.errors import InputError
from aios.records.model import ModelProfile

Read = Callable[..., ModelProfile]


def int64(name: str, value: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, np.int64), name)


def branch(build: Any, name: str, width: int) -> onnx.GraphProto:
    """x -> x W relu, with W of its own, width columns, summed to one column."""
    nodes = [
        build.node("MatMul", ["x", f"{name}_w"], [f"{name}_a"]),
        build.node("ReduceSum", [f"{name}_a", "axes"], [f"{name}_y"]),
    ]
    ends = [build.value(f"{name}_y", None)]
    return helper.make_graph(nodes, name, [], ends, build.weights(**{f"{name}_w": [8, width]}))


def chooser(build: Any, condition: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> onnx.ModelProto:
    node = build.node("If", ["c"], ["y"], then_branch=branch(build, "small", 4), else_branch=branch(build, "large", 16))
    inputs = [build.value("x", [1, 8]), *([] if condition or constants else [build.value("c", [], TensorProto.BOOL)])]
    return build.model([*condition, node], inputs, ["y"], [int64("axes", [1]), *constants])


def test_if_takes_the_costlier_branch_and_the_weights_of_both(build: Any, read: Read) -> None:
    profile = read(chooser(build, [], []))
    assert profile.macs == 8 * 16
    assert profile.parameters == 8 * 16 + 8 * 4
    assert any("costlier, else_branch" in note for note in profile.notes)


def test_if_with_a_known_condition_takes_that_branch(build: Any, read: Read) -> None:
    profile = read(chooser(build, [], [numpy_helper.from_array(np.asarray(True), "c")]))
    assert profile.macs == 8 * 4
    assert not any("branch" in note for note in profile.notes)


def test_if_whose_condition_follows_from_a_shape(build: Any, read: Read) -> None:
    condition = [build.node("Size", ["x"], ["n"]), build.node("Less", ["eight", "n"], ["c"])]
    profile = read(chooser(build, condition, [int64("eight", 8)]))
    assert profile.macs == 8 * 16  # 8 < 8 is false


def loop(build: Any, trips: list[onnx.TensorProto], extra: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
    body = helper.make_graph(
        [
            build.node("Identity", ["go"], ["go_on"]),
            build.node("MatMul", ["h", "w"], ["h_next"]),
            build.node("Relu", ["h_next"], ["seen"]),
        ],
        "body",
        [build.value("i", [], TensorProto.INT64), build.value("go", [], TensorProto.BOOL), build.value("h", [1, 8])],
        [build.value("go_on", [], TensorProto.BOOL), build.value("h_next", [1, 8]), build.value("seen", None)],
    )
    nodes = [build.node("Loop", ["n", "", "x"], ["last", "all"], body=body), build.node("Relu", ["all"], ["y"])]
    return build.model(nodes, [build.value("x", [1, 8]), *extra], ["last", "y"], [*build.weights(w=[8, 8]), *trips])


def test_loop_runs_as_often_as_its_constant_says(build: Any, read: Read) -> None:
    profile = read(loop(build, [int64("n", 5)], []))
    assert profile.macs == 5 * 64
    assert profile.flops == 2 * 5 * 64 + 5 * 8 + 5 * 8  # body, its ReLU, and the ReLU over all five results
    assert profile.parameters == 64
    assert not any("Loop" in note for note in profile.notes)


def test_loop_of_unknown_length_counts_once_and_says_so(build: Any, read: Read) -> None:
    profile = read(loop(build, [], [build.value("n", [], TensorProto.INT64)]))
    assert profile.macs == 64
    assert any("how often it runs is not known" in note for note in profile.notes)


def test_scan_runs_along_its_sequence(build: Any, read: Read) -> None:
    body = helper.make_graph(
        [
            build.node("MatMul", ["e", "w"], ["p"]),
            build.node("Add", ["s", "p"], ["s_next"]),
            build.node("Relu", ["p"], ["o"]),
        ],
        "body",
        [build.value("s", [4]), build.value("e", [8])],
        [build.value("s_next", [4]), build.value("o", [4])],
    )
    node = build.node("Scan", ["start", "x"], ["end", "y"], body=body, num_scan_inputs=1)
    inputs = [build.value("start", [4]), build.value("x", [6, 8])]
    profile = read(build.model([node], inputs, ["end", "y"], build.weights(w=[8, 4])))
    assert profile.macs == 6 * 8 * 4
    assert profile.flops == 6 * (2 * 32 + 4 + 4)
    assert profile.fixed_batch == 1  # six steps, not six items


def function(name: str, nodes: list[onnx.NodeProto], attributes: list[str]) -> onnx.FunctionProto:
    return helper.make_function(
        "own", name, ["a"], ["r"], nodes, [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)], attributes
    )


def test_local_functions_with_attributes(build: Any, read: Read) -> None:
    """Two calls of a function that transposes by the caller's permutation and multiplies by a constant of its own."""
    kernel = numpy_helper.from_array(np.ones((8, 8), np.float32), "k")
    transpose = build.node("Transpose", ["a"], ["t"])
    transpose.attribute.append(onnx.AttributeProto(name="perm", ref_attr_name="order", type=onnx.AttributeProto.INTS))
    body = [transpose, build.node("Constant", [], ["w"], value=kernel), build.node("MatMul", ["t", "w"], ["r"])]
    nodes = [
        build.node("Turn", ["x"], ["m"], domain="own", order=[1, 0]),
        build.node("Turn", ["m"], ["y"], domain="own", order=[0, 1]),
    ]
    own = function("Turn", body, ["order"])
    profile = read(build.model(nodes, [build.value("x", [8, 3])], ["y"], functions=[own], domains={"own": 1}))
    assert profile.macs == 2 * (3 * 8 * 8)
    assert profile.parameters == 64
    assert not profile.unknown_operators


def test_a_function_that_calls_itself_is_refused(build: Any, read: Read) -> None:
    own = function("Again", [build.node("Again", ["a"], ["r"], domain="own")], [])
    graph = build.model(
        [build.node("Again", ["x"], ["y"], domain="own")],
        [build.value("x", [1])],
        ["y"],
        functions=[own],
        domains={"own": 1},
    )
    with pytest.raises(InputError, match="nested more than"):
        read(graph)


def test_a_long_chain_of_functions_is_refused(build: Any, read: Read) -> None:
    """Deeper than Python recurses; each one is sound."""
    own = [function("F0", [build.node("Relu", ["a"], ["r"])], [])]
    own += [function(f"F{i}", [build.node(f"F{i - 1}", ["a"], ["r"], domain="own")], []) for i in range(1, 2000)]
    graph = build.model(
        [build.node("F1999", ["x"], ["y"], domain="own")],
        [build.value("x", [1])],
        ["y"],
        functions=own,
        domains={"own": 1},
    )
    with pytest.raises(InputError, match="nested more than"):
        read(graph)


def test_functions_that_multiply_are_refused(build: Any, read: Read) -> None:
    """Ten calls of ten calls of ten calls...: six levels are a million nodes in a file of two kilobytes."""
    own = []
    for level in range(6):
        inner = "Relu" if level == 0 else f"F{level - 1}"
        names = ["a", *(f"t{i}" for i in range(9)), "r"]
        nodes = [build.node(inner, [names[i]], [names[i + 1]], domain="" if level == 0 else "own") for i in range(10)]
        own.append(function(f"F{level}", nodes, []))
    graph = build.model(
        [build.node("F5", ["x"], ["y"], domain="own")],
        [build.value("x", [1])],
        ["y"],
        functions=own,
        domains={"own": 1},
    )
    with pytest.raises(InputError, match=r"more than .* nodes"):
        read(graph)
