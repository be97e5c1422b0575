"""Policies as a gate: plan, apply and policy check, as a pipeline meets them."""

import json

import pytest

POLICY = """\
apiVersion: aios/v1
kind: Policy
metadata: {name: gate}
spec:
  rules:
    - name: measured
      for: claim
      warn: claim.required && claim.estimate.source != "measured"
      message: "{claim.metric} of {intent.name} is {claim.estimate.source}"
    - name: copies
      for: decision
      deny: decision.replicas < LEAST
      message: "{intent.name} runs on {decision.replicas} replica"
      remedy: pin more
"""


FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: one-card}
spec:
  nodes: [{name: n, cpu: 8, memory: 32 GiB, devices: [{type: nvidia-l4}]}]
"""
INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: pictures}
spec:
  task: image-classification
  model: {card: resnet50}
  load: {rate: 5/s}
  require: {latency: {p99: 1 s}}
  goal: minimize power
  pin: {precision: fp32, batch: 1, replicas: 1}
"""


@pytest.fixture
def planned(aios):
    """A folder with an intent; returns what plans it under a policy that wants so many replicas."""
    aios.write("intent.yaml", INTENT)
    aios.write("fleet.yaml", FLEET)

    def plan(least, *options, name="gate.yaml"):
        aios.write(name, POLICY.replace("LEAST", str(least)))
        return aios("plan", "intent.yaml", *options)

    return plan


def test_a_rule_that_denies_says_what_where_and_why_and_nothing_is_saved(aios, planned):
    ran = planned(2, "--policy", "gate.yaml", "-o", "plan.json", "--json-into", "view.json")
    assert ran.code == 1
    assert not (aios.place / "plan.json").exists()
    assert "denied: pictures runs on 1 replica  [gate/copies]" in ran.err
    assert "at gate.yaml:12:13" in ran.err
    assert "pictures at intent.yaml:3:18; decision.replicas = 1" in ran.err
    assert "pin more" in ran.err
    assert "denied by 1 rule" in ran.out
    assert "aios apply" not in ran.out
    view = json.loads((aios.place / "view.json").read_text())
    (copies,) = [item for item in view["rulings"] if item["rule"] == "gate/copies"]
    assert copies["outcome"] == "deny"
    assert copies["findings"][0]["seen"] == {"decision.replicas": "1"}


def test_a_warning_is_told_and_the_plan_is_saved_with_it_and_applied(aios, planned):
    ran = planned(1, "--policy", "gate.yaml", "-o", "plan.json")
    assert ran.code == 0, ran.err
    assert "warning: latency.p99 of pictures is calibrated  [gate/measured]" in ran.err
    plan = json.loads((aios.place / "plan.json").read_text())
    assert {item["rule"]: item["outcome"] for item in plan["rulings"]} == {
        "gate/copies": "pass",
        "gate/measured": "warn",
    }
    assert plan["inputs"]["policies"].startswith("sha256:")
    assert aios("apply", "plan.json").code == 0


def test_a_plan_without_policies_says_nothing_of_them(planned):
    ran = planned(2, "--json")
    assert ran.code == 0
    assert "rulings" not in ran.json
    assert "policies" not in ran.json["inputs"]


def test_plans_judged_by_other_policies_differ_in_them(aios, planned):
    assert planned(1, "-o", "without.json").code == 0
    assert planned(1, "--policy", "gate.yaml", "-o", "with.json").code == 0
    assert "made from policies differs; intents, fleet" in aios("diff", "without.json", "with.json").out


def test_policies_beside_the_intents_count_unasked_for_plan_and_apply(aios, planned):
    assert planned(2, name="team.policy.yaml").code == 1
    (aios.place / "team.policy.yaml").rename(aios.place / "policy.yaml")
    ran = aios("apply", "intent.yaml", "--yes")
    assert ran.code == 1
    assert "gate/copies" in ran.err
    assert not (aios.place / ".aios" / "state.json").exists()


def test_a_saved_plan_is_stale_once_its_policies_are_others(aios, planned):
    assert planned(1, "-o", "plan.json", name="policy.yaml").code == 0
    policy = (aios.place / "policy.yaml").read_text()
    for file, text, told in (
        ("policy.yaml", policy.replace("< 1", "< 0"), "was decision.replicas < 1, now decision.replicas < 0"),
        ("policy.yaml", policy.replace("copies", "number"), "rule gate/copies is gone"),
        ("more.policy.yaml", policy.replace("name: gate", "name: more"), "rule more/copies is new"),
    ):
        aios.write("policy.yaml", policy)
        aios.write(file, text)
        ran = aios("apply", "plan.json")
        assert ran.code == 4
        assert "the policies are not those that the plan was judged by" in ran.err
        assert told in ran.err


def test_a_saved_plan_is_asked_by_other_policies_from_its_document_alone(aios, planned):
    assert planned(1, "-o", "plan.json").code == 0
    aios.write("strict/policy.yaml", POLICY.replace("LEAST", "5"))
    (aios.place / "intent.yaml").unlink()
    ran = aios("policy", "check", "plan.json", "--policy", "strict")
    assert ran.code == 1
    assert "1 warn, 1 deny" in ran.out
    assert aios("policy", "check", "plan.json", "--policy", "gate.yaml").code == 0
    told = aios("policy", "check", "plan.json", "--policy", "strict", "--json")
    assert told.json["denied"] is True
    assert aios("policy", "check", "plan.json", "--policy", "nowhere").code == 1


def test_mistakes_of_policies_come_before_the_search_and_all_at_once(aios, planned):
    aios.write(
        "policy.yaml",
        POLICY.replace("decision.replicas < LEAST", "decision.replica < 1").replace("claim.req", "clam.req"),
    )
    ran = planned(1)
    assert ran.code == 1
    assert "policy.yaml:8:13" in ran.err
    assert "policy.yaml:12:22" in ran.err
    assert "did you mean `replicas`?" in ran.err
    assert ran.out == ""
    assert aios("validate", "intent.yaml").code == 1


def test_what_a_policy_says_reaches_a_terminal_harmless(aios, planned):
    evil = POLICY.replace("remedy: pin more", 'remedy: "\\e]0;owned\\a"').replace("LEAST", "2")
    aios.write("policy.yaml", evil)
    ran = planned(2)
    assert ran.code == 1
    assert "\x1b" not in ran.err
    assert "\x07" not in ran.err


def test_a_comment_on_a_pull_request_begins_with_what_is_denied(planned):
    ran = planned(2, "--policy", "gate.yaml", "--markdown")
    assert ran.code == 1
    assert "denied by policies" in ran.out.splitlines()[1]
    assert "**denied** by `gate/copies`" in ran.out
