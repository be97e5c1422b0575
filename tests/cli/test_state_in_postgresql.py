"""A state in PostgreSQL, as commands meet it: the same life as in a file, shared, and cut off at any point."""

import json
import re
from contextlib import closing
from itertools import count

import pytest
from postgresql_server import PASSWORD

from aios.records.errors import ConflictError, WorldError
from aios.spi.owner import Owner
from aios.workflow.applying import apply_plan
from aios.workflow.keeping import state_of
from aios.workflow.manner import Manner
from aios.workflow.planning import make_plan
from aios.workflow.recording import history
from aios.workflow.setting import Setting

_NUMBERS = count(1)

ONE_BY_ONE = Manner(parallelism=1)
INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}}}
spec:
  task: image-classification
  model: {model}
  load: {{rate: 1/s}}
  require: {{latency: {{p99: 2 s}}}}
  pin: {{precision: fp32, threads: 1, batch: 1, replicas: 1, executor: dryrun}}
"""


@pytest.fixture
def url(postgresql, monkeypatch):
    """Of a state of its own, in a database that others use too; the password is in the environment."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return postgresql.url(f"cli-{next(_NUMBERS)}")


@pytest.fixture
def intents(aios, digits, request):
    """Writes intents that only write files when they are applied, and a fleet for them."""
    request.getfixturevalue("fleet")

    def write(*names):
        for name in names:
            aios.write(f"{name}.yaml", INTENT.format(name=name, model=digits / "models" / "digits-s.onnx"))
        return [f"{name}.yaml" for name in names]

    return write


def test_a_whole_life_and_the_password_is_nowhere(aios, intents, url, postgresql):
    said = []

    def run(*arguments, code=0):
        ran = aios(*arguments, AIOS_STATE=url)
        assert ran.code == code, ran.err
        said.append(ran.out + ran.err)
        return ran

    assert run("status").out == "nothing is applied\n"
    run("plan", *intents("a", "b"), "-o", "plan.json")
    assert json.loads((aios.place / "plan.json").read_text())["files"]["state"] == url
    run("apply", "plan.json")
    assert [item["resource"]["address"] for item in run("status", "--json").json["resources"]] == ["a", "b"]
    assert "applied already" in run("apply", "plan.json", code=4).err
    assert "nothing to do" in run("plan", "a.yaml", "b.yaml").out
    run("destroy", "a", "--yes")
    listed = run("history").out.splitlines()
    assert [line.split()[0] for line in listed[1:]] == ["@2", "@1"]
    assert "1 delete" in listed[1]
    assert "2 create" in listed[2]
    pulled = run("state", "pull", "--run", "1").json
    assert sorted(pulled["state"]["resources"]) == ["a", "b"]
    assert aios("history").out == "nothing was ever applied\n", "there is no local state"
    files = [path for path in aios.place.rglob("*") if path.is_file()]
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
    assert not [text for text in said if PASSWORD in text]
    kept = "".join(postgresql.sql(f"select * from aios.{table}") for table in ("state", "lock", "journal", "run"))
    assert "cli-" in kept
    assert PASSWORD not in kept


def test_a_password_in_the_url_is_refused_and_not_repeated(aios):
    for url in (
        "postgresql://ci:hunter2@localhost/db",
        "postgresql://ci@localhost/db?password=hunter2",
        "postgresql://ci@localhost/db?sslpassword=hunter2",
    ):
        ran = aios("status", "--state", url)
        assert ran.code == 1
        assert "password" in ran.err
        assert "hunter2" not in ran.err + ran.out


def test_a_password_by_reference_reaches_the_server_and_nothing_else(aios, intents, url):
    referring = url + "&password=env:DATABASE_SECRET"
    ran = aios(
        "plan", *intents("a"), "-o", "plan.json", "--state", referring, DATABASE_SECRET=PASSWORD, PGPASSWORD="no"
    )
    assert ran.code == 0, ran.err
    assert PASSWORD not in (aios.place / "plan.json").read_text()
    assert aios("apply", "plan.json", DATABASE_SECRET=PASSWORD, PGPASSWORD="").code == 0
    ran = aios("status", "--state", referring)
    assert ran.code == 6
    assert "DATABASE_SECRET is not set" in ran.err
    ran = aios("status", "--state", referring, DATABASE_SECRET="wrong")
    assert ran.code == 6
    assert "password authentication failed" in ran.err
    assert "PGPASSWORD" in ran.err


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("mysql://localhost/db", 1, "installed: file, postgresql"),
        ("postgresql://localhost:notaport/db", 1, "cannot be read"),
        ("postgresql://localhost/db?nonsense=1", 1, 'invalid connection option "nonsense"'),
        ("postgresql://localhost/db?name=a&name=b", 1, "more than once"),
        ("postgresql://localhost/db?name=../a", 1, "no name of a state"),
        ("postgresql://localhost/db?name=", 1, "no name of a state"),
        ("postgresql://localhost/db?name=\x1b[31m", 1, "characters that no URL has"),
        ("postgresql://127.0.0.1:1/db", 6, "Connection refused"),
        ("postgresql://127.0.0.1:1/db?host=/nowhere", 6, "No such file or directory"),
    ],
)
def test_a_wrong_url_is_told_in_words(aios, url, code, words):
    ran = aios("status", "--state", url)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert "\x1b" not in ran.err


