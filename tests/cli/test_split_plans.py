"""`aios plan` of services whose load may be split over different devices."""

from pathlib import Path

import pytest

MODEL = Path(__file__).resolve().parents[2] / "examples" / "digits" / "models" / "digits-s.onnx"
FACTS = "kind: cpu, cores: 1, peak: {fp32: %d GFLOP/s, int8: %d GOP/s}, memory: 4 GiB, bandwidth: 20 GB/s"


def fleet(fast=2, slow=6):
    return f"""\
apiVersion: aios/v1
kind: Fleet
metadata: {{name: hall}}
spec:
  nodes:
    - {{name: fast, count: {fast}, cpu: 1, memory: 4 GiB, devices: [{{type: fast-cores}}], price: 5 USD/h}}
    - {{name: slow, count: {slow}, cpu: 1, memory: 4 GiB, devices: [{{type: slow-cores}}], price: 1 USD/h}}
  devices:
    - {{name: fast-cores, {FACTS % (100, 100)}, tdp: 10 W, idle: 2 W}}
    - {{name: slow-cores, {FACTS % (10, 10)}, tdp: 5 W, idle: 1 W}}
"""


def service(load="", more="", goal="minimize cost"):
    return f"""\
apiVersion: aios/v1
kind: Intent
metadata: {{name: read}}
spec:
  task: image-classification
  model: {MODEL}
  load: {{{load}}}
  goal: {goal}
  pin: {{threads: 1, batch: 1, precision: fp32, executor: dryrun}}
{more}"""


def cost_of(ran):
    return None if ran.code == 3 else ran.json["objective"][0]["value"]


@pytest.fixture
def rate(aios):
    """A rate of which one fast core serves most, so that a mixture pays."""
    aios.write("fleet.yaml", fleet())
    aios.write("read.yaml", service("rate: 1/s"))
    listed = aios("candidates", "read.yaml", "--json").json
    options = listed["intents"][0]["candidates"] if "intents" in listed else listed["candidates"]
    lows = {o["device"]: o["estimates"]["throughput"]["low"] for o in options if o["replicas"] == 1}
    return round(lows["fast-cores"] * 1.2, 3)


def test_a_mixture_is_as_cheap_as_the_best_of_all_shares_planned_apart(aios, rate):
    of = 4
    aios.write("read.yaml", service(f"rate: {rate}/s, split: {of}"))
    split = aios("plan", "read.yaml", "--json")
    assert split.code == 0, split.err
    costs = {}
    for device in ("fast-cores", "slow-cores"):
        for pieces in range(1, of + 1):
            text = service(f"rate: {rate * pieces / of!r}/s").replace("pin: {", f"pin: {{device: {device}, ")
            aios.write("alone.yaml", text)
            costs[device, pieces] = cost_of(aios("plan", "alone.yaml", "--json"))
    pairs = [(costs["fast-cores", pieces], costs["slow-cores", of - pieces]) for pieces in range(1, of)] + [
        (costs[device, of], 0.0) for device in ("fast-cores", "slow-cores")
    ]
    best = min(one + other for one, other in pairs if None not in (one, other))
    assert cost_of(split) == pytest.approx(best)
    groups = split.json["decisions"]
    assert sum(item["part"]["pieces"] for item in groups) == of
    assert [item["intent"] for item in groups] == [f"read/{item['part']['number']}" for item in groups]
    for item, action in zip(groups, split.json["actions"], strict=True):
        share = item["part"]["pieces"] / of
        assert action["after"]["rate_per_s"] == pytest.approx(rate * share)
        assert action["after"]["part"] == item["part"]
        assert item["estimates"]["throughput"]["low"] >= rate * share
    words = aios("plan", "read.yaml").out
    assert "split" in words
    assert "shares in steps of 1/4" in words


def test_what_was_applied_is_kept(aios, rate):
    aios.write("read.yaml", service(f"rate: {rate}/s, split: 4"))
    assert aios("apply", "read.yaml", "--yes").code == 0
    again = aios("plan", "read.yaml", "--json")
    assert {action["action"] for action in again.json["actions"]} == {"keep"}


def test_without_the_key_nothing_is_split(aios, rate):
    for load in (f"rate: {rate}/s", f"rate: {rate}/s, split: false"):
        aios.write("read.yaml", service(load))
        [decision] = aios("plan", "read.yaml", "--json").json["decisions"]
        assert decision["intent"] == "read"
        assert "part" not in decision


def test_where_no_split_fits_it_is_said_why_not_even_one_kind_does(aios):
    aios.write("fleet.yaml", fleet(1, 1))
    aios.write("read.yaml", service("rate: 100000/s, split: 3"))
    ran = aios("plan", "read.yaml")
    assert ran.code == 3
    assert "no split of the load of read fits either" in ran.out


def test_a_bound_on_what_adds_up_is_shared(aios, rate):
    aios.write("read.yaml", service(f"rate: {rate}/s, split: 4", "  require: {cost: 100 USD/h, latency: {p99: 1 s}}\n"))
    ran = aios("plan", "read.yaml", "--json")
    bounds = [c["bound"] for c in ran.json["claims"] if c["metric"] == "cost"]
    assert sum(bounds) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("load", "more", "goal", "said"),
    [
        ("rate: 1/s, split: 1", "", "minimize cost", "at least 2"),
        ("rate: 1/s, split: 65", "", "minimize cost", "at most 64"),
        ("rate: 1/s, split: some", "", "minimize cost", "split"),
        ("rate: 1/s, split: true", "  survive: {losses: 1}\n", "minimize cost", "`survive` would hold of each group"),
        ("rate: 1/s, split: true", "  required: false\n", "minimize cost", "may be refused"),
        ("rate: 1/s, split: true", "  serve: {port: 8000}\n", "minimize cost", "on one port"),
        ("rate: 1/s, split: true", "", "minimize latency.p99", "does not add up"),
    ],
)
def test_what_cannot_be_meant_is_refused(aios, load, more, goal, said):
    aios.write("read.yaml", service(load, more, goal))
    ran = aios("validate", "read.yaml")
    assert ran.code == 1
    assert said in ran.err


@pytest.mark.parametrize("command", [("pareto", "--over", "power,cost"), ("size", "--from", "fleet.yaml")])
def test_commands_that_do_not_split_say_so(aios, command):
    aios.write("fleet.yaml", fleet())
    aios.write("read.yaml", service("rate: 1/s, split: true"))
    ran = aios(command[0], "read.yaml", *command[1:])
    assert ran.code == 1
    assert "does not split" in ran.err
