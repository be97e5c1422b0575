"""Plans of stated demands through the command: the JSON that a stranger checks, the words, what does not fit."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: lab}
spec:
  nodes:
    - {name: small-1, count: 2, cpu: 16, memory: 64 GiB, devices: [{type: card, count: 2}]}
    - {name: large, cpu: 64, memory: 256 GiB, devices: [{type: big-card, count: 4}], used: {devices: {"1": 0.5}}}
    - {name: plain, cpu: 8, memory: 16 GiB}
    - {name: local, address: local, cpu: 2, memory: 4 GiB, devices: [{type: two-cores}]}
  devices:
    - {name: card, kind: gpu}
    - {name: big-card, kind: gpu}
    - name: two-cores
      kind: cpu
      cores: 2
      peak: {fp32: 100 GFLOP/s, int8: 400 GOP/s}
      memory: 4 GiB
      bandwidth: 20 GB/s
      tdp: 10 W
      idle: 2 W
"""

TRAIN = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: train}
spec:
  demand: {cpu: 8, memory: 32 GiB, accelerator: {count: 3, types: big-card}}
"""
ONLY_THERE = "cpu: 1, accelerator: {types: two-cores}"
NOTEBOOKS = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: notebooks}
spec:
  demand: {cpu: 2, memory: 4 GiB, accelerator: {share: 0.5}}
  count: 12
  required: false
"""
ETL = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: etl}
spec:
  demand: {cpu: 4, memory: 8 GiB}
  count: 4
"""
GOALS = """\
apiVersion: aios/v1
kind: Objective
metadata: {name: goals}
spec: {goal: [maximize accelerator.allocated, maximize admitted]}
"""

WORDS = """\
fleet lab (fleet.yaml): big-card, card, two-cores

demands: 3 intents, 17 copies: 14 stand, 3 refused
INTENT     TAKES                                            COPIES  STAND  REFUSED  ON
notebooks  2 cores, 4 GiB, 0.5 of 1 accelerator (optional)      12      9        3  small-1 8, large 1
etl        4 cores, 8 GiB                                        4      4        0  large 3, plain 1
train      8 cores, 32 GiB, 3 big-card                           1      1        0  large 1
DEVICE    THERE  FREE  TAKEN  SHARE  MACHINES USING IT
big-card      4   3.5    3.5  100 %                  1
card          4     4      4  100 %                  2

