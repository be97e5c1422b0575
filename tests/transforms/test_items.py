"""Data to learn from, and what is wrong with some: nothing here needs torch."""

import numpy as np
import onnx
import pytest
from small_networks import plain

from aios.records.errors import InputError
from aios_plugins.compression.items import read_items
from aios_plugins.compression.network import open_network


@pytest.fixture
def network(tmp_path):
    onnx.save(plain(), tmp_path / "source.onnx")
    return open_network(tmp_path / "source.onnx")


def archive(place, **arrays):
    path = place / f"items{len(list(place.glob('items*')))}.npz"
    np.savez(path, **arrays)
    return path


def test_files_are_joined_in_their_order_and_in_the_inputs_type(network, tmp_path):
    files = [archive(tmp_path, image=np.full((8, 3, 8, 8), at, np.float16), label=np.full(8, at)) for at in (1, 2)]
    items = read_items(network, files)
    assert items.arrays["image"].dtype == np.float32
    assert items.labels.tolist() == [1] * 8 + [2] * 8


def bad(**arrays):
    return {"image": np.zeros((8, 3, 8, 8), np.float32), "label": np.zeros(8, int)} | arrays


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"picture": np.zeros((8, 3, 8, 8), np.float32)}, "holds no array image"),
        (bad(image=np.zeros((8, 1, 28, 28), np.float32)), r"holds image \[8, 1, 28, 28\]"),
        (bad(image=np.zeros((8, 3, 8, 8), complex)), "holds image as complex128"),
        (
            bad(image=np.where(np.arange(8)[:, None, None, None] == 5, np.nan, np.zeros((8, 3, 8, 8)))),
            "first at item 5",
        ),
        (bad(label=np.zeros(7, int)), "does not hold as many labels as items"),
        (bad(image=np.zeros((4, 3, 8, 8), np.float32), label=np.zeros(4, int)), "holds fewer than 8 items"),
    ],
)
def test_data_that_cannot_be_learnt_from_are_refused_by_name(arrays, said, network, tmp_path):
    path = archive(tmp_path, **arrays)
    with pytest.raises(InputError, match=said) as caught:
        read_items(network, [path])
    assert str(path) in str(caught.value)


def test_no_data_and_no_archive_are_refused(network, tmp_path):
    with pytest.raises(InputError, match="the intent names none"):
        read_items(network, [])
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(InputError, match=r"text\.npz is no archive of arrays"):
        read_items(network, [tmp_path / "text.npz"])
