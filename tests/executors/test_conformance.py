"""Both executors keep the rules of the seam."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from aios.records.plan import Deployment
from aios.spi.conformance import ExecutorConformance
from aios_plugins import dryrun, onnxruntime


class TestDryrun(ExecutorConformance):
    reaches: ClassVar[bool] = False
    engines: ClassVar[tuple[str, ...]] = ("numpy", "onnx", "onnxruntime")

    @pytest.fixture
    def executor(self) -> Any:
        return dryrun.Executor()

    @pytest.fixture
    def deployment(self, tmp_path: Path, kit: Any) -> Deployment:
        return kit.deployment_of(kit.convolutional(tmp_path / "small.onnx"), executor="dryrun")

    @pytest.fixture
    def changed(self, deployment: Deployment) -> Deployment:
        return deployment.model_copy(update={"threads": 2})


class TestOnnxruntime(ExecutorConformance):
    computes: ClassVar[bool] = True
    engines: ClassVar[tuple[str, ...]] = ("numpy", "onnx", "onnxruntime", "httptools", "uvloop")

    @pytest.fixture
    def store(self, prepared_store: Any) -> Any:
        return prepared_store

    @pytest.fixture
    def executor(self) -> Any:
        return onnxruntime.Executor()

    @pytest.fixture
    def deployment(self, tmp_path: Path, kit: Any) -> Deployment:
        return kit.deployment_of(kit.convolutional(tmp_path / "small.onnx"))

    @pytest.fixture
    def changed(self, deployment: Deployment) -> Deployment:
        return deployment.model_copy(update={"replicas": 2, "batch": 4})

    @pytest.fixture
    def inputs(self, kit: Any) -> Any:
        return kit.images()
