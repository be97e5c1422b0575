"""Planning with what stands: `--current`, `--max-moves`, `--freeze`, and what a plan tells of moves."""

import re
from pathlib import Path

import pytest

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "models"
OLD = "    - {name: old, count: 3, cpu: 2, memory: 4 GiB, devices: [{type: old-cores}]}\n"
NEW = "    - {name: new, count: 2, cpu: 2, memory: 4 GiB, devices: [{type: new-cores}]}\n"
FACTS = "kind: cpu, cores: 2, peak: {fp32: 100 GFLOP/s, int8: 400 GOP/s}, memory: 4 GiB, bandwidth: 20 GB/s"


def fleet(*nodes):
    return f"""\
apiVersion: aios/v1
kind: Fleet
metadata: {{name: hall}}
spec:
  nodes:
{"".join(nodes)}  devices:
    - {{name: old-cores, {FACTS}, tdp: 10 W, idle: 2 W}}
    - {{name: new-cores, {FACTS}, tdp: 5 W, idle: 1 W}}
"""


def intents(**rates):
    return "\n---\n".join(
        f"""\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}}}
spec:
  task: image-classification
  model: {DIGITS / "digits-s.onnx"}
  load: {{rate: {rate}/s}}
  require: {{latency: {{p99: 50 ms}}}}
  goal: minimize power
"""
        for name, rate in rates.items()
    )


@pytest.fixture
def stands(aios):
    """Two services on the old machines, as a saved plan."""
    aios.write("fleet.yaml", fleet(OLD))
    aios.write("intent.yaml", intents(a=20, b=20))
    assert aios("plan", "intent.yaml", "-o", "now.json").code == 0
    return aios


def decisions(ran):
    return {item["intent"]: item for item in ran.json["decisions"]}


def test_nothing_moves_when_nothing_changed_or_something_else_comes(stands):
    same = stands("plan", "intent.yaml", "--current", "now.json", "--json")
    before = decisions(same)
    assert not [item for item in before.values() if "moved" in item or "stayed" in item]
    stands.write("intent.yaml", intents(a=20, another=30, b=20))
    stands.write("fleet.yaml", fleet(OLD.replace("count: 3", "count: 4")))
    after = decisions(stands("plan", "intent.yaml", "--current", "now.json", "--json"))
    assert {name: after[name]["placement"] for name in before} == {name: before[name]["placement"] for name in before}


def test_a_plan_says_what_it_took_to_stand(stands):
    ask = ("plan", "intent.yaml", "--json")
    without = stands(*ask).json["inputs"]
    same = stands(*ask, "--current", "now.json", "-o", "next.json").json["inputs"]
    again = stands(*ask, "--current", "next.json").json["inputs"]
    assert "current" not in without
    assert again["current"] == same["current"], "the same things stand, whatever the file is called"
    stands.write("fleet.yaml", fleet(OLD, NEW))
    stands(*ask, "--current", "now.json", "-o", "next.json")
    other = stands(*ask, "--current", "next.json").json["inputs"]
    assert other["current"] != same["current"]


def test_better_machines_are_moved_to_once(stands):
    stands.write("fleet.yaml", fleet(OLD, NEW))
    moved = stands("plan", "intent.yaml", "--current", "now.json", "--json", "-o", "next.json")
    told = decisions(moved)["a"]["moved"]
    assert told["places"] == ["old-0[cpu0] x 1"]
    assert told["goal"] == "minimize power"
    assert told["saving"] > 0
    assert told["disruption_s"]["low"] < told["disruption_s"]["value"] < told["disruption_s"]["high"]
    assert told["disruption_s"]["source"] == "assumed"
    words = stands("plan", "intent.yaml", "--current", "now.json").out
    assert "it saves more than moving costs" in words
    again = decisions(stands("plan", "intent.yaml", "--current", "next.json", "--json"))
    assert not [item for item in again.values() if "moved" in item]


def test_moves_are_limited_and_forbidden(stands):
    stands.write("fleet.yaml", fleet(OLD, NEW))
    ask = ("plan", "intent.yaml", "--current", "now.json")
    one = decisions(stands(*ask, "--max-moves", "1", "--json"))
    assert sum("moved" in item for item in one.values()) == 1
    assert sum("stayed" in item for item in one.values()) == 1
    frozen = stands(*ask, "--freeze", "a")
    assert frozen.code == 0
    assert "WHY IT STAYS" in frozen.out
    none = decisions(stands(*ask, "--freeze", "a", "--freeze", "b", "--json"))
    assert not [item for item in none.values() if "moved" in item]


def test_what_is_frozen_and_cannot_stay_is_named(stands):
    stands.write("intent.yaml", intents(a=4000, b=20))
    ran = stands("plan", "intent.yaml", "--current", "now.json", "--freeze", "a")
    assert ran.code == 3
    assert "a stays as it is (--freeze)" in ran.out
    assert "throughput >= 4000/s" in ran.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--freeze", "aa"], "did you mean `a`?"),
        (["--freeze", "a", "--state", "none.json"], "does not stand"),
        (["--current", "nothing.json"], "there is no plan nothing.json"),
        (["--current", "intent.yaml"], "is no JSON"),
    ],
)
def test_mistakes_are_told(stands, options, said):
    current = [] if "--current" in options or "--state" in options else ["--current", "now.json"]
    ran = stands("plan", "intent.yaml", *current, *options)
    assert ran.code == 1
    assert said in ran.err


