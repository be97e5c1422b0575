"""The doctor finds what is broken for real, names the remedy, and neither hangs nor falls over."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from aios.records.errors import ConflictError
from aios.spi.owner import Owner
from aios.workflow.checkups import machine, places
from aios.workflow.checkups.patient import Patient
from aios.workflow.setting import Setting

ENTRY = """[aios.meters]
{entries}
"""


@pytest.fixture
def plugins(aios):
    """Returns a function that installs plugins (name -> source of its module) and the environment that sees them."""

    def install(**sources):
        folder = aios.place / "site"
        info = folder / "outsider-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider\nVersion: 1.0\n")
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(source)
        (info / "entry_points.txt").write_text(ENTRY.format(entries="\n".join(f"{n} = {n}:Meter" for n in sources)))
        return {"PYTHONPATH": os.pathsep.join((str(folder), *filter(None, [os.environ.get("PYTHONPATH")])))}

    return install


def finding(ran, check):
    found = [item for item in ran.json["checks"] if item["check"] == check]
    assert len(found) == 1, [item["check"] for item in ran.json["checks"]]
    return found[0]


def test_a_sound_machine_passes_and_nothing_is_left_behind(aios):
    ran = aios("doctor", "--json")
    broken = [item for item in ran.json["checks"] if item["status"] == "fail"]
    assert (ran.code, broken) == (0, [])
    assert ran.json["healthy"] is True
    assert sum(ran.json["counts"].values()) == len(ran.json["checks"])
    assert finding(ran, "solver")["seen"].startswith("ortools ")
    assert finding(ran, "executor.onnxruntime")["seen"].startswith("onnxruntime ")
    assert list(aios.place.iterdir()) == []


def test_a_folder_that_was_removed(aios):
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" doctor --json'
    done = subprocess.run(
        ["bash", "-c", script, aios.command], cwd=aios.place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 6
    broken = [item for item in json.loads(done.stdout)["checks"] if item["status"] == "fail"]
    assert {item["check"] for item in broken} == {"folder.state", "folder.profiles"}
    assert all(item["remedy"] for item in broken)


def test_every_finding_that_is_no_success_says_what_to_do(aios):
    aios.write(".aios/state.json", "{")
    ran = aios("doctor", "--json")
    assert ran.code == 6
    for item in ran.json["checks"]:
        assert item["status"] in ("ok", "skipped") or item["remedy"], item
    words = aios("doctor").out
    assert "\nfail     state  " in words
    assert "mv -- .aios/state.json" in words
    assert words.splitlines()[-1].count(" broken, ") == 1


@pytest.mark.usefixtures("fleet")
def test_a_dead_service_and_whoever_took_its_port(aios, asked):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    aios.write("intent.yaml", asked(serve=f"{{port: {port}}}"))
    assert aios("apply", "intent.yaml", "--yes").code == 0
    well = aios("doctor", "intent.yaml", "--json")
    assert (finding(well, "services")["status"], finding(well, "ports")["status"]) == ("ok", "ok")
    pid = aios("status", "--json").json["resources"][0]["resource"]["handle"]["pid"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while True:
        try:
            taken = socket.create_server(("127.0.0.1", port))
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with taken:
        ran = aios("doctor", "intent.yaml", "--json")
    assert ran.code == 6
    dead = finding(ran, "service.digits")
    assert dead["seen"].startswith("dead: ")
    assert dead["command"] == "aios apply intent.yaml"
    held = finding(ran, f"port.{port}")
    assert f"is held by process {os.getpid()} (" in held["seen"]


@pytest.mark.usefixtures("fleet")
def test_files_with_mistakes_are_findings_with_their_places(aios, asked):
    aios.write("intent.yaml", asked(p99="soon"))
    ran = aios("doctor", "intent.yaml", "--json")
    assert ran.code == 6
    assert finding(ran, "files")["status"] == "fail"


def test_a_fleet_that_promises_more_than_the_control_group_leaves(aios, fleet):
    fleet.write_text(fleet.read_text().replace("cpu: 2, memory: 4 GiB", "cpu: 4096, memory: 900 TiB"))
    ran = aios("doctor", "--json")
    limits = finding(ran, "limits")
    assert (ran.code, limits["status"]) == (6, "fail")
    assert "of 4096 cores" in limits["seen"]
    assert "GiB of memory" in limits["seen"]


def test_plugins_that_do_not_load_are_named_with_their_package(aios, plugins):
    environment = plugins(
        broken="import no_such_module_anywhere",
        leaving="raise SystemExit(3)",
        older="class Meter:\n    api_version = 0\n",
    )
    ran = aios.apart("doctor", "--json", **environment)
    assert ran.code == 6
    broken = finding(ran, "meter.broken")
    assert "no_such_module_anywhere" in broken["seen"]
    assert "outsider 1.0" in broken["seen"]
    assert broken["command"].endswith("-m pip uninstall outsider")
    assert "seam version 0" in finding(ran, "meter.older")["seen"]
    assert finding(ran, "meter.leaving")["status"] == "fail"
    assert finding(ran, "meter.rapl")["status"] in ("ok", "skipped", "warn"), "the others are looked at all the same"


def test_what_hangs_is_given_up(aios, plugins):
    environment = plugins(
        hanging="import time\nclass Meter:\n    api_version = 1\n    def examine(self):\n        time.sleep(600)\n"
    )
    patched = aios.write("site/sitecustomize.py", "from aios.workflow import doctor\ndoctor._DEADLINE_S = 2.5\n")
    assert patched.exists()
    ran = aios.apart("doctor", "--json", timeout=60, **environment)
    assert ran.code == 6
    assert finding(ran, "meter.hanging")["seen"] == "no answer within 2.5 s"
    assert finding(ran, "python")["status"] == "ok"


@pytest.mark.parametrize(
    ("source", "said"),
    [("raise ImportError('GLIBC_2.99 not found')", "GLIBC_2.99"), ("import os\nos.kill(os.getpid(), 11)", "signal 11")],
)
def test_a_solver_that_cannot_be_imported(aios, source, said):
    package = aios.write("site/ortools/__init__.py", source).parents[1]
    path = os.pathsep.join((str(package), *filter(None, [os.environ.get("PYTHONPATH")])))
    ran = aios.apart("doctor", "--json", PYTHONPATH=path)
    assert ran.code == 6
    solver = finding(ran, "solver")
    assert said in solver["seen"]
    assert "pip install" in solver["command"]


def test_limits_of_the_process_and_its_terminal(aios):
    limited = 'ulimit -Hn 128; ulimit -n 128; exec "$0" doctor --all'
    done = subprocess.run(
        ["bash", "-c", limited, aios.command],
        cwd=aios.place,
        env={**os.environ, "LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert "128 open files at first" in done.stdout
    assert "export LC_ALL=C.UTF-8" in done.stdout


@pytest.fixture
def patient(tmp_path):
    (tmp_path / "kept").mkdir()
    return Patient(Setting(state=tmp_path / "kept" / "state.json", profiles=tmp_path / "profiles"))


def one(found):
    (item,) = found
    return item


def write_lock(patient, **changes):
    owner = Owner.here("aios apply", "2026-11-22T20:00:00Z", "run-7").model_copy(update=changes)
    patient.setting.state.with_name("state.json.lock").write_text(owner.model_dump_json())


def test_a_lock_of_a_living_a_dead_and_a_foreign_owner(patient):
    assert one(places.lock(patient)).seen == "free"
    write_lock(patient)
    assert one(places.lock(patient)).seen.startswith("a run is at work")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    write_lock(patient, pid=ended.pid)
    left = one(places.lock(patient))
    assert (left.status, left.seen[:13]) == ("warn", "left by a run")
    write_lock(patient, host="another-host")
    foreign = one(places.lock(patient))
    assert foreign.status == "warn"
    assert foreign.command == f"aios unlock run-7 --state {patient.setting.state}"
    patient.setting.state.with_name("state.json.lock").write_text("torn")
    assert one(places.lock(patient)).seen == "free", "nobody holds it, and what it says is of nobody"


def test_a_state_that_anybody_may_change(patient):
    patient.setting.home.chmod(0o777)
    found = {item.check: item for item in places.state(patient)}
    assert f"`chmod o-w {patient.setting.home}`" in found["state.permissions"].seen
    patient.setting.home.chmod(0o1777)
    assert [item.check for item in places.state(Patient(patient.setting))] == ["state"]


def test_a_journal_that_is_whole_and_one_that_is_damaged(patient):
    folder = patient.setting.home / "journal"
    folder.mkdir()
    assert one(places.journal(patient)).status == "skipped"
    (folder / "000001.jsonl").write_text('{"n":1,"at":"x","event":"run"}\n{"n":2,"event":"end","complete":true}\n')
    assert one(places.journal(patient)).status == "ok"
    (folder / "000001.jsonl").write_text('torn\n{"n":2,"event":"end","complete":true}\n')
    with pytest.raises(ConflictError, match="damaged"):
        list(places.journal(patient))


def test_a_record_of_a_run_that_is_damaged(aios, fleet, asked):  # noqa: ARG001 - the fleet file is beside the intent
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    assert aios("apply", "intent.yaml", "--yes").code == 0
    assert finding(aios("doctor", "--json"), "history")["status"] == "ok"
    records = [path for path in (aios.place / ".aios").rglob("*") if path.is_file() and "history" in path.parts]
    assert records
    for path in records:
        path.write_text("{")
    assert finding(aios("doctor", "--json"), "history")["status"] == "fail"


def test_a_state_out_of_reach_is_told_once(aios):
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    listening.close()
    ran = aios("doctor", "--json", "--state", f"postgresql://aios@127.0.0.1:{port}/db")
    assert ran.code == 6
    assert [item["check"] for item in ran.json["checks"] if item["status"] == "fail"] == ["state"]
    assert "Connection refused" in finding(ran, "state")["seen"]


@pytest.fixture
def unprivileged():
    """Who is root may write anywhere: for a while somebody else, who may reach the folder that is returned."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir(mode=0o555)
        if os.geteuid() == 0:
            os.seteuid(65534)
            try:
                yield folder
            finally:
                os.seteuid(0)
        else:
            yield folder
        (folder / "closed").chmod(0o755)


