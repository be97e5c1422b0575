"""`aios plan` of jobs that say when they may run, beside services: the schedule that `aios schedule` finds."""

from pathlib import Path

import pytest

MODEL = Path(__file__).resolve().parents[2] / "examples" / "digits" / "models" / "digits-s.onnx"
DEAR = "[" + ", ".join(["4 USD/h"] * 6 + ["1 USD/h"] * 6 + ["4 USD/h"] * 12) + "]"


def fleet(price=DEAR, count=2):
    return f"""\
apiVersion: aios/v1
kind: Fleet
metadata: {{name: hall}}
spec:
  nodes:
    - {{name: l4, count: {count}, cpu: 8, memory: 64 GiB, devices: [{{type: nvidia-l4}}], price: {price}}}
"""


def job(name, more="", duration="2 h", count=1):
    return f"""\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}}}
spec:
  demand: {{accelerator: {{count: 1, types: [nvidia-l4]}}}}
  count: {count}
  duration: {duration}
{more}"""


SERVICE = f"""\
apiVersion: aios/v1
kind: Intent
metadata: {{name: read}}
spec:
  task: image-classification
  model: {MODEL}
  load: {{rate: 20/s}}
  pin: {{device: nvidia-l4, executor: dryrun, precision: fp32, batch: 1, replicas: 1}}
"""


@pytest.fixture
def hall(aios):
    aios.write("fleet.yaml", fleet())
    return aios


def by_name(ran):
    assert ran.code == 0, ran.err
    return {item["intent"]: item for item in ran.json["decisions"]}


def test_a_plan_says_what_a_schedule_says(hall):
    hall.write(
        "jobs.yaml", job("first", "  when: {deadline: 23:00}\n") + "---\n" + job("then", "  when: {after: first}\n")
    )
    planned = by_name(hall("plan", "jobs.yaml", "--json"))
    runs = {run["intent"]: run for run in hall("schedule", "jobs.yaml", "--json").json["runs"]}
    for name, run in runs.items():
        assert (planned[name]["start_s"], planned[name]["end_s"]) == (run["start_s"], run["end_s"])
        assert planned[name]["runs"] == [run]
    assert planned["first"]["start_s"] == 6 * 3600
    assert planned["then"]["start_s"] >= planned["first"]["end_s"]


def test_jobs_run_beside_services_on_what_they_leave(hall):
    hall.write("all.yaml", SERVICE + "---\n" + job("batch", "  when: {earliest: 1 h}\n", count=2))
    ran = hall("plan", "all.yaml", "--json", "--start", "2027-03-01T00:00Z")
    planned = by_name(ran)
    assert ran.json["frame"]["start"] == "2027-03-01T00:00:00Z"
    assert "start_s" not in planned["read"]
    taken = {part["node"] for part in planned["read"]["placement"]}
    one, other = planned["batch"]["runs"]
    assert {part["node"] for run in (one, other) for part in run["placement"]}.isdisjoint(taken)
    assert one["end_s"] <= other["start_s"] or other["end_s"] <= one["start_s"]
    assert sum(run["expense_usd"] for run in (one, other)) == pytest.approx(4.0)
    assert [action["action"] for action in ran.json["actions"]] == ["create"]


def test_a_duration_is_planned_in_time_where_rents_change_and_only_there(hall):
    hall.write("job.yaml", job("batch"))
    assert by_name(hall("plan", "job.yaml", "--json"))["batch"]["start_s"] == 6 * 3600
    hall.write("fleet.yaml", fleet("1 USD/h"))
    ran = hall("plan", "job.yaml", "--json")
    assert "start_s" not in by_name(ran)["batch"]
    assert "frame" not in ran.json


def test_words_and_a_picture(hall):
    hall.write("job.yaml", job("batch"))
    ran = hall("plan", "job.yaml", "--svg", "jobs.svg")
    assert "JOB" in ran.out
    assert "day 1, 06:00" in ran.out
    assert "objective minimize expense: 2 USD, proved optimal" in ran.out
    assert (hall.place / "jobs.svg").read_text().startswith("<?xml")


def test_a_picture_of_no_job_is_a_mistake(hall):
    hall.write("read.yaml", SERVICE)
    ran = hall("plan", "read.yaml", "--svg", "jobs.svg")
    assert ran.code == 1
    assert "no job" in ran.err


def test_what_does_not_fit_in_time_is_a_conflict(hall):
    hall.write("fleet.yaml", fleet(count=1))
    hall.write("job.yaml", job("late", "  when: {deadline: 3 h}\n", count=2))
    ran = hall("plan", "job.yaml", "--json")
    assert ran.code == 3
    assert any("ends by" in clause["text"] for clause in ran.json["conflict"]["clauses"])


def test_a_time_on_what_never_ends_is_a_mistake(hall):
    hall.write("job.yaml", job("batch", "  when: {earliest: 1 h}\n").replace("  duration: 2 h\n", ""))
    ran = hall("plan", "job.yaml")
    assert ran.code == 1
    assert "when" in ran.err


def test_apply_does_not_start_early_what_is_to_start_late(hall):
    train = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: tune}
spec:
  task: text-generation
  model: {card: meta-llama/Llama-3.2-1B}
  train: {tokens: 1e7, batch: 8, sequence: 1024}
  when: {earliest: 3 h}
  goal: minimize time
"""
    hall.write("tune.yaml", train)
    ran = hall("plan", "tune.yaml", "--json", "-o", "plan.json")
    assert by_name(ran)["tune"]["start_s"] >= 3 * 3600
    applied = hall("apply", "plan.json")
    assert applied.code == 1
    assert "planned to start later" in applied.err


def test_an_objective_is_not_kept_in_time_and_refused(hall):
    objective = "---\napiVersion: aios/v1\nkind: Objective\nmetadata: {name: all}\nspec: {budget: {power: 2 kW}}\n"
    hall.write("job.yaml", job("batch", "  when: {earliest: 1 h}\n") + objective)
    ran = hall("plan", "job.yaml")
    assert ran.code == 1
    assert "Objective" in ran.err


def test_who_states_a_duration_alone_is_not_refused_what_a_schedule_refuses(hall):
    hall.write("job.yaml", job("batch", "  required: false\n", count=9))
    ran = hall("plan", "job.yaml", "--json")
    assert "start_s" not in by_name(ran)["batch"]
    assert ran.json["refused"] == [{"intent": "batch", "count": 7}]
