"""Two variants of a model, a fleet of every kind of device, and executors that say yes, no and it depends."""

from typing import ClassVar

import pytest

from aios.records.base import Span
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node, PowerMode
from aios.records.intent import Data, Goal, Intent, Load, ModelChoice, Requirement
from aios.records.model import ModelProfile, TensorSpec
from aios.spi.executor import Refusal

HERE = Span(file="intent.yaml", line=1, column=1)


class Willing:
    """Runs everything."""

    name: ClassVar[str] = "willing"

    def can(self, candidate: Candidate, device: DeviceType, model: ModelProfile) -> Refusal | None:
        del candidate, device, model
        return None


class CpuOnly(Willing):
    """Runs on cpus, and there with at most two threads."""

    name: ClassVar[str] = "cpu-only"

    def can(self, candidate: Candidate, device: DeviceType, model: ModelProfile) -> Refusal | None:
        del model
        if device.kind != "cpu":
            return Refusal(clause="cpu only", reason=f"{device.name} is a {device.kind}", resolvable="use a cpu")
        if candidate.threads > 2:
            return Refusal(clause="two threads", reason="it has a pool of two")
        return None


def model(name: str, **changes: object) -> ModelProfile:
    plain = ModelProfile(
        name=name,
        digest=f"sha256:{name}",
        format="onnx",
        file_bytes=4_000_000,
        inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", 10)),),
        outputs=(),
        precision="fp32",
        parameters=1_000_000,
        weight_bytes=4e6,
        macs=1e9,
        flops=2e9,
        activation_bytes=1e6,
        operators=(),
        batch_axis=0,
    )
    return plain.model_copy(update=changes)


def peak(**peaks: float) -> dict[str, Fact]:
    return {name: Fact(value=value, unit="OP/s") for name, value in peaks.items()}


def bytes_of(value: float) -> Fact:
    return Fact(value=value, unit="B")


@pytest.fixture
def fleet() -> Fleet:
    watts = Fact(value=10.0, unit="W")
    types = (
        DeviceType(name="cpu", kind="cpu", cores=6, peak_ops_per_s=peak(fp32=4e11, int8=8e11)),
        DeviceType(
            name="gpu",
            kind="gpu",
            peak_ops_per_s=peak(fp32=8e12, fp16=6e13, int8=1e14),
            memory_bytes=bytes_of(16e9),
            power_modes=(PowerMode(name="low", cap_w=watts), PowerMode(name="full", cap_w=watts)),
        ),
        DeviceType(name="hailo", kind="npu", peak_ops_per_s=peak(int8=2.6e13)),
        DeviceType(name="amx", kind="cpu", cores=2, peak_ops_per_s=peak(fp32=4e11, bf16=3e12)),
        DeviceType(name="tiny", kind="gpu", memory_bytes=bytes_of(2e6)),
    )
    return Fleet(
        name="lab",
        nodes=(
            Node(name="box", count=2, cores=6, memory_bytes=8e9, devices=(DeviceSlot(type="cpu", ids=("cpu0",)),)),
            Node(name="rig", cores=8, devices=(DeviceSlot(type="gpu", ids=("0", "1", "2")),)),
            Node(name="edge", cores=2, devices=(DeviceSlot(type="hailo", ids=("0",)),)),
            Node(name="server", cores=2, devices=(DeviceSlot(type="amx", ids=("cpu0",)),)),
            Node(name="toy", cores=1, devices=(DeviceSlot(type="tiny", ids=("0",)),)),
        ),
        types={item.name: item for item in types},
        digest="sha256:fleet",
        origin="fleet.yaml",
    )


@pytest.fixture
def intent() -> Intent:
    return Intent(
        name="classify",
        task="image-classification",
        models=tuple(ModelChoice(name=name, path=f"{name}.onnx", where=HERE) for name in ("small", "large")),
        data=Data(calibrate=("cal.npz",)),
        load=Load(rate_per_s=40.0),
        require=(Requirement(metric="latency.p99", bound=0.1, text="latency.p99 <= 100 ms", where=HERE),),
        goal=(Goal(direction="minimize", metric="power"),),
        where=HERE,
    )


@pytest.fixture
def profiles() -> dict[str, ModelProfile]:
    return {"small": model("small"), "large": model("large", weight_bytes=4e7)}


@pytest.fixture
def willing() -> dict[str, Willing]:
    return {"willing": Willing()}


@pytest.fixture
def cpu_only() -> dict[str, CpuOnly]:
    return {"cpu-only": CpuOnly()}
