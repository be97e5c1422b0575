"""The history: every run on record, whatever came of it; and the state that can be gone back to."""

import json
import os
import signal
import stat

import pytest

pytestmark = pytest.mark.usefixtures("fleet")

INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}}}
spec:
  task: image-classification
  model: {model}
  load: {{rate: 1/s}}
  require: {{latency: {{p99: 2 s}}}}
  pin: {{precision: fp32, threads: {threads}, batch: 1, replicas: 1, executor: dryrun}}
"""


@pytest.fixture
def intent(aios, digits):
    def write(name="a", threads=1):
        text = INTENT.format(name=name, threads=threads, model=digits / "models" / "digits-s.onnx")
        return str(aios.write(f"{name}.yaml", text).name)

    return write


def runs(here):
    return here("history", "--json").json["runs"]


def test_each_run_says_what_who_when_from_what_and_what_came_of_it(aios, here, intent):
    here("plan", intent(), "-o", "plan.json")
    assert here("apply", "plan.json", AIOS_JOB="https://ci.example.org/7").code == 0
    assert here("apply", intent(threads=2), "--yes", CI_JOB_URL="https://git.example.org/8").code == 0
    assert here("destroy", "--yes").code == 0
    third, second, first = runs(here)
    assert [run["number"] for run in (first, second, third)] == [1, 2, 3]
    assert [run["command"] for run in (first, second, third)] == ["apply", "apply", "destroy"]
    assert first["plan"] == json.loads((aios.place / "plan.json").read_text())["id"]
    assert first["who"]["host"] == os.uname().nodename
    assert [run["who"]["job"] for run in (first, second, third)] == [
        "https://ci.example.org/7",
        "https://git.example.org/8",
        None,
    ]
    assert first["inputs"]["state"] == "new:0"
    assert [(run["serial_before"], run["serial_after"]) for run in (first, second, third)] == [(0, 2), (2, 4), (4, 6)]
    assert {run["outcome"] for run in (first, second, third)} == {"complete"}
    assert [[(step["action"], step["status"]) for step in run["steps"]] for run in (first, second, third)] == [
        [("create", "done")],
        [("update", "done")],
        [("delete", "done")],
    ]
    assert (aios.place / ".aios/history/000001.plan.json").read_text() == (aios.place / "plan.json").read_text()
    lines = here("history", "--last", "2").out.splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", "@3", "@2"]


def test_a_plan_that_is_refused_is_no_run(here, intent):
    here("plan", intent(), "-o", "plan.json")
    intent(threads=2)
    assert here("apply", "plan.json").code == 4
    assert runs(here) == []


def test_a_run_that_failed_says_why(aios, intent):
    (aios.place / ".aios").mkdir()
    (aios.place / ".aios" / "run").write_text("a file, where the folder of services should be")
    ran = aios("apply", intent(), "--yes")
    assert ran.code == 6
    (run,) = runs(aios)
    assert run["outcome"] == "failed"
    assert "run" in run["error"]
    assert run["steps"][0]["status"] in ("failed", "not begun")
    assert "1 create (1 " in aios("history").out


def killing(aios):
    """Return the environment in which a command is killed once the sixth line of its journal is on disk."""
    aios.write(
        "sitecustomize.py",
        """
import os, signal
real, count = os.fsync, 0
def fatal(descriptor):
    global count
    real(descriptor)
    name = os.readlink(f"/proc/self/fd/{descriptor}")
    if name.endswith(".jsonl"):
        count += 1
        if count == 6:
            os.kill(os.getpid(), signal.SIGKILL)
