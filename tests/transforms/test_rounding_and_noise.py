"""The arithmetic behind mixed precision: rounding, noise, and which layers stay in float."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_plugins.quantization import rounding, sensitivity


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
    kept = Told().kept(groups, noises[0], 0.25, 0.5, lambda *_: None)
    assert [group.name for group in kept] == expected
