"""The arithmetic behind mixed precision: rounding, noise, and which layers stay in float."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quantised import network

from aios_plugins.quantization import rounding, sensitivity
from aios_plugins.quantization.graphs import session
from aios_plugins.quantization.items import read_items


def test_rounding_lets_one_input_make_up_for_another():
    # Two inputs that are always equal count as one with the sum of the weights: 0.4 + 0.4 is nearer to 1 than to 0.
    moments = np.ones((1, 2, 2))
    made = rounding._second_order(np.array([[[0.4, 0.4]]]), moments, 127)
    assert made.sum() == 1


@given(st.lists(st.floats(-140, 140), min_size=1, max_size=90), st.integers(1, 127))
def test_rounding_of_unrelated_inputs_is_to_the_nearest(weights, top):
    moments = np.diag(np.linspace(1, 2, len(weights)))[None]
    made = rounding._second_order(np.array([[weights]]), moments, top)
    assert np.array_equal(made[0, 0], np.clip(np.rint(weights), -top, top))


def test_noise_of_nothing_but_the_mean_is_one():
    wanted = [[np.array([[1.0, 3.0]], np.float32)]]
    assert sensitivity.noise([[np.array([[2.0, 2.0]], np.float32)]], wanted) == pytest.approx(1)
    assert sensitivity.noise(wanted, wanted) == 0
    assert sensitivity.noise([[np.array([[np.nan, 2.0]], np.float32)]], wanted) == float("inf")


@pytest.mark.parametrize(
    ("noises", "expected"),
    [
        ({0: 0.4, 1: 0.3, 2: 0.2, 3: 0.1}, ["a", "b"]),  # two reach 0.25
        ({0: 0.4, 1: 0.5, 2: 0.6, 3: 0.7}, []),  # none helps, all hurt
        ({0: 0.4, 1: 0.5, 2: 0.3, 3: 0.35}, ["a", "b"]),  # none reaches it, two come nearest
    ],
)
def test_layers_stay_in_float_only_where_that_lowers_the_noise(noises, expected):
    from aios_plugins.quantization.mixed import _Search

    class Told(_Search):
        """A search whose measurements are given."""

        def __init__(self):
            pass

        def build(self, but=(), only=()):
            return list(but), list(only)

        def noise(self, model, _=1.0):
            but, only = model
            return {"a": 3.0, "b": 2.0, "c": 1.0}[only[0]] if only else noises[len(but)]

    groups = [sensitivity.Group(name, (name,), 0.01) for name in "cab"]
    kept, noise = Told().kept(groups, noises[0], 0.25, 0.5, lambda *_: None)
    assert noise == noises[len(kept)]
    assert [group.name for group in kept] == expected


@pytest.mark.parametrize("passing", [[], [("Identity", ["p"], "y", {})]])
def test_noise_is_measured_before_answers_are_squeezed_between_0_and_1(passing, tmp_path):
    # A hundred to one is as sure as a million to one, whatever the error of the scores is.
    squeezed = ("Softmax", ["scores"], "p" if passing else "y", {})
    model = network(
        tmp_path,
        [("MatMul", ["x", "w"], "scores", {}), squeezed, *passing],
        {"w": np.eye(2)},
        {"x": ["n", 2]},
        {"y": ["n", 2]},
    )
    loaded = onnx.load(model)
    ends = sensitivity.ends_of(loaded)
    assert ends == (squeezed[2],)
    with sensitivity.unsqueezed(loaded, ends):
        assert [port.name for port in loaded.graph.output] == ["scores"]
    assert [port.name for port in loaded.graph.output] == ["y"]


def test_items_of_a_sorted_file_are_shuffled_alike_in_every_input(tmp_path):
    model = network(
        tmp_path,
        [("Add", ["a", "b"], "y", {})],
        {"unused": [1.0]},
        {"a": ["n", 1], "b": ["n", 1]},
        {"y": ["n", 1]},
    )
    order = np.arange(600, dtype=np.float32)[:, None]
    np.savez(tmp_path / "sorted.npz", a=order, b=-order)
    items = read_items(session(model, 1), [tmp_path / "sorted.npz"], 0)
    assert items.count == 512
    assert not (items.arrays["a"] + items.arrays["b"]).any()
    for part in items.split(items.count - 16):
        assert 200 < part.arrays["a"].mean() < 400
