"""Several actions at once, stopped, failed, taken back: as a user sees it."""

import json
import os
import re
import signal
import socket

import pytest

from aios.apply import Event
from aios.cli.applying import Underway
from aios.cli.progress import Progress

DRYRUN = "{executor: dryrun}"


@pytest.fixture(autouse=True)
def roomy(aios, fleet):
    """The described machine with eight cores, so that several services fit."""
    aios.write("fleet.yaml", fleet.read_text().replace("cpu: 2", "cpu: 8").replace("cores: 2", "cores: 8"))


def statuses(ran):
    return {item["address"]: item["status"] for item in ran.json["results"]}


def standing(aios):
    return [item["resource"]["address"] for item in aios("status", "--json").json["resources"]]


def spoil(aios, name):
    """Make the dryrun executor fail at an address, until it is deleted: a folder stands where a file has to be."""
    aios.write(f".aios/run/{name}/{name}.json/in-the-way", "")


def test_a_failure_leaves_what_does_not_depend_on_it_and_abort_takes_it_back(aios, asked):
    for name in ("one", "two", "three"):
        aios.write(f"many/{name}.yaml", asked(name=name, pin=DRYRUN))
    spoil(aios, "two")
    failed = aios("apply", "many", "--yes", "--json")
    assert failed.code == 6, failed.err
    assert statuses(failed) == {"one": "done", "three": "done", "two": "failed"}
    assert "`aios apply --abort` takes back what was done" in failed.err
    assert "did not come to its end" in aios("status").err
    unasked = aios("apply", "--abort")
    assert unasked.code == 64
    assert "aios apply --abort --yes" in unasked.err
    assert aios("apply", "many", "--abort", "--yes").code == 64
    back = aios("apply", "--abort", "--yes", "--json")
    assert back.code == 0, back.err
    assert set(statuses(back).values()) == {"rolled back"}
    assert back.json["rolled_back"]
    assert standing(aios) == []
    nothing = aios("apply", "--abort", "--yes")
    assert nothing.code == 1
    assert "no unfinished run" in nothing.err
    assert len(aios("history", "--json").json["runs"]) == 2, "what was refused is no run"


def test_rollback_on_failure(aios, asked):
    aios.write("first.yaml", asked(name="one", pin=DRYRUN))
    assert aios("apply", "first.yaml", "--yes").code == 0
    before = json.loads((aios.place / ".aios" / "state.json").read_text())["state"]
    for name in ("one", "three", "two"):
        aios.write(f"many/{name}.yaml", asked(name=name, rate="40/s", pin=DRYRUN))
    spoil(aios, "two")
    failed = aios("apply", "many", "--yes", "--rollback-on-failure", "--json", "--parallelism", "1")
    assert failed.code == 6, failed.err
    assert statuses(failed) == {"one": "rolled back", "three": "rolled back", "two": "failed"}
    assert "what stood before this run stands again" in failed.err
    after = json.loads((aios.place / ".aios" / "state.json").read_text())["state"]
    assert after["resources"] == before["resources"]
    assert after.keys() == before.keys()
    assert aios("apply", "many", "--yes").code == 0


@pytest.mark.parametrize("given", [("--parallelism", "0"), ("--parallelism", "many")])
def test_a_number_of_workers_that_is_none(aios, asked, given):
    aios.write("intent.yaml", asked(pin=DRYRUN))
    assert aios("apply", "intent.yaml", "--yes", *given).code == 64


def test_asked_to_stop_it_ends_what_is_under_way_and_says_what_is_left(aios, asked):
    for name in ("one", "two"):
        aios.write(f"many/{name}.yaml", asked(name=name))
    assert aios("plan", "many", "-o", "plan.json").code == 0
    process = aios.start("apply", "plan.json", "--parallelism", "1")
    for line in process.stderr:
        if "create one" in line:
            break
    os.kill(process.pid, signal.SIGTERM)
    said = process.stderr.read()
    assert process.wait(60) == 143, said
    assert "not begun: create two" in said
    assert "the same command goes on from here, and `aios apply --abort` takes back what was done" in said
    assert re.search(r"done +create one", process.stdout.read())
    assert standing(aios) == ["one"]
    goes_on = aios("apply", "plan.json", "--json")
    assert goes_on.code == 0, goes_on.err
    assert statuses(goes_on) == {"one": "done", "two": "done"}
    assert "was done before" in goes_on.json["results"][0]["note"]


def test_ports_are_handed_on_and_a_swap_is_refused_with_what_to_do(aios, asked):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = one.getsockname()[1], two.getsockname()[1]
    aios.write("many/a.yaml", asked(name="a", serve=f"{{port: {ports[0]}}}"))
    assert aios("apply", "many", "--yes").code == 0
    # `b` takes the port of `a`, which moves away.
    aios.write("many/a.yaml", asked(name="a", serve=f"{{port: {ports[1]}}}"))
    aios.write("many/b.yaml", asked(name="b", serve=f"{{port: {ports[0]}}}"))
    planned = aios("plan", "many")
    assert "nothing stands yet; after a" in planned.out
    moved = aios("apply", "many", "--yes", "--json")
    assert moved.code == 0, moved.err
    assert statuses(moved) == {"a": "done", "b": "done"}
    aios.write("many/a.yaml", asked(name="a", serve=f"{{port: {ports[0]}}}"))
    aios.write("many/b.yaml", asked(name="b", serve=f"{{port: {ports[1]}}}"))
    swapped = aios("apply", "many", "--yes")
    assert swapped.code == 6
    assert "wait for each other" in swapped.err
    assert "give one of them another port" in swapped.err


def test_what_runs_long_is_told_of_with_its_seconds(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    progress = Progress("apply")  # not entered: nothing is told but what begins
    underway = Underway(progress)
    for address in "abcdef":
        underway(Event(address=address, action="create", phase="begin", text=""))
        now += 1.0
    underway(Event(address="b", action="create", phase="done", text=""))
    told = progress.now()
    assert told == "still at work: create a (6 s), create c (4 s), create d (3 s), create e (2 s) and 1 more"
    underway(Event(address="z", action="delete", phase="begin", text="", back=True))
    said = capsys.readouterr().err.splitlines()
    assert (said[0], said[-1]) == ("apply: create a", "apply: rolling back: delete z")
