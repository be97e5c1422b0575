"""A service from the first plan to the last process: kept, changed, killed, repaired, measured, destroyed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

APPROVED = ("apply", "intent.yaml", "--yes")


def service(terminal):
    """The one service that stands, as `aios status --json` tells it."""
    (item,) = terminal("status", "--json").json["resources"]
    return item["resource"], item["observed"]


def actions(ran):
    return {action["address"]: action["action"] for action in ran.json["actions"]}


def reason(ran):
    (action,) = ran.json["actions"]
    return action["reason"]


def sample(few, count):
    with np.load(few) as stored:
        return stored["image"][:count].astype(np.float32), stored["label"][:count]


def answers(endpoint, images, binary=True):
    """What the Open Inference Protocol's own client gets."""
    import tritonclient.http as triton

    with triton.InferenceServerClient(endpoint.removeprefix("http://")) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("digits")
        metadata = client.get_model_metadata("digits")
        assert [item["name"] for item in metadata["inputs"]] == ["image"]
        asked = triton.InferInput("image", images.shape, "FP32")
        asked.set_data_from_numpy(images, binary_data=binary)
        name = metadata["outputs"][0]["name"]
        wanted = triton.InferRequestedOutput(name, binary_data=binary)
        return client.infer("digits", [asked], outputs=[wanted]).as_numpy(name)


def until_it_answers(endpoint, images, seconds=20.0):
    end = time.monotonic() + seconds
    while True:
        try:
            return answers(endpoint, images)
        except Exception:  # noqa: BLE001  # whatever a client meets while nobody listens
            assert time.monotonic() < end, "it does not answer again"
            time.sleep(0.05)


def test_it_is_healthy_and_answers_the_protocols_own_client(standing, few):
    resource, seen = service(standing)
    assert seen["condition"] == "healthy"
    assert seen["replicas_ready"] == 1
    words = standing("status")
    assert "healthy" in words.out
    assert seen["endpoint"] in words.out
    assert words.err == ""
    images, labels = sample(few, 8)
    found = answers(seen["endpoint"], images)
    assert (found.argmax(axis=1) == labels).mean() > 0.7
    assert answers(seen["endpoint"], images, binary=False) == pytest.approx(found, rel=1e-4)
    assert resource["deployment"]["precision"] == "fp32"


def test_what_is_as_asked_is_kept(standing):
    before = service(standing)[1]["pids"]
    assert standing("plan", "intent.yaml", "--detailed-exitcode").code == 0
    again = standing(*APPROVED)
    assert again.code == 0, again.err
    assert "kept" in again.out
    assert "nothing changes" in again.out
    assert service(standing)[1]["pids"] == before


def test_a_plan_is_applied_once(standing):
    again = standing("apply", "plan.json")
    assert again.code == 4
    assert again.out == ""
    assert "applied already" in again.err
    assert "aios plan intent.yaml -o plan.json" in again.err


def test_verify_shows_predicted_and_measured_side_by_side(standing):
    ran = standing("verify", "digits", "--seconds", "1", "--json-into", "verified.json")
    assert ran.code == 0, ran.err
    assert "PREDICTED" in ran.out
    assert "MEASURED" in ran.out
    (verified,) = json.loads((standing.place / "verified.json").read_text())["verified"]
    rows = {row["metric"]: row for row in verified["verdicts"]}
    for metric in ("latency.p99", "accuracy.top1"):
        assert rows[metric]["verdict"] == "held"
        assert rows[metric]["measured"]["value"] > 0
        assert rows[metric]["predicted"] > 0
        assert rows[metric]["low"] <= rows[metric]["predicted"] <= rows[metric]["high"]


