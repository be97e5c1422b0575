"""Documents of kind Objective: what holds for all intents of a plan, and each mistake with its place."""

from __future__ import annotations

import pytest

from aios.intents import compile_objective
from aios.records.document import parse
from aios.records.errors import Diagnostic, InputError
from aios.records.objective import Objective

HEAD = "apiVersion: aios/v1\nkind: Objective\nmetadata: {name: wishes}\nspec:\n"


def text(*lines: str) -> str:
    return HEAD + "".join(f"  {line}\n" for line in lines)


def compiled(*lines: str) -> Objective:
    found = compile_objective(parse(text(*lines).encode(), "o.yaml"))
    assert found is not None
    return found


def wrong(*documents: str) -> list[Diagnostic]:
    with pytest.raises(InputError) as caught:
        compile_objective(parse("---\n".join(documents).encode(), "o.yaml"))
    return list(caught.value.diagnostics)


def test_without_a_document_there_is_none():
    assert compile_objective(()) is None


def test_goals_policy_and_budgets():
    found = compiled(
        "goal: [maximize accelerator.allocated, minimize power within 2 %]",
        "policy: fair-share",
        "budget: {power: 2 kW, cost: 40 USD/h}",
    )
    assert [str(goal) for goal in found.goal] == ["maximize accelerator.allocated", "minimize power within 2 %"]
    assert [str(goal.where) for goal in found.goal] == ["o.yaml:5:10", "o.yaml:5:42"]
    assert found.policy == "fair-share"
    assert [(item.metric, item.text, str(item.where)) for item in found.budget] == [
        ("power", "power <= 2 kW", "o.yaml:7:19"),
        ("cost", "cost <= 40 USD/h", "o.yaml:7:31"),
    ]
    assert found.budget[0].bound == 2000.0
    assert str(found.where) == "o.yaml:3:18"


def test_one_goal_needs_no_list():
    assert [str(goal) for goal in compiled("goal: maximize admitted").goal] == ["maximize admitted"]
    assert str(compiled("goal: maximize admitted").goal[0].where) == "o.yaml:5:9"
    assert compiled("policy: max-min").goal == ()


@pytest.mark.parametrize(
    ("line", "place", "summary", "remedy"),
    [
        ("goal: maximise admitted", (5, 9), "`spec.goal`: a goal begins with `minimize` or `maximize`",
         "write `maximize admitted`"),
        ("goal: minimize admitted", (5, 9), "`spec.goal`: `admitted` is the better the higher it is",
         "write `maximize admitted`"),
        ("goal: [maximize accelerator.alocated]", (5, 10), "`spec.goal[0]`: unknown metric `accelerator.alocated`",
         "did you mean `accelerator.allocated`?"),
        ("goal: [maximize admitted, maximize admitted]", (5, 29), "`admitted` is a goal twice", "more important"),
        ("policy: fairshare", (5, 11), "`spec.policy` cannot be `fairshare`", "did you mean `fair-share`?"),
        ("budget: {power: 2}", (5, 19), "`spec.budget.power`: 2 has no unit", "write a power"),
        ("budget: {power: 0 W}", (5, 19), "`spec.budget.power`: `0 W` is zero", "such as"),
        ("budget: {watts: 2 kW}", (5, 12), "unknown field `watts` in `spec.budget`", "known: `power`"),
        ("goals: maximize admitted", (5, 3), "unknown field `goals` in `spec`", "did you mean `goal`?"),
        ("goal: []", (5, 9), "`spec.goal`: the list is empty", "delete the line"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_its_remedy(line, place, summary, remedy):
    (found,) = wrong(text(line))
    assert (found.where.line, found.where.column) == place
    assert found.summary.startswith(summary)
    assert remedy in (found.remedy or "")


def test_there_is_one_objective():
    (found,) = wrong(text("goal: maximize admitted"), text("policy: priority"))
    assert found.summary == "a plan has one objective, and this is another"
    assert (str(found.where), found.reason) == ("o.yaml:8:7", "the first stands at o.yaml:3:18")


def test_all_mistakes_of_all_documents_are_told_at_once():
    found = wrong(text("goal: maximise admitted", "policy: fair"), text("budget: {power: 2}"))
    assert [item.where.line for item in found] == [5, 6, 12, 9]
