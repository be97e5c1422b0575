"""The log of a run: there when something changed, whole after a kill, free of secrets, and never in the way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aios.workflow import runlog, stages
from aios.workflow.runlog import RunLog

SECRET = "canary-7f3a9c"


@pytest.fixture
def written(aios, fleet, asked):  # noqa: ARG001 - the fleet file is beside the intent
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    return aios


def logs(aios, folder=".aios/logs"):
    return sorted((aios.place / folder).glob("*.jsonl"))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_apply_is_logged_with_its_run_plan_and_serials(written):
    assert written("apply", "intent.yaml", "--yes").code == 0
    (path,) = logs(written)
    told = lines(path)
    assert path.name.split("-")[1] == "apply"
    assert path.stat().st_mode & 0o077 == 0
    assert len({line["run"] for line in told}) == 1
    assert [line["time"] for line in told] == sorted(line["time"] for line in told)
    first, last = told[0], told[-1]
    assert (first["event"], first["arguments"]) == ("command.begin", "apply intent.yaml --yes")
    assert (last["event"], last["exit_code"]) == ("command.end", 0)
    assert last["plan"] == written("status", "--json").json["resources"][0]["resource"]["plan"]
    assert [line["serial"] for line in told if line["event"] == "state.written"] == [1, 2]
    names = [line["event"] for line in told]
    for name in ("reading", "candidates", "pricing", "solving", "checking", "freshness", "apply"):
        assert names.index(f"{name}.begin") < names.index(f"{name}.end")
    (action,) = (line for line in told if line["event"] == "action.end")
    assert (action["address"], action["status"]) == ("digits", "done")
    (call,) = (line for line in told if line["event"] == "executor.carry_out.end")
    assert call["executor"] == "dryrun"
    assert 0 < call["seconds"] <= action["seconds"] <= last["seconds"]


def test_a_command_that_only_answers_leaves_no_log_unless_it_is_asked_for(written):
    assert written("plan", "intent.yaml").code == 0
    assert written("status").code == 0
    assert logs(written) == []
    assert written("plan", "intent.yaml", "--log-level=debug").code == 0
    told = lines(logs(written)[0])
    assert {"rejected", "goal"} <= {line["event"] for line in told if line["level"] == "debug"}
    assert next(line for line in told if line["event"] == "solving.end")["status"] == "optimal"


@pytest.mark.parametrize("arguments", [("apply", "--no-such-option"), ("destroy", "--yes"), ("apply",)])
def test_what_begins_nothing_leaves_nothing(aios, arguments):
    aios(*arguments)
    assert list(aios.place.iterdir()) == []


def test_the_environment_sets_the_level_and_the_option_wins(written):
    assert written("apply", "intent.yaml", "--yes", AIOS_LOG="off").code == 0
    assert logs(written) == []
    assert written("--log-level", "warning", "destroy", "--yes", AIOS_LOG="off").code == 0
    assert lines(logs(written)[0]) == []


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("status", "--log-level", "loud"), {}, "--log-level is 'loud'"),
        (("status", "--log-level"), {}, "--log-level is ''"),
        (("status",), {"AIOS_LOG": "1"}, "AIOS_LOG is '1'"),
        (("status", "--log-file="), {}, "--log-file names no file"),
    ],
)
def test_a_level_that_is_none_is_a_wrong_command_line(aios, arguments, environment, said):
    ran = aios(*arguments, **environment)
    assert ran.code == 64
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_failure_names_its_log_and_the_log_says_why(written):
    (written.place / "models").mkdir()
    written.write("intent.yaml", (written.place / "intent.yaml").read_text().replace("digits-s.onnx", "absent.onnx"))
    ran = written("apply", "intent.yaml", "--yes")
    assert ran.code == 1
    (path,) = logs(written)
    assert ran.err.splitlines()[-1] == f"log: {path.relative_to(written.place)}"
    (error,) = (line for line in lines(path) if line["event"] == "error")
    assert error["where"].startswith("intent.yaml:")
    assert "absent.onnx" in error["summary"]
    assert lines(path)[-1]["exit_code"] == 1


def test_a_bug_is_logged_with_its_traceback(written, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import aios.workflow.applying as applying\n"
        f"def apply_plan(*_): raise KeyError('{SECRET} token={SECRET}')\n"
        "applying.apply_plan = apply_plan\n"
    )
    path = os.pathsep.join((str(broken), *filter(None, [os.environ.get("PYTHONPATH")])))
    ran = written.apart("apply", "intent.yaml", "--yes", PYTHONPATH=path, A_TOKEN=SECRET)
    assert ran.code == 70
    text = logs(written)[0].read_text()
    assert "KeyError" in text
    assert SECRET not in text


def test_a_log_goes_where_it_is_told_to(written):
    ran = written("apply", "intent.yaml", "--yes", "--log-file", "here.jsonl")
    assert ran.code == 0
    assert lines(written.place / "here.jsonl")[-1]["exit_code"] == 0
    assert logs(written) == []
    ran = written.apart("destroy", "--yes", "--log-file", "-")
    assert [json.loads(line)["event"] for line in ran.err.splitlines() if line.startswith("{")][-1] == "command.end"


def test_logs_stand_beside_the_state(written):
    assert written("apply", "intent.yaml", "--yes", "--state", "kept/state.json").code == 0
    assert len(logs(written, "kept/logs")) == 1
    assert not (written.place / ".aios" / "logs").exists()


@pytest.mark.parametrize("file", ["/dev/full", "absent/folder/log.jsonl", "intent.yaml/log.jsonl"])
def test_a_log_that_cannot_be_written_costs_one_line(written, file):
    ran = written("apply", "intent.yaml", "--yes", "--log-file", file)
    assert ran.code == 0
    assert ran.err.count("cannot be written") == 1
    assert "this run goes on without" in ran.err


def test_logs_that_are_a_file_cost_one_line(written):
    written.write(".aios/logs", "no folder")
    ran = written("apply", "intent.yaml", "--yes")
    assert ran.code == 0
    assert ran.err.count("cannot be written") == 1


def test_no_secret_is_logged(written):
    secrets = {"STATE_PASSWORD": SECRET, "PROXY": f"socks5://u:{SECRET}x@proxy:80"}
    words = ("apply", "intent.yaml", "--yes", "--log-level", "debug")
    ran = written.apart(*words, "--fleet", f"postgresql://u:{SECRET}y@h/d", **secrets)
    assert ran.code == 1
    ran = written.apart(*words, f"{SECRET}.yaml", **secrets)
    assert ran.code == 1
    assert len(logs(written)) == 2
    assert all(SECRET not in path.read_text() for path in logs(written))


def test_a_killed_run_leaves_whole_lines_up_to_what_it_did(aios, fleet, asked):  # noqa: ARG001 - beside the intent
    aios.write("intent.yaml", asked())
    process = aios.start("apply", "intent.yaml", "--yes")
    for line in process.stderr:
        if "create digits" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (path,) = logs(aios)
    told = [line["event"] for line in lines(path)]
    assert "action.begin" in told
    assert "command.end" not in told


def test_an_interrupted_run_says_so(aios, fleet, asked):  # noqa: ARG001 - beside the intent
    aios.write("intent.yaml", asked())
    process = aios.start("apply", "intent.yaml", "--yes")
    for line in process.stderr:
        if "create digits" in line:
            break
    process.send_signal(signal.SIGTERM)
    said = process.stderr.read()
    code = process.wait(60)
    (path,) = logs(aios)
    last = lines(path)[-1]
    assert last["exit_code"] == code == 143
    assert said.splitlines()[-1] == f"log: {path.relative_to(aios.place)}"


def entry(folder, number, size=0):
    path = folder / f"2026010{number // 10000}T{number % 10000:06d}Z-apply-{number}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def one_run(folder):
    warnings = []
    log = RunLog("apply", "info", "run", lambda: "2026-11-22T20:06:26.000001Z", warnings.append, eager=True)
    log.keep_in(folder)
    log.event("something", "info", {}, None)
    log.close()
    assert warnings == []
    return log.path


def test_the_last_fifty_logs_are_kept_and_nothing_else_is_touched(tmp_path):
    kept = [tmp_path / name for name in ("notes.txt", "20260101T000000Z-apply-1.jsonl.bak")]
    for path in kept:
        path.write_text("mine")
    older = [entry(tmp_path, number) for number in range(60)]
    newest = one_run(tmp_path)
    assert newest.name == f"20261122T200626Z-apply-{os.getpid()}.jsonl"
    assert sorted(tmp_path.iterdir()) == sorted([*kept, *older[11:], newest])


def test_many_large_logs_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(runlog, "_MOST_BYTES_OF_ALL", 1000)
    older = [entry(tmp_path, number, 300) for number in range(10)]
    newest = one_run(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*older[-3:], newest])


def test_a_log_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(runlog, "_MOST_BYTES", 2000)
    log = RunLog("apply", "info", "run", lambda: "2026-11-22T20:06:26.000001Z", pytest.fail, eager=True)
    log.write_to(tmp_path / "log.jsonl")
    for number in range(100):
        log.event("something", "info", {"number": number}, None)
    log.close()
    assert lines(tmp_path / "log.jsonl")[-1]["event"] == "log.full"
    assert (tmp_path / "log.jsonl").stat().st_size < 2200


def test_two_runs_of_one_name_have_two_logs(tmp_path):
    assert one_run(tmp_path).name.removesuffix(".jsonl") + "-2.jsonl" == one_run(tmp_path).name


OTHERS = """
import logging, warnings
from aios.cli import telemetry
telemetry.begin(["apply", "--log-level", "info", "--log-file", "log.jsonl"])
logging.getLogger("some.library").warning("\\x1b[31mit is %s", "late")
logging.getLogger("some.library").info("chatter")
warnings.warn("old manner", DeprecationWarning, stacklevel=1)
telemetry.end(0, None)
"""


def test_what_other_packages_say_lands_in_the_log(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", OTHERS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    records = [line for line in lines(tmp_path / "log.jsonl") if line["event"] == "record"]
    assert [line["logger"] for line in records] == ["some.library", "py.warnings"]
    assert records[0]["text"] == "\x1b[31mit is late"
    assert "\x1b" not in (tmp_path / "log.jsonl").read_text(), "a terminal obeys what a log quotes"


def test_an_unwatched_stage_keeps_nothing():
    with stages.stage("quiet", intents=3) as at:
        at.note(found=Path())
    assert at.attributes == {}