def test_changes_are_planned_in_place_where_that_can_be(standing, asked):
    """One plan per change, none applied."""

    def planned(**changes):
        standing.write("other/intent.yaml", asked(**changes))
        return standing("plan", "other/intent.yaml", "--fleet", "fleet.yaml", "--json")

    more = planned(rate="40/s")
    assert actions(more) == {"digits": "update"}
    assert reason(more) == "load (requests/s) 20 -> 40"
    wider = planned(pin="{precision: fp32, threads: 2, batch: 1, replicas: 1}")
    assert actions(wider) == {"digits": "update"}
    assert "threads 1 -> 2" in reason(wider)
    moved = planned(serve="{port: 18999}")
    assert actions(moved) == {"digits": "replace"}
    assert reason(moved) == "endpoint 127.0.0.1:any port -> 127.0.0.1:18999"
    another = planned(name="other")
    assert actions(another) == {"digits": "delete", "other": "create"}
    assert "not among those given" in another.json["actions"][0]["reason"]
    both = standing("plan", "other/intent.yaml", "--fleet", "fleet.yaml", "--keep-others", "--detailed-exitcode")
    assert both.code == 2
    assert "left as it is" in both.out
    assert "next: aios apply other/intent.yaml --fleet fleet.yaml --keep-others" in both.out


def test_a_plan_of_other_inputs_is_stale(standing, asked, digits):
    """Each input changes in a folder of its own copy; the state is the one that stands."""
    standing.write("m.onnx", "")
    shutil.copy(digits / "models" / "digits-s.onnx", standing.place / "m.onnx")
    text = asked(model="m.onnx", rate="30/s")
    fleet = (standing.place / "fleet.yaml").read_text()
    for name in ("fleet.yaml", "intent.yaml"):
        standing.write(f"stale/{name}", fleet if name == "fleet.yaml" else text.replace("m.onnx", "../m.onnx"))
    assert standing("plan", "stale/intent.yaml", "-o", "stale.json").code == 0

    def refused(word):
        ran = standing("apply", "stale.json")
        assert ran.code == 4, ran.err
        assert word in ran.err
        assert "aios plan stale/intent.yaml -o plan.json" in ran.err
        assert ran.out == ""

    before = service(standing)
    standing.write("stale/intent.yaml", text.replace("m.onnx", "../m.onnx").replace("30/s", "31/s"))
    refused("the intents are not those")
    standing.write("stale/intent.yaml", text.replace("m.onnx", "../m.onnx"))
    standing.write("stale/fleet.yaml", fleet.replace("4 GiB", "5 GiB"))
    refused("the fleet is not the one")
    standing.write("stale/fleet.yaml", fleet)
    shutil.copy(digits / "models" / "digits-m.onnx", standing.place / "m.onnx")
    refused("the models or their data are not those")
    assert service(standing) == before, "a refusal changes nothing"


