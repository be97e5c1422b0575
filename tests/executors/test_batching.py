"""Whether calls of a file can be joined is tried, for exporters name free axes as they like."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from aios_plugins.onnxruntime.session import Model


def opened(names, kind, answer=TensorProto.FLOAT, **attributes):
    """Return a model of one node between ``x`` [names[0], 4] and ``y`` [names[1], free]."""
    weight = numpy_helper.from_array(np.ones((4, 2), dtype=np.float32), "w")
    node = helper.make_node(kind, ["x", "w"] if kind == "MatMul" else ["x"], ["y"], **attributes)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [names[0], 4])
    answered = helper.make_tensor_value_info("y", answer, [names[1], "free"])
    graph = helper.make_graph([node], "g", [given], [answered], [weight])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return Model(onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"]))


@pytest.mark.parametrize("names", [("batch", "batch"), ("unk__749", "unk__750")])
def test_as_many_items_out_as_in_are_a_batch_whatever_the_axes_are_called(names):
    assert opened(names, "MatMul").batchable


@pytest.mark.parametrize("names", [("batch", "batch"), ("unk__749", "unk__750")])
def test_an_answer_of_one_row_is_no_batch(names):
    assert not opened(names, "Flatten", axis=0).batchable  # [1, 4 n]


def test_an_answer_that_is_as_long_as_two_items_by_chance_is_no_batch():
    assert not opened(("unk__749", "unk__750"), "NonZero", answer=TensorProto.INT64).batchable  # [2, k]