objective maximize admitted: 9, proved optimal
"""


@pytest.fixture
def work(aios):
    aios.write("fleet.yaml", FLEET)
    aios.write("work/all.yaml", "---\n".join((TRAIN, NOTEBOOKS, ETL)))
    return aios


def test_the_plan_document_is_enough_to_check_every_capacity(work):
    work.write("work/goals.yaml", GOALS)
    ran = work("plan", "work", "--fleet", "fleet.yaml", "--json")
    assert (ran.code, ran.err) == (0, "")
    plan = ran.json
    assert plan["status"] == "optimal"
    assert [(row["goal"], row["value"], row["gap"]) for row in plan["objective"]] == [
        ("maximize accelerator.allocated", 7.5, 0.0),
        ("maximize admitted", 9.0, 0.0),
    ]
    assert plan["refused"] == [{"intent": "notebooks", "count": 3}]
    assert plan["conflict"] is None
    assert plan["actions"] == []
    decisions = {decision["intent"]: decision for decision in plan["decisions"]}
    assert {name: decision["replicas"] for name, decision in decisions.items()} == {
        "train": 1, "notebooks": 9, "etl": 4,
    }  # fmt: skip
    (train,) = decisions["train"]["placement"]
    assert train == {"node": "large", "devices": ["0", "2", "3"], "share": 1.0, "replicas": 1}
    assert {part["node"] for part in decisions["notebooks"]["placement"]} == {"small-1-0", "small-1-1", "large"}
    assert all(part["devices"] == [] for part in decisions["etl"]["placement"])
    cores, shares = defaultdict(float), defaultdict(float)
    for name, each in (("train", 8), ("notebooks", 2), ("etl", 4)):
        for part in decisions[name]["placement"]:
            cores[part["node"]] += each * part["replicas"]
            for device in part["devices"]:
                shares[part["node"], device] += part["share"] * part["replicas"]
    has = {"small-1-0": 16, "small-1-1": 16, "large": 64, "plain": 8, "local": 2}
    assert all(used <= has[node] for node, used in cores.items())
    assert shares.pop(("large", "1")) == 0.5
    assert set(shares.values()) == {1.0}


def test_it_reads_well(work):
    ran = work("plan", "work/all.yaml", "--fleet", "fleet.yaml")
    assert ran.code == 0
    assert ran.out.startswith(WORDS)
    assert "nothing to do: demands are placed, not started" in ran.out
    detailed = work("plan", "work", "--fleet", "fleet.yaml", "--detailed-exitcode", "--all")
    assert detailed.code == 0
    assert detailed.out.startswith(WORDS)


def test_what_is_unknown_and_counts_as_enough_is_told(work):
    work.write("fleet.yaml", FLEET.replace("cpu: 64, memory: 256 GiB, ", ""))
    ran = work("plan", "work/all.yaml", "--fleet", "fleet.yaml")
    assert ran.code == 0
    assert "note: cores of large taken to be enough: the fleet does not say it" in ran.out
    assert "note: memory of large taken to be enough: the fleet does not say it" in ran.out


def test_standard_input_and_the_order_of_files_change_nothing(work):
    one = work("plan", "-", "--fleet", "fleet.yaml", "--json", stdin="---\n".join((ETL, TRAIN, NOTEBOOKS)))
    other = work("plan", "work/all.yaml", "--fleet", "fleet.yaml", "--json")
    assert one.code == other.code == 0
    for name in ("status", "objective", "decisions", "refused"):
        assert one.json[name] == other.json[name]


def test_what_cannot_fit_says_where_it_stands_and_how_many_would(work):
    work.write("more.yaml", TRAIN.replace("train", "serve").replace("count: 3", "count: 1") + "  count: 2\n")
    ran = work("plan", "work/all.yaml", "more.yaml", "--fleet", "fleet.yaml", "--json-into", "plan.json")
    assert ran.code == 3
    assert "serve: 2 copies of 8 cores, 32 GiB, 1 big-card stand  more.yaml:3:18" in ran.out
    assert "train: 1 copy of 8 cores, 32 GiB, 3 big-card stands  work/all.yaml:3:18" in ran.out
    plan = json.loads((work.place / "plan.json").read_text())
    assert (plan["status"], plan["decisions"]) == ("infeasible", [])
    named = [(item["intent"], item["where"]) for item in plan["conflict"]["clauses"]]
    assert named == [("train", "work/all.yaml:3:18"), ("serve", "more.yaml:3:18"), (None, None)], "the largest first"
    assert plan["conflict"]["notes"] == ["Not one copy of train finds room.", "Not one copy of serve finds room."]
    work.write("more.yaml", NOTEBOOKS.replace("notebooks", "serve").replace("required: false", "required: true"))
    ran = work("plan", "work/all.yaml", "more.yaml", "--fleet", "fleet.yaml")
    assert ran.code == 3
    assert "serve/stands -> 9 copies instead of 12" in ran.out


def test_a_type_that_no_node_has_is_named(work):
    work.write("other.yaml", TRAIN.replace("big-card", "big-crad"))
    ran = work("plan", "other.yaml", "--fleet", "fleet.yaml")
    assert ran.code == 3
    assert "the fleet has no device type `big-crad`" in ran.out
    assert "did you mean `big-card`?" in ran.out
    work.write("other.yaml", TRAIN.replace("big-card", "big-crad") + "  required: false\n")
    ran = work("plan", "other.yaml", "--fleet", "fleet.yaml")
    assert ran.code == 0
    assert "left out: train on every node: the fleet has no device type `big-crad`" in ran.out


def test_models_and_demands_stand_side_by_side(work, asked):
    work.write("model.yaml", asked())
    ran = work("plan", "model.yaml", "work/all.yaml", "--fleet", "fleet.yaml", "--json")
    assert ran.code == 0
    decisions = {decision["intent"]: decision for decision in ran.json["decisions"]}
    assert set(decisions) == {"digits", "train", "notebooks", "etl"}
    assert decisions["digits"]["placement"] == [
        {"node": "local", "devices": ["cpu0"], "share": decisions["digits"]["placement"][0]["share"], "replicas": 1}
    ]
    assert decisions["notebooks"]["replicas"] == 9
    assert {action["address"] for action in ran.json["actions"]} == {"digits"}
    assert [row["goal"] for row in ran.json["objective"]] == ["maximize admitted", "minimize power"]


def test_one_table_says_where_everything_stands_and_what_of_budgets_is_taken(work, asked):
    work.write("model.yaml", asked())
    work.write(
        "goals.yaml",
        "apiVersion: aios/v1\nkind: Objective\nmetadata: {name: whole}\nspec: {budget: {power: 1 kW}}\n",
    )
    ran = work("plan", "model.yaml", "work/all.yaml", "goals.yaml", "--fleet", "fleet.yaml")
    assert ran.code == 0
    told = [line.split() for line in ran.out.splitlines()]
    assert ["NODE", "MACHINES", "IN", "USE", "HOLDS"] in told
    assert next(words[3:] for words in told if words[:3] == ["local", "1", "1"]) == ["digits", "1"]
    (budget,) = [line for line in ran.out.splitlines() if line.startswith("budget power: up to ")]
    assert budget.endswith(" of 1 kW (goals.yaml:4:24)")


def test_a_service_makes_room_for_a_demand_or_both_are_one_conflict(work, asked):
    work.write("model.yaml", asked())
    work.write(
        "all.yaml", TRAIN.replace("cpu: 8, memory: 32 GiB, accelerator: {count: 3, types: big-card}", ONLY_THERE)
    )
    ran = work("plan", "model.yaml", "all.yaml", "--fleet", "fleet.yaml", "--json")
    assert ran.code == 0
    stands = {decision["intent"]: decision["placement"][0]["node"] for decision in ran.json["decisions"]}
    assert stands["train"] == "local" != stands["digits"]
    pinned = "{precision: fp32, threads: 1, batch: 1, replicas: 1, device: two-cores}"
    work.write("model.yaml", asked(pin=pinned))
    ran = work("plan", "model.yaml", "all.yaml", "--fleet", "fleet.yaml", "--json")
    assert ran.code == 3
    clauses = {clause["id"] for clause in ran.json["conflict"]["clauses"]}
    assert clauses == {"digits/runs", "train/stands", "capacity/local/two-cores/demands"}


def test_validate_counts_them_and_says_what_is_wrong(work):
    ran = work("validate", "work/all.yaml", "--fleet", "fleet.yaml")
    assert ran.code == 0
    assert "demands: 3, copies 17" in ran.out
    work.write("bad.yaml", NOTEBOOKS.replace("12", "0").replace("0.5", "3/2"))
    ran = work("validate", "bad.yaml")
    assert ran.code == 1
    assert "bad.yaml:5:56" in ran.err
    assert "bad.yaml:6:10" in ran.err


def test_the_same_inputs_give_the_same_bytes(work):
    first = work("plan", "work/all.yaml", "--fleet", "fleet.yaml", "--json")
    assert work("plan", "work/all.yaml", "--fleet", "fleet.yaml", "--json").out == first.out
