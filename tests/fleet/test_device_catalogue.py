"""The catalogue as a mapping: lazy, and strict about its files."""

from pathlib import Path

import pytest

from aios.fleet import load_catalogue
from aios.records.errors import InputError


def entry(folder: Path, name: str, text: str) -> None:
    path = folder / name.split("-", maxsplit=1)[0] / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_only_the_file_that_is_asked_for_is_read(tmp_path):
    entry(tmp_path, "acme-one", "name: acme-one\nkind: npu\ntdp: 2 W\n")
    entry(tmp_path, "acme-broken", "kind: [\n")
    catalogue = load_catalogue(tmp_path)
    assert list(catalogue) == ["acme-broken", "acme-one"]
    assert len(catalogue) == 2
    assert "acme-one" in catalogue
    assert catalogue["acme-one"].tdp_w.value == 2.0
    with pytest.raises(InputError):
        catalogue["acme-broken"]


@pytest.mark.parametrize(
    "name", ["acme-two", "../../etc/passwd", "acme-one/../acme-one", "", "ACME-ONE", "acme-one\x00"]
)
def test_other_names_are_not_there(tmp_path, name):
    entry(tmp_path, "acme-one", "name: acme-one\nkind: npu\n")
    catalogue = load_catalogue(tmp_path)
    assert name not in catalogue
    with pytest.raises(KeyError):
        catalogue[name]


def test_a_file_must_hold_the_type_it_is_named_after(tmp_path):
    entry(tmp_path, "acme-one", "name: acme-two\nkind: npu\n")
    with pytest.raises(InputError, match="file is called"):
        load_catalogue(tmp_path)["acme-one"]


def test_a_file_holds_one_type(tmp_path):
    entry(tmp_path, "acme-one", "name: acme-one\nkind: npu\n---\nname: acme-two\nkind: npu\n")
    with pytest.raises(InputError, match="one device type"):
        load_catalogue(tmp_path)["acme-one"]


def test_a_folder_that_is_not_there_is_an_empty_catalogue(tmp_path):
    catalogue = load_catalogue(tmp_path / "nowhere")
    assert (list(catalogue), len(catalogue), catalogue.match("cpu", {}).type) == ([], 0, None)


def test_a_name_beats_a_generation(tmp_path):
    entry(tmp_path, "acme-a", "name: acme-a\nkind: cpu\nmatch: {per_core: {vendor: A, family: 1, models: [0, 9]}}\n")
    entry(tmp_path, "acme-b", "name: acme-b\nkind: cpu\nmatch: {name: [Acme B]}\n")
    catalogue = load_catalogue(tmp_path)
    generation = {"vendor": "A", "family": "1", "model": "9"}
    assert catalogue.match("cpu", {**generation, "name": "acme b"}).type.name == "acme-b"
    assert catalogue.match("cpu", generation).type.name == "acme-a"
    assert catalogue.match("cpu", {**generation, "model": "10"}).type is None
    assert catalogue.match("cpu", {**generation, "model": "0xd0c"}).type is None
    assert catalogue.match("gpu", generation).type is None
    assert catalogue.match("cpu", {"board": "ACME B"}).by_name
