"""What is prepared from a model: optimised, quantised, or refused with the reason."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from aios.records.errors import InputError, WorldError
from aios_plugins.onnxruntime import Executor


def operators(artefact: Any) -> set[str]:
    model = onnx.load(str(Path(artefact.path) / "model.onnx"), load_external_data=False)
    return {node.op_type for node in model.graph.node}


def outputs(executor: Executor, deployment: Any, store: Any, data: Any) -> Any:
    return executor.infer(deployment, executor.prepare(deployment, store), data)["logits"]


def plain(path: Path, data: Any) -> Any:
    """What onnxruntime itself says of the untouched file."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, data)[0]


def calibration(path: Path, **arrays: Any) -> tuple[str, ...]:
    np.savez(path, **arrays)
    return (str(path),)


def static(kit: Any, model: Path, calibrate: tuple[str, ...]) -> Any:
    return kit.deployment_of(
        model, precision="int8", quantization="static", calibrate=calibrate, calibrate_digest="sha256:c"
    )


def test_the_float_artefact_computes_the_same_and_keeps_its_weights_apart(tmp_path: Path, kit: Any, store: Any) -> None:
    model = kit.convolutional(tmp_path / "small.onnx", channels=(16, 64))
    executor, deployment = Executor(), kit.deployment_of(model)
    data = kit.images(40)
    assert np.allclose(outputs(executor, deployment, store, data), plain(model, data), atol=1e-5)
    artefact = executor.prepare(deployment, store)
    names = sorted(path.name for path in Path(artefact.path).iterdir())
    assert names == ["model.onnx", "weights.bin"]
    assert (Path(artefact.path) / "weights.bin").stat().st_size >= 64 * 16 * 9 * 4


def test_static_quantization_computes_in_integers_near_the_float_answer(tmp_path: Path, kit: Any, store: Any) -> None:
    model = kit.convolutional(tmp_path / "small.onnx", channels=(16, 32))
    data = kit.images(64)
    calibrate = calibration(tmp_path / "calibrate.npz", labels=np.zeros(64, np.int64), images=data["image"])
    executor, deployment = Executor(), static(kit, model, calibrate)
    found = operators(executor.prepare(deployment, store))
    assert "QLinearConv" in found
    assert not found & {"Conv", "FusedConv"}
    exact = plain(model, data)
    error = np.abs(outputs(executor, deployment, store, data) - exact).max()
    assert 0 < error < 0.1 * np.abs(exact).max()


def test_dynamic_quantization_answers_item_by_item(tmp_path: Path, kit: Any, store: Any) -> None:
    model = kit.convolutional(tmp_path / "small.onnx")
    deployment = kit.deployment_of(model, precision="int8", quantization="dynamic")
    executor = Executor()
    assert operators(executor.prepare(deployment, store)) & {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}
    data = kit.images(4)
    together = outputs(executor, deployment, store, data)
    alone = outputs(executor, deployment, store, {"image": data["image"][2:3]})
    assert np.array_equal(together[2:3], alone)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"images": np.zeros((4, 1, 9, 9), np.float32)}, r"no calibration data fits.*image FP32\[-1, 1, 8, 8\]"),
        ({"images": np.zeros((4, 1, 8, 8), np.float64)}, "no calibration data fits"),
        ({}, "the files hold nothing"),
    ],
)
def test_calibration_data_that_does_not_fit(tmp_path: Path, kit: Any, store: Any, arrays: Any, reason: str) -> None:
    deployment = static(kit, kit.convolutional(tmp_path / "small.onnx"), calibration(tmp_path / "c.npz", **arrays))
    with pytest.raises(InputError, match=reason):
        Executor().prepare(deployment, store)


def test_calibration_data_that_is_no_archive(tmp_path: Path, kit: Any, store: Any) -> None:
    (tmp_path / "c.npz").write_bytes(b"PK\3\4 but not really")
    deployment = static(kit, kit.convolutional(tmp_path / "small.onnx"), (str(tmp_path / "c.npz"),))
    with pytest.raises(InputError, match="is no archive of arrays"):
        Executor().prepare(deployment, store)


def test_a_damaged_model_is_the_users_to_mend(tmp_path: Path, kit: Any, store: Any) -> None:
    model = kit.convolutional(tmp_path / "small.onnx")
    model.write_bytes(model.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be prepared for fp32"):
        Executor().prepare(kit.deployment_of(model), store)


def test_a_model_that_changed_since_the_plan_is_refused(tmp_path: Path, kit: Any, store: Any) -> None:
    deployment = kit.deployment_of(kit.convolutional(tmp_path / "small.onnx"))
    kit.convolutional(tmp_path / "small.onnx", seed=9)
    with pytest.raises(InputError, match="changed since the plan was made"):
        Executor().prepare(deployment, store)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, kit: Any, store: Any) -> None:
    """The kernel ends writing as it does on a full disk, at a size that the weights exceed."""
    deployment = kit.deployment_of(kit.convolutional(tmp_path / "small.onnx", channels=(64, 128)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(WorldError):
            Executor().prepare(deployment, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [path for path in store.root.rglob("*") if path.is_file()]
    assert Executor().prepare(deployment, store)


def test_an_interrupt_ends_the_build_and_leaves_nothing(tmp_path: Path, kit: Any, store: Any) -> None:
    model = kit.convolutional(tmp_path / "small.onnx", size=64, channels=(64, 64, 64))
    np.savez(tmp_path / "c.npz", image=kit.images(512, 64)["image"])
    code = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from conftest import ArtefactStore, Executor, deployment_of
        deployment = deployment_of(Path({str(model)!r}), precision="int8", quantization="static",
                                   calibrate=({str(tmp_path / "c.npz")!r},), calibrate_digest="sha256:c")
        print("go", flush=True)
        try:
            Executor().prepare(deployment, ArtefactStore(Path({str(store.root)!r})))
        except KeyboardInterrupt:
            sys.exit(130)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(1.5)
        process.send_signal(2)
        assert process.wait(10) == 130
    assert not [path for path in store.root.rglob("*") if path.is_file()]