CUT = """
create or replace function aios.cut() returns trigger language plpgsql as $$ begin
    if new.name = '{name}' and new.number = {line} then perform pg_terminate_backend(pg_backend_pid()); end if;
    return new;
end $$;
create or replace trigger cut before insert on aios.journal for each row execute function aios.cut();
"""
"""Has the server end the session that appends so many lines to the journal of a state, before the line counts."""


class Applied:
    """Two intents, planned for a state of their own and applied in this process."""

    def __init__(self, aios, url):
        self.setting = Setting(
            paths=(str(aios.place / "a.yaml"), str(aios.place / "b.yaml")),
            state=url,
            fleet=str(aios.place / "fleet.yaml"),
        )
        self.plan = make_plan(self.setting).plan
        self.events = []

    def __call__(self):
        self.events.clear()
        return apply_plan(self.plan, Setting(), self.events.append)

    def done(self):
        return {event.address for event in self.events if event.phase == "done"}

    def begun(self):
        return [event.address for event in self.events if event.phase == "begin"]


@pytest.fixture
def applied(aios, intents, url, monkeypatch):
    """Returns what makes one ``Applied`` after the other, each with a state of its own."""
    monkeypatch.chdir(aios.place)
    intents("a", "b")

    def make(number=0):
        return Applied(aios, f"{url}-{number}")

    return make


def tables(url):
    """Have the tables made."""
    with closing(state_of(Setting(state=url))) as backend, backend.lock(Owner.here("test", "2026")):
        pass


def test_cut_off_at_every_line_of_the_journal_it_stops_truthfully_and_the_next_goes_on(applied, url, postgresql):
    tables(url)
    for line in count(1):
        run = applied(line)
        postgresql.sql(CUT.format(name=f"{url.rpartition('=')[2]}-{line}", line=line))
        try:
            assert run().complete
            break
        except WorldError as error:
            told = error.diagnostics[0]
        assert "was lost" in told.summary
        assert "the same command goes on" in told.remedy
        done = run.done()
        (cut_off,) = history(run.setting)
        assert cut_off.outcome == "interrupted", "nobody is at work"
        postgresql.sql("drop trigger cut on aios.journal")
        assert run().complete
        first, second = history(run.setting)
        assert (first.outcome, second.outcome) == ("interrupted", "complete")
        kept = {step.address for step in first.steps if step.status == "done"}
        assert done <= kept, "it may have been cut off between keeping that and telling it"
        assert not kept & set(run.begun()), "what was done is not done again"
        state = state_of(run.setting).load()
        assert set(state.resources) == {"a", "b"}
        assert not [item for item in state.resources.values() if item.unfinished]
        with pytest.raises(ConflictError, match="applied already"):
            run()
    assert line > 6, "each action has several lines"


def test_a_server_that_goes_away_in_mid_apply_ends_it_and_the_next_one_goes_on(applied, postgresql):
    run = applied()

    def stop_at_the_second(event):
        run.events.append(event)
        if (event.phase, event.address) == ("begin", "b"):
            postgresql.stop()

    try:
        with pytest.raises(WorldError, match="was lost"):
            apply_plan(run.plan, Setting(), stop_at_the_second, ONE_BY_ONE)
        with pytest.raises(WorldError, match="cannot be reached"):
            run()
    finally:
        postgresql.start()
    assert run().complete
    assert run.begun() == ["b"]


