"""The state file: whole or refused, never overwritten when damaged, and the way back works as printed."""

from __future__ import annotations

import json
import os
import resource as limits
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.records.errors import ConflictError, WorldError
from aios.records.state import Resource, State
from aios.state import StateStore, write_atomically

Make = Callable[[str], Resource]
InChild = Callable[[Callable[[], None]], int]


def store_at(folder: Path) -> StateStore:
    return StateStore(folder / "state.json", lambda: "lineage-1")


def written(store: StateStore, *resources: Resource) -> State:
    """Write one more serial that holds ``resources``."""
    before = store.load()
    table = {item.address: item for item in resources}
    return store.save(before.model_copy(update={"serial": before.serial + 1, "resources": table}))


def test_a_state_that_was_never_written_is_new_and_the_same_every_time(folder: Path) -> None:
    assert store_at(folder).load() == StateStore(folder / "state.json").load() == State(lineage="new", serial=0)
    assert list(folder.iterdir()) == []


def test_what_is_saved_is_loaded_and_the_one_before_is_the_backup(folder: Path, resource: Make) -> None:
    store = store_at(folder)
    first = written(store, resource("a"))
    assert first.lineage == "lineage-1"
    before = store.path.read_bytes()
    second = written(store, resource("a"), resource("b"))
    assert store.load() == second
    assert (second.serial, second.lineage) == (2, "lineage-1")
    assert store.backup.read_bytes() == before
    assert {path.name for path in folder.iterdir()} == {"state.json", "state.json.backup"}


def test_a_serial_that_somebody_else_has_written_is_a_conflict(folder: Path, resource: Make) -> None:
    store = store_at(folder)
    read = written(store, resource("a"))
    other = written(store, resource("b"))
    with pytest.raises(ConflictError, match="not the one that was read"):
        store.save(read.model_copy(update={"serial": read.serial + 1}))
    with pytest.raises(ConflictError):
        store.save(other.model_copy(update={"serial": other.serial + 1, "lineage": "another"}))
    with pytest.raises(ConflictError):
        store.save(other.model_copy(update={"serial": other.serial + 2}))
    assert store.load() == other


def test_a_state_torn_at_any_byte_is_refused_kept_and_comes_back_as_printed(folder: Path, resource: Make) -> None:
    store = store_at(folder)
    kept = written(store, resource("a"))
    following = written(store)
    whole = store.path.read_bytes()
    for end in range(len(whole) - 2):  # the last two bytes are the closing brace and the line break
        store.path.write_bytes(whole[:end])
        with pytest.raises(ConflictError) as caught:
            store.load()
        with pytest.raises(ConflictError):
            store.save(following.model_copy(update={"serial": 3}))
        assert store.path.read_bytes() == whole[:end]
    command = caught.value.diagnostics[0].command
    assert command is not None
    assert "it lists a" in (caught.value.diagnostics[0].reason or "")
    subprocess.run(command, shell=True, check=True)
    assert store.load() == kept


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(data=st.data())
def test_a_flipped_byte_is_refused_or_changes_nothing(folder: Path, resource: Make, data: st.DataObject) -> None:
    store = store_at(folder)
    store.path.unlink(missing_ok=True)
    state = written(store, resource("a"))
    whole = bytearray(store.path.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    store.path.write_bytes(whole)
    try:
        loaded = store.load()
    except ConflictError:
        assert store.path.read_bytes() == whole
    else:
        assert loaded == state


@pytest.mark.parametrize(
    "content",
    ["", "null", "[]", "{}", "[" * 100_000, '{"kind": "aios-state", "version": "1"}', "\ud800", '{"kind": "other"}'],
)
def test_what_is_no_state_is_refused(folder: Path, content: str) -> None:
    store = store_at(folder)
    store.path.write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(ConflictError) as caught:
        store.load()
    assert caught.value.diagnostics[0].command == f"mv -- {store.path} {store.path}.damaged"


def test_wrong_types_behind_a_right_checksum_are_refused(folder: Path, resource: Make) -> None:
    from aios.records.base import digest_of

    store = store_at(folder)
    written(store, resource("a"))
    document = json.loads(store.path.read_text())
    document["state"]["resources"]["a"]["handle"] = "gone"
    document["checksum"] = digest_of(document["state"])
    store.path.write_text(json.dumps(document))
    with pytest.raises(ConflictError, match=r"resources\.a\.handle"):
        store.load()


def test_a_newer_version_is_refused_and_left_alone(folder: Path, resource: Make) -> None:
    store = store_at(folder)
    state = written(store, resource("a"))
    newer = store.path.read_text().replace('"version": 2', '"version": 3')
    store.path.write_text(newer)
    with pytest.raises(ConflictError, match="written by a newer aios"):
        store.load()
    with pytest.raises(ConflictError):
        store.save(state.model_copy(update={"serial": 2}))
    assert store.path.read_text() == newer


def test_a_lost_state_beside_a_backup_with_services_is_not_started_anew(folder: Path, resource: Make) -> None:
    store = store_at(folder)
    written(store, resource("a"))
    written(store, resource("a"), resource("b"))
    store.path.unlink()
    with pytest.raises(ConflictError) as caught:
        store.load()
    command = caught.value.diagnostics[0].command
    assert command is not None
    subprocess.run(command, shell=True, check=True)
    assert store.load().serial == 1


def test_a_link_to_the_state_stays_a_link(folder: Path, resource: Make) -> None:
    (folder / "real").mkdir()
    link = folder / "state.json"
    link.symlink_to(folder / "real" / "state.json")
    state = written(store_at(folder), resource("a"))
    assert link.is_symlink()
    assert store_at(folder / "real").load() == state


def test_a_file_keeps_its_permissions(folder: Path) -> None:
    path = folder / "f"
    path.write_text("old")
    path.chmod(0o640)
    write_atomically(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)


def test_a_write_beyond_what_the_disk_takes_leaves_the_old_file_and_nothing_else(
    folder: Path, resource: Make, in_child: InChild
) -> None:
    store = store_at(folder)
    state = written(store, resource("a"))

    def fill() -> None:
        # a limit on file sizes fails like a full disk does, half way through the write
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limits.setrlimit(limits.RLIMIT_FSIZE, (len(store.path.read_bytes()) + 10, limits.RLIM_INFINITY))
        try:
            written(store, *(resource(name) for name in "abcdefgh"))
        except WorldError as error:
            found = error.diagnostics[0]
            assert str(store.path) in found.summary
            assert "ulimit -f" in (found.remedy or "")
            return
        raise AssertionError("the write went through")

    assert in_child(fill) == 0
    assert store.load() == state
    assert not list(folder.glob(".*"))


def test_a_place_that_cannot_be_written_is_named(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(WorldError, match="file/state"):
        write_atomically(folder / "file" / "state", "x")


def test_a_state_that_is_a_pipe_keeps_nobody_waiting(folder: Path) -> None:
    os.mkfifo(folder / "state.json")
    with pytest.raises(WorldError) as raised:
        StateStore(folder / "state.json").load()
    assert raised.value.diagnostics[0].reason == "it is no regular file"


def test_what_a_killed_writer_left_long_ago_goes_and_what_is_fresh_stays(folder: Path) -> None:
    old, fresh, foreign = folder / ".f.1-0.tmp", folder / ".f.2-0.tmp", folder / ".g.1-0.tmp"
    for path in (old, fresh, foreign):
        path.write_text("")
    for path in (old, foreign):
        os.utime(path, (1, 1))
    write_atomically(folder / "f", "x")
    assert {path.name for path in folder.iterdir()} == {"f", ".f.2-0.tmp", ".g.1-0.tmp"}