def test_the_only_machine_that_is_left_is_the_first_of_those_that_were(stands):
    before = decisions(stands("plan", "intent.yaml", "--current", "now.json", "--json"))
    assert {part["node"] for item in before.values() for part in item["placement"]} == {"old-0"}
    stands.write("fleet.yaml", fleet(OLD.replace("count: 3, ", "")))
    fewer = stands("plan", "intent.yaml", "--current", "now.json", "--freeze", "a", "-o", "fewer.json", "--json")
    assert [item["placement"][0]["node"] for item in fewer.json["decisions"]] == ["old", "old"]
    assert not [item for item in fewer.json["decisions"] if "moved" in item]
    stands.write("fleet.yaml", fleet(OLD))
    more = stands("plan", "intent.yaml", "--current", "fewer.json", "--json")
    assert not [item for item in more.json["decisions"] if "moved" in item]


def test_moves_are_told_by_what_differs_and_only_a_saved_plan_is_carried_out(stands):
    stands.write("fleet.yaml", fleet(NEW))
    ran = stands("plan", "intent.yaml", "--current", "now.json")
    assert ran.code == 0
    (row,) = (line for line in ran.out.splitlines() if line.startswith("a  ") and "no longer there" in line)
    assert re.search(r"  old-0\[cpu0\] +new-cores on new-0\[cpu0\]", row)
    assert "digits-s" not in row
    assert "next: save this plan with `-o plan.json`, and run `aios apply plan.json`" in ran.out
    saved = stands("plan", "intent.yaml", "--current", "now.json", "-o", "next.json")
    assert "next: aios apply next.json" in saved.out


def test_a_limit_on_moves_is_told_as_an_option_and_a_wrong_name_with_what_stands(stands):
    wrong = stands("plan", "intent.yaml", "--current", "now.json", "--freeze", "zzz")
    assert wrong.code == 1
    assert "what stands: a, b" in wrong.err
    stands.write("fleet.yaml", fleet(NEW))
    ran = stands("plan", "intent.yaml", "--current", "now.json", "--max-moves", "1")
    assert ran.code == 3
    assert "  moves <= 1 (--max-moves)\n" in ran.out
    assert "moves is unknown" not in ran.out
    assert "moves -> 2" in ran.out


LOST = "    - {name: lost, cpu: 8, memory: 32 GiB, devices: [{type: nvidia-t4}], price: 0.1 USD/h}\n"
LEFT = "    - {name: left, cpu: 64, memory: 256 GiB, devices: [{type: nvidia-l4, count: 4}], price: 4 USD/h}\n"
BESIDE = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: photos}
spec:
  task: image-classification
  model: {card: resnet50}
  load: {rate: 100/s}
  pin: {precision: fp16, batch: 4, replicas: 1}
  goal: [minimize cost]
---
apiVersion: aios/v1
kind: Intent
metadata: {name: thumbs}
spec:
  task: image-classification
  model: {card: resnet50}
  load: {rate: 100/s}
  pin: {precision: fp16, batch: 4, replicas: 1, device: nvidia-l4}
  goal: [minimize power]
---
apiVersion: aios/v1
kind: Intent
metadata: {name: render}
spec:
  demand: {cpu: 2, memory: 4 GiB, accelerator: {count: 1, types: nvidia-l4}}
  count: 2
  required: false
"""


@pytest.mark.parametrize("limits", [(), ("--freeze", "render"), ("--max-moves", "1", "--freeze", "thumbs")])
def test_services_that_must_move_leave_copies_where_they_stand(aios, limits):
    head = "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: hall}\nspec:\n  nodes:\n"
    aios.write("fleet.yaml", head + LOST + LEFT)
    aios.write("intent.yaml", BESIDE)
    first = aios("plan", "intent.yaml", "-o", "now.json", "--json")
    assert decisions(first)["photos"]["placement"][0]["node"] == "lost"
    aios.write("fleet.yaml", head + LEFT)
    ran = aios("plan", "intent.yaml", "--current", "now.json", *limits, "--json")
    assert ran.code == 0, ran.err
    after, before = decisions(ran), decisions(first)
    assert after["photos"]["placement"][0]["node"] == "left"
    assert [name for name in after if after[name]["placement"] != before[name]["placement"]] == ["photos"]


def test_what_may_not_move_at_all_ends_without_a_plan_and_not_with_a_bug(aios):
    head = "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: hall}\nspec:\n  nodes:\n"
    aios.write("fleet.yaml", head + LOST + LEFT)
    aios.write("intent.yaml", BESIDE)
    assert aios("plan", "intent.yaml", "-o", "now.json").code == 0
    aios.write("fleet.yaml", head + LEFT.replace("count: 4", "count: 2"))
    ran = aios("plan", "intent.yaml", "--current", "now.json", "--freeze", "render")
    assert ran.code in (3, 6), ran.err
