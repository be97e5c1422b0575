"""The described training halls: what is chosen is what brute force over the candidates chooses."""

from pathlib import Path

import pytest

from aios.workflow.explaining import explain
from aios.workflow.planning import consider, make_plan
from aios.workflow.reading import gather
from aios.workflow.setting import Setting

HALLS = Path(__file__).parents[2] / "examples" / "train-described-fleet"
DAY = 86400.0


def setting(tmp_path, intent):
    return Setting(
        paths=(str(intent),),
        fleet=str(HALLS / "fleet.yaml"),
        profiles=tmp_path / "profiles",
        state=tmp_path / "state.json",
    )


@pytest.mark.parametrize(
    ("name", "days", "goal"),
    [("intent", 7, "expense"), ("relaxed", 14, "expense"), ("tight", 5, "expense"), ("low-energy", 10, "energy")],
)
def test_the_plan_is_the_best_of_the_candidates(tmp_path, name, days, goal):
    given = setting(tmp_path, HALLS / f"{name}.yaml")
    considered = consider(gather(given))
    plan = make_plan(given, considered).plan
    (decision,) = plan.decisions
    assert plan.objective[0].goal == f"minimize {goal}"
    (options,) = considered.options.values()
    in_time = [item.estimates[goal].value for item in options if item.estimates["time"].high <= days * DAY]
    assert plan.status == "optimal"
    assert decision.estimates[goal].value == pytest.approx(min(in_time), rel=1e-6)
    assert sum(place.replicas for place in decision.placement) == decision.machines
    assert all(len(place.devices) == decision.devices for place in decision.placement)


def test_a_deadline_that_nothing_meets_says_what_would_do(tmp_path):
    conflict = make_plan(setting(tmp_path, HALLS / "impossible.yaml")).plan.conflict
    assert conflict is not None
    assert [clause.text for clause in conflict.clauses] == ["time <= 1 d"]
    (relaxation,) = conflict.relaxations
    enough = tmp_path / "enough.yaml"
    text = (HALLS / "impossible.yaml").read_text().replace("1 d", relaxation.to)
    enough.write_text(text)
    assert make_plan(setting(tmp_path, enough)).plan.status == "optimal"


def test_explain_tells_where_a_step_and_the_memory_go(tmp_path):
    (told,) = explain(setting(tmp_path, HALLS / "tight.yaml")).explanations
    step, memory, power = told.accounts
    for account in (step, memory, power):
        assert sum(piece.value for piece in account.pieces) == pytest.approx(account.total)
    assert {"matrix products", "attention", "optimizer"} <= {piece.name for piece in step.pieces}
