"""Operations, bytes and parameters of single operators, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aios.records.model import ModelProfile, Operator
from aios_plugins.onnx.costs import COSTED
from aios_plugins.onnx.tensors import ELEMENT_TYPES

Read = Callable[..., ModelProfile]


def only(profile: ModelProfile, kind: str) -> Operator:
    found = [item for item in profile.operators if item.kind == kind]
    assert len(found) == 1
    return found[0]


def test_convolution_with_groups_strides_and_dilation(build: Any, read: Read) -> None:
    """8 -> 12 channels in 4 groups, 3 x 3 dilated to 5 x 5, stride 2, 17 x 17 padded by 2 gives 9 x 9."""
    node = build.node("Conv", ["x", "w", "b"], ["y"], group=4, strides=[2, 2], dilations=[2, 2], pads=[2, 2, 2, 2])
    profile = read(
        build.model([node], [build.value("x", [1, 8, 17, 17])], ["y"], build.weights(w=[12, 2, 3, 3], b=[12]))
    )
    macs = (9 * 9 * 12) * (2 * 3 * 3)
    conv = only(profile, "Conv")
    assert profile.macs == macs
    assert conv.flops == 2 * macs + 9 * 9 * 12
    assert conv.weight_bytes == 4 * (12 * 2 * 9 + 12)
    assert conv.input_bytes == 4 * 8 * 17 * 17
    assert conv.output_bytes == 4 * 12 * 9 * 9
    assert profile.parameters == 12 * 2 * 9 + 12
    assert profile.activation_bytes == 4 * (8 * 17 * 17 + 12 * 9 * 9)


def test_transposed_convolution(build: Any, read: Read) -> None:
    """5 x 5 x 6 spread by 3 x 3 kernels into 4 channels, stride 2: (5 - 1) 2 + 3 = 11."""
    node = build.node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])
    profile = read(build.model([node], [build.value("x", [1, 6, 5, 5])], ["y"], build.weights(w=[6, 4, 3, 3])))
    assert profile.macs == 5 * 5 * 6 * 4 * 9
    assert only(profile, "ConvTranspose").output_bytes == 4 * 4 * 11 * 11


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm(build: Any, read: Read, transposed: int) -> None:
    node = build.node("Gemm", ["x", "w", "b"], ["y"], transB=transposed)
    shape = [20, 30] if transposed else [30, 20]
    profile = read(build.model([node], [build.value("x", ["batch", 30])], ["y"], build.weights(w=shape, b=[20])))
    assert profile.macs == 30 * 20
    assert profile.flops == 2 * 30 * 20 + 20
    assert profile.batch_axis == 0


def test_batched_matmul_of_two_activations(build: Any, read: Read) -> None:
    """Attention scores: 6 heads, 10 queries and keys of width 8; no parameters."""
    inputs = [build.value("q", [1, 6, 10, 8]), build.value("k", [1, 6, 8, 10])]
    profile = read(build.model([build.node("MatMul", ["q", "k"], ["s"])], inputs, ["s"]))
    assert profile.macs == 6 * 10 * 10 * 8
    assert (profile.parameters, profile.weight_bytes) == (0, 0)
    assert only(profile, "MatMul").input_bytes == 4 * 2 * 6 * 10 * 8


@pytest.mark.parametrize(
    ("equation", "shapes", "macs"),
    [
        ("bhqd,bhkd->bhqk", ([1, 2, 5, 8], [1, 2, 7, 8]), 2 * 5 * 7 * 8),
        ("ij,jk", ([3, 4], [4, 5]), 3 * 4 * 5),
        ("...ij,...jk->...ik", ([1, 6, 3, 4], [1, 6, 4, 5]), 6 * 3 * 4 * 5),
    ],
)
def test_einsum(build: Any, read: Read, equation: str, shapes: tuple[list[int], ...], macs: int) -> None:
    inputs = [build.value(f"x{i}", shape) for i, shape in enumerate(shapes)]
    node = build.node("Einsum", [item.name for item in inputs], ["y"], equation=equation)
    assert read(build.model([node], inputs, ["y"])).macs == macs


def test_recurrent_layers(build: Any, read: Read) -> None:
    """7 steps, 5 inputs, 3 hidden units, both directions: 4, 3 and 1 gates of (5 + 3) x 3 products."""
    for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        node = build.node(kind, ["x", "w", "r"], ["y"], hidden_size=3, direction="bidirectional")
        weights = build.weights(w=[2, gates * 3, 5], r=[2, gates * 3, 3])
        profile = read(build.model([node], [build.value("x", [7, 1, 5])], ["y"], weights))
        assert profile.macs == 7 * 2 * gates * 3 * (5 + 3)
        assert profile.parameters == 2 * gates * 3 * (5 + 3)


def test_a_sequence_first_input_counts_steps_not_items(build: Any, read: Read) -> None:
    node = build.node("GRU", ["x", "w", "r"], ["y"], hidden_size=3)
    graph = build.model([node], [build.value("x", ["n", 1, 5])], ["y"], build.weights(w=[1, 9, 5], r=[1, 9, 3]))
    profile = read(graph)
    assert (profile.batch_axis, profile.fixed_batch) == (None, 1)
    assert any("recurrent" in note for note in profile.notes)


def test_attention_with_grouped_keys(build: Any, read: Read) -> None:
    """4 query heads over 2 key heads, 6 queries, 9 keys, width 8: scores and weighted sum."""
    inputs = [build.value("q", [1, 6, 32]), build.value("k", [1, 9, 16]), build.value("v", [1, 9, 16])]
    node = build.node("Attention", ["q", "k", "v"], ["y"], q_num_heads=4, kv_num_heads=2)
    profile = read(build.model([node], inputs, ["y"], opset=23))
    assert profile.macs == 4 * 6 * 9 * (8 + 8)
    assert profile.flops == 2 * profile.macs + 4 * 6 * 9 * 17


@pytest.mark.parametrize(
    ("kind", "attributes", "flops"),
    [
        ("Relu", {}, 96),
        ("Sigmoid", {}, 96 * 15),
        ("Softmax", {}, 96 * 17),
        ("Transpose", {"perm": [0, 2, 3, 1]}, 0),
        ("GlobalAveragePool", {}, 96),
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, 4 * 24),
        ("LRN", {"size": 5}, 96 * (10 + 10 + 4)),
    ],
)
def test_elementwise_and_pooling(build: Any, read: Read, kind: str, attributes: dict[str, Any], flops: int) -> None:
    profile = read(build.model([build.node(kind, ["x"], ["y"], **attributes)], [build.value("x", [1, 6, 4, 4])], ["y"]))
    operator = only(profile, kind)
    assert operator.flops == flops
    assert operator.input_bytes == 4 * 96
    assert profile.macs == 0


def test_views_move_nothing(build: Any, read: Read) -> None:
    shape = numpy_helper.from_array(np.array([0, -1], np.int64), "shape")
    profile = read(
        build.model([build.node("Reshape", ["x", "shape"], ["y"])], [build.value("x", ["n", 3, 8])], ["y"], [shape])
    )
    assert only(profile, "Reshape").input_bytes == 0
    assert profile.parameters == 0
    assert profile.activation_bytes == 4 * 24
    assert profile.batch_axis == 0


def test_embedding_reads_only_its_rows(build: Any, read: Read) -> None:
    """A table of 1000 x 16 counts as parameters, of which 5 rows are read."""
    ids = build.value("ids", [1, 5], TensorProto.INT64)
    profile = read(
        build.model([build.node("Gather", ["table", "ids"], ["y"])], [ids], ["y"], build.weights(table=[1000, 16]))
    )
    assert profile.parameters == 16_000
    assert only(profile, "Gather").weight_bytes == 4 * 5 * 16
    assert only(profile, "Gather").input_bytes == 8 * 5


def test_weights_in_constant_nodes_and_shared_ones_count_once(build: Any, read: Read) -> None:
    kernel = numpy_helper.from_array(np.ones((8, 8), np.float32), "k")
    nodes = [
        build.node("Constant", [], ["w"], value=kernel),
        build.node("MatMul", ["x", "w"], ["a"]),
        build.node("MatMul", ["a", "w"], ["b"]),
        build.node("Add", ["b", "bias"], ["c"]),
        build.node("Mul", ["c", "half"], ["y"]),
    ]
    constants = [*build.weights(bias=[8]), numpy_helper.from_array(np.float32(0.5), "half")]
    profile = read(build.model(nodes, [build.value("x", [1, 8])], ["y"], constants))
    assert profile.parameters == 8 * 8 + 8  # the scalar half is a setting
    matmul = only(profile, "MatMul")
    assert (matmul.count, matmul.weight_bytes) == (2, 4 * 64)


def test_half_precision_halves_the_bytes(build: Any, read: Read) -> None:
    kernel = numpy_helper.from_array(np.ones((8, 4), np.float16), "w")
    profile = read(
        build.model(
            [build.node("MatMul", ["x", "w"], ["y"])], [build.value("x", [1, 8], TensorProto.FLOAT16)], ["y"], [kernel]
        )
    )
    assert (profile.precision, profile.weight_bytes, profile.activation_bytes) == ("fp16", 64, 2 * 12)


def test_most_memory_is_alive_across_a_branch(build: Any, read: Read) -> None:
    """x (16) lives until the sum at the end while a (64) and b (64) are made: 16 + 64 + 64 floats at most."""
    nodes = [
        build.node("Concat", ["x", "x", "x", "x"], ["a"], axis=1),
        build.node("Relu", ["a"], ["b"]),
        build.node("ReduceSum", ["b", "axes"], ["c"]),
        build.node("Add", ["x", "c"], ["y"]),
    ]
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    profile = read(build.model(nodes, [build.value("x", [1, 16])], ["y"], [axes]))
    assert profile.activation_bytes == 4 * (16 + 64 + 64)


def test_dynamic_sizes_are_given_or_assumed_and_said(build: Any, read: Read) -> None:
    graph = build.model([build.node("Relu", ["x"], ["y"])], [build.value("x", ["n", 3, "height", None])], ["y"])
    assumed = read(graph)
    assert assumed.assumed == {"height": 224, "x.3": 224}
    assert assumed.flops == 3 * 224 * 224
    assert assumed.inputs[0].shape == ("n", 3, "height", "?")
    given = read(graph, height=10, **{"x.3": 20})
    assert given.assumed == {"height": 10, "x.3": 20}
    assert given.flops == 3 * 10 * 20


def test_text_is_assumed_128_tokens_long(build: Any, read: Read) -> None:
    graph = build.model([build.node("Identity", ["ids"], ["y"])], [build.value("ids", ["batch", "sequence"], 7)], ["y"])
    profile = read(graph)
    assert (profile.assumed, profile.batch_axis) == ({"sequence": 128}, 0)


def test_shapes_computed_in_the_graph_are_followed(build: Any, read: Read) -> None:
    """x.view(n, -1) as exporters write it: Shape, Gather, Unsqueeze, Concat, Reshape, then a product of known size."""
    nodes = [
        build.node("Shape", ["x"], ["s"]),
        build.node("Gather", ["s", "zero"], ["n"]),
        build.node("Unsqueeze", ["n", "axis"], ["n1"]),
        build.node("Concat", ["n1", "rest"], ["target"], axis=0),
        build.node("Reshape", ["x", "target"], ["flat"]),
        build.node("MatMul", ["flat", "w"], ["y"]),
    ]
    integers = {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1])}
    constants = [numpy_helper.from_array(item.astype(np.int64), name) for name, item in integers.items()]
    profile = read(
        build.model(nodes, [build.value("x", ["batch", 2, 5])], ["y"], [*constants, *build.weights(w=[10, 7])])
    )
    assert profile.macs == 70
    assert profile.batch_axis == 0
    assert profile.parameters == 70


def test_a_graph_that_bakes_in_one_item_is_not_batched(build: Any, read: Read) -> None:
    shape = numpy_helper.from_array(np.array([1, -1], np.int64), "shape")
    profile = read(
        build.model([build.node("Reshape", ["x", "shape"], ["y"])], [build.value("x", ["batch", 6])], ["y"], [shape])
    )
    assert (profile.batch_axis, profile.fixed_batch) == (None, 1)
    assert any("13 items" in note for note in profile.notes)


def test_a_fixed_batch_is_divided_out(build: Any, read: Read) -> None:
    profile = read(
        build.model(
            [build.node("MatMul", ["x", "w"], ["y"])], [build.value("x", [4, 8])], ["y"], build.weights(w=[8, 2])
        )
    )
    assert (profile.batch_axis, profile.fixed_batch) == (None, 4)
    assert profile.macs == 16
    assert only(profile, "MatMul").input_bytes == 4 * 8
    assert only(profile, "MatMul").weight_bytes == 4 * 16
    assert any("fixed at 4" in note for note in profile.notes)


def test_unknown_operators_are_counted_and_named(build: Any, read: Read) -> None:
    nodes = [
        build.node("Warp", ["x"], ["a"], domain="org.example"),
        build.node("Warp", ["a"], ["b"], domain="org.example"),
        build.node("Novel", ["x"], ["c"]),
        build.node("Relu", ["x"], ["y"]),
    ]
    profile = read(build.model(nodes, [build.value("x", [1, 9])], ["b", "c", "y"], domains={"org.example": 1}))
    assert profile.unknown_operators == {"Novel": 1, "org.example.Warp": 2}
    assert profile.flops == 9


def test_file_knowledge_fills_in_behind_an_unknown_operator(build: Any, read: Read) -> None:
    nodes = [build.node("Warp", ["x"], ["a"], domain="org.example"), build.node("MatMul", ["a", "w"], ["y"])]
    proto = build.model(nodes, [build.value("x", [1, 9])], ["y"], build.weights(w=[9, 4]), domains={"org.example": 1})
    assert read(proto).unknown_operators == {"MatMul": 1, "org.example.Warp": 1}
    proto.graph.value_info.append(build.value("a", [1, 9]))
    assert read(proto).macs == 36


def test_metadata_declares_metrics(build: Any, read: Read) -> None:
    proto = build.model([build.node("Relu", ["x"], ["y"])], [build.value("x", [1, 9])], ["y"])
    helper.set_model_props(
        proto,
        {
            "aios.accuracy.top1": "97.6 %",
            "aios.accuracy.top5": "0.99",
            "aios.speed": "3",
            "aios.power": "many",
            "x": "y",
        },
    )
    proto.producer_name, proto.producer_version = "maker", "1.2"
    profile = read(proto)
    assert profile.declared == {"accuracy.top1": pytest.approx(0.976), "accuracy.top5": 0.99}
    assert [note for note in profile.notes if "metadata" in note] == [
        "metadata 'aios.speed' names no metric",
        "metadata 'aios.power' is not used: 'many' is not a power",
    ]
    assert (profile.producer, profile.opset) == ("maker 1.2", 18)


# Too new or too rare for anybody to serve, text, training, and what the walk itself takes apart.
NOT_COSTED = {
    *("CausalConvWithState", "LinearAttention", "AffineGrid", "Det", "MelWeightMatrix", "ImageDecoder"),
    *("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"),
    *("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"),
    *("Constant", "If", "Loop", "Scan", "SequenceMap"),
}


def test_every_standard_operator_has_a_cost_or_a_reason() -> None:
    standard = {item.name for item in onnx.defs.get_all_schemas() if item.domain == ""}
    assert standard - COSTED - NOT_COSTED == set()
    assert NOT_COSTED.isdisjoint(COSTED)


def test_element_types_are_onnx_own() -> None:
    from onnx.helper import tensor_dtype_to_np_dtype

    for number, kind in ELEMENT_TYPES.items():
        if number != TensorProto.STRING:
            known = tensor_dtype_to_np_dtype(number)
            assert kind.name == known.name
            assert kind.bits == known.itemsize * 8 or (kind.bits < 8 and known.itemsize == 1)
