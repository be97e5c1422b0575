"""Every way in which what stands can differ from what is wanted, and what the plan makes of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from aios.plan import destroy_actions, plan_text
from aios.records.candidate import Rejection
from aios.records.errors import InputError
from aios.records.plan import Plan, Refusal
from aios.records.selection import Clause, Conflict, Relaxation, Selection
from aios.records.state import Resource, State

Planned = Callable[..., Plan]


def standing(plan: Plan, **changes: Any) -> State:
    """The state after ``plan``; ``changes`` are fields of every deployment as it stands."""
    resources = {}
    for action in plan.actions:
        assert action.after is not None
        resources[action.address] = Resource(
            address=action.address,
            executor=action.executor,
            deployment=action.after.model_copy(update=changes),
            handle={"pid": 1},
            claims=tuple(claim for claim in plan.claims if claim.address == action.address),
            evaluate=plan.evaluate[action.address],
            plan=plan.id,
            applied_at="2026-01-01T00:00:00Z",
        )
    return State(lineage="l", serial=4, resources=resources)


def alter(state: State, address: str, **changes: Any) -> State:
    resource = state.resources[address].model_copy(update=changes)
    return state.model_copy(update={"resources": {**state.resources, address: resource}})


def choose(selection: Selection, intent: str, **changes: Any) -> Selection:
    priced = selection.chosen[intent]
    candidate = priced.candidate.model_copy(update=changes)
    chosen = {**selection.chosen, intent: priced.model_copy(update={"candidate": candidate})}
    return selection.model_copy(update={"chosen": chosen})


def told(plan: Plan) -> dict[str, tuple[str, str]]:
    return {action.address: (action.action, action.reason) for action in plan.actions}


def test_an_empty_state_gets_a_create_per_intent(planned: Planned) -> None:
    plan = planned()
    assert [(action.action, action.address) for action in plan.actions] == [
        ("create", "classify-digits"),
        ("create", "sort-mail"),
    ]
    after = plan.actions[1].after
    assert after is not None
    assert after.model_path == "models/digits-m.onnx"
    assert after.calibrate == ("calibrate.npz",)
    assert after.calibrate_digest == "sha256:" + "c" * 64
    assert after.addresses == {"local": "local"}
    assert after.device_kind == "cpu"
    assert after.rate_per_s == 50.0
    float_service = plan.actions[0].after
    assert float_service is not None
    assert float_service.calibrate == ()
    assert float_service.calibrate_digest is None


def test_what_stands_as_wanted_is_kept(planned: Planned) -> None:
    plan = planned(standing(planned()))
    assert told(plan) == dict.fromkeys(("classify-digits", "sort-mail"), ("keep", "nothing changes"))


def test_a_change_that_the_executor_makes_in_place_is_an_update(planned: Planned, given: dict[str, Any]) -> None:
    selection = choose(given["selection"], "classify-digits", batch=4)
    plan = planned(standing(planned()), selection=selection)
    assert told(plan)["classify-digits"] == ("update", "batch 1 -> 4")
    assert plan.actions[0].before is not None
    assert plan.actions[0].before.batch == 1
    assert plan.actions[0].undo == "apply the earlier intent again (batch 4 -> 1)"
    assert told(plan)["sort-mail"][0] == "keep"


def test_one_field_beyond_in_place_makes_it_a_replace(planned: Planned, given: dict[str, Any]) -> None:
    selection = choose(given["selection"], "classify-digits", batch=4, threads=1)
    plan = planned(standing(planned()), selection=selection)
    assert told(plan)["classify-digits"] == ("replace", "batch 1 -> 4, threads 2 -> 1")


def test_another_executor_deletes_with_the_old_and_creates_anew(planned: Planned, given: dict[str, Any]) -> None:
    selection = choose(given["selection"], "sort-mail", executor="dryrun")
    plan = planned(standing(planned()), selection=selection)
    assert [(action.action, action.address, action.executor) for action in plan.actions] == [
        ("delete", "sort-mail", "onnxruntime"),
        ("create", "sort-mail", "dryrun"),
        ("keep", "classify-digits", "onnxruntime"),
    ]
    assert plan.actions[0].reason == "executor onnxruntime -> dryrun"


def test_consequences_of_another_model_are_not_told_twice(planned: Planned, given: dict[str, Any]) -> None:
    selection = choose(given["selection"], "classify-digits", model="digits-m")
    plan = planned(standing(planned()), selection=selection)
    assert told(plan)["classify-digits"] == ("replace", "model digits-s -> digits-m")


def test_the_same_model_with_other_content_is_told(planned: Planned) -> None:
    plan = planned(standing(planned(), model_digest="sha256:" + "9" * 64))
    assert told(plan)["classify-digits"] == (
        "replace",
        "content of the model file sha256:99999999 -> sha256:11111111",
    )


def test_more_replicas_on_the_same_devices_change_replicas_alone(planned: Planned, given: dict[str, Any]) -> None:
    selection = choose(given["selection"], "sort-mail", replicas=3)
    place = tuple(item.model_copy(update={"replicas": 3}) for item in selection.placement["sort-mail"])
    selection = selection.model_copy(update={"placement": {**selection.placement, "sort-mail": place}})
    plan = planned(standing(planned()), selection=selection)
    assert told(plan)["sort-mail"] == ("update", "replicas 2 -> 3")


def test_a_move_is_told_with_both_places(planned: Planned, given: dict[str, Any]) -> None:
    place = tuple(item.model_copy(update={"node": "other"}) for item in given["selection"].placement["sort-mail"])
    state = standing(planned())
    moved = state.resources["sort-mail"].deployment.model_copy(
        update={"placement": place, "addresses": {"other": None}}
    )
    plan = planned(alter(state, "sort-mail", deployment=moved))
    assert told(plan)["sort-mail"] == (
        "replace",
        "placement 2 on other[cpu0] at share 0.25 -> 2 on local[cpu0] at share 0.25",
    )


def test_a_dead_service_is_replaced_and_the_reason_says_so(planned: Planned) -> None:
    plan = planned(standing(planned()), unhealthy={"sort-mail": "dead: process 7 is gone"})
    assert told(plan)["sort-mail"] == ("replace", "repair: dead: process 7 is gone")
    assert plan.actions[0].undo == "nothing to take back"


@pytest.mark.parametrize(
    ("unfinished", "kind"), [("create", "create"), ("update", "update"), ("replace", "replace"), ("delete", "replace")]
)
def test_what_an_interrupted_run_left_unfinished_is_done_again(planned: Planned, unfinished: str, kind: str) -> None:
    plan = planned(alter(standing(planned()), "sort-mail", unfinished=unfinished))
    assert told(plan)["sort-mail"] == (kind, f"an earlier {unfinished} did not finish")


def test_a_service_whose_intent_is_not_given_is_deleted(planned: Planned, given: dict[str, Any]) -> None:
    both = standing(planned())
    one = tuple(intent for intent in given["intents"] if intent.name == "classify-digits")
    plan = planned(both, intents=one)
    assert told(plan)["sort-mail"] == ("delete", "its intent is not among those given")
    assert plan.actions[0].action == "delete"
    assert "sort-mail" not in plan.evaluate


def test_keep_others_leaves_it_alone_and_says_so(planned: Planned, given: dict[str, Any]) -> None:
    one = tuple(intent for intent in given["intents"] if intent.name == "classify-digits")
    plan = planned(standing(planned()), intents=one, keep_others=True)
    assert told(plan)["sort-mail"] == (
        "keep",
        "not among the given intents: left as it is, and what it takes is not counted",
    )


def test_an_intent_that_was_not_admitted_is_deleted_even_when_others_are_kept(
    planned: Planned, given: dict[str, Any]
) -> None:
    chosen = {"classify-digits": given["selection"].chosen["classify-digits"]}
    selection = given["selection"].model_copy(update={"chosen": chosen, "refused": {"sort-mail": 1}})
    plan = planned(standing(planned()), selection=selection, keep_others=True)
    assert plan.refused == (Refusal(intent="sort-mail", count=1),)
    assert told(plan)["sort-mail"] == ("delete", "its intent was not admitted")


def test_a_tightened_promise_keeps_the_service_and_is_told(planned: Planned, given: dict[str, Any]) -> None:
    def tighter(intent: Any) -> Any:
        first = intent.require[0].model_copy(update={"bound": 0.0096, "text": "latency.p99 <= 9.6 ms"})
        return intent.model_copy(update={"require": (first, *intent.require[1:])})

    state = standing(planned())
    plan = planned(state, intents=tuple(tighter(intent) for intent in given["intents"]))
    kind, reason = told(plan)["classify-digits"]
    assert kind == "keep"
    assert "latency.p99 <= 10 ms, accuracy.top1 >= 97 % -> latency.p99 <= 9.6 ms, accuracy.top1 >= 97 %" in reason


def test_claims_are_the_requirements_then_the_predictions(planned: Planned) -> None:
    claims = [claim for claim in planned().claims if claim.address == "classify-digits"]
    assert [(claim.metric, claim.clause, claim.bound) for claim in claims] == [
        ("latency.p99", "latency.p99 <= 10 ms", 0.01),
        ("accuracy.top1", "accuracy.top1 >= 97 %", 0.97),
        ("throughput", None, None),
        ("power", None, None),
    ]
    assert claims[0].estimate.value == 0.0081


def test_an_infeasible_selection_gives_no_action_but_the_conflict(planned: Planned, given: dict[str, Any]) -> None:
    clause = Clause(id="sort-mail/power", intent="sort-mail", metric="power", bound=1.0, text="power <= 1 W")
    conflict = Conflict(clauses=(clause,), relaxations=(Relaxation(clause="power <= 1 W", to="3.1 W"),))
    termination = given["selection"].termination.model_copy(update={"stopped": "infeasible", "found": False})
    selection = Selection(status="infeasible", termination=termination, conflict=conflict)
    plan = planned(standing(planned()), selection=selection)
    assert (plan.actions, plan.decisions, plan.claims) == ((), (), ())
    assert plan.conflict == conflict
    assert plan.refused == ()


def test_the_order_of_what_is_given_never_matters(planned: Planned, given: dict[str, Any]) -> None:
    def turned(mapping: Any, back: bool) -> dict[str, Any]:
        return dict(reversed(mapping.items())) if back else dict(mapping)

    rejections = tuple(Rejection(what=w, clause="c", reason="r", by="candidates") for w in "abcdef")
    selection, state, texts = given["selection"], standing(planned()), set()
    for intents_turned, mappings_turned, lists_turned in itertools.product((False, True), repeat=3):
        chosen = {
            name: priced.model_copy(update={"estimates": turned(priced.estimates, mappings_turned)})
            for name, priced in turned(selection.chosen, mappings_turned).items()
        }
        plan = planned(
            state.model_copy(update={"resources": turned(state.resources, mappings_turned)}),
            intents=given["intents"][:: -1 if intents_turned else 1],
            rejections=rejections[:: -1 if lists_turned else 1],
            selection=selection.model_copy(update={"chosen": chosen}),
        )
        texts.add(plan_text(plan))
    assert len(texts) == 1


def test_destroy_names_everything_or_the_targets(planned: Planned) -> None:
    state = standing(planned())
    assert [(a.action, a.address) for a in destroy_actions(state)] == [
        ("delete", "classify-digits"),
        ("delete", "sort-mail"),
    ]
    assert [a.address for a in destroy_actions(state, ["sort-mail"])] == ["sort-mail"]
    with pytest.raises(InputError) as caught:
        destroy_actions(state, ["sort-male"])
    assert caught.value.diagnostics[0].remedy == "did you mean `sort-mail`?"