def test_an_apply_whose_lock_was_taken_away_stops(applied, aios):
    run = applied()

    def robbed_at_the_second(event):
        if (event.phase, event.address) == ("begin", "b"):
            held = aios("unlock", "--yes", "--state", run.setting.state)
            assert held.code == 4, held.err
            assert "still at work" in held.err
            assert aios("unlock", "--yes", "--force", "--state", run.setting.state).code == 0

    with pytest.raises(WorldError, match="was lost"):
        apply_plan(run.plan, Setting(), robbed_at_the_second, ONE_BY_ONE)
    assert run().complete
    assert run.begun() == ["b"]


def test_many_applies_at_once_happen_one_after_the_other(aios, intents, url):
    names = [f"n{number}" for number in range(6)]
    started = [
        aios.start("apply", path, "--yes", "--keep-others", "--lock-timeout", "100s", "--state", url)
        for path in intents(*names)
    ]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "done" in out
    runs = aios("history", "--json", "--state", url).json["runs"][::-1]
    assert [run["number"] for run in runs] == list(range(1, 7))
    assert [run["outcome"] for run in runs] == ["complete"] * 6
    assert [(run["serial_before"], run["serial_after"]) for run in runs] == [(2 * n, 2 * n + 2) for n in range(6)]
    standing = aios("status", "--json", "--state", url).json["resources"]
    assert sorted(item["resource"]["address"] for item in standing) == names


def test_a_damaged_state_is_refused_and_the_way_back_that_is_told_works(applied, aios, postgresql):
    run = applied()
    run()
    state = run.setting.state
    name = state.rpartition("=")[2]
    postgresql.sql(f"update aios.state set document = replace(document, 'dryrun', 'dry-run') where name = '{name}'")
    ran = aios("status", "--state", state)
    assert ran.code == 4
    assert "checksum does not match" in ran.err
    assert "run     aios state restore" in ran.err
    assert aios("apply", "a.yaml", "--yes", "--state", state).code == 4
    back = aios("state", "restore", "--yes", "--state", state)
    assert back.code == 0, back.err
    assert re.search(r"put back what run @1 left: serial \d+, it lists a, b;", back.out)
    assert "nothing to do" in aios("plan", "a.yaml", "b.yaml", "--state", state).out


def test_tables_of_a_later_aios_are_left_alone(aios, postgresql, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    postgresql.sql("create database later")
    url = postgresql.url("x", "later")
    tables(url)
    postgresql.sql("update aios.version set version = 99", "later")
    for command in (["status"], ["destroy", "--yes"], ["unlock"]):
        ran = aios(*command, "--state", url)
        assert ran.code == 4
        assert "made by a newer aios (version 99)" in ran.err


@pytest.mark.parametrize(
    ("making", "words"),
    [
        ("create database {name} encoding 'LATIN1' locale 'C' template template0", "has encoding LATIN1"),
        (
            "create database {name}; alter database {name} set default_transaction_read_only = on",
            "takes no writes",
        ),
    ],
)
@pytest.mark.usefixtures("url")
def test_a_database_that_cannot_keep_a_state_says_why(aios, intents, postgresql, making, words):
    name = f"unfit{next(_NUMBERS)}"
    for statement in making.format(name=name).split(";"):
        postgresql.sql(statement)
    (path,) = intents("a")
    ran = aios("apply", path, "--yes", "--state", postgresql.url("x", name))
    assert ran.code == 6
    assert words in ran.err


def test_a_user_who_may_not_write_is_told_so(aios, intents, postgresql, url):
    tables(url)
    postgresql.sql("drop role if exists reader")
    postgresql.sql(f"create role reader login password '{PASSWORD}'")
    reading = url.replace("ci@", "reader@")
    (path,) = intents("a")
    ran = aios("apply", path, "--yes", "--state", reading)
    assert ran.code == 6
    assert "permission denied" in ran.err
    assert "let this user" in ran.err


def test_a_state_moves_from_a_file_into_the_database_and_back(aios, intents, url):
    (path,) = intents("a")
    assert aios("apply", path, "--yes").code == 0
    assert aios("state", "pull", "-o", "copy.json").code == 0
    moved = aios("state", "push", "copy.json", "--state", url)
    assert moved.code == 0, moved.err
    assert "nothing to do" in aios("plan", path, "--state", url).out
    assert aios("destroy", "--yes", "--state", url).code == 0
    older = aios("state", "push", "copy.json", "--state", url)
    assert older.code == 4
    assert "older than what is kept" in older.err
    assert aios("state", "push", "copy.json", "--force", "--state", url).code == 0
    assert aios("destroy", "--yes", "--state", url).code == 0
    assert "is no state" in aios("state", "push", path, "--state", url).err