@pytest.mark.usefixtures("fleet")
def test_life(aios, asked, few):
    """Applied, changed in place, wounded, killed, repaired, found wanting, joined by another, destroyed."""
    images, _labels = sample(few, 1)
    aios.write("intent.yaml", asked())
    assert aios(*APPROVED).code == 0
    resource, seen = service(aios)
    supervisor, port = resource["handle"]["pid"], resource["handle"]["port"]

    aios.write("intent.yaml", asked(rate="40/s", pin="{precision: fp32, threads: 2, batch: 1, replicas: 1}"))
    changed = aios(*APPROVED)
    assert changed.code == 0, changed.err
    assert "changed in place" in changed.out
    assert service(aios)[0]["handle"]["port"] == port
    assert service(aios)[0]["handle"]["pid"] == supervisor
    assert aios("plan", "intent.yaml", "--detailed-exitcode").code == 0

    (worker,) = set(service(aios)[1]["pids"]) - {supervisor}
    os.kill(worker, signal.SIGKILL)
    until_it_answers(seen["endpoint"], images)

    os.kill(supervisor, signal.SIGKILL)
    end = time.monotonic() + 10
    while service(aios)[1]["condition"] != "dead":
        assert time.monotonic() < end
    broken = aios("verify", "--seconds", "1")
    assert broken.code == 5
    assert "the service is dead" in broken.out
    repair = aios("plan", "intent.yaml", "--json")
    assert actions(repair) == {"digits": "replace"}
    assert reason(repair).startswith("repair: dead: process")
    assert aios(*APPROVED).code == 0
    assert service(aios)[0]["handle"]["port"] == port, "clients find it where it was"

    # What the model's card declares does not hold on this data: every label is that of the next digit.
    np.savez(aios.place / "shifted.npz", image=sample(few, 40)[0], label=(sample(few, 40)[1] + 1) % 10)
    aios.write("intent.yaml", asked(rate="40/s", data="{evaluate: shifted.npz}"))
    promised = aios(*APPROVED)
    assert promised.code == 0, promised.err
    broken = aios("verify", "--seconds", "1", "--json")
    assert broken.code == 5, broken.out
    rows = {row["metric"]: row for row in broken.json["verified"][0]["verdicts"]}
    assert rows["accuracy.top1"]["verdict"] == "broken"
    assert rows["accuracy.top1"]["clause"] == "accuracy.top1 >= 90 %"
    assert rows["latency.p99"]["verdict"] == "held"

    aios.write("other.yaml", asked(name="other"))
    joined = aios("apply", "other.yaml", "--keep-others", "--yes", "--json")
    assert joined.code == 0, joined.err
    assert {item["address"]: item["status"] for item in joined.json["results"]} == {"digits": "kept", "other": "done"}
    unknown = aios("destroy", "othr", "--yes")
    assert unknown.code == 1
    assert "did you mean `other`?" in unknown.err
    alone = aios("apply", "other.yaml", "--yes")
    assert alone.code == 0, alone.err
    assert "delete" in alone.out
    assert service(aios)[0]["address"] == "other"

    gone = aios("destroy", "--yes", "--json")
    assert gone.code == 0
    assert [(item["action"], item["status"]) for item in gone.json["results"]] == [("delete", "done")]
    assert aios.wait_until_alone() == []
    assert aios("destroy", "--yes").out == "nothing is applied\n"
    assert list((aios.place / ".aios" / "run").iterdir()) == []


@pytest.mark.usefixtures("fleet")
def test_something_else_was_applied_since_the_plan_was_made(aios, asked):
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    aios.write("other.yaml", asked(name="other", pin="{executor: dryrun}"))
    assert aios("plan", "intent.yaml", "-o", "plan.json").code == 0
    assert aios("apply", "other.yaml", "--yes").code == 0
    stale = aios("apply", "plan.json")
    assert stale.code == 4
    assert "something was applied since the plan was made" in stale.err
    assert set(aios("status", "--json").json["resources"][0]["resource"]["address"].split()) == {"other"}


NO_NETWORK = """
import socket, sys
here = ("127.0.0.1", "::1", "localhost")
def guard(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname") and arguments[0] not in here:
        sys.exit(f"asked for the address of {arguments[0]}")
    if event == "socket.connect" and arguments[0].family != socket.AF_UNIX and arguments[1][0] not in here:
        sys.exit(f"tried to reach {arguments[1]}")
sys.addaudithook(guard)
"""


@pytest.mark.usefixtures("fleet")
def test_no_network_is_tried(aios, asked):
    """Every Python process, services included, ends at once when it reaches for anything but this machine."""
    aios.write("guard/sitecustomize.py", NO_NETWORK)
    guarded = {"PYTHONPATH": str(aios.place / "guard")}
    probe = "import socket; socket.create_connection(('192.0.2.1', 9), 0.1)"
    tried = subprocess.run(
        [sys.executable, "-c", probe], env={**os.environ, **guarded}, capture_output=True, text=True, check=False
    )
    assert "192.0.2.1" in tried.stderr, "the guard works"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    aios.write("intent.yaml", asked(serve=f"{{port: {port}}}"))
    for command in (APPROVED, ("verify", "--seconds", "1"), ("status",), ("destroy", "--yes")):
        ran = aios.apart(*command, **guarded)
        assert ran.code == 0, ran.err
        if command == ("status",):
            assert f"http://127.0.0.1:{port}" in ran.out
    socket.create_server(("127.0.0.1", port)).close()
