"""The lock, between real processes."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aios.records.errors import ConflictError, WorldError
from aios.state import LocalBackend, Lock, Owner

InChild = Callable[[Callable[[], None]], int]

HOLDER = """
import sys
from pathlib import Path
from aios.state import Lock, Owner
with Lock(Path(sys.argv[1]), Owner.here("apply plan.json", "2026-01-01T00:00:00Z")):
    print("held", flush=True)
    sys.stdin.read()
"""


def owner(purpose: str = "plan") -> Owner:
    return Owner.here(purpose, "2026-02-02T00:00:00Z")


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_second_run_is_told_who_holds_it_and_gets_it_when_that_one_ends(folder: Path, how: int | None) -> None:
    path = folder / "state.json.lock"
    with holder(path) as process:
        with pytest.raises(ConflictError) as caught, Lock(path, owner()):
            pass
        text = caught.value.diagnostics[0].summary
        for part in (f"process {process.pid}", "`apply plan.json`", "2026-01-01T00:00:00Z", os.uname().nodename):
            assert part in text
        if how is None:
            process.communicate("")
        else:
            process.send_signal(how)
        process.wait()
        with Lock(path, owner()) as lock:
            if how is None:
                assert lock.notice is None
            else:
                assert f"process {process.pid}" in (lock.notice or "")
    assert not path.exists()


def test_two_in_one_process_exclude_each_other_too(folder: Path) -> None:
    with Lock(folder / "lock", owner("first")):
        with pytest.raises(ConflictError, match="first"), Lock(folder / "lock", owner()):
            pass
        assert (folder / "lock").exists()
    with Lock(folder / "lock", owner()) as again:
        assert again.notice is None


def test_it_is_released_by_an_exception(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Lock(folder / "lock", owner()):
        raise KeyboardInterrupt
    assert not (folder / "lock").exists()


def test_a_lock_left_on_another_host_is_not_guessed_about(folder: Path) -> None:
    path = folder / "lock"
    path.write_text(owner().model_copy(update={"host": "elsewhere"}).model_dump_json())
    with pytest.raises(ConflictError) as caught, Lock(path, owner()):
        pass
    command = caught.value.diagnostics[0].command
    assert command == f"rm -- {path}"
    subprocess.run(command, shell=True, check=True)
    with Lock(path, owner()):
        pass


def test_a_pid_that_now_belongs_to_another_process_is_a_dead_owner(folder: Path) -> None:
    path = folder / "lock"
    me = owner()
    assert me.process_started is not None
    path.write_text(me.model_copy(update={"process_started": me.process_started - 1}).model_dump_json())
    with Lock(path, owner()) as lock:
        assert lock.taken_over is not None
    path.write_text(me.model_dump_json())  # alive, though the kernel's lock is free: some disks have no such locks
    with pytest.raises(ConflictError), Lock(path, owner()):
        pass


@pytest.mark.parametrize("content", ["", "{", "null", '{"pid": 1}', "\xff"])
def test_what_says_nothing_of_an_owner_does_not_lock(folder: Path, content: str) -> None:
    (folder / "lock").write_bytes(content.encode("latin-1"))
    with Lock(folder / "lock", owner()) as lock:
        assert lock.notice is None


def test_a_forked_orphan_does_not_keep_the_lock_of_its_killed_parent(folder: Path, in_child: InChild) -> None:
    reads, writes = os.pipe()

    def parent() -> None:
        Lock(folder / "lock", owner("killed")).__enter__()
        if os.fork() == 0:
            os.close(writes)
            os.read(reads, 1)  # lives until the test ends
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    try:
        assert in_child(parent) == signal.SIGKILL
        with Lock(folder / "lock", owner()) as lock:
            assert "killed" in (lock.notice or "")
    finally:
        os.close(writes)
        os.close(reads)


def test_a_link_in_place_of_the_lock_is_refused_and_what_it_leads_to_is_left_as_it_is(folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.write_text("keep")
    (folder / "state.json.lock").symlink_to(elsewhere)
    with pytest.raises(WorldError, match="cannot lock") as caught, Lock(folder / "state.json.lock", owner()):
        pass
    assert "symbolic link" in (caught.value.diagnostics[0].remedy or "")
    assert elsewhere.read_text() == "keep"


def test_whoever_looks_at_a_lock_that_was_left_behind_is_not_taken_for_its_holder(folder: Path) -> None:
    path = folder / "state.json.lock"
    with holder(path) as process:
        process.kill()
    with path.open() as somebody:
        fcntl.flock(somebody, fcntl.LOCK_SH)  # as another `aios status` does for a moment
        hold = LocalBackend(folder / "state.json").holder()
    assert hold is not None
    assert hold.alive is False
