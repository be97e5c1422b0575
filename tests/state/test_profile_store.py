"""The profile store: plain files, one per subject, damaged or foreign ones named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aios.records.errors import InputError
from aios.records.measurement import PROBABILITIES, Measured, Measurement, Subject
from aios.state import ProfileStore


def measured(batch: int = 1, device: str = "this-cpu", value: float = 0.0021) -> Measurement:
    return Measurement(
        subject=Subject(
            kind="service",
            model="sha256:1",
            precision="int8",
            quantization="static",
            calibration="sha256:2",
            device=device,
            executor="onnxruntime",
            engine="onnxruntime 1.22",
            threads=2,
            batch=batch,
        ),
        values={"time": Measured(value=value, low=0.002, high=0.0022, unit="s", n=400, meter="perf_counter")},
        distributions={"time": tuple(1e-3 + i * 1e-5 for i in range(len(PROBABILITIES)))},
        conditions={"load": "0.3"},
        as_of="2026-01-01T00:00:00Z",
    )


def test_what_is_saved_is_loaded_and_the_newer_replaces_the_older(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path / "profiles")
    assert store.load() == {}
    store.save(measured(value=0.5))
    path = store.save(measured())
    store.save(measured(device="nvidia-t4"))
    assert store.load() == {m.subject.digest: m for m in (measured(), measured(device="nvidia-t4"))}
    digest = measured().subject.digest.removeprefix("sha256:")
    assert path == tmp_path / "profiles" / "this-cpu" / f"service-{digest[:16]}.json"


def test_files_are_made_for_people_and_for_git(tmp_path: Path) -> None:
    path = ProfileStore(tmp_path).save(measured())
    text = path.read_text()
    lines = text.split("\n")
    assert text.endswith("}\n")
    assert '  "as_of": "2026-01-01T00:00:00Z",' in lines
    assert [line for line in lines if '"time": [0.001, 0.00101, ' in line]
    assert json.loads(text) == measured().model_dump(mode="json")
    ProfileStore(tmp_path).save(measured())
    assert path.read_text() == text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text(path.read_text()[:-30]),
        lambda path: path.write_text(""),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text(path.read_text().replace('"batch": 1', '"batch": 2')),
        lambda path: path.write_text(path.read_text().replace('"value"', '"valeu"')),
        lambda path: path.rename(path.with_name("accuracy-0123456789abcdef.json")),
        lambda path: path.write_text("{}"),
    ],
)
def test_every_damaged_or_foreign_file_is_named_at_once(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    store = ProfileStore(tmp_path)
    store.save(measured(8))
    for batch_device in ("one", "two"):
        spoil(store.save(measured(device=batch_device)))
    with pytest.raises(InputError) as caught:
        store.load()
    found = caught.value.diagnostics
    assert [Path(str(item.where).rsplit(":", 2)[0]).parent.name for item in found] == ["one", "two"]
    assert all(item.remedy for item in found)


def test_what_is_no_json_file_is_none_of_its_business(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    path = store.save(measured())
    path.with_name("README.md").write_text("notes")
    path.with_name(f".{path.name}.1-0.tmp").write_text("{")
    (tmp_path / "notes.json").write_text("[]")
    assert len(store.load()) == 1


@pytest.mark.parametrize("folder", ["calibrations", "corrections", "ledger"])
def test_what_was_learnt_from_measurements_is_none(tmp_path: Path, folder: str) -> None:
    store = ProfileStore(tmp_path)
    kept = measured()
    store.save(kept)
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "this-cpu--onnxruntime.json").write_text('{"rates": {}}')
    assert store.load() == {kept.subject.digest: kept}


def test_a_device_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path / "profiles")
    for device in ("../../etc", "..", "/tmp/x", ""):
        assert store.save(measured(device=device)).parent.parent == tmp_path / "profiles"
    assert len(store.load()) == 4


def test_the_fingerprint_depends_on_content_and_not_on_order() -> None:
    one, two = measured(1), measured(2)
    assert ProfileStore.digest([one, two]) == ProfileStore.digest([two, one])
    assert ProfileStore.digest([one]) != ProfileStore.digest([one, two])
    assert ProfileStore.digest([one]) != ProfileStore.digest([measured(1, value=0.1)])
