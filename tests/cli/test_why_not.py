"""``aios explain --why-not``: every verdict, in words and as JSON, on an example of described devices."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

EXAMPLE = ROOT / "examples" / "described-fleet"


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Where profiles of models are kept: they are read once."""
    return tmp_path_factory.mktemp("read")


@pytest.fixture(autouse=True)
def kept(read, monkeypatch):
    monkeypatch.setenv("AIOS_STATE", str(read / "state.json"))


def asked(aios, question, *more, intent=EXAMPLE / "intent.yaml"):
    ran = aios("explain", intent, "--fleet", EXAMPLE / "fleet.yaml", "--why-not", question, *more)
    assert ran.code == 0, ran.err
    return ran


def answer(aios, question, *more, **given):
    return asked(aios, question, *more, "--json", **given).json


def test_what_was_chosen_is_told(aios):
    plan = aios("plan", EXAMPLE / "intent.yaml", "--fleet", EXAMPLE / "fleet.yaml", "--json").json
    (decision,) = plan["decisions"]
    found = answer(aios, f"device={decision['device']},precision={decision['precision']}")
    assert (found["verdict"], found["candidate"]) == ("chosen", decision["candidate"])
    assert found["intent"] == decision["intent"]


def test_what_is_worse_says_what_it_would_cost(aios):
    """The differences are those of two plans: one as it is, one of an intent that pins the device."""
    found = answer(aios, "device=nvidia-l4")
    assert found["verdict"] == "worse"
    text = (EXAMPLE / "intent.yaml").read_text()
    pinned = aios.write(
        "pinned.yaml",
        text.replace(" ./", f" {EXAMPLE}/").replace("[./", f"[{EXAMPLE}/") + "  pin: {device: nvidia-l4}\n",
    )
    plans = [
        aios("plan", path, "--fleet", EXAMPLE / "fleet.yaml", "--json").json
        for path in (EXAMPLE / "intent.yaml", pinned)
    ]
    now, then = (plan["objective"][0]["value"] for plan in plans)
    (row,) = found["would_cost"]
    assert (row["now"], row["then"]) == (now, then)
    assert row["difference"] == pytest.approx(then - now)
    assert row["percent"] == pytest.approx(100 * (then - now) / now)
    words = asked(aios, "device=nvidia-l4").out
    assert "no better" in words
    assert "WITH IT" in words


def test_a_device_that_the_fleet_lacks_is_no_mistake(aios):
    found = answer(aios, "device=nvidia-h100-sxm5-80gb")
    assert found["verdict"] == "absent"
    assert "nvidia-l4" in found["reason"]


def test_a_rejection_is_the_rule(aios):
    found = answer(aios, "device=hailo-8,precision=fp32")
    assert (found["verdict"], found["rule"]) == ("rejected", "hailo-8 computes in int8 only")
    found = answer(aios, "batch=64")
    assert (found["verdict"], found["rule"], found["lifted_by"]) == ("rejected", "batch bound", "pin batch")


def test_a_requirement_is_told_with_its_value_and_place(aios):
    found = answer(aios, "device=raspberry-pi-5-8gb", intent=EXAMPLE / "tight-latency.yaml")
    assert found["verdict"] == "breaks"
    assert found["rule"].startswith("latency.p99 <= ")
    assert found["where"].startswith(str(EXAMPLE / "tight-latency.yaml"))
    assert re.fullmatch(r"latency\.p99 of \S+ ms with accuracy\.top1 of \S+ %", found["lifted_by"])  # it breaks both


def test_a_pin_is_told_with_its_place(aios):
    text = (EXAMPLE / "intent.yaml").read_text().replace(" ./", f" {EXAMPLE}/").replace("[./", f"[{EXAMPLE}/")
    aios.write("pinned.yaml", text + "  pin: {device: nvidia-l4}\n")
    found = answer(aios, "device=hailo-8", intent="pinned.yaml")
    line = 1 + text.count("\n")
    assert (found["verdict"], found["where"].rsplit(":", 1)[0]) == ("rejected", f"pinned.yaml:{line}")
    assert found["lifted_by"] == "unpin device"


FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: two}
spec:
  nodes:
    - {name: small, cpu: 1, memory: 4 GiB, devices: [{type: one-core, count: 1}]}
    - {name: large, cpu: 4, memory: 4 GiB, devices: [{type: four-cores, count: 1}]}
  devices:
    - {name: one-core, kind: cpu, cores: 1, peak: {fp32: 100 GFLOP/s}, memory: 4 GiB, bandwidth: 20 GB/s, tdp: 4 W}
    - {name: four-cores, kind: cpu, cores: 4, peak: {fp32: 400 GFLOP/s}, memory: 4 GiB, bandwidth: 20 GB/s, tdp: 40 W}
"""

INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}}}
spec:
  task: image-classification
  model: {{path: {model}, declared: {{accuracy: {{top1: 96 %}}}}}}
  load: {{rate: 20/s}}
  require: {{latency: {{p99: 1 s}}}}
  goal: minimize power
  pin: {pin}
"""


@pytest.fixture
def two(aios, digits):
    """Two intents of which one may only use the small node."""
    model = digits / "models" / "digits-s.onnx"
    texts = [
        INTENT.format(name="bound", model=model, pin="{node: small}"),
        INTENT.format(name="free", model=model, pin="{}"),
    ]
    aios.write("fleet.yaml", FLEET)
    aios.write("both.yaml", "---\n".join(texts))
    return aios


def test_no_room_beside_the_others(two):
    ran = two("explain", "both.yaml", "--why-not", "node=small", "--intent", "free", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["verdict"] == "no-room"
    assert ran.json["rule"] == "node small has 1 core"
    assert ran.json["where"].startswith("fleet.yaml:6")
    assert "2 cores instead of 1" in ran.json["lifted_by"]


def test_an_intent_must_be_named_among_several(two):
    ran = two("explain", "both.yaml", "--why-not", "node=small")
    assert ran.code == 1
    assert "--intent" in ran.err
    ran = two("explain", "both.yaml", "--why-not", "node=small", "--intent", "freee")
    assert ran.code == 1
    assert "did you mean `free`?" in ran.err
    assert two("explain", "both.yaml", "--intent", "free").code == 64


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("device=nvidia-l44", "did you mean `nvidia-l4`?"),
        ("devise=nvidia-l4", "did you mean `device`?"),
        ("precision=int9", "did you mean `int8`?"),
        ("batch=many", "`batch` is a whole number from 1 on, not `many`"),
        ("batch=0", "`batch` is a whole number"),
        ("batch=" + "9" * 400, "`batch` is a whole number"),
        ("batch=²", "`batch` is a whole number"),
        ("device", "`device` says no `field=value`"),
        ("", "says no `field=value`"),
        ("batch=1,batch=2", "`batch` is asked for twice"),
        ("node=nowhere", "there is no node `nowhere` here"),
        ("device=\x1b[31mred", "there is no device"),
    ],
)
def test_what_cannot_be_asked_is_said(aios, question, said):
    ran = aios("explain", EXAMPLE / "intent.yaml", "--fleet", EXAMPLE / "fleet.yaml", "--why-not", question)
    assert ran.code == 1
    assert said in ran.err
    assert "\x1b[31mred" not in ran.err
