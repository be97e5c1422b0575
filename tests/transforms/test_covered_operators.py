"""What static quantisation leaves in float: all that stands around matrix products."""

import numpy as np
import onnx
import pytest
from quantised import DIGITS, answers, make, network

from aios_plugins.quantization.covered import left_out

TOKENS, WIDTH = 12, 32


def attention(tmp_path):
    """One block of attention as BERT has it, whose second input masks tokens with -1e9, and 32 items."""
    random = np.random.default_rng(2)
    model = network(
        tmp_path,
        [
            ("MatMul", ["x", "wq"], "q", {}),
            ("MatMul", ["x", "wk"], "k", {}),
            ("MatMul", ["x", "wv"], "v", {}),
            ("Transpose", ["k"], "kt", {"perm": [0, 2, 1]}),
            ("MatMul", ["q", "kt"], "scores", {}),
            ("Sub", ["mask", "one"], "off", {}),
            ("Mul", ["off", "far"], "away", {}),
            ("Add", ["scores", "away"], "masked", {}),
            ("Softmax", ["masked"], "shares", {"axis": -1}),
            ("MatMul", ["shares", "v"], "mixed", {}),
            ("Add", ["mixed", "x"], "sum", {}),
            ("LayerNormalization", ["sum", "gain", "shift"], "y", {"axis": -1}),
        ],
        {
            **{name: random.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH) for name in ("wq", "wk", "wv")},
            **{"one": 1.0, "far": 1e9, "gain": np.ones(WIDTH), "shift": np.zeros(WIDTH)},
        },
        {"x": ["n", TOKENS, WIDTH], "mask": ["n", 1, TOKENS]},
        {"y": ["n", TOKENS, WIDTH]},
    )
    lengths = random.integers(3, TOKENS + 1, size=32)
    items = {
        "x": random.normal(size=(32, TOKENS, WIDTH)).astype(np.float32),
        "mask": (np.arange(TOKENS) < lengths[:, None])[:, None].astype(np.float32),
    }
    np.savez(tmp_path / "data.npz", **items)
    return model, items


@pytest.mark.parametrize("name", ["static", "mixed"])
def test_a_masked_attention_keeps_its_answers(name, tmp_path):
    import onnxruntime

    model, items = attention(tmp_path)
    made, report = make(name, model, tmp_path, [tmp_path / "data.npz"])
    assert name == "mixed" or report["products in int8"] == "5"
    wanted, found = (onnxruntime.InferenceSession(path).run(None, items)[0].ravel() for path in (model, made))
    assert wanted @ found / np.linalg.norm(wanted) / np.linalg.norm(found) > 0.999
    graph = onnx.load(made).graph
    narrow = {out for node in graph.node if node.op_type == "DequantizeLinear" for out in node.output}
    for node in graph.node:
        assert node.op_type in ("MatMul", "QuantizeLinear") or not narrow.intersection(node.input), node.op_type


def test_what_follows_a_convolution_is_covered_and_what_follows_a_product_is_not(tmp_path):
    model = network(
        tmp_path,
        [
            ("Mul", ["x", "scale"], "scaled", {}),
            ("Conv", ["scaled", "w"], "conv", {"kernel_shape": [1, 1]}),
            ("Sigmoid", ["conv"], "gate", {}),
            ("Mul", ["conv", "gate"], "swish", {}),
            ("GlobalAveragePool", ["swish"], "pool", {}),
            ("Shape", ["x"], "shape", {}),
            ("Reshape", ["pool", "shape"], "same", {}),
            ("MatMul", ["same", "m"], "product", {}),
            ("Add", ["product", "same"], "around", {}),
            ("Conv", ["around", "w"], "y", {"kernel_shape": [1, 1]}),
        ],
        {"scale": 0.1, "w": np.ones((3, 3, 1, 1)), "m": np.ones((1, 1))},
        {"x": ["n", 3, 1, 1]},
        {"y": ["n", 3, 1, 1]},
    )
    assert left_out(onnx.load(model)) == {"scaled", "shape", "around"}


def test_of_a_network_of_convolutions_only_what_its_head_does_is_left_out():
    graph = onnx.load(DIGITS / "models/digits-s.onnx").graph
    behind = next(place for place, node in enumerate(graph.node) if node.op_type == "Gemm")
    heads = {node.name for node in graph.node[behind:] if node.op_type != "Gemm"}
    assert left_out(onnx.load(DIGITS / "models/digits-s.onnx")) == heads


def test_outputs_of_matrix_products_are_not_rounded_once_more(tmp_path):
    random = np.random.default_rng(1)
    model = network(
        tmp_path,
        [("Gemm", ["x", "w", "b"], "y", {})],
        {"w": random.normal(size=(16, 8)), "b": random.normal(size=8)},
        {"x": ["n", 16]},
        {"y": ["n", 8]},
    )
    values = random.normal(size=(64, 16)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=values)
    made, _ = make("static", model, tmp_path, [tmp_path / "data.npz"])
    assert len(np.unique(answers(made, values))) > 256


@pytest.mark.parametrize("shape", [(1, 8), (1,), ()])
def test_biases_of_any_form_are_quantised(shape, tmp_path):
    random = np.random.default_rng(1)
    weight, bias = random.normal(size=(16, 8)), random.normal(size=shape)
    model = network(
        tmp_path,
        [("MatMul", ["x", "w"], "p", {}), ("Add", ["p", "b"], "y", {})],
        {"w": weight, "b": bias},
        {"x": ["n", 16]},
        {"y": ["n", 8]},
    )
    values = random.normal(size=(64, 16)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=values)
    made, report = make("static", model, tmp_path, [tmp_path / "data.npz"])
    assert report["products in int8"] == "1"
    assert np.allclose(answers(made, values), values @ weight + bias, atol=0.15)
