"""The journal: what is on disk is remembered until it is done, whatever was torn off."""

from __future__ import annotations

import json
import resource as limits
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from aios.records.errors import ConflictError, WorldError
from aios.records.state import Resource, State
from aios.state import RunJournal

STATE = State(lineage="l", serial=3)
InChild = Callable[[Callable[[], None]], int]


def opened(folder: Path) -> RunJournal:
    return RunJournal(folder / "journal", lambda: "2026-01-01T00:00:00Z")


def interrupted(folder: Path) -> Path:
    """A run that began ``a`` and ended before it was done; ``b`` was done."""
    with opened(folder) as journal:
        journal.begin("p1", STATE)
        for address in "ba":
            journal.record("begin", address=address, action="create", serial=4)
            journal.action(address).note("spawn", pid=12, port=None)
            journal.action(address).note("ready", ok=True)
            journal.record("did", address=address, handle={"pid": 12}, serial=5)
            if address == "b":
                journal.record("done", address=address)
        return journal.path


def test_notes_of_an_unfinished_action_come_back_and_those_of_a_finished_do_not(folder: Path) -> None:
    interrupted(folder)
    with opened(folder) as journal:
        notes = [{"event": "spawn", "pid": 12, "port": None}, {"event": "ready", "ok": True}]
        assert list(journal.action("a").notes()) == notes
        assert journal.outcome("a") == {"pid": 12}
        assert list(journal.action("b").notes()) == []
        assert journal.outcome("b") is None


def test_they_come_back_over_any_number_of_interrupted_runs_until_done(folder: Path) -> None:
    interrupted(folder)
    with opened(folder) as journal:
        journal.begin("p2", STATE)
        journal.action("a").note("spawn", pid=13)
    with opened(folder) as journal:
        assert [note.get("pid") for note in journal.action("a").notes()] == [12, None, 13]
        journal.begin("p3", STATE)
        journal.record("done", address="a")
        assert list(journal.action("a").notes()) == []
    assert opened(folder).outcome("a") is None


def test_an_outcome_that_the_state_already_has_is_forgotten(folder: Path, resource: Callable[[str], Resource]) -> None:
    interrupted(folder)
    half = resource("a").model_copy(update={"unfinished": "create"})
    for state, kept in [
        (State(lineage="l", serial=5, resources={"a": half}), True),
        (State(lineage="l", serial=4, resources={"a": resource("a")}), True),  # an older state was put back
        (State(lineage="l", serial=5, resources={"a": resource("a")}), False),
    ]:
        with opened(folder) as journal:
            journal.begin("p", state)
        with opened(folder) as journal:
            assert (journal.outcome("a") is not None) is kept


def test_a_journal_torn_at_any_byte_is_its_whole_lines(folder: Path) -> None:
    path = interrupted(folder)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    seen = set()
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        kept = [json.loads(line) for line in whole[:end].splitlines(keepends=True) if line.endswith(b"\n")]
        notes = [line for line in kept if line["event"] == "note" and line["address"] == "a"]
        with opened(folder) as journal:
            assert len(journal.action("a").notes()) == len(notes)
            assert (journal.outcome("a") is not None) == (len(kept) >= len(lines))
            assert journal.resumes("p1", State(lineage="l", serial=3)) == (len(kept) > 0)
        seen.add(len(kept))
    assert seen == set(range(len(lines) + 1))


def test_damage_before_the_end_is_refused_with_the_line_and_kept(folder: Path) -> None:
    path = interrupted(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    for broken in (b"\0\0\0\n", b"null\n", lines[5], b"\xff\n"):
        damaged = b"".join([*lines[:2], broken, *lines[3:]])
        path.write_bytes(damaged)
        with pytest.raises(ConflictError, match="line 3 of the journal") as caught:
            opened(folder)
        assert caught.value.diagnostics[0].command == f"mv -- {path} {path}.damaged"
        assert path.read_bytes() == damaged


def test_only_the_last_run_of_that_plan_on_its_own_serials_is_resumed(folder: Path) -> None:
    assert not opened(folder).resumes("p1", STATE)
    interrupted(folder)
    journal = opened(folder)
    assert all(journal.resumes("p1", State(lineage="l", serial=serial)) for serial in (3, 4, 5))
    assert not journal.resumes("p1", State(lineage="l", serial=6))
    assert not journal.resumes("p1", State(lineage="other", serial=4))
    assert not journal.resumes("p2", STATE)
    with opened(folder) as again:
        again.begin("p1", STATE)
        again.end(complete=False)
    assert opened(folder).resumes("p1", STATE)
    with opened(folder) as again:
        again.begin("p1", STATE)
        again.end(complete=True)
    assert not opened(folder).resumes("p1", STATE)


def test_old_finished_runs_go_and_those_still_needed_stay(folder: Path) -> None:
    needed = interrupted(folder)
    for _ in range(104):
        with opened(folder) as journal:
            journal.begin("p", STATE)
            journal.end(complete=True)
    names = sorted(path.name for path in (folder / "journal").iterdir())
    assert names[0] == needed.name
    assert len(names) == 1 + 101
    assert opened(folder).outcome("a") == {"pid": 12}


def test_a_note_that_the_disk_refuses_leaves_no_half_line(folder: Path, in_child: InChild) -> None:
    def fill() -> None:
        with opened(folder) as journal:
            journal.begin("p", STATE)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            limits.setrlimit(limits.RLIMIT_FSIZE, (journal.path.stat().st_size + 150, limits.RLIM_INFINITY))
            before = journal.path.read_bytes()
            with pytest.raises(WorldError, match=r"cannot write .*000001\.jsonl"):
                journal.action("a").note("spawn", text="x" * 500)
            assert journal.path.read_bytes() == before
            journal.record("failed", address="a")

    assert in_child(fill) == 0
    assert list(opened(folder).action("a").notes()) == []
