"""What a state in a file keeps beside it, and what is told of a place that others may change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aios.records.base import canonical_json
from aios.records.errors import ConflictError, WorldError
from aios.records.history import Run, Who
from aios.records.state import Resource, Resources, State
from aios.spi.statetext import Damaged, decode, encode
from aios.state import LocalBackend

Make = Callable[[str], Resource]


def run(**changes: object) -> Run:
    fields = {"command": "apply", "plan": "p", "who": Who(user="u", host="h"), "begun": "2026", "journal": 1}
    return Run.model_validate({**fields, "lineage": "l", "serial_before": 0, **changes})


def test_a_place_that_anybody_may_write_to_is_told_of(folder: Path) -> None:
    place = folder / "open"
    place.mkdir()
    backend = LocalBackend(place / "state.json")
    assert list(backend.warnings()) == []
    place.chmod(0o777)
    (text,) = backend.warnings()
    assert "anybody may write to the folder" in text
    assert text.endswith(f"`chmod o-w {place}`")
    place.chmod(0o1777)
    assert list(backend.warnings()) == [], "in a folder with the sticky bit nobody replaces another's files"
    (place / "state.json").touch(0o666)
    (place / "state.json").chmod(0o666)
    assert [text for text in backend.warnings() if "state file" in text]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a file to somebody else")
def test_a_state_file_of_somebody_else_is_told_of(folder: Path) -> None:
    backend = LocalBackend(folder / "state.json")
    (folder / "state.json").touch()
    os.chown(folder / "state.json", 12345, -1)
    assert "belongs to another user (uid 12345)" in " ".join(backend.warnings())


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b'{"number": 1}', b"\xff"])
def test_a_damaged_record_of_a_run_is_named_and_left(folder: Path, damage: bytes) -> None:
    backend = LocalBackend(folder / "state.json")
    backend.record(run())
    backend.record(run())
    path = folder / "history" / "000001.json"
    path.write_bytes(damage)
    with pytest.raises(ConflictError, match=r"000001\.json is damaged") as caught:
        backend.runs()
    assert caught.value.diagnostics[0].command == f"mv -- {path} {path}.damaged"
    assert path.read_bytes() == damage
    assert [item.number for item in backend.runs(last=1)] == [2], "what comes after it is not held up"
    assert backend.record(run()).number == 3


def test_a_record_under_another_number_is_refused(folder: Path) -> None:
    backend = LocalBackend(folder / "state.json")
    backend.record(run())
    (folder / "history" / "000001.json").rename(folder / "history" / "000007.json")
    with pytest.raises(ConflictError, match="it says that it is number 1"):
        backend.runs()


def test_states_of_long_ago_go_and_the_records_stay(folder: Path, resource: Make) -> None:
    backend = LocalBackend(folder / "state.json")
    state = State(lineage="new", serial=0)
    for number in range(1, 53):
        state = backend.save(state.following({f"r{number}": resource(f"r{number}")}, None))
        backend.record(run(ended="2027"), plan="plan")
    assert backend.state_after(2) is None
    third = backend.state_after(3)
    assert third is not None
    assert sorted(third.resources) == ["r1", "r2", "r3"]
    assert backend.plan_of(1) == "plan"
    assert len(backend.runs()) == 52


def test_the_state_that_a_run_left_is_not_changed_by_what_follows(folder: Path, resource: Make) -> None:
    backend = LocalBackend(folder / "state.json")
    first = backend.save(State(lineage="new", serial=0).following({"a": resource("a")}, None))
    backend.record(run(ended="2027"))
    second = backend.save(first.following({"a": None}, None))
    backend.record(run(ended="2028"))
    (folder / "state.json").write_text("in place, as an editor or `cp` writes")
    assert (backend.state_after(1), backend.state_after(2)) == (first, second)
    (folder / "history" / "000001.state.json").write_text("{")
    with pytest.raises(ConflictError, match="that run @1 left is damaged"):
        backend.state_after(1)


def test_a_folder_that_takes_no_files_is_named(folder: Path) -> None:
    (folder / "history").write_text("a file, where the folder should be")
    with pytest.raises(WorldError, match="history"):
        LocalBackend(folder / "state.json").record(run())


def test_a_state_is_read_resource_by_resource(resource: Make) -> None:
    whole = State(lineage="l", serial=4, resources={name: resource(name) for name in "cab"})
    text = encode(whole)
    assert len(text.splitlines()) == 1 + 1 + 3 + 1 + 1, "a line for each resource"
    found = decode(text.encode())
    assert isinstance(found.resources, Resources)
    assert list(found.resources) == ["a", "b", "c"]
    assert found == whole
    assert whole == found
    following = found.following({"b": None, "d": resource("d")}, None)
    assert list(following.resources) == ["a", "c", "d"]
    assert following.serial == 5
    assert "b" in found.resources, "what was read is not changed"
    assert decode(encode(following).encode()) == following
    assert following.resources["a"] is found.resources["a"], "a resource is read once"
    assert canonical_json(found) == canonical_json(whole)


@pytest.mark.parametrize("name", ['a"b', "a\\", 'a":{', "a,\n", "ü\u2028", "{}", '"resources":{}', ""])
def test_an_address_of_any_text_comes_back(resource: Make, name: str) -> None:
    held = resource("a").model_copy(update={"address": name, "plan": name})
    state = State(lineage=name or "l", serial=1, resources={name: held, "other": resource("other")})
    assert decode(encode(state).encode()) == state


def test_a_changed_line_is_damage_even_where_nobody_reads_it(resource: Make) -> None:
    text = encode(State(lineage="l", serial=1, resources={name: resource(name) for name in "ab"}))
    for changed in (
        text.replace('"threads":1', '"threads":2', 1),
        text.replace("\n", "", 1).replace('"serial":1', '"serial":2'),
        "\n".join(line for line in text.split("\n") if not line.startswith('"a"')),
    ):
        assert changed != text
        with pytest.raises(Damaged, match="checksum"):
            decode(changed.encode())
