"""`aios schedule` as a user runs it: what jobs say, what is refused, what is printed."""

import json

import pytest

FLEET = f"""\
apiVersion: aios/v1
kind: Fleet
metadata: {{name: hall}}
spec:
  nodes:
    - name: a
      cpu: 16
      devices: [{{type: card, count: 2}}]
      price: [{", ".join(["1 USD/h"] * 7 + ["4 USD/h"] * 17)}]
      carbon: 300 gCO2/kWh
  devices:
    - {{name: card, kind: gpu, tdp: 100 W, memory: 16 GiB}}
"""

JOB = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}}}
spec:
  demand: {{accelerator: {{count: {count}}}}}
  duration: {duration}
{more}
"""


@pytest.fixture
def jobs(aios):
    """Writes a file of jobs beside a fleet: name -> count, duration, further lines."""
    aios.write("fleet.yaml", FLEET)

    def write(file="jobs.yaml", **listed):
        texts = [
            JOB.format(name=name.replace("_", "-"), count=count, duration=duration, more=more)
            for name, (count, duration, more) in listed.items()
        ]
        return aios.write(file, "---\n".join(texts))

    return write


def test_jobs_run_in_the_cheap_hours_of_the_day_that_the_plan_starts_on(aios, jobs):
    jobs(first=(1, "2 h", "  when: {earliest: 10:00}"), second=(2, "3 h", "  when: {after: first, deadline: 1 d}"))
    ran = aios("schedule", "jobs.yaml", "--start", "2027-03-01T16:00+00:00", "--json")
    assert ran.code == 0, ran.err
    runs = {run["job"]: run for run in ran.json["runs"]}
    assert runs["first"]["start_s"] == 18 * 3600  # 10:00 on the next day
    assert runs["second"]["start_s"] == 20 * 3600
    assert runs["first"]["expense_usd"] == pytest.approx(4.0)
    assert runs["second"]["emissions_g"] == pytest.approx(0.2 * 300 * 3)
    assert runs["second"]["placement"] == [{"node": "a", "devices": ["0", "1"], "share": 1.0, "replicas": 1}]
    assert ran.json["status"] == "optimal"


def test_the_chart_shows_when(aios, jobs):
    jobs(night=(1, "6 h", ""))
    ran = aios("schedule", "jobs.yaml", "--start", "2027-03-01T20:00Z", "--within", "12 h", NO_COLOR="1")
    assert ran.code == 0, ran.err
    (bar,) = (line for line in ran.out.splitlines() if "█" in line and line.startswith("night"))
    columns = bar.split("  ")[1] if "  " in bar else bar
    assert columns.strip() in ran.out
    assert "2027-03-02 00:00  2027-03-02 06:00" in ran.out
    assert "minimize expense: 3.00 USD, proved" in ran.out


def test_a_picture_is_drawn(aios, jobs):
    pytest.importorskip("matplotlib")
    jobs(night=(1, "6 h", ""))
    assert aios("schedule", "jobs.yaml", "-o", "chart.svg").code == 0
    drawn = (aios.place / "chart.svg").read_text()
    assert "<svg" in drawn
    assert "<!-- night -->" in drawn
    refused = aios("schedule", "jobs.yaml", "-o", "chart.txt")
    assert refused.code == 1
    assert "no picture can be written to chart.txt" in refused.err


def test_copies_are_jobs_and_wait_together(aios, jobs):
    jobs(crowd=(1, "1 h", "  count: 4"), last=(1, "1 h", "  when: {after: crowd}"))
    ran = aios("schedule", "jobs.yaml", "--json")
    runs = {run["job"]: run["start_s"] / 3600 for run in ran.json["runs"]}
    assert sorted(runs.items()) == [("crowd-0", 0), ("crowd-1", 0), ("crowd-2", 1), ("crowd-3", 1), ("last", 2)]


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ({"a": (1, "1 h", "  when: {after: b}"), "b": (1, "1 h", "  when: {after: [c]}"),
          "c": (1, "1 h", "  when: {after: a}")},
         ["3 jobs wait for each other", "`a` waits for `b` (jobs.yaml:7:17); `b` waits for `c` (jobs.yaml:15:18)"]),
        ({"a": (1, "1 h", "  when: {after: a}")}, ["`a` waits for itself", "jobs.yaml:7:17"]),
        ({"a": (1, "1 h", "  when: {after: frist}"), "first": (1, "1 h", "")}, ["did you mean `first`?"]),
        ({"a": (1, "1 h", "  when: {earliest: 2027-03-01}")}, ["`2027-03-01` is a date, and nobody says when"]),
        ({"a": (1, "1 h", "  when: {earliest: 5 h, deadline: 4 h}")}, ["lies before `earliest`"]),
        ({"a": (1, "1 h", "  when: {earliest: 25:00}")}, ["`25:00` is no time of a day"]),
        ({"a": (1, "1 h", "  when: {deadline: tomorrow}")}, ["`tomorrow`"]),
        ({"a": (1, "1 h", "  when: {deadline: 0 h}")}, ["a job that has to end as the plan starts cannot run"]),
        ({"a": (1, "1 h", "  when: {}\n  required: false")}, ["`a` may be refused"]),
        ({"a": (1, "1 h", "  count: 5000")}, ["5,001 jobs"]),
        ({"a": (1, "0 h", "")}, ["zero"]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_its_place(aios, jobs, listed, told):
    jobs(**listed)
    ran = aios("schedule", "jobs.yaml")
    assert ran.code == 1, ran.out + ran.err
    for text in told:
        assert text in " ".join(ran.err.split())
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--start", "soon"), "`soon` is no date and time"),
        (("--within", "0 h"), "leaves no time"),
        (("--within", "2 parsecs"), "--within"),
        (("--minimize", "expnse"), "did you mean `expense`?"),
        (("--minimize", "time,time"), "named twice"),
    ],
)
def test_options_that_say_nothing_are_refused(aios, jobs, options, told):
    jobs(a=(1, "1 h", ""))
    ran = aios("schedule", "jobs.yaml", *options)
    assert ran.code == 64
    assert told in ran.err


def test_without_a_job_there_is_nothing_to_schedule(aios):
    aios.write("fleet.yaml", FLEET)
    aios.write(
        "stands.yaml", JOB.format(name="stands", count=1, duration="1 h", more="").replace("  duration: 1 h\n", "")
    )
    ran = aios("schedule", "stands.yaml")
    assert ran.code == 1
    assert "there is no job to schedule" in ran.err


def test_what_does_not_fit_says_what_would(aios, jobs):
    jobs(a=(2, "3 h", "  when: {deadline: 4 h}"), b=(2, "3 h", "  when: {deadline: 5 h}"))
    ran = aios("schedule", "jobs.yaml", "--json")
    assert ran.code == 3
    found = json.loads(ran.out)["conflict"]
    assert {clause["id"] for clause in found["clauses"]} == {"a/deadline", "b/deadline", "capacity/a"}
    assert [item["to"] for item in found["relaxations"]] == ["6 h after the start"] * 2
    loosened = {"a": (2, "3 h", "  when: {deadline: 6 h}"), "b": (2, "3 h", "  when: {deadline: 5 h}")}
    jobs(**loosened)
    assert aios("schedule", "jobs.yaml").code == 0


def test_a_price_needs_one_value_or_one_of_each_hour(aios, jobs):
    jobs(a=(1, "1 h", ""))
    aios.write("fleet.yaml", FLEET.replace("price: [1 USD/h, ", "price: ["))
    ran = aios("schedule", "jobs.yaml")
    assert ran.code == 1
    assert "23 values of a price" in ran.err
