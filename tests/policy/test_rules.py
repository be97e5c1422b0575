"""Rules in CEL: what they mean on a plan, and every mistake in them at its place."""

import pytest

from aios.policy import compile_policies, digest_of_rules
from aios.records.document import parse
from aios.records.errors import InputError
from aios.workflow.ruling import Evaluator, check_rules, judge

HEAD = "apiVersion: aios/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  rules:\n"

VIEW = {
    "status": "optimal",
    "intents": [
        {"name": "web", "labels": {"environment": "production"}},
        {"name": "lab", "labels": {"environment": "staging"}},
        {"name": "bare", "labels": {}},
    ],
    "decisions": [
        {"intent": "web", "replicas": 1, "precision": "int4", "estimates": {"power": {"value": 900.0, "high": 1100.0}}},
        {"intent": "lab", "replicas": 3, "precision": "int4", "estimates": {"power": {"value": 500.0, "high": 700.0}}},
        {"intent": "bare", "replicas": 1, "precision": "int8", "estimates": {}},
    ],
    "claims": [
        {"address": "web", "metric": "latency.p99", "estimate": {"source": "measured"}},
        {"address": "lab", "metric": "latency.p99", "estimate": {"source": "analytic"}},
        {"address": "lab", "metric": "power", "estimate": {"source": "analytic"}},
    ],
    "actions": [{"address": "web", "action": "delete"}, {"address": "lab", "action": "keep"}],
    "totals": {"power": {"value": 1400.0, "high": 2100.0}, "cost": {"value": 1.15}},
    "before": {"cost": {"value": 1.0}},
    "moves": 4,
}


@pytest.fixture(scope="module")
def evaluator():
    with Evaluator() as found:
        yield found


def stated(text, name="policy.yaml"):
    return compile_policies(parse((HEAD + text).encode(), name))


def ruled(evaluator, text, view=VIEW):
    """Return rule -> (outcome, what breaks it)."""
    found = judge(stated(text), view, evaluator)
    return {item.rule: (item.outcome, [finding.subject for finding in item.findings]) for item in found}


@pytest.mark.parametrize(
    ("rule", "outcome", "subjects"),
    [
        ("{name: r, for: decision, labels: {environment: production}, deny: decision.replicas < 2}", "deny", ["web"]),
        ("{name: r, for: decision, labels: {environment: staging}, deny: decision.replicas < 2}", "pass", []),
        ("{name: r, for: decision, deny: decision.replicas < 2}", "deny", ["web", "bare"]),
        ('{name: r, deny: \'plan.totals["power"].high > quantity("2 kW")\'}', "deny", [None]),
        ('{name: r, deny: \'plan.totals["power"].high > quantity("2.2 kW")\'}', "pass", []),
        ('{name: r, deny: \'plan.totals["cost"].value > 1.1 * plan.before["cost"].value\'}', "deny", [None]),
        ('{name: r, deny: \'plan.totals["cost"].value > 1.2 * plan.before["cost"].value\'}', "pass", []),
        ("{name: r, warn: plan.moves > 3}", "warn", [None]),
        ("{name: r, warn: plan.moves > 4}", "pass", []),
        (
            '{name: r, for: claim, warn: \'claim.metric == "latency.p99" && claim.estimate.source != "measured"\'}',
            "warn",
            ["lab latency.p99"],
        ),
        (
            "{name: r, for: decision, deny: "
            '\'decision.precision == "int4" && intent.labels[?"environment"].orValue("") != "staging"\'}',
            "deny",
            ["web"],
        ),
        ("{name: r, for: action, deny: 'action.action == \"delete\"'}", "deny", ["web"]),
        ("{name: r, deny: 'sum(plan.decisions.map(d, d.replicas)) > 4'}", "deny", [None]),
    ],
)
def test_what_people_want_of_plans_is_said_in_a_line(evaluator, rule, outcome, subjects):
    assert ruled(evaluator, f"    - {rule}\n") == {"p/r": (outcome, subjects)}


def test_a_finding_says_its_message_with_values_and_what_was_read(evaluator):
    text = (
        '    - name: r\n      for: decision\n      deny: decision.replicas < 2 && intent.name == "web"\n'
        '      message: "{intent.name} has {decision.replicas} of {{two}}, {decision.estimates["cost"].value} USD"\n'
        "      remedy: ask for two\n"
    ).replace('["cost"]', '[\\"cost\\"]')
    (ruling,) = judge(stated(text), VIEW, evaluator)
    (finding,) = ruling.findings
    assert finding.message == "web has 1 of {two}, ? USD", "what is unknown is a question mark, not nothing"
    assert finding.seen == {"decision.replicas": "1", "intent.name": "web"}
    assert (ruling.asked, ruling.remedy, str(ruling.where)) == (3, "ask for two", "policy.yaml:8:13")


def mistakes(evaluator, text):
    with pytest.raises(InputError) as caught:
        check_rules(stated(text), evaluator)
    return {f"{item.where.line}:{item.where.column}": (item.summary, item.remedy) for item in caught.value.diagnostics}


