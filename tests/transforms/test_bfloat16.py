"""Weights in bfloat16: how they are rounded, what they leave alone, and what is computed with them."""

import sys

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from quantised import DIGITS, answers, images, make, network

from aios.records.errors import InputError
from aios_plugins.quantization.bfloat16 import in_bfloat16


def rounded_by_hand(value):
    """Round the bits of an fp32 number to their upper half, a tie to the even one."""
    bits = int(np.float32(value).view(np.uint32))
    upper, lower = bits >> 16, bits & 0xFFFF
    return upper + (lower > 0x8000 or (lower == 0x8000 and upper & 1 == 1))


@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1, max_size=40))
def test_numbers_are_rounded_to_the_nearest_and_ties_to_even(values):
    made = in_bfloat16(numpy_helper.from_array(np.array(values, np.float32), "w"))
    found = numpy_helper.to_array(made).view(np.uint16)
    assert found.tolist() == [rounded_by_hand(value) for value in values]


def test_infinities_and_nan_are_kept_and_what_would_become_infinite_is_not_converted():
    kept = in_bfloat16(numpy_helper.from_array(np.array([np.inf, -np.inf, np.nan], np.float32), "w"))
    found = numpy_helper.to_array(kept).astype(np.float32)
    assert found[:2].tolist() == [np.inf, -np.inf]
    assert np.isnan(found[2])
    lowest = np.array([1.0, np.finfo(np.float32).min], np.float32)
    assert in_bfloat16(numpy_helper.from_array(lowest, "mask")) is None


def test_a_model_computes_in_fp32_what_its_rounded_weights_say(tmp_path):
    source = DIGITS / "models/digits-m.onnx"
    made, report = make("bfloat16", source, tmp_path, precision="bf16")
    assert made.stat().st_size < 0.52 * source.stat().st_size
    model = onnx.load(source)
    rounded = 0
    for item in model.graph.initializer:
        values = numpy_helper.to_array(item)
        if values.dtype == np.float32 and values.size >= 1024:
            near = values.astype(ml_dtypes.bfloat16).astype(np.float32)
            item.CopyFrom(numpy_helper.from_array(near, item.name))
            rounded += 1
    assert report == {"constants in bf16": str(rounded), "too large for bf16, left in fp32": "none"}
    onnx.save(model, tmp_path / "rounded.onnx")
    pictures = images()[:50]
    assert np.array_equal(answers(made, pictures), answers(tmp_path / "rounded.onnx", pictures))


def test_constants_of_branches_and_of_nodes_are_converted_where_they_are(tmp_path):
    values = np.linspace(-3, 3, 2048, dtype=np.float32).reshape(32, 64)
    inner = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["inner"])],
        "then",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, "w")],
    )
    other = helper.make_graph(
        [
            helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(values + 1, "")),
            helper.make_node("MatMul", ["x", "c"], ["outer"]),
        ],
        "else",
        [],
        [helper.make_tensor_value_info("outer", TensorProto.FLOAT, None)],
    )
    graph = helper.make_graph(
        [helper.make_node("If", ["which"], ["y"], then_branch=inner, else_branch=other)],
        "made",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 32]),
            helper.make_tensor_value_info("which", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
    )
    source = tmp_path / "branches.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), source)
    made, report = make("bfloat16", source, tmp_path, precision="bf16")
    assert report["constants in bf16"] == "2"
    import onnxruntime

    opened = onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
    given_x = np.ones((1, 32), np.float32)
    for which, weights in ((True, values), (False, values + 1)):
        (found,) = opened.run(None, {"x": given_x, "which": np.array(which)})
        near = weights.astype(ml_dtypes.bfloat16).astype(np.float32)
        assert np.allclose(found, given_x @ near, rtol=1e-5, atol=1e-4)


def test_small_constants_are_nothing_to_convert(tmp_path):
    model = network(tmp_path, [("Add", ["x", "b"], "y", {})], {"b": np.ones(8)}, {"x": ["n", 8]}, {"y": ["n", 8]})
    with pytest.raises(InputError, match="bfloat16 changes nothing"):
        make("bfloat16", model, tmp_path, precision="bf16")


def test_nothing_of_it_is_imported_to_read_what_it_needs():
    import subprocess

    script = "import aios_plugins.quantization, sys; sys.exit(any(m in sys.modules for m in ('onnx', 'ml_dtypes')))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
