"""aios pareto as a user meets it: the front of the listed candidates, its picture, and wrong questions."""

import json
from xml.etree import ElementTree

import pytest

from aios.records.errors import UsageError
from aios.workflow.pareto import wanted_metrics

pytestmark = pytest.mark.usefixtures("fleet")


@pytest.fixture
def intent(aios, asked, digits):
    models = ", ".join(str(digits / "models" / f"digits-{size}.onnx") for size in "sml")
    aios.write("intent.yaml", asked(model=f"{{anyOf: [{models}]}}", pin="{}"))
    return "intent.yaml"


def front_of(candidates, names, better):
    """The front by comparing every candidate with every other."""
    rows = [
        (row["id"], [row["estimates"][name]["value"] * sign for name, sign in zip(names, better, strict=True)])
        for row in candidates
        if row["feasible"] and all(name in row["estimates"] for name in names)
    ]
    return {
        tuple(own)
        for _, own in rows
        if not any(all(a <= b for a, b in zip(other, own, strict=True)) and other != own for _, other in rows)
    }


def test_the_front_is_that_of_the_listed_candidates(aios, intent):
    names, better = ["power", "latency.p99", "accuracy.top1"], [1, 1, -1]
    ran = aios("pareto", intent, "--over", ",".join(names), "--json")
    assert ran.code == 0, ran.err
    listed = aios("candidates", intent, "--json").json["candidates"]
    got = {
        tuple(point["values"][name]["value"] * sign for name, sign in zip(names, better, strict=True))
        for point in ran.json["points"]
    }
    assert got == front_of(listed, names, better)
    assert len(got) > 2
    assert (ran.json["stopped"], ran.json["total"]) == ("all", len(got))


def test_the_plans_own_choice_is_marked(aios, intent):
    ran = aios("pareto", intent, "--over", "power,latency.p99", "--json-into", "front.json")
    assert ran.code == 0, ran.err
    chosen = aios("plan", intent, "--json").json["decisions"][0]["candidate"]
    (marked,) = [line for line in ran.out.splitlines() if line.startswith("✔")]
    assert chosen in marked
    assert "what aios plan chooses" in marked


def test_a_choice_that_is_not_on_the_front_is_said_to_be_beaten(aios, asked, digits):
    text = asked(model=digits / "models" / "digits-s.onnx", pin="{precision: fp32, batch: 1}")
    aios.write("intent.yaml", text.replace("minimize power", "maximize throughput"))
    ran = aios("pareto", "intent.yaml", "--over", "power,memory", "--json-into", "front.json")
    assert ran.code == 0, ran.err
    assert "is not on the front: point" in ran.out
    document = json.loads((aios.place / "front.json").read_text())
    plan = document["plan"]
    best = document["points"][plan["beaten_by"]]["values"]
    assert plan["point"] is None
    assert all(best[name]["value"] <= plan["values"][name]["value"] for name in ("power", "memory"))


def test_two_intents_share_the_machine(aios, intent, asked):
    aios.write("second.yaml", asked(name="second", pin="{precision: fp32}"))
    ran = aios("pareto", intent, "second.yaml", "--over", "power,latency.p99", "--json")
    assert ran.code == 0, ran.err
    alone = aios("pareto", "second.yaml", "--over", "power,latency.p99", "--json").json["points"]
    for point in ran.json["points"]:
        assert [decision["intent"] for decision in point["decisions"]] == ["digits", "second"]
        assert sum(row["demand"]["cores"] * row["replicas"] for row in point["decisions"]) <= 2
        assert point["values"]["power"]["value"] > alone[0]["values"]["power"]["value"]


@pytest.mark.parametrize(("over", "charts"), [("power,latency.p99", 1), ("power,latency.p99,accuracy.top1", 3)])
def test_the_picture_is_an_svg_that_needs_nothing_else(aios, intent, over, charts):
    pytest.importorskip("matplotlib")
    assert aios("pareto", intent, "--over", over, "-o", "front.svg").code == 0
    text = (aios.place / "front.svg").read_text()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "@import" not in text
    assert "<image" not in text
    assert sum(f'id="axes_{number}"' in text for number in range(1, 10)) >= charts


def test_no_plan_no_front(aios, asked):
    aios.write("intent.yaml", asked(p99="1 us"))
    ran = aios("pareto", "intent.yaml", "--over", "power,latency.p99", "--json-into", "front.json")
    assert ran.code == 3
    document = json.loads((aios.place / "front.json").read_text())
    assert (document["status"], document["points"]) == ("infeasible", [])
    assert document["conflict"]["clauses"]
    conflict = aios("plan", "intent.yaml").out
    assert ran.out == conflict


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ("power,latncy.p99", "did you mean `latency.p99`?"),
        ("power", "--over names 1 metric"),
        ("power,power", "--over names power more than once"),
        ("power,cost,energy,memory,carbon", "--over names 5 metrics"),
        ("power,moves", "only a whole plan"),
        (",", "--over names no metric"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong_with_it(over, told):
    with pytest.raises(UsageError) as caught:
        wanted_metrics([over])
    (item,) = caught.value.diagnostics
    assert told in f"{item.summary} {item.remedy}"


def test_all_that_is_wrong_with_a_question_is_told_at_once(aios):
    ran = aios("pareto", "nowhere.yaml", "--over", "powr", "--over", "cost,cost,energy,memory")
    assert ran.code == 64
    assert ran.out == ""
    for told in ("unknown metric, `powr`", "names cost more than once", "names 5 metrics", "3 errors"):
        assert told in ran.err


def test_a_metric_that_nobody_knows_is_told_with_the_reason(aios, intent):
    ran = aios("pareto", intent, "--over", "power,carbon")
    assert ran.code == 1
    assert "carbon is unknown" in ran.err
    assert "carbon intensity" in ran.err


def test_only_pictures_are_drawn(aios, intent):
    ran = aios("pareto", intent, "--over", "power,latency.p99", "-o", "front.txt")
    assert ran.code == 1
    assert "no picture can be written to front.txt" in ran.err
