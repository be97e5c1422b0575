"""The lock as commands meet it: waited for, told of, released by its id, never taken from a run that is at work."""

import json
import os
import shlex
import subprocess
import sys
import time

import pytest

HOLDER = """
import sys
from pathlib import Path
from aios.state import Lock, Owner
with Lock(Path(".aios/state.json.lock"), Owner.here("aios apply", sys.argv[1], "job-7")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(aios):
    """Returns what starts a process that holds the lock until its standard input is closed."""
    started = []

    def start(since="2026-01-01T00:00:00Z"):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, since],
            cwd=aios.place,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def elsewhere(aios):
    """Have the lock be one that was left on another host."""
    path = aios.place / ".aios" / "state.json.lock"
    path.parent.mkdir(exist_ok=True)
    owner = {"id": "job-7", "user": "ci", "host": "runner-3", "pid": 4, "process_started": 1}
    path.write_text(json.dumps({**owner, "purpose": "aios apply", "since": "2026-01-01T00:00:00Z"}))


def test_a_held_lock_is_told_of_with_everything_and_waited_for_when_asked(aios, hold):
    process = hold()
    ran = aios("destroy", "--yes", "--lock-timeout", "10ms")
    assert ran.code == 4
    for part in (
        f"process {process.pid}",
        os.uname().nodename,
        "`aios apply`",
        "lock job-7",
        "held for",
        "--lock-timeout",
    ):
        assert part in ran.err, ran.err
    waiting = aios.start("destroy", "--yes", "--lock-timeout", "1 min")
    assert "waiting for the lock: another run is at work" in waiting.stderr.readline()
    process.communicate("")
    out, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, out) == (0, "nothing is applied\n"), err


def test_waiting_ends_with_the_time(aios, hold):
    hold()
    began = time.monotonic()
    ran = aios("destroy", "--yes", "--lock-timeout", "700ms")
    assert ran.code == 4
    assert time.monotonic() - began >= 0.7


@pytest.mark.parametrize("value", ["soon", "-1s", "5", "10 MB"])
def test_a_wrong_time_to_wait_is_a_wrong_command_line(aios, value):
    ran = aios("destroy", "--yes", f"--lock-timeout={value}")
    assert ran.code == 64
    assert "--lock-timeout" in ran.err


def test_the_lock_of_a_run_at_work_is_not_taken_from_it_unless_forced(aios, hold):
    process = hold()
    ran = aios("unlock", "--yes")
    assert ran.code == 4
    assert "still at work" in ran.err
    ran = aios("unlock", "job-8", "--yes", "--force")
    assert ran.code == 1
    assert "there is no lock 'job-8'" in ran.err
    assert f"process {process.pid}" in ran.err
    ran = aios("unlock", "job-7", "--force")
    assert ran.code == 64
    assert "--yes" in ran.err
    ran = aios("unlock", "job-7", "--force", "--yes", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["released"]["id"] == "job-7"
    assert aios("unlock").out == "nobody holds the lock\n"


def test_a_pipeline_releases_what_its_killed_job_left_on_another_host(aios):
    elsewhere(aios)
    ran = aios("destroy", "--yes")
    assert ran.code == 4
    assert "locked by ci on runner-3" in ran.err
    command = next(line for line in ran.err.splitlines() if line.strip().startswith("run ")).split(None, 1)[1]
    assert command == "aios unlock job-7"
    ran = aios(*shlex.split(command)[1:], "--yes")
    assert ran.code == 0, ran.err
    assert "whether it still runs cannot be told here" in ran.out
    assert aios("destroy", "--yes").code == 0


def test_the_lock_of_a_killed_run_of_this_host_is_taken_over_and_that_is_told(aios, hold):
    process = hold()
    process.kill()
    process.wait()
    ran = aios("unlock", "--yes")
    assert "ended without releasing it" in ran.out
    other = hold()
    other.kill()
    other.wait()
    ran = aios("destroy", "--yes")
    assert ran.code == 0
    assert f"process {other.pid}" in ran.err
    assert "taken over" in ran.err


def test_a_lock_from_the_future_is_held_for_no_time_at_all(aios, hold):
    hold("2099-01-01T00:00:00Z")
    ran = aios("destroy", "--yes")
    assert ran.code == 4
    assert "held for 0 s" in ran.err


def test_the_own_lock_is_named_by_the_pipeline(aios, hold):
    ran = aios("destroy", "--yes", AIOS_LOCK_ID="pipeline-9")
    assert ran.code == 0
    hold()
    ran = aios("destroy", "--yes", "--lock-id", "pipeline-9")
    assert "lock job-7" in ran.err
