"""Two plans, one thing changed by hand in one of them: that is told, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as tried
from hypothesis import strategies as st

from aios.plan import differences, read_plan
from aios.plan.document import with_id
from aios.plan.moves import moves_between
from aios.records.candidate import Rejection
from aios.records.plan import Disruption, Moved, Plan, Refusal
from aios.records.selection import Placement

FOLDER = Path(__file__).parent / "golden"


def copied(plan: Plan, **fields: Any) -> Plan:
    return with_id(plan.model_copy(update=fields))


def with_decision(plan: Plan, intent: str, **fields: Any) -> Plan:
    decisions = [item.model_copy(update=fields) if item.intent == intent else item for item in plan.decisions]
    return copied(plan, decisions=tuple(decisions))


def with_estimate(plan: Plan, intent: str, metric: str, **fields: float) -> Plan:
    (decision,) = [item for item in plan.decisions if item.intent == intent]
    estimate = decision.estimates[metric].model_copy(update=fields)
    return with_decision(plan, intent, estimates={**decision.estimates, metric: estimate})


def with_bound(plan: Plan, intent: str, metric: str, clause: str, bound: float) -> Plan:
    claims = [
        item.model_copy(update={"clause": clause, "bound": bound})
        if (item.address, item.metric) == (intent, metric)
        else item
        for item in plan.claims
    ]
    return copied(plan, claims=tuple(claims))


@pytest.fixture
def plan(planned: Callable[..., Plan]) -> Plan:
    return planned()


def test_a_plan_does_not_differ_from_itself(plan: Plan) -> None:
    found = differences(plan, plan)
    assert found.same
    assert not any((found.inputs, found.goals, found.intents, found.gained, found.lost, found.others))


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_the_format_alone_makes_no_difference(plan: Plan, version: str) -> None:
    earlier = read_plan((FOLDER / f"plan-{version}.json").read_text(), "plan.json")
    found = differences(earlier, plan)
    assert found.same
    assert set(found.others) <= {"format_version"}


def test_where_files_lie_makes_no_difference(plan: Plan) -> None:
    (first, *others) = plan.actions
    moved = first.model_copy(update={"after": first.after.model_copy(update={"model_path": "elsewhere/digits-s.onnx"})})
    found = differences(plan, copied(plan, actions=(moved, *others), files={"intents": ["elsewhere"]}))
    assert (found.same, found.others) == (True, ("files",))


def test_a_choice_that_changes_is_told_field_by_field(plan: Plan) -> None:
    other = {"model": "digits-m", "device": "nvidia-t4", "batch": 4, "threads": 0}
    found = differences(plan, with_decision(plan, "classify-digits", **other))
    (change,) = found.intents
    assert not found.same
    assert (change.intent, change.what) == ("classify-digits", "changed")
    assert (change.before, change.after) == ("digits-s fp32 on this-cpu", "digits-m fp32 on nvidia-t4")
    assert [(row.field, row.before, row.after) for row in change.fields] == [
        ("model", "digits-s", "digits-m"),
        ("device", "this-cpu", "nvidia-t4"),
        ("batch", "1", "4"),
        ("threads", "2", "0"),
    ]
    assert (change.moves, change.estimates, change.requirements) == ((), (), ())


def test_estimates_are_compared_by_value_and_then_by_interval(plan: Plan) -> None:
    (change,) = differences(plan, with_estimate(plan, "sort-mail", "power", value=2.0)).intents
    assert [(row.metric, row.before, row.after, row.unit) for row in change.estimates] == [("power", 3.1, 2.0, "W")]
    (change,) = differences(plan, with_estimate(plan, "sort-mail", "power", high=9.0)).intents
    assert (change.estimates, change.details) == ((), ("intervals",))


def test_intents_come_and_go(plan: Plan) -> None:
    less = copied(plan, decisions=plan.decisions[:1], claims=plan.claims[:4], actions=plan.actions[:1])
    gone, come = differences(plan, less).intents, differences(less, plan).intents
    assert [(item.intent, item.what, item.after) for item in gone] == [("sort-mail", "removed", None)]
    assert [(item.intent, item.what, item.before) for item in come] == [("sort-mail", "added", None)]
    assert come[0].after == "digits-m int8-static on this-cpu"


def test_copies_that_are_refused_are_counted(plan: Plan) -> None:
    demand = {"model": "", "precision": "", "quantization": "none", "device": "nvidia-t4", "estimates": {}}
    twelve = with_decision(plan, "sort-mail", **demand, replicas=12)
    nine = copied(with_decision(twelve, "sort-mail", replicas=9), refused=(Refusal(intent="sort-mail", count=3),))
    (change,) = differences(twelve, nine).intents
    assert (change.before, change.after) == ("on nvidia-t4", "on nvidia-t4")
    assert (change.replicas, change.refused) == ((12, 9), (0, 3))


def test_inputs_goals_and_status_that_differ_are_named(plan: Plan) -> None:
    inputs = plan.inputs.model_copy(update={"fleet": "sha256:0", "state": "new:1"})
    goal = plan.objective[0].model_copy(update={"value": 5.0})
    found = differences(plan, copied(plan, inputs=inputs, objective=(goal,), status="feasible"))
    assert found.inputs == ("fleet", "state")
    assert [(item.before.value, item.after.value) for item in found.goals] == [(6.2, 5.0)]
    assert (found.status.before, found.status.after) == ("optimal", "feasible")


def test_what_is_left_out_on_one_side_only_is_gained_or_lost(plan: Plan) -> None:
    rows = [Rejection(what=what, clause="c", reason="r", by="candidates") for what in ("a", "b", "c")]
    found = differences(copied(plan, rejections=tuple(rows[:2])), copied(plan, rejections=tuple(rows[1:])))
    assert (found.gained, found.lost) == ((rows[2],), (rows[0],))


def test_a_bound_that_the_earlier_choice_would_break_is_the_reason(plan: Plan) -> None:
    tighter = with_bound(plan, "classify-digits", "latency.p99", "latency.p99 <= 5 ms", 0.005)
    (change,) = differences(plan, with_decision(tighter, "classify-digits", device="nvidia-t4")).intents
    assert [(row.before, row.after) for row in change.requirements] == [("latency.p99 <= 10 ms", "latency.p99 <= 5 ms")]
    assert change.reasons == ("latency.p99 <= 5 ms is required, and the earlier choice was predicted 8.1 ms",)


def test_a_bound_between_prediction_and_its_interval_is_told_with_both_ends(plan: Plan) -> None:
    tighter = with_bound(plan, "classify-digits", "latency.p99", "latency.p99 <= 9 ms", 0.009)
    (change,) = differences(plan, with_decision(tighter, "classify-digits", device="nvidia-t4")).intents
    assert change.reasons[0].endswith("was predicted 8.1 ms, between 7 ms and 9.5 ms")


def test_a_choice_that_is_left_out_now_says_why(plan: Plan) -> None:
    row = Rejection(what="device this-cpu", clause="exclude", reason="the intent excludes this-cpu", by="intent")
    other = Rejection(what="device that-cpu", clause="exclude", reason="the intent excludes that-cpu", by="intent")
    after = copied(with_decision(plan, "sort-mail", device="nvidia-t4"), rejections=(row, other))
    (change,) = differences(plan, after).intents
    assert change.reasons == ("device this-cpu is left out: the intent excludes this-cpu",)


def test_a_device_that_another_fleet_does_not_speak_of_is_named(plan: Plan) -> None:
    def considered(plan: Plan, device: str) -> Plan:
        return copied(plan, rejections=(Rejection(what=f"fp16 on {device}", clause="c", reason="r", by="candidates"),))

    other = plan.inputs.model_copy(update={"fleet": "sha256:0"})
    after = copied(considered(with_decision(plan, "sort-mail", device="nvidia-t4"), "this-cpu-2"), inputs=other)
    (change,) = differences(considered(plan, "this-cpu"), after).intents
    assert change.reasons == ("this-cpu is named nowhere in the later plan, whose fleet is another",)


@pytest.mark.parametrize(("power", "word"), [(2.0, "does better"), (4.0, "does no better now")])
def test_where_nothing_else_is_known_the_goal_tells(plan: Plan, power: float, word: str) -> None:
    after = with_estimate(with_decision(plan, "sort-mail", device="nvidia-t4"), "sort-mail", "power", value=power)
    (change,) = differences(plan, after).intents
    assert len(change.reasons) == 1
    assert word in change.reasons[0]
    assert "power 3.1 W -> " in change.reasons[0]


def test_reasons_of_somebody_who_knows_more_come_instead(plan: Plan) -> None:
    after = with_decision(plan, "sort-mail", device="nvidia-t4")
    (change,) = differences(plan, after, {"sort-mail": ("it rained",), "other": ("it snowed",)}).intents
    assert change.reasons == ("it rained",)


def placed(**counts: int) -> list[Placement]:
    return [Placement(node=name, devices=("0",), share=1.0, replicas=count) for name, count in counts.items()]


def test_replicas_move_from_where_they_go_missing_to_where_they_appear() -> None:
    found = moves_between(placed(a=3, b=1), placed(a=1, c=3))
    assert [(item.replicas, item.before, item.after) for item in found] == [(2, "a[0]", "c[0]"), (1, "b[0]", "c[0]")]


def test_machines_are_taken_in_the_order_that_people_count_in() -> None:
    found = moves_between(placed(**{"a-10": 1, "a-9": 1}), placed(b=1))
    assert [(item.before, item.after) for item in found] == [("a-9[0]", "b[0]"), ("a-10[0]", None)]


def test_a_move_within_a_machine_comes_before_one_to_another() -> None:
    before = [Placement(node="b", devices=("0", "1"), share=1.0, replicas=1), *placed(a=1)]
    after = [Placement(node="b", devices=("2", "3"), share=1.0, replicas=1), *placed(c=1)]
    found = moves_between(before, after)
    assert [(item.before, item.after) for item in found] == [("b[0,1]", "b[2,3]"), ("a[0]", "c[0]")]


PLACES = st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from("01")), st.integers(1, 4), max_size=6)


@tried(PLACES, PLACES)
def test_moves_turn_one_placement_into_the_other_and_none_is_needless(before: Any, after: Any) -> None:
    def of(places: Any) -> list[Placement]:
        return [
            Placement(node=node, devices=(device,), share=0.5, replicas=count)
            for (node, device), count in places.items()
        ]

    stands = Counter({f"{node}[{device}]": count for (node, device), count in before.items()})
    wanted = Counter({f"{node}[{device}]": count for (node, device), count in after.items()})
    moves = moves_between(of(before), of(after))
    fewest = max((stands - wanted).total(), (wanted - stands).total())
    assert sum(item.replicas for item in moves) == fewest
    for item in moves:
        if item.before:
            stands[item.before] -= item.replicas
        if item.after:
            stands[item.after] += item.replicas
    assert +stands == wanted


def test_a_move_has_the_reason_that_its_plan_gives_and_goals_of_others_are_none(plan: Plan) -> None:
    (before,) = (item for item in plan.decisions if item.intent == "sort-mail")
    power = before.estimates["power"]
    less = {**before.estimates, "power": power.model_copy(update={"value": power.value / 2})}
    others = copied(
        with_decision(plan, "sort-mail", device="nvidia-t4", estimates=less), goals=("x, y: minimize power",)
    )
    assert differences(plan, others).intents[0].reasons == ()
    own = copied(others, goals=("sort-mail, y: minimize power",))
    assert differences(plan, own).intents[0].reasons[0].startswith("it does better in what is asked for: power")
    gone = "where it stood is no longer there"
    wait = Disruption(value=10.0, low=1.0, high=60.0, source="assumed", basis="restart")
    moved = Moved(before=before.candidate, places=("a[0] x 1",), replicas=1, disruption_s=wait, reason=gone)
    after = with_decision(own, "sort-mail", moved=moved)
    assert differences(plan, after).intents[0].reasons == (gone,)
