"""From an intent's model choices to profiles: the cache, the diagnostics and where they point."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto

from aios.models import profile_models
from aios.records.base import Span
from aios.records.errors import InputError
from aios.records.intent import ModelChoice
from aios.spi import registry
from aios.spi.model_reader import ModelReader, ReadModel
from aios_plugins.onnx import Reader


class Counting(Reader):
    """The real reader, counting what it is asked to parse."""

    def __init__(self) -> None:
        self.parsed: list[str] = []

    def read(self, path: Path, sizes: Mapping[str, int]) -> ReadModel:
        self.parsed.append(path.name)
        return super().read(path, sizes)


def choice(path: Path, line: int = 7, **declared: float) -> ModelChoice:
    where = Span(file="intent.yaml", line=line, column=12)
    return ModelChoice(name=path.stem, path=str(path), declared=declared, where=where)


@pytest.fixture
def model(build: Any, tmp_path: Path) -> Path:
    path = tmp_path / "small.onnx"
    node = build.node("MatMul", ["x", "w"], ["y"])
    proto = build.model([node], [build.value("x", ["batch", "length", 8])], ["y"], build.weights(w=[8, 4]))
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def readers(counting: Counting) -> dict[str, ModelReader]:
    return {"onnx": counting}


def test_second_time_only_hashes(
    model: Path, tmp_path: Path, readers: dict[str, ModelReader], counting: Counting
) -> None:
    cache = tmp_path / "cache"
    first = profile_models([choice(model)], readers, cache)
    assert list(first) == ["small"]
    assert profile_models([choice(model)], readers, cache) == first
    assert counting.parsed == ["small.onnx"]
    entries = list(cache.iterdir())
    assert [entry.name for entry in entries] == [f"{first['small'].digest.removeprefix('sha256:')}.json"]


def test_a_warm_cache_never_imports_onnx(model: Path, tmp_path: Path) -> None:
    """In a fresh interpreter, with the installed plugins; numpy and onnx must stay out of it."""
    program = (
        "import sys; from pathlib import Path; from aios.models import profile_models; from aios.spi import registry;"
        "from aios.records.intent import ModelChoice; from aios.records.base import Span;"
        "c = ModelChoice(name='m', path=sys.argv[1], where=Span(file='i', line=1, column=1));"
        "p = profile_models([c], lambda: registry.load_all('aios.model_readers'), Path(sys.argv[2]));"
        "print(p['m'].parameters, 'onnx' in sys.modules, 'numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(model), str(tmp_path / "cache")]
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(2)]
    assert said == [["32", "True", "True"], ["32", "False", "False"]]


def test_a_copy_under_another_name_shares_the_entry(
    model: Path, tmp_path: Path, readers: dict[str, ModelReader], counting: Counting
) -> None:
    other = tmp_path / "other.onnx"
    shutil.copy(model, other)
    profiles = profile_models([choice(model), choice(other)], readers, tmp_path / "cache")
    assert counting.parsed == ["small.onnx"]
    assert (profiles["small"].name, profiles["other"].name) == ("small", "other")


@pytest.mark.parametrize("damage", ["", "{", '{"revision": "onnx 1"}', "[]", "\x00\xff"])
def test_a_damaged_entry_is_ignored_and_rewritten(
    model: Path, tmp_path: Path, readers: dict[str, ModelReader], counting: Counting, damage: str
) -> None:
    cache = tmp_path / "cache"
    first = profile_models([choice(model)], readers, cache)
    (entry,) = cache.iterdir()
    sound = entry.read_text()
    entry.write_text(damage)
    assert profile_models([choice(model)], readers, cache) == first
    assert entry.read_text() == sound
    assert len(counting.parsed) == 2
    assert list(cache.iterdir()) == [entry]


def test_an_entry_of_another_model_or_reader_is_not_believed(
    model: Path, tmp_path: Path, readers: dict[str, ModelReader], counting: Counting
) -> None:
    cache = tmp_path / "cache"
    profile_models([choice(model)], readers, cache)
    (entry,) = cache.iterdir()
    for change in ({"revision": "onnx 0"}, {"digest": "sha256:" + "0" * 64}):
        content = json.loads(entry.read_text())
        if "digest" in change:
            content["read"]["profile"]["digest"] = change["digest"]
        else:
            content.update(change)
        entry.write_text(json.dumps(content))
        profile_models([choice(model)], readers, cache)
    assert len(counting.parsed) == 3


def test_changed_external_data_is_read_again(
    build: Any, tmp_path: Path, readers: dict[str, ModelReader], counting: Counting
) -> None:
    path, weights, cache = tmp_path / "m.onnx", tmp_path / "w.bin", tmp_path / "cache"
    proto = build.model([build.node("MatMul", ["x", "w"], ["y"])], [build.value("x", ["n", 64])], ["y"])
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[64, 32], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.bin")
    proto.graph.initializer.append(tensor)
    path.write_bytes(proto.SerializeToString())
    digests = []
    for byte in (b"\0", b"\0", b"\1"):
        weights.write_bytes(byte * 8192)
        digests.append(profile_models([choice(path)], readers, cache)["m"].digest)
    assert digests[0] == digests[1] != digests[2]
    assert len(counting.parsed) == 2
    weights.unlink()
    with pytest.raises(InputError, match="is missing"):
        profile_models([choice(path)], readers, cache)


def test_sizes_are_part_of_what_is_kept(
    model: Path, tmp_path: Path, readers: dict[str, ModelReader], counting: Counting
) -> None:
    cache = tmp_path / "cache"
    macs = [profile_models([choice(model)], readers, cache, {"length": n})["small"].macs for n in (2, 3, 2)]
    assert macs == [64, 96, 64]
    assert len(counting.parsed) == 2
    with pytest.raises(InputError) as caught:
        profile_models([choice(model)], readers, cache, {"lenght": 2})
    assert "did you mean length?" in str(caught.value.diagnostics[0].remedy)


def test_a_cache_that_cannot_be_written_costs_only_time(
    model: Path, tmp_path: Path, readers: dict[str, ModelReader], counting: Counting
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    for _ in range(2):
        assert profile_models([choice(model)], readers, tmp_path / "cache")["small"].parameters == 32
    assert len(counting.parsed) == 2


def test_what_the_author_declares_goes_first(build: Any, tmp_path: Path, readers: dict[str, ModelReader]) -> None:
    proto = build.model([build.node("Relu", ["x"], ["y"])], [build.value("x", [1, 9])], ["y"])
    for key, value in {"aios.accuracy.top1": "90 %", "aios.accuracy.top5": "99 %"}.items():
        proto.metadata_props.add(key=key, value=value)
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    stated = ModelChoice(
        name="m", path=str(path), declared={"accuracy.top1": 0.95}, where=Span(file="i", line=1, column=1)
    )
    assert profile_models([stated], readers, None)["m"].declared == {"accuracy.top1": 0.95, "accuracy.top5": 0.99}


def test_every_bad_model_is_reported_where_it_is_written(
    model: Path, tmp_path: Path, readers: dict[str, ModelReader]
) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "weights.gguf").write_bytes(b"GGUF")
    paths = [
        tmp_path / "smal.onnx",
        tmp_path / "empty.onnx",
        model,
        tmp_path / "weights.gguf",
        tmp_path / "no" / "m.onnx",
    ]
    with pytest.raises(InputError) as caught:
        profile_models([choice(path, line) for line, path in enumerate(paths, 10)], readers, None)
    told = {item.where.line: item for item in caught.value.diagnostics if item.where}
    assert sorted(told) == [10, 11, 13, 14]
    assert told[10].remedy == f"did you mean {model}?"
    assert "is empty" in told[11].summary
    assert ".onnx" in str(told[13].reason)
    assert "does not exist" in str(told[14].remedy)


def test_a_folder_is_no_model(tmp_path: Path, readers: dict[str, ModelReader]) -> None:
    (tmp_path / "dir.onnx").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        profile_models([choice(tmp_path / "dir.onnx")], readers, None)


def test_without_choices_no_reader_is_loaded() -> None:
    def never() -> Mapping[str, ModelReader]:
        raise AssertionError("loaded")

    assert profile_models([], never, None) == {}


def test_the_installed_reader_fits_the_seam() -> None:
    reader: ModelReader = registry.load("aios.model_readers", "onnx")
    assert reader.suffixes == (".onnx",)
    assert reader.revision >= 1
