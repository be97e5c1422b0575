"""The CPU-time meter on real processes."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.records.fleet import DeviceType, Fact
from aios_plugins.cputime import Meter
from aios_plugins.cputime.processes import ProcessTree, parse_stat

WATTS_PER_CORE = 10.0
CPU = DeviceType(
    name="c", kind="cpu", cores=4, tdp_w=Fact(value=50, unit="W"), idle_w=Fact(value=10, unit="W", source="assumed")
)
BURN = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"
TOLERANCE = 0.15  # seconds: starting Python, clock ticks


@contextmanager
def _python(code: str):
    process = subprocess.Popen([sys.executable, "-S", "-E", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_busy_process_takes_its_cpu_time():
    with _python(BURN.format(seconds=0.3) + "print('done', flush=True)\ninput()") as process:
        window = Meter().begin(CPU, [process.pid])
        process.stdout.readline()
        reading = window.end()
    assert reading.energy_j == pytest.approx(0.3 * WATTS_PER_CORE, abs=TOLERANCE * WATTS_PER_CORE)
    assert (reading.scope, reading.derived) == ("processes", True)
    assert "(tdp - idle) / cores = 10 W" in reading.meter


def test_time_before_the_window_does_not_count():
    with _python(BURN.format(seconds=0.3) + "print('done', flush=True)\ninput()") as process:
        process.stdout.readline()
        reading = Meter().begin(CPU, [process.pid]).end()
    assert reading.energy_j == pytest.approx(0.0, abs=0.05 * WATTS_PER_CORE)


def test_children_that_appear_and_end_in_the_window_count():
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {BURN.format(seconds=0.3)!r}])\n"
    with _python("input()\n" + child + "print('done', flush=True)\ninput()") as process:
        window = Meter().begin(CPU, [process.pid])
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        energy = window.end().energy_j
    assert energy == pytest.approx(0.3 * WATTS_PER_CORE, abs=TOLERANCE * WATTS_PER_CORE)


def test_a_process_that_is_killed_counts_as_last_seen():
    with _python(BURN.format(seconds=60)) as process:
        tree = ProcessTree([process.pid])
        deadline = time.monotonic() + 20
        while tree.cpu_seconds < 0.1 and time.monotonic() < deadline:
            tree.look()
        process.kill()
        process.wait()
        before = tree.cpu_seconds
        tree.look()
    assert before >= 0.1
    assert tree.cpu_seconds == before


def test_a_child_whose_parent_was_killed_is_still_followed():
    child = BURN.format(seconds=60)
    code = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {child!r}])\n"
        "print(child.pid, flush=True)\ninput()"
    )
    with _python(code) as process:
        orphan = int(process.stdout.readline())
        try:
            tree = ProcessTree([process.pid])
            process.kill()
            process.wait()
            deadline = time.monotonic() + 20
            while tree.cpu_seconds < 0.1 and time.monotonic() < deadline:
                tree.look()
            assert tree.cpu_seconds >= 0.1
        finally:
            os.kill(orphan, 9)


def test_processes_that_are_not_there_give_no_energy():
    with _python("pass") as process:
        process.wait()
        assert Meter().begin(CPU, [process.pid]).end().energy_j is None


def test_unknown_facts_are_refused_by_name():
    assert "tdp" in Meter().can(CPU.model_copy(update={"tdp_w": None})).reason
    assert "cores" in Meter().can(CPU.model_copy(update={"cores": None})).reason
    assert "gpu" in Meter().can(CPU.model_copy(update={"kind": "gpu"})).reason
    assert Meter().can(CPU) is None


def test_without_idle_power_a_core_draws_its_share_of_tdp():
    reading = Meter().begin(CPU.model_copy(update={"idle_w": None}), [os.getpid()]).end()
    assert "tdp / cores = 12.5 W" in reading.meter


def test_instruments_are_preferred():
    from aios_plugins.nvidia import Meter as Nvml
    from aios_plugins.rapl import Meter as Rapl

    assert max(Rapl.preference, Nvml.preference) < Meter.preference


def test_a_process_name_may_hold_anything():
    fields = " ".join(str(number) for number in range(4, 30))
    stat = parse_stat(f"12 (a) b (c)) S {fields}")
    # Fields 14 to 17 of proc(5) are utime, stime, cutime and cstime; field 22 is the start time.
    assert (stat.pid, stat.parent, stat.ticks, stat.started) == (12, 4, 14 + 15 + 16 + 17, 22)


@given(st.text(max_size=200))
def test_a_damaged_line_never_raises(text):
    parse_stat(text)
