"""Cards that are cut into parts, and machines of which something is taken: what plans make of them.

Nothing runs: the executor is ``dryrun``, and the cards are invented.
"""

import json

import pytest

from aios.cli.app import run

FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {{name: cut}}
spec:
  nodes:
{nodes}
  devices:
    - name: card
      kind: gpu
      peak: {{fp32: 20 TFLOPS, fp16: 80 TFLOPS}}
      memory: 4 GB
      bandwidth: 400 GB/s
      tdp: 100 W
      power_modes: [{{name: low, cap: 60 W, peak_scale: 50 %}}]
      interconnects: [{{kind: pcie4-x16, bandwidth: 31.5 GB/s}}]
      price: 1 USD/h
      partitions:
        - {{name: big, compute: 75 %, memory: 3 GB, bandwidth: 75 %, most: 1}}
        - {{name: half, compute: 50 %, memory: 2 GB, bandwidth: 50 %, most: 2}}
        - {{name: small, compute: 25 %, memory: 500 MB, bandwidth: 25 %, most: 4}}
"""
INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}}}
spec:
  task: image-classification
  model: {model}
  load: {{rate: 50/s}}
  require: {{latency: {{p99: 5 ms}}}}
  goal: minimize latency.p99
  pin: {{executor: dryrun, precision: fp16}}
"""