def test_every_mistake_of_every_rule_is_told_at_once_where_it_stands(evaluator):
    found = mistakes(
        evaluator,
        "    - name: a\n      for: decision\n      deny: decision.replcas < 2 || decision.modl == 'x'\n"
        "    - name: b\n      deny: decision.replicas > 1\n"
        "    - name: c\n      deny: >-\n        plan.moves > 1 &&\n        plna.moves < 3\n"
        "    - name: d\n      deny: plan.totals['power'].high > 2000\n"
        "    - name: e\n      deny: plan.moves\n"
        "    - name: f\n      deny: (plan.moves > 1\n",
    )
    assert list(found) == ["8:22", "8:46", "10:13", "14:9", "16:39", "18:13", "20:28"]
    assert "did you mean `replicas`?" in found["8:22"][1]
    assert "for: decision" in found["10:13"][1]
    assert "did you mean `plan`?" in found["14:9"][1]
    assert "2000.0" in found["16:39"][1]
    assert "true or false" in found["18:13"][0]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("intent.labels.environment == 'x'", "there is no `environment`"),
        ("decision.estimates['power'].value > 1.0", "its power is unknown"),
        ("decision.estimates['power'].value > quantity('2 kx')", "no quantity"),
        ("1 / (decision.replicas - decision.replicas) > 1", "divide by zero"),
    ],
)
def test_a_rule_without_a_value_is_not_kept(evaluator, condition, told):
    with pytest.raises(InputError) as caught:
        judge(stated(f'    - {{name: r, for: decision, deny: "{condition}"}}\n'), VIEW, evaluator)
    assert told in str(caught.value)
    assert all(item.where is not None for item in caught.value.diagnostics)


def doubling(levels):
    """Return an expression that joins a text ten times with itself, so many times over."""
    inner = "size(v0)"
    for level in range(levels):
        inner = f"[{'+'.join([f'v{level + 1}'] * 10)}].map(v{level}, {inner})"
    return f'["{"a" * 30}"].map(v{levels}, {inner}) == []'


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        (doubling(9), "memory"),
        ("plan.decisions.all(a, plan.decisions.all(b, plan.decisions.all(c, true)))", "10,000 steps"),
        ("(" * 500 + "true" + ")" * 500, "recursion"),
    ],
)
def test_an_expression_that_means_harm_ends_soon_and_as_a_mistake(condition, told):
    view = VIEW | {"decisions": VIEW["decisions"] * 20}
    with Evaluator() as evaluator, pytest.raises(InputError, match=told):
        judge(stated(f"    - {{name: r, deny: '{condition}'}}\n"), view, evaluator)


def test_the_evaluator_goes_on_after_an_expression_that_took_too_much(evaluator):
    with pytest.raises(InputError):
        judge(stated(f"    - {{name: r, deny: '{doubling(9)}'}}\n"), VIEW, evaluator)
    assert ruled(evaluator, "    - {name: r, deny: plan.moves > 3}\n") == {"p/r": ("deny", [None])}


def test_a_regular_expression_takes_no_time_to_speak_of(evaluator):
    condition = f'"{"a" * 2000}".matches("(a*)*(a*)*b")'
    assert ruled(evaluator, f"    - {{name: r, deny: '{condition}'}}\n") == {"p/r": ("pass", [])}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{name: r}", "neither `deny` nor `warn`"),
        ("{name: r, deny: 'true', warn: 'true'}", "both `deny` and `warn`"),
        ("{name: r, labels: {a: b}, deny: 'true'}", "has no labels"),
        ("{name: r, for: node, deny: 'true'}", "cannot be `node`"),
        ("{name: r, denied: 'true'}", "unknown field `denied`"),
        ("{name: R x, deny: 'true'}", "is no name"),
        (f"{{name: r, deny: '{'1 + ' * 2000}'}}", "at most 4000"),
    ],
)
def test_a_mistake_in_the_form_is_told(rule, told):
    with pytest.raises(InputError, match=told):
        stated(f"    - {rule}\n")


def test_two_rules_of_one_name_are_told():
    with pytest.raises(InputError, match="two rules are called `p/r`"):
        stated("    - {name: r, deny: 'true'}\n    - {name: r, deny: 'false'}\n")


def test_the_digest_is_of_what_rules_say_not_of_where_they_stand():
    one = "    - {name: a, deny: plan.moves > 3}\n"
    two = "    - {name: b, warn: plan.moves > 1}\n"
    first, second = stated(one + two), stated("    # moved\n" + two + "\n\n" + one, "other.yaml")
    assert digest_of_rules(first) == digest_of_rules(second)
    assert digest_of_rules(first) != digest_of_rules(stated(one.replace("3", "4") + two))
    assert digest_of_rules(()) is None


def test_ten_rules_on_a_thousand_intents(evaluator):
    decisions = [
        {"intent": f"i{n}", "replicas": n % 5 + 1, "estimates": {"power": {"value": float(n)}}} for n in range(1000)
    ]
    intents = [{"name": f"i{n}", "labels": {"environment": "production"}} for n in range(1000)]
    view = VIEW | {"decisions": decisions, "intents": intents}
    rules = "".join(
        f"    - {{name: r{n}, for: decision, labels: {{environment: production}}, deny: decision.replicas < {n}}}\n"
        for n in range(10)
    )
    found = ruled(evaluator, rules, view)
    assert [len(found[f"p/r{n}"][1]) for n in range(6)] == [0, 0, 200, 400, 600, 800]
