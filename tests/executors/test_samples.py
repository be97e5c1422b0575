"""Sample networks: the same bytes each time, and onnxruntime computes every form of them."""

import numpy as np
import pytest

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


@pytest.mark.parametrize("batch", [1, 3])
def test_every_form_computes_any_batch_and_is_counted(tmp_path, batch):
    import onnxruntime

    from aios.workflow.inspecting import inspect_model

    for path in write_samples(tmp_path, 10, 0):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (port,) = session.get_inputs()
        shape = [batch, *port.shape[1:]]
        (answer,) = session.run(None, {"x": np.zeros(shape, dtype=np.float32)})
        assert len(answer) == batch
        profile = inspect_model(path, {})
        assert profile.batch_axis == 0
        assert not profile.unknown_operators
        assert 1e5 < profile.macs < 5e9
