"""A folder of pictures as data, from the intent to what is measured, and broken pictures on the way."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: colours}
spec:
  task: image-classification
  model: ./colours.onnx
  data:
    evaluate: {images: ./photos, label: class}
    preprocess: {margin: 4, interpolation: bicubic, mean: 0.5, std: 0.5}
  require: {accuracy: {top1: 80 %, cosine: 0.9}}
  load: {rate: 10/s}
  pin: {precision: fp32, threads: 1, batch: 1, replicas: 1}
"""


@pytest.fixture
def photos(aios, fleet):  # noqa: ARG001 - of which the machine is part
    """Forty pictures, red or blue with noise, four of them labelled wrongly; a model that tells red from blue."""
    generator = np.random.default_rng(3)
    folder = aios.place / "photos"
    folder.mkdir()
    rows = ["file,class"]
    for index in range(40):
        colour = [(200, 30, 30), (30, 30, 200)][index % 2]
        pixels = np.clip(generator.normal(colour, 20, (20 + index, 30, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
        rows.append(f"{index}.png,{index % 2 if index >= 4 else 1 - index % 2}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    weights = numpy_helper.from_array(np.array([[1, 0], [0, 0], [0, 1]], np.float32), "w")
    axes = numpy_helper.from_array(np.array([2, 3]), "axes")
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["scores"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("image", ["batch", 3, 16, 16]), ("scores", ["batch", 2]))
    ]
    graph = helper.make_graph(nodes, "colours", ends[:1], ends[1:], [weights, axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, aios.place / "colours.onnx")
    aios.write("intent.yaml", INTENT)
    return folder


def test_pictures_are_measured_as_the_intent_says(aios, photos):
    ran = aios("profile", "intent.yaml", "--seconds", "0.05", "--json")
    assert ran.code == 3, "0.9 was measured, and its interval begins below what is required"
    measured = {item["subject"]["kind"]: item for item in json.loads(ran.out)["measured"]}
    values = measured["accuracy"]["values"]
    assert values["accuracy.top1"]["value"] == pytest.approx(0.9)
    assert values["accuracy.top1"]["counts"] == [36, 4]
    assert values["accuracy.cosine"]["value"] == pytest.approx(1)
    assert len(list((aios.place / ".aios" / "cache" / "data").iterdir())) == 1

    # 36 of 40 is 90 %, but Wilson's interval begins at 79.4 %: z^2 x 0.8 x 0.2 / 0.1^2 = 43.3.
    ran = aios("plan", "intent.yaml")
    assert ran.code == 3
    assert "about 44 items would decide it if the value stays, 40 are there" in ran.out

    (photos / "7.png").write_bytes(b"no picture")
    ran = aios("profile", "intent.yaml", "--seconds", "0.05")
    assert ran.code == 1
    assert "photos/7.png cannot be read as a picture" in ran.err
    assert "photos/labels.csv:9" in ran.err
