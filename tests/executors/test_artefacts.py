"""What is prepared from a model: optimised, quantised, or refused with the reason."""

from __future__ import annotations

import contextlib
import hashlib
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest

from aios.records.errors import InputError, WorldError
from aios.spi.executor import Exercise
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
    digest = f"sha256:{hashlib.sha256(Path(calibrate[0]).read_bytes()).hexdigest()}"
    return kit.deployment_of(
        model, precision="int8", quantization="static", calibrate=calibrate, calibrate_digest=digest
    )


def test_depthwise_kernels_that_onnxruntime_packs_into_nothing_are_read_again(
    tmp_path: Path, kit: Any, store: Any
) -> None:
    """It writes an empty buffer for channels that are no multiple of its lanes, and fails to read it."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weights = {"w": (172, 3, 1, 1), "d": (172, 1, 3, 3)}
    stored = [
        numpy_helper.from_array(random.standard_normal(size).astype(np.float32), name) for name, size in weights.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Conv", ["a", "d"], ["logits"], group=172, pads=[1] * 4),
    ]
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 8, 8])]
    made = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 172, 8, 8])]
    graph = helper.make_graph(nodes, "g", ports, made, stored)
    model = tmp_path / "depthwise.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(model))
    images = random.standard_normal((16, 3, 8, 8)).astype(np.float32)
    executor = Executor()
    deployment = static(kit, model, calibration(tmp_path / "c.npz", x=images))
    answers = outputs(executor, deployment, store, {"x": images})
    wanted = plain(model, {"x": images})
    assert np.linalg.norm(answers - wanted) < 0.1 * np.linalg.norm(wanted)


def test_the_float_artefact_computes_the_same_and_keeps_its_weights_apart(tmp_path: Path, kit: Any, store: Any) -> None:
    model = kit.convolutional(tmp_path / "small.onnx", channels=(16, 64))
    executor, deployment = Executor(), kit.deployment_of(model)
    data = kit.images(40)
    assert np.allclose(outputs(executor, deployment, store, data), plain(model, data), atol=1e-5)
    artefact = executor.prepare(deployment, store)
    names = sorted(path.name for path in Path(artefact.path).iterdir())
    assert names == ["model.onnx", "weights.bin"]
    assert (Path(artefact.path) / "weights.bin").stat().st_size >= 64 * 16 * 9 * 4


def test_the_level_of_optimisation_is_part_of_the_recipe_and_seen_in_the_graph(
    tmp_path: Path, kit: Any, store: Any
) -> None:
    model = kit.convolutional(tmp_path / "small.onnx", channels=(16, 32))
    executor, data = Executor(), kit.images(8)
    chosen = {level: {} if level == "all" else {"graph": level} for level in ("all", "extended", "basic", "none")}
    wanted = {level: kit.deployment_of(model, settings=settings) for level, settings in chosen.items()}
    made = {level: executor.prepare(deployment, store) for level, deployment in wanted.items()}
    assert len({artefact.key for artefact in made.values()}) == 4
    assert "FusedConv" in operators(made["extended"])
    source = {node.op_type for node in onnx.load(str(model)).graph.node}
    assert operators(made["none"]) == source
    assert "FusedConv" not in operators(made["basic"])
    for deployment in wanted.values():
        assert np.allclose(outputs(executor, deployment, store, data), plain(model, data), atol=1e-5)


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


def dense(kit: Any, path: Path, *, stated: bool) -> Path:
    """A stack of small Gemm layers of odd sizes, weights transposed, their shapes stated as PyTorch's exporter does."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(3)
    sizes = (17, 19, 23, 29, 31, 10)
    constants, nodes, value = [], [], "image"
    for i, (width, out) in enumerate(pairwise(sizes)):
        weight = (rng.standard_normal((out, width)) / np.sqrt(width)).astype(np.float32)
        constants += [
            numpy_helper.from_array(weight, f"w{i}"),
            numpy_helper.from_array(rng.standard_normal(out).astype(np.float32), f"b{i}"),
        ]
        last = i == len(sizes) - 2
        nodes.append(helper.make_node("Gemm", [value, f"w{i}", f"b{i}"], ["logits" if last else f"g{i}"], transB=1))
        if not last:
            nodes.append(helper.make_node("Relu", [f"g{i}"], [f"r{i}"]))
        value = f"r{i}"
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", sizes[0]])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", sizes[-1]])
    kit.save(path, nodes, [image], [logits], constants)
    if stated:
        model = onnx.load(str(path))
        for item in model.graph.initializer:
            model.graph.value_info.append(helper.make_tensor_value_info(item.name, TensorProto.FLOAT, list(item.dims)))
        onnx.save(model, str(path))
    return path


def vectors(count: int) -> Any:
    return {"image": np.random.default_rng(4).standard_normal((count, 17)).astype(np.float32)}