def test_a_folder_that_cannot_be_written(unprivileged):
    for path in (unprivileged / "closed", unprivileged / "closed" / "profiles" / "deep"):
        found = one(places.folder("folder.profiles", path))
        assert found.status == "fail"
        assert "Permission denied" in found.seen
        assert "--profiles" in found.remedy


def test_a_disk_with_little_room(tmp_path, monkeypatch):
    """The size of the disk is the seam: only its number is made up."""
    real = os.statvfs(tmp_path)
    for free, status in ((10 << 20, "fail"), (500 << 20, "warn"), (5 << 30, "ok")):
        fields = list(real)
        fields[4] = free // real.f_frsize
        found = os.statvfs_result(fields)
        monkeypatch.setattr(os, "statvfs", lambda _path, found=found: found)
        assert one(places.folder("folder.state", tmp_path)).status == status


def test_a_clock_that_went_back(patient):
    assert one(machine.clock(patient)).status in ("ok", "warn")
    patient.setting.state.write_text("{}")
    ahead = patient.setting.state.stat().st_mtime + 3600
    os.utime(patient.setting.state, (ahead, ahead))
    found = one(machine.clock(patient))
    assert found.status == "fail"
    assert found.seen.startswith("the clock went back")


def test_memory_that_is_nearly_gone(patient, monkeypatch):
    """What the kernel tells is the seam: only its numbers are made up."""
    for free_kb, status in ((50_000, "fail"), (800_000, "warn"), (20_000_000, "ok")):
        told = {"MemTotal": 32e9, "MemAvailable": free_kb * 1024.0}
        monkeypatch.setattr(machine, "_meminfo", lambda told=told: told)
        found = one(machine.memory(patient))
        assert found.status == status
        assert (found.remedy is None) == (status == "ok")


def test_the_log_of_a_doctor_tells_its_findings(aios):
    aios.write(".aios/state.json", "{")
    ran = aios("doctor", "--log-file", "log.jsonl")
    assert ran.code == 6
    told = [json.loads(line) for line in (aios.place / "log.jsonl").read_text().splitlines()]
    assert "state" in [line["check"] for line in told if line["event"] == "finding" and line["level"] == "error"]