@pytest.fixture
def lab(tmp_path, monkeypatch, digits, capsys):
    """Plans (or does something else with) intents on one or more nodes; returns exit code and JSON document."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")

    def command(*nodes, intents=("one", "two"), do=("plan",)):
        (tmp_path / "fleet.yaml").write_text(FLEET.format(nodes="\n".join(f"    - {node}" for node in nodes)))
        texts = [INTENT.format(name=name, model=digits / "models" / "digits-l.onnx") for name in intents]
        (tmp_path / "intent.yaml").write_text("---\n".join(texts))
        capsys.readouterr()
        code = run([*do, "intent.yaml", "--fleet", "fleet.yaml", "--json"])
        return code, json.loads(capsys.readouterr().out)

    return command


def places(plan):
    return {item["intent"]: (item["candidate"].split("/")[2], item["placement"][0]) for item in plan["decisions"]}


def reasons(plan, what):
    return {row["reason"] for row in plan["rejections"] if row["what"] == what}


CUT = "{name: serve, address: local, cpu: 64, devices: [{type: card, partitions: [half, half]}]}"


def test_two_intents_share_a_card_by_its_parts_and_stay_there(lab):
    code, plan = lab(CUT)
    found = places(plan)
    assert (code, plan["status"]) == (0, "optimal")
    assert {device for device, _ in found.values()} == {"card:half"}
    assert {tuple(place["devices"]) for _, place in found.values()} == {("0.0",), ("0.1",)}
    assert {place["share"] for _, place in found.values()} == {1.0}
    assert not reasons(plan, "device card")  # nobody asked for a whole card
    code, _ = lab(CUT, do=("apply", "--yes"))
    assert code == 0
    code, again = lab(CUT)
    assert {action["action"] for action in again["actions"]} == {"keep"}
    assert places(again) == found


def test_a_part_has_its_own_memory_and_no_more(lab):
    code, plan = lab("{name: serve, cpu: 64, devices: [{type: card, partitions: [small, big]}]}")
    assert (code, plan["status"]) == (3, "infeasible")
    clauses = {clause["text"] for clause in plan["conflict"]["clauses"]}
    assert "node serve has 1 card:big" in clauses
    assert "node serve has 477 MiB of memory on each card:small" in clauses
    code, plan = lab("{name: serve, cpu: 64, devices: [{type: card, partitions: [small, big]}]}", intents=("one",))
    assert (code, places(plan)["one"][0]) == (0, "card:big")


def test_what_a_part_draws_and_costs_stays_unknown_and_it_has_no_power_modes(lab):
    _, plan = lab(CUT, intents=("one",))
    (decision,) = plan["decisions"]
    assert not {"power", "cost"} & set(decision["estimates"])
    assert decision["power_mode"] is None


def test_whole_cards_and_parts_of_others_stand_side_by_side(lab):
    nodes = ("{name: a, cpu: 64, devices: [{type: card}]}", CUT)
    code, plan = lab(*nodes, intents=("one", "two", "three"))
    assert code == 0
    assert sorted((device, place["node"]) for device, place in places(plan).values()) == [
        ("card", "a"),
        ("card:half", "serve"),
        ("card:half", "serve"),
    ]


def test_topology_shows_the_parts(lab, capsys):
    devices = "[{type: card}, {type: card, partitions: [half, half]}]"
    lab(f"{{name: serve, cpu: 64, devices: {devices}, topology: {{kind: pcie}}}}")
    assert run(["hardware", "topology", "--fleet", "fleet.yaml", "--node", "serve", "--json"]) == 0
    assert {"serve/0", "serve/1.0", "serve/1.1"} == set(json.loads(capsys.readouterr().out)["devices"])


@pytest.mark.parametrize(
    ("used", "free"),
    [('{"0": 1.0}', {"1"}), ('{"1": 100 %}', {"0"}), ('{"0": 30 %}', {"1"}), ('{"0": 0 %}', {"0", "1"})],
)
def test_a_card_that_is_taken_is_given_to_nobody(lab, used, free):
    node = f"{{name: serve, cpu: 64, devices: [{{type: card, count: 2}}], used: {{devices: {used}}}}}"
    code, plan = lab(node)
    given = {device for _, place in places(plan).values() for device in place["devices"]}
    if len(free) == 2:
        assert (code, given) == (0, free)
    else:
        assert (code, plan["status"]) == (3, "infeasible")
        assert "node serve has 2 card, 1 of them free" in {clause["text"] for clause in plan["conflict"]["clauses"]}
        code, plan = lab(node, intents=("one",))
        assert (code, set(places(plan)["one"][1]["devices"])) == (0, free)


@pytest.mark.parametrize(
    ("used", "reason"),
    [
        ("1.0", "all of it is taken already"),
        ("40 %", "a part of each is taken already, and a replica has a device to itself"),
    ],
)
def test_where_nothing_is_free_the_reason_is_said(lab, used, reason):
    code, plan = lab(
        f'{{name: a, cpu: 8, devices: [{{type: card}}], used: {{devices: {{"0": {used}}}}}}}', intents=("one",)
    )
    assert code == 3
    assert reasons(plan, "card on node a") == {reason}


def test_a_part_that_is_taken_leaves_the_other(lab):
    used = 'used: {devices: {"0.0": 1.0}}'
    code, plan = lab(
        f"{{name: a, cpu: 8, devices: [{{type: card, partitions: [half, half]}}], {used}}}", intents=("one",)
    )
    assert (code, places(plan)["one"][1]["devices"]) == (0, ["0.1"])


def test_of_every_machine_of_a_class_the_same_is_taken(lab):
    node = '{name: a, count: 2, cpu: 8, devices: [{type: card, count: 2}], used: {devices: {"0": 1.0}}}'
    code, plan = lab(node)
    assert code == 0
    assert {(place["node"], *place["devices"]) for _, place in places(plan).values()} == {("a-0", "1"), ("a-1", "1")}


def test_cores_and_memory_that_are_taken_are_not_given_again(lab):
    devices = "devices: [{{type: raspberry-pi-5-8gb}}]"
    node = f"{{{{name: a, cpu: 8, memory: {{memory}}, {devices}, used: {{{{cpu: {{cpu}}, memory: 3 GB}}}}}}}}"
    _, plan = lab(node.format(cpu=6, memory="8 GB"), intents=("one",), do=("candidates",))
    assert {item["threads"] for item in plan["candidates"]} == {1, 2}
    code, plan = lab(node.format(cpu=8, memory="8 GB"), intents=("one",))
    assert (code, reasons(plan, "raspberry-pi-5-8gb on node a")) == (3, {"all of it is taken already"})
    code, plan = lab(node.format(cpu=6, memory="3001 MB"), intents=("one",))
    assert code == 3
