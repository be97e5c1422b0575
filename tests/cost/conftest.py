"""One small model, three devices and an intent, with round numbers that can be worked by hand."""

import pytest

from aios.records.base import Span
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node, PowerMode
from aios.records.intent import Data, Goal, Intent, Load, ModelChoice, Requirement
from aios.records.model import ModelProfile, Operator, TensorSpec

HERE = Span(file="intent.yaml", line=1, column=1)


@pytest.fixture
def profile() -> ModelProfile:
    return ModelProfile(
        name="net",
        digest="sha256:net",
        format="onnx",
        file_bytes=4_000_000,
        inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", 10)),),
        outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", 10)),),
        precision="fp32",
        parameters=1_000_000,
        weight_bytes=4e6,
        macs=1e9,
        flops=2e9,
        activation_bytes=1e6,
        operators=(
            Operator(kind="Conv", count=10, flops=2e8, weight_bytes=4e5, input_bytes=1e5, output_bytes=1e5),
            Operator(kind="Relu", count=10, flops=1e5, weight_bytes=0, input_bytes=1e5, output_bytes=1e5),
            Operator(kind="Add", count=2, flops=1e5, weight_bytes=0, input_bytes=2e5, output_bytes=1e5),
        ),
        batch_axis=0,
        declared={"accuracy.top1": 0.9},
    )


def fact(value: float, unit: str = "1") -> Fact:
    return Fact(value=value, unit=unit)


@pytest.fixture
def cpu() -> DeviceType:
    return DeviceType(
        name="cpu",
        kind="cpu",
        cores=4,
        peak_ops_per_s={"fp32": fact(400e9), "int8": fact(800e9)},
        memory_bandwidth_bytes_per_s=fact(20e9),
        memory_bytes=fact(8e9),
        features=("avx2",),
        tdp_w=fact(40.0),
        idle_w=fact(8.0),
        price_usd_per_h=fact(0.4),
    )


@pytest.fixture
def gpu() -> DeviceType:
    return DeviceType(
        name="gpu",
        kind="gpu",
        peak_ops_per_s={"fp32": fact(8e12), "fp16": fact(64e12), "int8": fact(128e12)},
        memory_bandwidth_bytes_per_s=fact(300e9),
        memory_bytes=fact(16e9),
        tdp_w=fact(70.0),
        idle_w=fact(10.0),
        power_modes=(PowerMode(name="half", cap_w=fact(40.0), peak_scale=fact(0.5)),),
    )


@pytest.fixture
def fleet(cpu: DeviceType, gpu: DeviceType) -> Fleet:
    bare = DeviceType(name="bare", kind="npu")
    return Fleet(
        name="lab",
        nodes=(
            Node(name="box", count=2, cores=4, memory_bytes=8e9, devices=(DeviceSlot(type="cpu", ids=("cpu0",)),)),
            Node(name="rig", cores=8, memory_bytes=64e9, devices=(DeviceSlot(type="gpu", ids=("0", "1")),)),
            Node(name="edge", cores=2, devices=(DeviceSlot(type="bare", ids=("0",)),)),
        ),
        types={"cpu": cpu, "gpu": gpu, "bare": bare},
        digest="sha256:fleet",
        origin="fleet.yaml",
    )


@pytest.fixture
def intent() -> Intent:
    return Intent(
        name="classify",
        task="image-classification",
        models=(ModelChoice(name="net", path="net.onnx", where=HERE),),
        data=Data(evaluate=("eval.npz",), calibrate=("cal.npz",)),
        load=Load(rate_per_s=20.0),
        require=(Requirement(metric="latency.p99", bound=0.1, text="latency.p99 <= 100 ms", where=HERE),),
        goal=(Goal(direction="minimize", metric="power"),),
        where=HERE,
    )


@pytest.fixture
def candidate() -> Candidate:
    return Candidate(
        id="classify/net/cpu/fp32/b1/t2/r1",
        intent="classify",
        model="net",
        model_digest="sha256:net",
        device="cpu",
        nodes=("box",),
        executor="engine",
        precision="fp32",
        threads=2,
    )
