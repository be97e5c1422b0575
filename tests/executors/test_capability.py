"""What onnxruntime can run, and the reason for each refusal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.model import ModelProfile, Operator, TensorSpec
from aios.records.selection import Placement
from aios.spi.conformance import action
from aios_plugins.onnxruntime import Executor


def profile(**changes: Any) -> ModelProfile:
    given: dict[str, Any] = {
        "name": "net",
        "digest": "sha256:net",
        "format": "onnx",
        "file_bytes": 4,
        "inputs": (TensorSpec(name="x", dtype="float32", shape=("batch", 10)),),
        "outputs": (TensorSpec(name="y", dtype="float32", shape=("batch", 10)),),
        "precision": "fp32",
        "parameters": 1,
        "weight_bytes": 4.0,
        "macs": 1.0,
        "flops": 2.0,
        "activation_bytes": 1.0,
        "operators": (Operator(kind="Gemm", count=1, flops=1, weight_bytes=1, input_bytes=1, output_bytes=1),),
        "batch_axis": 0,
    }
    return ModelProfile(**{**given, **changes})


def candidate(**changes: Any) -> Candidate:
    given: dict[str, Any] = {
        "id": "i",
        "intent": "i",
        "model": "net",
        "model_digest": "sha256:net",
        "device": "d",
        "nodes": ("n",),
        "executor": "onnxruntime",
        "precision": "fp32",
        "threads": 1,
    }
    return Candidate(**{**given, **changes})


@pytest.mark.parametrize(
    ("kind", "chosen", "model"),
    [
        ("cpu", {}, {}),
        ("cpu", {"precision": "int8", "quantization": "static"}, {}),
        ("cpu", {"precision": "int8", "quantization": "dynamic"}, {}),
        ("cpu", {"precision": "int8"}, {"precision": "int8"}),
        ("cpu", {"batch": 8}, {}),
        ("cpu", {"tiers": {"weights": "nvme-scratch"}}, {}),
        ("cpu", {"precision": "bf16", "quantization": "weight-only"}, {}),
        ("gpu", {"precision": "fp16"}, {}),
        ("gpu", {"precision": "int8", "quantization": "static"}, {}),
        ("npu", {"precision": "int8", "quantization": "static"}, {}),
    ],
)
def test_what_it_can(kind: Any, chosen: Any, model: Any) -> None:
    assert Executor().can(candidate(**chosen), DeviceType(name="d", kind=kind), profile(**model)) is None


@pytest.mark.parametrize(
    ("kind", "chosen", "model", "clause", "reason"),
    [
        ("cpu", {}, {"format": "pytorch"}, "model format", "net is pytorch"),
        ("cpu", {"precision": "fp16"}, {}, "precision", "gains nothing on a CPU"),
        ("gpu", {"precision": "fp8"}, {}, "precision", "does not compute in fp8 on a gpu"),
        ("fpga", {"precision": "fp32"}, {}, "precision", "does not compute in fp32 on a fpga"),
        ("tpu", {}, {}, "device kind", "no execution provider for a tpu"),
        ("cpu", {"precision": "int8"}, {}, "precision", "holds fp32 weights"),
        ("cpu", {}, {"precision": "int8"}, "precision", "computes in int8 only"),
        ("gpu", {"precision": "int8", "quantization": "dynamic"}, {}, "quantization", "on CPUs only"),
        ("cpu", {"batch": 4}, {"batch_axis": None, "fixed_batch": 1}, "batch", "is fixed at 1"),
        ("cpu", {"tiers": {"weights": "cxl"}}, {}, "memory tier", "cannot keep weights in cxl"),
        ("gpu", {"tiers": {"weights": "dram"}}, {}, "memory tier", "cannot keep weights in dram"),
        ("cpu", {"tiers": {"kv_cache": "nvme"}}, {}, "memory tier", "cannot keep kv cache in nvme"),
        ("cpu", {"threads": 9}, {}, "threads", "9 threads, but d has 8 cores"),
    ],
)
def test_what_it_cannot(kind: Any, chosen: Any, model: Any, clause: str, reason: str) -> None:
    device = DeviceType(name="d", kind=kind, cores=8)
    found = Executor().can(candidate(**chosen), device, profile(**model))
    assert found is not None
    assert found.clause == clause
    assert reason in found.reason


def test_what_stands_in_the_way_here(tmp_path: Path, kit: Any) -> None:
    path = kit.convolutional(tmp_path / "small.onnx")

    def said(**changes: Any) -> list[str]:
        found = Executor().validate(action("create", kit.deployment_of(path, **changes)))
        return [item.summary for item in found]

    cores = len(os.sched_getaffinity(0))
    assert said() == []
    assert said(threads=cores + 1) == [
        f"digits wants {cores + 1} threads per replica, but this machine has {cores} cores"
    ]
    elsewhere = (Placement(node="edge-1", devices=("0",), share=1.0, replicas=1),)
    assert said(placement=elsewhere, addresses={"edge-1": None}) == [
        "node `edge-1`, where digits is placed, is only described"
    ]
    assert said(placement=elsewhere, addresses={"edge-1": "10.0.0.7"}) == [
        "node `edge-1` has the address '10.0.0.7', which the onnxruntime executor cannot reach"
    ]
    assert said(device_kind="npu") == ["digits is placed on a npu, which can be planned for but not served on"]
    assert said(power_mode="15W") == ["digits wants the power mode '15W', which this executor cannot set"]
    assert said(quantization="static", precision="int8") == [
        "digits is statically quantised but has no calibration data"
    ]
    assert said(model_path=str(tmp_path / "gone.onnx")) == [
        f"{tmp_path / 'gone.onnx'}, which digits needs, is not there"
    ]
