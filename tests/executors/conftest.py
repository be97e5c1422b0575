"""Small models and deployments that are made by hand; ``kit`` hands the functions to the tests."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aios.records.plan import Deployment
from aios.records.selection import Placement
from aios.spi.conformance import NotedJournal, action
from aios.state.artefacts import ArtefactStore
from aios.workflow.setting import Setting
from aios.workflow.transforming import transforming
from aios_plugins.onnxruntime import Executor


def convolutional(
    path: Path, *, size: int = 8, channels: tuple[int, ...] = (8, 16), batch: str | int = "batch", seed: int = 0
) -> Path:
    """Write a CNN ``image`` (batch, 1, size, size) -> ``logits`` (batch, 10)."""
    rng = np.random.default_rng(seed)
    constants, nodes, value, width = [], [], "image", 1
    for i, out in enumerate(channels):
        weight = (rng.standard_normal((out, width, 3, 3)) * np.sqrt(2 / (width * 9))).astype(np.float32)
        constants += [numpy_helper.from_array(weight, f"w{i}")]
        nodes.append(helper.make_node("Conv", [value, f"w{i}"], [f"c{i}"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        value, width = f"r{i}", out
    weight = (rng.standard_normal((width, 10)) / np.sqrt(width)).astype(np.float32)
    constants += [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.zeros(10, np.float32), "b")]
    nodes += [
        helper.make_node("GlobalAveragePool", [value], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 1, size, size])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 10])
    return save(path, nodes, [image], [logits], constants)


def save(path: Path, nodes: Any, inputs: Any, outputs: Any, constants: Any = ()) -> Path:
    """Write a checked model of the given graph."""
    graph = helper.make_graph(nodes, "made-by-hand", inputs, outputs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def deployment_of(path: Path, **changes: Any) -> Deployment:
    """Return a deployment of the model on this machine."""
    given: dict[str, Any] = {
        "intent": "digits",
        "task": "image-classification",
        "model": path.stem,
        "model_path": str(path),
        "model_digest": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
        "precision": "fp32",
        "quantization": "none",
        "device": "this-cpu",
        "device_kind": "cpu",
        "batch": 1,
        "max_delay_s": 0.0,
        "threads": 1,
        "replicas": 1,
        "executor": "onnxruntime",
        "placement": (Placement(node="local", devices=("cpu0",), share=0.5, replicas=1),),
        "addresses": {"local": "local"},
    }
    return Deployment(**{**given, **changes})


def images(count: int = 12, size: int = 8, seed: int = 1) -> dict[str, Any]:
    """Return inputs of the convolutional model."""
    return {"image": np.random.default_rng(seed).standard_normal((count, 1, size, size)).astype(np.float32)}


@pytest.fixture
def kit() -> SimpleNamespace:
    return SimpleNamespace(convolutional=convolutional, save=save, deployment_of=deployment_of, images=images)


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path / "artefacts", making=transforming(Setting()))


class Served:
    """A service that a test started: carried out by the executor, as apply would."""

    def __init__(self, store: ArtefactStore, deployment: Deployment) -> None:
        self.executor, self.store, self.deployment = Executor(), store, deployment
        self.handle = self._carry_out("create", deployment)

    def _carry_out(self, kind: Any, after: Deployment | None, prior: Any = None) -> Any:
        step = action(kind, after, None if kind == "create" else self.deployment)
        return self.executor.carry_out(step, prior, NotedJournal(), self.store).handle

    def update(self, **changes: Any) -> None:
        changed = self.deployment.model_copy(update=changes)
        self.handle = self._carry_out("update", changed, self.handle)
        self.deployment = changed

    def observe(self) -> Any:
        return self.executor.observe(self.deployment.intent, self.handle)

    @property
    def url(self) -> str:
        return f"{self.handle['host']}:{self.handle['port']}"

    def end(self) -> None:
        self._carry_out("delete", None, self.handle)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artefacts that tests share: the same model is prepared once."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def prepared_store(prepared: Path, tmp_path: Path) -> ArtefactStore:
    """A store for tests of what runs and not of what is prepared."""
    return ArtefactStore(prepared, tmp_path / "runtime", transforming(Setting()))


@pytest.fixture
def serve(prepared_store: ArtefactStore) -> Any:
    standing: list[Served] = []

    def start(deployment: Deployment, store: ArtefactStore = prepared_store) -> Served:
        standing.append(Served(store, deployment))
        return standing[-1]

    yield start
    for item in standing:
        item.end()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Any:
    """One service with batches of four, for tests that leave it as they found it."""
    folder = tmp_path_factory.mktemp("shared")
    store = ArtefactStore(prepared, folder / "runtime", transforming(Setting()))
    served = Served(store, deployment_of(convolutional(folder / "small.onnx", channels=(32, 32)), batch=4))
    yield served
    served.end()
