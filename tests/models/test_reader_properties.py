"""Whatever the bytes: a profile or an InputError, nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from aios.records.errors import InputError
from aios_plugins.onnx import Reader


def _seed() -> bytes:
    """A small model with a bit of everything, so that a changed byte lands somewhere that matters."""
    then = helper.make_graph(
        [helper.make_node("Relu", ["h"], ["t"])], "t", [], [helper.make_tensor_value_info("t", 1, ["batch", 3])]
    )
    other = helper.make_graph(
        [helper.make_node("Tanh", ["h"], ["e"])], "e", [], [helper.make_tensor_value_info("e", 1, ["batch", 3])]
    )
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], group=2, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Shape", ["d"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "one"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["d", "target"], ["flat"]),
        helper.make_node("Gemm", ["flat", "k"], ["h"], transB=1),
        helper.make_node("If", ["flag"], ["y"], then_branch=then, else_branch=other),
    ]
    numbers = {"zero": [0], "one": [1], "rest": [-1]}
    constants = [
        *(numpy_helper.from_array(np.array(value, np.int64), name) for name, value in numbers.items()),
        numpy_helper.from_array(np.ones((4, 2, 3, 3), np.float32), "w"),
        numpy_helper.from_array(np.ones(4, np.float32), "b"),
        numpy_helper.from_array(np.float32(0.1), "s"),
        numpy_helper.from_array(np.int8(0), "z"),
        numpy_helper.from_array(np.ones((3, 64), np.float32), "k"),
    ]
    inputs = [
        helper.make_tensor_value_info("x", 1, ["batch", 4, 8, 8]),
        helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
    ]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", 1, ["batch", 3])], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


SEED = _seed()
# Where the structure is: long runs of weight bytes change nothing that the reader looks at.
PLACES = [
    place
    for place in range(len(SEED))
    if SEED[place : place + 4] not in {b"\x00\x00\x80?", b"\x00\x80?\x00", b"\x80?\x00\x00", b"?\x00\x00\x80"}
]


def read(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        path.write_bytes(data)
        try:
            profile = Reader().read(path, {}).profile
        except InputError as error:
            if not error.diagnostics:
                raise
            return
        assert profile.flops >= 0
        assert profile.parameters >= 0


def test_the_seed_itself_is_sound() -> None:
    onnx.checker.check_model(onnx.load_model_from_string(SEED), full_check=True)
    read(SEED)


@pytest.mark.parametrize("groups", [0, -2, 2**62])
def test_a_convolution_of_no_possible_number_of_groups(groups: int) -> None:
    model = onnx.load_model_from_string(SEED)
    next(item for item in model.graph.node[0].attribute if item.name == "group").i = groups
    read(model.SerializeToString())


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_random_bytes(data: bytes) -> None:
    read(data)


@given(
    st.lists(st.tuples(st.sampled_from(PLACES), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 3),
)
@settings(max_examples=250, deadline=None)
def test_changed_bytes(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(SEED)
    for place, byte in changes:
        data[place] = byte
    read(bytes(data[: len(data) - cut]))


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5),
    st.integers(0, 30),
    st.sampled_from(["Conv", "Gemm", "MaxPool", "Resize", "LSTM", "Slice", "Tile", "Pad", "Einsum", "TopK", "Split"]),
)
@settings(max_examples=150, deadline=None)
def test_absurd_shapes_and_attributes(dims: list[int], dtype: int, kind: str) -> None:
    attributes = (
        dict.fromkeys(("kernel_shape", "strides", "pads", "dilations"), dims)
        if dims and kind in {"Conv", "MaxPool"}
        else {}
    )
    node = helper.make_node(kind, ["x", "w", "v"], ["y"], **attributes)
    values = numpy_helper.from_array(np.array(dims, np.int64), "w")
    graph = helper.make_graph(
        [node, helper.make_node("Reshape", ["y", "w"], ["z"])],
        "g",
        [helper.make_tensor_value_info("x", dtype, dims), helper.make_tensor_value_info("v", 1, None)],
        [helper.make_tensor_value_info("z", 1, None)],
        [values],
    )
    read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString())
