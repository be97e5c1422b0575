"""Sample networks: the same bytes each time, and onnxruntime computes every form of them."""

from itertools import pairwise

import numpy as np
import pytest

from aios.spi.executor import OPERATORS, SAMPLES
from aios_plugins.onnxruntime.samples import write_samples


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    same, again, other = (
        [path.read_bytes() for path in write_samples(folder, 3, seed)]
        for folder, seed in zip(folders, (1, 1, 2), strict=True)
    )
    assert same == again
    assert same != other


def test_names_say_which_are_networks_and_which_hold_one_kind_of_operator(networks):
    names = [path.name for path in networks]
    assert sum(name.startswith(SAMPLES) for name in names) == 13
    assert sum(name.startswith(OPERATORS) for name in names) == 37


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """One of each form, and each kind of operator."""
    return write_samples(tmp_path_factory.mktemp("samples"), 50, 0)


def test_every_form_computes_any_batch_and_is_counted(networks):
    import onnxruntime

    from aios.workflow.inspecting import inspect_model

    macs = []
    for path in networks:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (port,) = session.get_inputs()
        for batch in (1, 3):
            (answer,) = session.run(None, {"x": np.zeros([batch, *port.shape[1:]], dtype=np.float32)})
            assert len(answer) == batch
        profile = inspect_model(path, {})
        assert profile.batch_axis == 0
        assert not profile.unknown_operators
        assert None not in session.get_outputs()[0].shape[1:]  # transforms refuse what does not say what it gives
        if path.name.startswith(SAMPLES):
            macs.append(profile.macs)
    macs.sort()
    assert 1e4 < macs[0] < 1e6
    assert 1e8 < macs[-1] < 5e9
    assert max(after / before for before, after in pairwise(macs)) < 30  # no gap in between
