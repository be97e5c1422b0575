"""aios drift and aios status on real services: killed, stopped, edited, replaced, overloaded, changed in Git."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from aios.records.base import digest_of
from aios.spi import registry
from aios.spi.executor import Exercise

APPROVED = ("apply", "intent.yaml", "--yes")


def service(terminal):
    (item,) = terminal("status", "--json").json["resources"]
    return item["resource"], item["observed"]


def kinds(ran):
    return {(item["kind"], item["what"]) for item in ran.json["deviations"] if item["matters"]}


def asked_of(terminal, few, rate, seconds, timeout_s=10.0):
    """Put a load on the service that stands."""
    with np.load(few) as stored:
        images = stored["image"].astype(np.float32)
    at_s = np.arange(0.0, seconds, 1 / rate)
    load = Exercise(at_s=at_s, item=np.arange(len(at_s)) % len(images), inputs={"image": images}, timeout_s=timeout_s)
    return registry.load("aios.executors", "onnxruntime").exercise(service(terminal)[0]["handle"], load)


@pytest.fixture
def served(aios, asked, fleet):
    """Applies an intent with these changes."""
    assert fleet.exists()

    def applied(**changes):
        aios.write("intent.yaml", asked(**changes))
        ran = aios(*APPROVED)
        assert ran.code == 0, ran.err
        return aios

    return applied


def test_what_is_as_applied_has_no_drift(standing, few):
    assert not asked_of(standing, few, 20, 2.0).errors
    ran = standing("drift")
    assert ran.code == 0, ran.out
    assert ran.out.splitlines()[-1] == "no drift: 1 service as applied"
    (row,) = standing("status", "digits", "--json").json["resources"]
    assert row["lately"]["requests"] >= 40
    assert row["lately"]["metric"] == "latency.p99"
    assert row["lately"]["bound_s"] == 5.0
    assert standing("drift", "digits", "--json-into", "drift.json").code == 0
    document = json.loads((standing.place / "drift.json").read_text())
    assert (document["verdict"], document["addresses"]) == ("none", ["digits"])


def test_an_unknown_address_is_a_mistake_and_nothing_is_nothing(standing, aios):
    ran = standing("drift", "digts")
    assert ran.code == 1
    assert "did you mean digits?" in ran.err
    nothing = aios("drift")
    assert (nothing.code, nothing.out) == (0, "nothing is applied\n")


def test_promises_the_load_and_what_slows_it(served, few):
    """The promise is one that a service keeps with ease while it runs and breaks when it is stopped in turns."""
    aios = served(rate="20/s")
    assert not asked_of(aios, few, 400, 2.0).errors
    ran = aios("drift", "--json")
    assert ran.code == 5
    assert kinds(ran) == {("load", "load")}
    assert "planned for 20/s" in ran.json["deviations"][0]["text"]
    assert aios("destroy", "--yes").code == 0

    aios = served(p99="60 ms", rate="50/s")
    front = service(aios)[1]["pids"][0]
    ended = threading.Event()

    def stop_in_turns():
        while not ended.is_set():
            os.kill(front, signal.SIGSTOP)
            time.sleep(0.25)
            os.kill(front, signal.SIGCONT)
            time.sleep(0.1)

    slowing = threading.Thread(target=stop_in_turns)
    slowing.start()
    trace = asked_of(aios, few, 50, 3.0)
    ended.set()
    slowing.join()
    ran = aios("drift", "--json")
    assert ran.code == 5
    (broken,) = [item for item in ran.json["deviations"] if item["kind"] == "performance" and item["matters"]]
    client = float(np.quantile(trace.latency_s, 0.99))
    assert broken["measured"]["value"] == pytest.approx(client, rel=0.3), "it sees what its clients see"
    assert broken["clause"] == "latency.p99 <= 60 ms"
    assert "lies unread" in broken["text"]
    assert broken["command"] == "aios plan intent.yaml"


def test_what_is_killed_edited_or_replaced_by_hand_is_seen_and_repaired(served):
    aios = served()
    front = service(aios)[1]["pids"][0]
    os.kill(front, signal.SIGSTOP)
    begun = time.monotonic()
    (hung,) = aios("status", "--json").json["resources"]
    assert time.monotonic() - begun < 5, "a service that hangs keeps nobody waiting"
    ran = aios("drift", "--json")
    os.kill(front, signal.SIGCONT)
    assert hung["observed"]["condition"] == "dead"
    assert (ran.code, kinds(ran)) == (5, {("unhealthy", "service")})

    (file,) = (aios.place / ".aios" / "artefacts").glob("*/files/model.onnx")
    file.write_bytes(file.read_bytes() + b"x")
    ran = aios("drift", "--json")
    assert (ran.code, kinds(ran)) == (5, {("changed", "artefact")})
    assert ran.json["deviations"][0]["command"] == "aios apply intent.yaml"
    assert "sha256 differs" in aios("status").out
    assert aios(*APPROVED).code == 0
    assert aios("drift").code == 0

    handle = service(aios)[0]["handle"]
    os.kill(handle["pid"], signal.SIGKILL)
    while service(aios)[1]["condition"] != "dead":
        time.sleep(0.05)
    with http.server.HTTPServer(("127.0.0.1", handle["port"]), http.server.BaseHTTPRequestHandler):
        ran = aios("drift", "--json")
        assert (ran.code, kinds(ran)) == (5, {("missing", "service"), ("foreign", "port")})
        assert f"process {os.getpid()} " in ran.json["deviations"][1]["text"]
    words = aios("drift").out
    assert words.splitlines()[-1] == "next: aios apply intent.yaml"
    assert aios(*APPROVED).code == 0
    assert aios("drift").code == 0


def test_services_that_the_state_does_not_know(served):
    aios = served()
    state = aios.place / ".aios" / "state.json"
    pid = service(aios)[0]["handle"]["pid"]
    envelope = json.loads(state.read_text())
    envelope["state"]["resources"] = {}
    envelope["checksum"] = digest_of(envelope["state"])
    kept = state.read_text()
    state.write_text(json.dumps(envelope))
    ran = aios("drift", "--json")
    assert (ran.code, kinds(ran)) == (5, {("foreign", "service")})
    assert ran.json["deviations"][0]["command"] == f"kill {pid}"
    state.write_text(kept)


def test_files_that_say_something_else_are_told_apart_from_the_world(served, asked):
    aios = served(pin="{executor: dryrun}")
    assert aios("drift").code == 0
    aios.write("intent.yaml", asked(pin="{executor: dryrun}", rate="30/s"))
    ran = aios("drift", "--json")
    assert (ran.code, kinds(ran)) == (5, {("configuration", "intents")})
    assert "load.rate_per_s of digits was 20" in ran.json["deviations"][0]["text"]
    assert ran.json["deviations"][0]["command"] == "aios plan intent.yaml"
    (aios.place / "intent.yaml").unlink()
    ran = aios("drift", "--json")
    assert (ran.code, kinds(ran)) == (5, {("configuration", "files")})
    aios.write("intent.yaml", asked(pin="{executor: dryrun}", p99="6 s"))
    assert aios(*APPROVED).code == 0, "a promise changes, what is written down does not"
    assert aios("drift").code == 0


def test_what_cannot_be_told_is_neither_drift_nor_none(served):
    aios = served(pin="{executor: dryrun}")
    state = aios.place / ".aios" / "state.json"
    envelope = json.loads(state.read_text())
    envelope["state"]["resources"]["digits"]["executor"] = "elsewhere"
    envelope["checksum"] = digest_of(envelope["state"])
    kept = state.read_text()
    state.write_text(json.dumps(envelope))
    ran = aios("drift", "--json")
    assert (ran.code, kinds(ran)) == (6, {("unknown", "condition")})
    assert aios("status").code == 0
    assert "there is no plugin 'elsewhere'" in aios("status").out
    state.write_text(kept)


def test_two_hundred_services_are_looked_at_at_once(standing, aios):
    """200 names of the one service that stands."""
    envelope = json.loads((standing.place / ".aios" / "state.json").read_text())
    one = envelope["state"]["resources"]["digits"]
    names = [f"s{number:03}" for number in range(200)]
    envelope["state"]["resources"] = {name: {**one, "address": name} for name in names}
    envelope["checksum"] = digest_of(envelope["state"])
    aios.write("many.json", json.dumps(envelope))
    begun = time.monotonic()
    found = aios("status", "--state", "many.json", "--json").json["resources"]
    assert time.monotonic() - begun < 10, "it takes half a second on a quiet machine"
    assert {item["observed"]["condition"] for item in found} == {"healthy"}
    assert [item["resource"]["address"] for item in found] == names


def test_status_imports_only_the_executors_that_it_needs(standing):
    code = "import sys; from aios.cli.app import run; run(['status']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=standing.place, capture_output=True, text=True, check=True)
    for name in ("numpy", "onnx", "onnxruntime", "ortools", "prometheus_client", "aios.solve", "aios_plugins.dryrun"):
        assert f"'{name}'" not in done.stdout, f"aios status imports {name}"
    assert "aios_plugins.onnxruntime" in done.stdout


def test_while_an_apply_is_at_work_what_it_makes_is_no_stranger(served):
    aios = served(pin="{executor: dryrun}")
    (aios.place / ".aios" / "run").mkdir(exist_ok=True)
    code = (
        "import sys, time; from aios.workflow.keeping import opened; from aios.workflow.setting import Setting\n"
        "with opened(Setting(), 'aios apply'): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=aios.place, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    ran = aios("drift")
    holder.kill()
    holder.communicate()
    assert ran.code == 0, ran.out
    assert "aios apply of " in ran.err
    assert "is at work" in ran.err
    assert "at work" not in aios("drift").err, "whoever held the lock is gone"


def test_verify_is_no_drift(served):
    """It sends bursts, and whatever data the load does not reach as fast as it can."""
    aios = served(rate="20/s")
    assert aios("verify", "--seconds", "1").code == 0
    ran = aios("drift", "--json")
    assert ran.code == 0, ran.out
    assert "no request came" in ran.json["deviations"][0]["text"]
