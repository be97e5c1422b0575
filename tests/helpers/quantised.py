"""Makes quantised versions of real and of hand-made models, and asks them."""

from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

import aios_plugins.quantization as transforms
from aios.records.transform import Declaration
from aios.spi.transform import Work
from aios_plugins.quantization.graphs import session

DIGITS = Path(__file__).parents[2] / "examples/digits"
CLASSES = {
    "bfloat16": transforms.BFloat16,
    "half": transforms.Half,
    "dynamic": transforms.Dynamic,
    "static": transforms.Static,
    "mixed": transforms.Mixed,
    "weight-only": transforms.WeightOnly,
}


def declared(name):
    text = (Path(transforms.__file__).parent / f"{name}.transform.yaml").read_text()
    return Declaration.model_validate(yaml.safe_load(text))


def make(name, source, tmp_path, data=(), precision="int8", isa="avx512_vnni", **settings):
    """Return the made model's file and the report."""
    folder, scratch = tmp_path / "made", tmp_path / "scratch"
    for path in (folder, scratch):
        path.mkdir(parents=True)
    defaults = {key: item.default for key, item in declared(name).parameters.items()}
    work = Work(
        source=Path(source),
        folder=folder,
        scratch=scratch,
        precision=precision,
        settings={**defaults, **settings},
        data={"calibrate": tuple(data)},
        facts={"isa": isa},
    )
    said = []
    report = CLASSES[name]().make(work, lambda *told: said.append(told[0]))
    assert said == sorted(said)
    assert all(0 <= share <= 1 for share in said)
    return folder / "model.onnx", report


def answers(path, values):
    opened = session(path, 1)
    return opened.run(None, {port.name: values for port in opened.get_inputs()})[0]


def images():
    with np.load(DIGITS / "evaluate.npz") as archive:
        return next(archive[name] for name in archive.files if archive[name].ndim == 4).astype(np.float32)


def network(tmp_path, nodes, constants, inputs, outputs, opset=17):
    graph = helper.make_graph(
        [helper.make_node(kind, taken, [out], name=out, **extra) for kind, taken, out, extra in nodes],
        "made",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    path = tmp_path / "network.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def correlated(tmp_path, seed=3):
    """A depthwise convolution and a product after it, whose inputs are alike in all places, and 64 items."""
    random = np.random.default_rng(seed)
    path = network(
        tmp_path,
        [
            ("Conv", ["x", "deep", "deep_bias"], "a", {"group": 8, "pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}),
            ("Relu", ["a"], "b", {}),
            ("Conv", ["b", "wide", "wide_bias"], "c", {"kernel_shape": [1, 1]}),
            ("Relu", ["c"], "d", {}),
            ("GlobalAveragePool", ["d"], "e", {}),
            ("Flatten", ["e"], "f", {}),
            ("Gemm", ["f", "last", "last_bias"], "y", {"transB": 1}),
        ],
        {
            "deep": random.normal(size=(8, 1, 3, 3)),
            "deep_bias": random.normal(size=8),
            "wide": random.normal(size=(32, 8, 1, 1)),
            "wide_bias": random.normal(size=32),
            "last": random.normal(size=(10, 32)),
            "last_bias": random.normal(size=10),
        },
        {"x": ["batch", 8, 12, 12]},
        {"y": ["batch", 10]},
    )
    base = random.normal(size=(64, 1, 12, 12)).cumsum(axis=2) + 1
    data = tmp_path / "data.npz"
    np.savez(data, x=(base + 0.3 * random.normal(size=(64, 8, 12, 12))).astype(np.float32))
    return path, data
