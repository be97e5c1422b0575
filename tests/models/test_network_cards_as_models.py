"""Published networks by name as models, and ONNX graphs described in the same amounts of work."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from aios.cli.app import run
from aios.models.networks import find_network, network_profile
from aios.models.structures import card_profile
from aios.records.errors import InputError, UsageError
from aios_plugins.onnx.profile import read_model


def saved(folder: Path, nodes: list[onnx.NodeProto], weights: dict[str, list[int]], shape: list[int]) -> Path:
    """Return a file with a graph from ``x`` to ``y``."""
    count = {name: int(onnx.numpy_helper.np.prod(dims)) for name, dims in weights.items()}
    stored = [helper.make_tensor(name, TensorProto.FLOAT, dims, [0.0] * count[name]) for name, dims in weights.items()]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        stored,
    )
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def test_convolutions_are_told_apart_by_hand(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "dense"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "deep"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=16),
        helper.make_node("Conv", ["c", "point"], ["d"], kernel_shape=[1, 1]),
        helper.make_node("Conv", ["d", "groups"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=2),
    ]
    weights = {"dense": [16, 3, 3, 3], "deep": [16, 1, 3, 3], "point": [32, 16, 1, 1], "groups": [32, 16, 3, 3]}
    work = read_model(saved(tmp_path, nodes, weights, [1, 3, 10, 10]), {}).profile.work
    assert work["convolution_macs"] == 100 * 16 * 27
    assert work["misaligned_macs"] == 100 * 16 * 27  # three channels in
    assert work["depthwise_macs"] == 100 * 16 * 9
    assert work["pointwise_macs"] == 100 * 32 * 16
    assert work["grouped_macs"] == 100 * 32 * 16 * 9
    assert work["convolution_values"] == 300 + 1600
    assert work["elementwise_values"] == 2 * 1600
    assert work["pointwise_values"] == work["thin_pointwise_values"] == 1600 + 3200
    assert work["weights"] == 16 * 27 + 16 * 9 + 32 * 16 + 32 * 16 * 9
    assert work["convolution_weights"] == 16 * 27
    assert work["kernels"] == 5


def test_products_of_activations_are_attention(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["q"]),
        helper.make_node("Transpose", ["q"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "t"], ["s"]),
        helper.make_node("Softmax", ["s"], ["y"]),
    ]
    work = read_model(saved(tmp_path, nodes, {"w": [256, 64]}, [1, 50, 256]), {}).profile.work
    assert work["pointwise_macs"] == 50 * 256 * 64
    assert work["attention_macs"] == 50 * 50 * 64
    assert work["attention_values"] == 2 * 50 * 64 + 50 * 50
    assert work["softmax_values"] == 2 * 50 * 50
    assert work["movement_values"] == 2 * 50 * 64
    assert "thin_pointwise_values" not in work


def test_a_card_becomes_a_profile_with_the_same_totals() -> None:
    card = find_network("resnet50", 448)
    assert card is not None
    profile = network_profile(card)
    assert profile.macs == pytest.approx(4 * 4.09e9, rel=0.01)
    assert sum(item.flops * item.count for item in profile.operators if item.kind in ("Conv", "Gemm")) == pytest.approx(
        2 * profile.macs, rel=0.01
    )
    assert sum(item.weight_bytes * item.count for item in profile.operators) == pytest.approx(
        4 * card.work["weights"], rel=0.01
    )
    assert profile.work == card.work
    assert profile.inputs[0].shape == ("batch", 3, 448, 448)


def test_a_name_stands_for_a_network_or_a_language_model_and_else_for_what_is_spelled_alike() -> None:
    assert card_profile("ResNet-50").format == "card"
    assert card_profile("qwen3-8b").transformer is not None
    with pytest.raises(InputError) as caught:
        card_profile("resnett50")
    assert "resnet50" in (caught.value.diagnostics[0].remedy or "")


@pytest.mark.parametrize("name", ["vit_base_patch16_224", "google/vit-base-patch16-224", "vit-base"])
def test_a_transformer_of_pictures_is_served_as_a_network_and_trained_by_its_blocks(name: str) -> None:
    served, trained = card_profile(name), card_profile(name, trained=True)
    assert served.transformer is None
    assert served.macs == pytest.approx(17.56e9, rel=0.01)
    assert trained.transformer is not None
    assert card_profile("bert-base-uncased").transformer is not None


def test_published_models_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "list", "repvgg_a0", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"repvgg_a0", "repvgg_a0-fused"} <= {item["name"] for item in listed}
    assert run(["model", "show", "resnet50", "--size", "448"]) == 0
    shown = capsys.readouterr().out
    assert "448 x 448" in shown
    assert "16.4 G" in shown
    with pytest.raises(UsageError, match="at least 1"):
        run(["model", "show", "resnet50", "--size", "0"])
    assert run(["model", "list", "no-such-net"]) == 1
