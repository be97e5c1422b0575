"""Files that settings name are known by what they hold: candidates, measurements and labels."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from aios.intents import compile_intents
from aios.records.candidate import Candidate, content_of, label_of
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.measurement import subject_of
from aios.workflow.settingfiles import with_file_digests

TEXT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: a}
spec:
  task: t
  model: a.onnx
  data: {train: t.npz}
  load: {rate: 1/s}
  transforms: {distill: {keep: 50 %, student: PATH}}
"""


def named(path: str) -> str:
    """Return the setting of a student at a path."""
    (intent,) = compile_intents(parse(TEXT.replace("PATH", path).encode(), "i.yaml")).intents
    (found,) = with_file_digests([intent])
    assert found.transforms["distill"]["keep"] == ("0.5",)
    (value,) = found.transforms["distill"]["student"]
    return value


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.onnx").write_bytes(b"one")
    (tmp_path / "same.onnx").write_bytes(b"one")
    return tmp_path


def candidate(student: str) -> Candidate:
    return Candidate(
        id="x", intent="i", model="net", model_digest="sha256:net", device="cpu", nodes=("n",), executor="e",
        precision="fp32", compression="distill", settings={"student": student},
    )  # fmt: skip


def measured(student: str) -> Any:
    return subject_of("accuracy", candidate(student), engine="e 1", calibration=None, data="sha256:d")


def test_a_student_is_known_by_what_its_file_holds(place: Path) -> None:
    first, other = named("s.onnx"), named("same.onnx")
    assert first == f"s.onnx#sha256:{hashlib.sha256(b'one').hexdigest()[:16]}"
    assert measured(first) == measured(other)
    assert measured(first).way == candidate(other).way
    assert label_of(candidate(first)) == label_of(measured(other)) == f"fp32+distill+student={content_of(first)}"
    (place / "s.onnx").write_bytes(b"two")
    assert measured(named("s.onnx")) != measured(first)
    assert candidate(named("s.onnx")).way != candidate(first).way


@pytest.mark.usefixtures("place")
def test_a_student_that_is_not_there_is_told_where_it_is_named() -> None:
    with pytest.raises(InputError, match=r"gone\.onnx, the student of distill, cannot be read") as refused:
        named("gone.onnx")
    assert str(refused.value.diagnostics[0].where) == "i.yaml:9:47"


def test_other_settings_are_what_they_are() -> None:
    assert [content_of(text) for text in ("0.5", "", "a#b")] == ["0.5", "", "a#b"]
