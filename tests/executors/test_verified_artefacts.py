"""What a service loads is what was prepared: verified on what is opened, whoever swaps files meanwhile."""

import hashlib
import os
from pathlib import Path

import pytest

from aios_plugins.onnxruntime.spec import Spec, verified

CONTENT = b"weights"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def spec(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(CONTENT)
    return Spec("m", str(folder), {"model.onnx": DIGEST}, [], True, 1, 1, 1, "127.0.0.1", 0, "d", "t", "s")


def test_what_is_whole_is_read(spec):
    with verified(spec) as folder:
        assert (folder / "model.onnx").read_bytes() == CONTENT


def swapped_folder(folder):
    folder.rename(folder.with_name("aside"))
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"evil")


def test_another_folder_in_its_place_is_not_read(spec):
    with verified(spec) as folder:
        swapped_folder(Path(spec.folder))
        assert (folder / "model.onnx").read_bytes() == CONTENT


def swap_and_put_back(path):
    path.rename(path.with_name("aside"))
    path.write_bytes(b"evil")
    path.with_name("aside").rename(path)


def write_over(path):
    times = path.stat()
    path.write_bytes(b"weighed")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("change", [swap_and_put_back, write_over])
def test_a_file_that_is_changed_while_it_is_read_is_noticed(spec, change):
    with pytest.raises(ValueError, match="changed while it was read"), verified(spec):
        change(Path(spec.folder) / "model.onnx")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"evil"), "its sha256 differs"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: (path.rename(path.with_name("x")), path.symlink_to("x")), "no file that can be opened"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "no plain file"),
        (
            lambda path: (path.parent.rename(path.parent.with_name("x")), path.parent.symlink_to("x")),
            "cannot be opened",
        ),
    ],
)
def test_what_is_not_what_was_prepared_is_refused(spec, make, words):
    make(Path(spec.folder) / "model.onnx")
    with pytest.raises(ValueError, match=words), verified(spec):
        raise AssertionError("opened")