def test_packed_constants_lie_where_vector_loads_may_read_them(tmp_path: Path, kit: Any, store: Any) -> None:
    model = dense(kit, tmp_path / "dense.onnx", stated=False)
    executor, deployment = Executor(), kit.deployment_of(model)
    artefact = executor.prepare(deployment, store)
    made = onnx.load(str(Path(artefact.path) / "model.onnx"), load_external_data=False)
    entries = [entry for tensor in made.graph.initializer for entry in tensor.external_data]
    offsets = [int(entry.value) for entry in entries if entry.key == "offset"]
    packed = [entry.value.split("|")[1:] for entry in entries if entry.key.startswith("prepacked_")]
    offsets += [int(buffer.split(";")[0]) for buffers in packed for buffer in buffers]
    assert packed
    assert len(offsets) > len(packed)
    assert not any(offset % 64 for offset in offsets)
    for count in (1, 3, 40):
        found = executor.infer(deployment, artefact, vectors(count))["logits"]
        assert np.allclose(found, plain(model, vectors(count)), atol=1e-5)


def test_packed_constants_give_the_same_answers_when_served(tmp_path: Path, kit: Any, serve: Any) -> None:
    model = dense(kit, tmp_path / "dense.onnx", stated=False)
    served = serve(kit.deployment_of(model, batch=4))
    data = vectors(24)
    load = Exercise(at_s=np.zeros(24), item=np.arange(24), inputs=data, keep_outputs=True)
    trace = served.executor.exercise(served.handle, load)
    assert not trace.errors
    assert np.allclose(trace.outputs["logits"], plain(model, data), atol=1e-5)


def test_transposed_weights_with_stated_shapes_are_quantised(tmp_path: Path, kit: Any, store: Any) -> None:
    model = dense(kit, tmp_path / "dense.onnx", stated=True)
    deployment = kit.deployment_of(model, precision="int8", quantization="dynamic")
    executor = Executor()
    assert "Gemm" not in operators(executor.prepare(deployment, store))
    exact = plain(model, vectors(8))
    error = np.abs(outputs(executor, deployment, store, vectors(8)) - exact).max()
    assert 0 < error < 0.1 * np.abs(exact).max()


def test_calibration_data_may_be_of_a_narrower_type(tmp_path: Path, kit: Any, store: Any) -> None:
    model = kit.convolutional(tmp_path / "small.onnx")
    data = kit.images(16)
    narrow = static(kit, model, calibration(tmp_path / "half.npz", image=data["image"].astype(np.float16)))
    exact = plain(model, data)
    error = np.abs(outputs(Executor(), narrow, store, data) - exact).max()
    assert 0 < error < 0.1 * np.abs(exact).max()


def test_a_model_of_text_is_the_users_to_replace(tmp_path: Path, kit: Any, store: Any) -> None:
    from onnx import TensorProto, helper

    text = helper.make_tensor_value_info("text", TensorProto.STRING, ["batch"])
    out = helper.make_tensor_value_info("out", TensorProto.STRING, ["batch"])
    path = kit.save(tmp_path / "text.onnx", [helper.make_node("Identity", ["text"], ["out"])], [text], [out])
    with pytest.raises(InputError, match="no plain tensor of numbers"):
        Executor().prepare(kit.deployment_of(path), store)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_build_that_a_signal_ends_names_it(tmp_path: Path, kit: Any, store: Any, number: signal.Signals) -> None:
    deployment = kit.deployment_of(kit.convolutional(tmp_path / "small.onnx"))

    def end() -> None:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    if "aios_plugins.onnxruntime.build" in child.cmdline():
                        child.send_signal(number)
                        return
            time.sleep(0.005)

    killer = threading.Thread(target=end)
    killer.start()
    with pytest.raises(WorldError, match=f"the process that prepares it was ended by {number.name}"):
        Executor().prepare(deployment, store)
    killer.join()
    assert not [path for path in store.root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"images": np.zeros((4, 1, 9, 9), np.float32)}, r"data.calibrate fits.*image float32\[batch, 1, 8, 8\]"),
        ({"images": np.zeros((4, 1, 8, 8), np.float64)}, "no file of data.calibrate fits"),
        ({}, "no file of data.calibrate fits"),
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
    digest = f"sha256:{hashlib.sha256((tmp_path / 'c.npz').read_bytes()).hexdigest()}"
    code = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from conftest import ArtefactStore, Executor, Setting, deployment_of, transforming
        deployment = deployment_of(Path({str(model)!r}), precision="int8", quantization="static",
                                   calibrate=({str(tmp_path / "c.npz")!r},), calibrate_digest={digest!r})
        print("go", flush=True)
        try:
            Executor().prepare(deployment, ArtefactStore(Path({str(store.root)!r}), making=transforming(Setting())))
        except KeyboardInterrupt:
            sys.exit(130)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.8)
        process.send_signal(2)
        assert process.wait(10) == 130
    assert not [path for path in store.root.rglob("*") if path.is_file()]
