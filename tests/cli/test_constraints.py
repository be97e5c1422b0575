"""Rules, caps and budgets through the command line: plans that keep them, and what is said where none does."""

import pytest

FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: racks}
spec:
  power_caps: [{by: rack, cap: CAP}]
  regions: {north: {jurisdiction: EU}}
  nodes:
    - {name: a, count: 2, cpu: 8, memory: 32 GiB, region: north, labels: {rack: r1}, devices: [{type: nvidia-t4}]}
    - {name: b, cpu: 8, memory: 32 GiB, region: north, labels: {rack: r2}, taints: ["ml:NoSchedule"],
       devices: [{type: nvidia-t4}]}
    - {name: c, cpu: 8, memory: 32 GiB, labels: {rack: r3}, devices: [{type: nvidia-t4}]}
"""

INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: photos}
spec:
  task: image-classification
  model: {card: resnet50}
  load: {rate: 200/s}
  where: {residency: EU, tolerate: ml}
  survive: {losses: LOSSES, of: rack}
"""


@pytest.fixture
def plan(aios):
    def run(cap="60 W", losses=1, budget=None):
        aios.write("fleet.yaml", FLEET.replace("CAP", cap))
        aios.write("intent.yaml", INTENT.replace("LOSSES", str(losses)))
        paths = ["intent.yaml"]
        if budget is not None:
            head = "apiVersion: aios/v1\nkind: Objective\nmetadata: {name: o}\n"
            aios.write("budget.yaml", f"{head}spec: {{budget: {{{budget}}}}}\n")
            paths.append("budget.yaml")
        return aios("plan", *paths, "--json")

    return run


def test_a_plan_keeps_rules_and_caps_and_says_so(plan):
    ran = plan()
    assert ran.code == 0
    (decision,) = ran.json["decisions"]
    assert [place["node"] for place in decision["placement"]] == ["a-0", "b"]
    assert "photos sustains its load after any rack is lost" in decision["notes"]
    left_out = {(row["what"], row["reason"]) for row in ran.json["rejections"]}
    assert ("node c", "node c states no jurisdiction") in left_out


def test_what_cannot_be_kept_is_told_with_its_place_and_what_would_do(plan):
    ran = plan(losses=2)
    assert ran.code == 3
    assert [clause["where"] for clause in ran.json["conflict"]["clauses"]] == ["intent.yaml:9:21"]
    assert [item["to"] for item in ran.json["conflict"]["relaxations"]] == ["1 instead of 2"]


def test_a_cap_that_is_too_low(plan):
    ran = plan(cap="20 W")
    assert ran.code == 3
    clauses = {clause["id"]: clause["where"] for clause in ran.json["conflict"]["clauses"]}
    assert [place for name, place in clauses.items() if name.startswith("capacity/power/rack/")]
    assert {place for name, place in clauses.items() if "power" in name} == {"fleet.yaml:5:16"}


def test_a_budget(plan):
    assert plan(budget="power: 60 W").code == 0
    ran = plan(budget="power: 30 W")
    assert ran.code == 3
    assert ("budget/power", "54.2 W") in [(item["clause"], item["to"]) for item in ran.json["conflict"]["relaxations"]]


def test_mistakes_are_told_together(aios):
    aios.write("fleet.yaml", FLEET.replace("by: rack", "by: rak").replace("CAP", "1 kW"))
    text = INTENT.replace("LOSSES", "0").replace("residency: EU", "tolerate: ''") + "  apart: fotos\n"
    aios.write("intent.yaml", text.replace(", tolerate: ml", ""))
    ran = aios("validate", "intent.yaml")
    assert ran.code == 1
    for told in ("no node has a label `rak`", "did you mean `rack`", "must be at least 1, not `0`", "`` is no taint"):
        assert told in ran.err
