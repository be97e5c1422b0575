"""The example of jobs at night: cheap hours, a cap by day, and what waits for what."""

from pathlib import Path

import pytest

from aios.workflow.scheduling import frame_of, schedule_jobs
from aios.workflow.setting import Setting

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "night-jobs"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    setting = Setting(paths=(str(EXAMPLE),), state=home / "state.json", profiles=home / "profiles")
    return schedule_jobs(setting, frame_of("2027-03-01T16:00Z"))


def test_everything_runs_at_night_rates(found):
    runs = {run.job: run for run in found.schedule.runs}
    assert found.schedule.status == "optimal"
    assert found.ledger.holds
    assert all(runs[f"embed-documents-{k}"].expense_usd == pytest.approx(4 * 1.0) for k in range(3))
    assert runs["prepare-data"].start_s >= 2 * 3600
    assert all(run.start_s >= runs["prepare-data"].end_s for name, run in runs.items() if name != "prepare-data")


def test_a_deadline_of_the_morning_is_the_next_one(found):
    ends = [run.end_s for run in found.schedule.runs if run.intent == "embed-documents"]
    assert max(ends) <= 15 * 3600


def test_what_a_training_job_takes_is_predicted(found):
    (run,) = (run for run in found.schedule.runs if run.job == "finetune")
    way = next(job for job in found.jobs if job.name == "finetune").ways[run.way]
    assert way.duration_s <= run.end_s - run.start_s < way.duration_s + found.schedule.step_s
