"""Where messages point, how much they say at once, and that what they advise works."""

import pytest

from aios.cli.changewords import head_of, value_text
from aios.cli.words import gap_text

HEAD = "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: %s}\n"
FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: lab}
spec:
  nodes:
    - {name: small, count: 4, cpu: 32, memory: 128 GiB, devices: [{type: nvidia-t4, count: 2}]}
"""
WORK = HEAD % "work" + "spec: {demand: {cpu: 8, accelerator: {types: nvidia-t4}}, count: 3}\n"


@pytest.fixture
def lab(aios):
    aios.write("fleet.yaml", FLEET)
    aios.write("work.yaml", WORK)
    return aios


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("nodes.small=null", ["a fleet needs at least one node", "at --set 1:1:7"]),
        ("intents.work.demand.cpu=null", None),  # it may be left out
        ("nodes.small.devices[0].type=null", ["`spec.nodes[0].devices[0].type` is missing", "at --set 1:1:24"]),
    ],
)
def test_what_a_change_takes_away_is_told_at_the_change(lab, change, told):
    ran = lab("whatif", "work.yaml", "--fleet", "fleet.yaml", "--set", change)
    assert ran.code == (0 if told is None else 1), ran.err
    for text in told or ():
        assert text in ran.err


def test_heads_of_rows_are_short_and_units_right():
    balance = "a, b: minimize shortfall from the best alone: a: minimize cost; b: minimize power"
    assert head_of(balance) == "balance of unlike goals (shortfall)"
    assert value_text(balance, 0.125, "1") == "12.5 %"
    assert head_of("a, b, c, d: minimize power") == "a, b and 2 more: minimize power"
    assert value_text("a, b, c, d: minimize power", 5.0, "W") == "5 W"
    assert head_of("minimize power") == "minimize power"


@pytest.mark.parametrize(
    ("gap", "text"), [(0.0024, "0.24 %"), (1.0, "100 %"), (0.9999, "100 %"), (12.5, "1,250 %"), (1e-9, "below 0.001 %")]
)
def test_gaps_have_no_powers_of_ten(gap, text):
    assert gap_text(gap) == text


def test_of_thousands_of_mistakes_the_first_are_told(lab):
    lab.write("many.yaml", "---\n".join(f"{HEAD % f'n{k}'}spec: {{demand: {{cpu: -1}}}}\n" for k in range(1000)))
    lab.write("other.yaml", HEAD % "other" + "spec: {demand: {cpu: 0}}\n")
    ran = lab("validate", "many.yaml", "other.yaml", "--json")
    assert ran.code == 1
    assert ran.err.count("error: ") == 21
    assert "and 980 more in many.yaml\n1,001 errors (`aios validate --all` tells them all)" in ran.err
    assert len(ran.json["errors"]) == 1001
    assert lab("validate", "many.yaml", "--all").err.count("error: ") == 1000


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("validate", "work.yaml", "--json-into", ""), 64, "an empty text or `.` names no file"),
        (("plan", "work.yaml", "-o", ""), 64, "an empty text or `.` names no file"),
        (("plan", "work.yaml", "-o", "there/plan.json"), 6, "run     mkdir -p there"),
        (("plan", "work.yaml", "--effort", "hard"), 64, "'quick', 'normal', 'thorough'"),
    ],
)
def test_what_cannot_be_written_or_done_is_told_before_any_work(lab, arguments, code, told):
    ran = lab(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert told in ran.err
    assert not (lab.place / "there").exists()


def test_a_plan_of_standard_input_is_applied_from_a_file(lab):
    text = HEAD % "service" + "spec: {task: t, model: {card: resnet50}, load: {rate: 1/s}}\n"
    ran = lab("plan", "-", "--fleet", "fleet.yaml", "--effort", "quick", stdin=text)
    assert ran.out.endswith("next: save this plan with `-o plan.json`, and run `aios apply plan.json`\n")


@pytest.mark.parametrize(("effort", "limit"), [("quick", 6.0), ("normal", 60.0), ("thorough", 600.0)])
def test_effort_is_deterministic_work(lab, effort, limit):
    ran = lab("plan", "work.yaml", "--fleet", "fleet.yaml", "--effort", effort, "--json")
    assert ran.json["solver"]["deterministic_limit"] == limit


def test_stated_demands_alone_are_spoken_of(lab):
    listed = lab("candidates", "work.yaml", "--fleet", "fleet.yaml")
    assert listed.out == "work: 3 copies of 8 cores, 1 nvidia-t4 may stand on small (nvidia-t4)\n"
    explained = lab("explain", "work.yaml", "--fleet", "fleet.yaml")
    assert "stated demands take what they say" in explained.out
    assert "`aios plan` says where they stand" in explained.out


def test_a_copy_larger_than_any_machine(lab):
    lab.write("large.yaml", WORK.replace("types:", "count: 4, types:").replace("count: 3", "count: 1"))
    ran = lab("plan", "large.yaml", "--fleet", "fleet.yaml")
    assert ran.code == 3
    assert "1 copy of 8 cores, 4 nvidia-t4 stands" in ran.out
    assert "on one machine where work may stand at most 2 devices and 32 cores are free" in ran.out
    assert "note: Not one copy of work finds room." in ran.out


@pytest.mark.parametrize("load", ["{rate: 2/s}", "{rate: 2/s, prompt: 128, output: 1}"])
def test_an_encoder_is_not_sent_in_a_circle(lab, load):
    lab.write("bert.yaml", HEAD % "bert" + f"spec: {{task: t, model: {{card: bert-base-cased}}, load: {load}}}\n")
    ran = lab("plan", "bert.yaml", "--fleet", "fleet.yaml")
    assert ran.code == 1
    assert "bert-base-cased is an encoder" in ran.err
    assert "export it to ONNX" in ran.err


def test_a_budget_below_what_is_pinned_names_both(lab):
    service = "spec: {task: t, model: {card: resnet50}, load: {rate: 1/s}, pin: {device: nvidia-t4, replicas: [2, 3]}}"
    lab.write("service.yaml", HEAD % "photos" + service + "\n")
    lab.write(
        "budget.yaml", "apiVersion: aios/v1\nkind: Objective\nmetadata: {name: o}\nspec: {budget: {power: 1 W}}\n"
    )
    ran = lab("plan", "service.yaml", "budget.yaml", "--fleet", "fleet.yaml")
    assert ran.code == 3
    assert "power <= 1 W for the whole plan  budget.yaml:4:24" in ran.out
    assert "photos: device nvidia-t4 (service.yaml:4:" in ran.out
    assert "photos: replicas 2 or 3 (service.yaml:4:" in ran.out