os.fsync = fatal
""",
    )
    return {"PYTHONPATH": f"{aios.place}:{os.environ.get('PYTHONPATH', '')}"}


def test_a_run_that_was_killed_is_closed_by_the_next_one_with_what_it_had_come_to(aios, intent):
    aios("plan", intent("a"), intent("b"), "-o", "plan.json")
    ran = aios.apart("apply", "plan.json", **killing(aios))
    assert ran.code == -signal.SIGKILL
    record = json.loads((aios.place / ".aios/history/000001.json").read_text())
    assert record["outcome"] == "running", "nobody could say how it ended"
    (killed,) = runs(aios)
    assert killed["outcome"] == "interrupted", "nobody is at work"
    assert "begun" in {step["status"] for step in killed["steps"]}
    assert "interrupted" in aios("show", "@1").out
    assert "begun" in aios("history", "a").out
    ran = aios("apply", "plan.json")
    assert ran.code == 0, ran.err
    second, first = runs(aios)
    assert (first["outcome"], second["outcome"]) == ("interrupted", "complete")
    reached = {step["address"]: step["status"] for step in first["steps"]}
    assert reached.keys() == {"a", "b"}
    assert "begun" in reached.values()
    assert reached.keys() >= {step["address"] for step in second["steps"] if "before the last run" in step["note"]}
    assert "killed" in first["error"]
    assert first["serial_after"] == second["serial_before"]


def test_a_clock_that_went_back_is_told_of_and_changes_no_order(aios, here, intent):
    assert here("apply", intent(), "--yes").code == 0
    path = aios.place / ".aios/history/000001.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "begun": "2199-01-01T00:00:00Z", "ended": "2199-01-01T00:00:01Z"}))
    ran = here("destroy", "--yes")
    assert ran.code == 0
    assert "run @1 was at work at 2199-01-01T00:00:01Z" in ran.err
    assert [run["number"] for run in runs(here)] == [2, 1]


def test_a_folder_that_everybody_may_write_to_is_told_of_once(aios, here, intent):
    (aios.place / ".aios").mkdir()
    (aios.place / ".aios").chmod(0o777)
    ran = here("apply", intent(), "--yes")
    assert ran.code == 0
    assert ran.err.count("anybody may write to the folder .aios") == 1


def test_a_damaged_record_says_how_to_go_on(aios, here, intent):
    assert here("apply", intent(), "--yes").code == 0
    path = aios.place / ".aios/history/000001.json"
    path.write_text(path.read_text()[:100])
    ran = here("history")
    assert ran.code == 4
    assert "run     mv -- .aios/history/000001.json .aios/history/000001.json.damaged" in ran.err
    path.rename(f"{path}.damaged")
    assert here("history").out == "nothing was ever applied\n"


def test_what_is_measured_is_noted_beside_the_run_that_applied_it(aios, here, intent, monkeypatch):
    from aios.records.measurement import Verdict
    from aios.workflow.recording import history
    from aios.workflow.runs import keep_verdicts
    from aios.workflow.setting import Setting
    from aios.workflow.verifying import Verified

    monkeypatch.chdir(aios.place)
    here("apply", intent("a"), "--yes")
    here("apply", intent("b"), "--yes", "--keep-others")
    verdict = Verdict(
        address="a", metric="power", clause=None, bound=None, predicted=1.0, low=0.5, high=2.0, measured=None,
        verdict="unmeasured", reason="no meter",
    )  # fmt: skip
    setting = Setting()
    keep_verdicts(setting, [Verified("a", (verdict,), {}), Verified("b", (), {}), Verified("gone", (verdict,), {})])
    first, second = history(setting)
    assert first.verdicts == {"a": (verdict,)}
    assert set(first.measured_at) == {"a"}
    assert second.verdicts == {"b": ()}


def test_going_back_to_what_a_run_left_is_told_and_then_planned(here, intent):
    here("apply", intent("a"), "--yes")
    here("destroy", "--yes")
    ran = here("state", "restore")
    assert ran.code == 64
    assert "--yes" in ran.err
    ran = here("state", "restore", "--run", "9", "--yes")
    assert ran.code == 1
    assert "no state of run @9 is kept" in ran.err
    ran = here("state", "restore", "--run", "1", "--yes", "--json")
    assert ran.json == {"run": 1, "before": 4, "serial": 5}
    assert "repair: absent" in here("plan", "a.yaml").out


def test_what_is_kept_of_a_run_may_be_damaged_and_an_earlier_one_is_named(aios, here, intent):
    here("apply", intent("a"), "--yes")
    here("apply", intent("b"), "--keep-others", "--yes")
    (aios.place / ".aios" / "history" / "000002.state.json").write_text("{")
    ran = here("state", "restore", "--yes")
    assert ran.code == 4
    assert "that run @2 left is damaged" in ran.err
    assert "run     aios state restore --run 1" in ran.err
    assert here("state", "restore", "--run", "1", "--yes").code == 0


def test_a_state_that_a_later_aios_wrote_is_not_replaced(aios, here, intent):
    here("apply", intent("a"), "--yes")
    path = aios.place / ".aios/state.json"
    newer = path.read_text().replace('"version": 2', '"version": 3', 1)
    path.write_text(newer)
    for command in (["status"], ["state", "restore", "--yes"], ["state", "pull"], ["destroy", "--yes"]):
        ran = here(*command)
        assert ran.code == 4
        assert "written by a newer aios" in ran.err
    assert path.read_text() == newer
    path.write_text(newer.replace('"version": 3', '"version": 2', 1))


def test_a_copy_goes_where_it_is_told_and_comes_from_standard_input(here, intent):
    here("apply", intent("a"), "--yes")
    copy = here("state", "pull").out
    ran = here("state", "push", "-", "--state", "elsewhere/state.json", stdin=copy)
    assert ran.code == 0, ran.err
    assert "it lists a" in ran.out
    assert here("state", "push", "-", stdin="{}").code == 1
    assert here("state", "push", "missing.json").code == 1
    other = here("state", "pull", "--state", "elsewhere/state.json").out
    assert json.loads(other)["state"]["resources"] == json.loads(copy)["state"]["resources"]
    foreign = copy.replace(json.loads(copy)["state"]["lineage"], "0" * 36)
    assert "checksum" in here("state", "push", "-", stdin=foreign).err


def test_a_copy_that_was_put_already_is_put_once(here, intent):
    here("apply", intent(), "--yes")
    here("state", "pull", "-o", "copy.json")
    first = here("state", "push", "copy.json", "--state", "other.json", "--json")
    again = here("state", "push", "copy.json", "--state", "other.json", "--json")
    assert (first.code, again.code) == (0, 0), again.err
    assert again.json["serial"] == first.json["serial"]
    assert "says the same" in here("state", "push", "copy.json", "--state", "other.json").out
    here("apply", intent("b"), "--yes", "--state", "other.json")
    assert here("state", "push", "copy.json", "--state", "other.json").code == 4


def test_reading_makes_nothing(aios, here):
    for command in (["history"], ["status"], ["unlock"], ["state", "pull"]):
        assert here(*command).code == 0
    assert not (aios.place / ".aios").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_named(aios, here, intent):
    (aios.place / ".aios").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    ran = here("apply", intent(), "--yes")
    assert ran.code == 6
    assert ".aios" in ran.err
