"""An owner's mark survives what models go through, and is not seen where it is not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from aios.records.errors import InputError
from aios.spi.transform import Work
from aios.spi.transforms import declarations
from aios_plugins.quantization import Dynamic, Static
from aios_plugins.watermark import OnnxWatermark
from aios_plugins.watermark.carrier import canonical, needed_score, score, signs

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
SECRET, OWNER, CHANCE = b"a secret of thirty-two bytes....", "acme", 1e-8


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The middle model of the digits, marked."""
    path = tmp_path_factory.mktemp("marked") / "marked.onnx"
    OnnxWatermark().embed(DIGITS / "models" / "digits-m.onnx", path, SECRET, OWNER, None)
    return path


def found(path: Path, secret: bytes = SECRET, owner: str = OWNER) -> bool:
    return OnnxWatermark().find(path, secret, owner, CHANCE).found


def test_the_mark_is_found_with_key_and_owner_alone(marked: Path) -> None:
    mark = OnnxWatermark().find(marked, SECRET, OWNER, CHANCE)
    assert mark.found
    assert mark.chance < 1e-20
    assert not found(marked, secret=b"another secret of enough bytes..")
    assert not found(marked, owner="somebody else")
    assert not found(DIGITS / "models" / "digits-m.onnx")


def test_a_marked_model_is_not_marked_again(marked: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bears the mark of acme already"):
        OnnxWatermark().embed(marked, tmp_path / "twice.onnx", SECRET, OWNER, None)
    assert not (tmp_path / "twice.onnx").exists()


def test_the_bound_is_that_of_hoeffding() -> None:
    # exp(-t^2 / 2) = 1e-8 at t = sqrt(2 x 8 x ln 10) = 6.0697
    assert needed_score(1e-8) == pytest.approx(6.0697, abs=1e-4)
    # All weights equal their signs: the sum is n, their length sqrt(n).
    pattern = signs(SECRET, OWNER, (32, 16))
    assert score(SECRET, OWNER, [pattern]).score == pytest.approx(math.sqrt(512))


def test_keys_that_know_nothing_of_the_weights_score_as_chance_says() -> None:
    weights = [numpy_helper.to_array(item) for item in onnx.load(DIGITS / "models" / "digits-s.onnx").graph.initializer]
    large = [item for item in weights if item.ndim > 1]
    scores = np.array([score(bytes([n % 256, n // 256]) * 8, OWNER, large).score for n in range(400)])
    assert abs(scores.mean()) < 4 / math.sqrt(400)
    assert 0.85 < scores.std() < 1.15
    assert scores.max() < needed_score(1e-4)


def test_answers_stay_as_right_as_they_were(marked: Path) -> None:
    with np.load(DIGITS / "evaluate.npz") as data:
        (name,) = (item for item in data.files if item != "label")
        images, labels = data[name], data["label"]

    def right(path: Path) -> np.ndarray:
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        images_as = images.astype(np.float32)
        return session.run(None, {session.get_inputs()[0].name: images_as})[0].argmax(axis=1) == labels

    before, after = right(DIGITS / "models" / "digits-m.onnx"), right(marked)
    lost, won = int((before & ~after).sum()), int((after & ~before).sum())
    assert lost - won <= 10  # one point of a thousand pictures


def changed(path: Path, target: Path, change) -> Path:
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim > 1 and values.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(change(values).astype(np.float32), tensor.name))
    onnx.save(model, target)
    return target


def without_smallest(values: np.ndarray) -> np.ndarray:
    return np.where(np.abs(values) < np.quantile(np.abs(values), 0.3), 0, values)


def with_noise(values: np.ndarray) -> np.ndarray:
    return values + np.random.default_rng(0).normal(scale=0.3 * values.std(), size=values.shape)


def with_scaled_rows(values: np.ndarray) -> np.ndarray:
    scales = np.random.default_rng(0).uniform(0.1, 10, size=(len(values), *[1] * (values.ndim - 1)))
    return values * scales


@pytest.mark.parametrize("change", [without_smallest, with_noise, np.float16])
def test_the_mark_survives_changes_of_weights(marked: Path, tmp_path: Path, change) -> None:
    assert found(changed(marked, tmp_path / "changed.onnx", change))


def test_scaled_rows_leave_the_score_as_it_is() -> None:
    weights = np.random.default_rng(1).normal(size=(64, 32)) + 0.2 * signs(SECRET, OWNER, (64, 32))
    alone = score(SECRET, OWNER, [weights]).score
    assert score(SECRET, OWNER, [with_scaled_rows(weights)]).score == pytest.approx(alone)
    assert score(SECRET, OWNER, [weights.T]).score == pytest.approx(alone)
    assert canonical(weights.T).shape == (64, 32)


@pytest.mark.parametrize("transform", [Dynamic(), Static()], ids=["dynamic", "static"])
def test_the_mark_survives_8_bits(marked: Path, tmp_path: Path, transform: Dynamic | Static) -> None:
    folder, scratch = tmp_path / "made", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    declared = declarations()[transform.name].parameters
    transform.make(
        Work(
            source=marked,
            folder=folder,
            scratch=scratch,
            precision="int8",
            settings={name: parameter.default for name, parameter in declared.items()},
            data={"calibrate": (DIGITS / "calibrate.npz",)},
        ),
        lambda _share, _what: None,
    )
    assert found(folder / "model.onnx")


def test_a_model_with_too_few_weights_is_refused(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.ones((20, 20), dtype=np.float32), "w")
    port = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 20]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", port[:1], port[1:], [weights])
    onnx.save(helper.make_model(graph, ir_version=10), tmp_path / "small.onnx")
    with pytest.raises(InputError, match="too few weights"):
        OnnxWatermark().embed(tmp_path / "small.onnx", tmp_path / "out.onnx", SECRET, OWNER, None)
    assert not (tmp_path / "out.onnx").exists()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="no ONNX model"):
        OnnxWatermark().find(tmp_path / "x.onnx", SECRET, OWNER, CHANCE)
