"""Services that are not to be destroyed, and parts that go together."""

from __future__ import annotations

from typing import Any

import made_plans
import pytest

from aios.plan import destroy_actions, empty_plan, forbidden
from aios.records.base import Span
from aios.records.errors import InputError
from aios.records.plan import Action, Deployment
from aios.records.state import Resource, State


def deployment(name: str) -> Deployment:
    made: Deployment = made_plans.deployment(name, executor="files", placement=())
    return made


def state(*names: str, protected: tuple[str, ...] = (), **changes: Any) -> State:
    resources = {
        name: Resource(
            address=name,
            executor="files",
            deployment=deployment(name),
            handle={},
            plan="p",
            applied_at="2026-01-01T00:00:00Z",
            prevent_destroy=name in protected,
            **changes,
        )
        for name in names
    }
    return State(lineage="l", serial=3, resources=resources)


def plan_to(kind: Any, name: str = "a", moved_from: str | None = None) -> Any:
    after = None if kind == "delete" else deployment(name)
    action = Action(
        address=name,
        action=kind,
        reason="threads 1 -> 2",
        executor="files",
        before=deployment(moved_from or name),
        after=after,
        undo="",
        moved_from=moved_from,
    )
    return empty_plan().model_copy(update={"actions": (action,)})


HERE = Span(file="intent.yaml", line=7, column=31)


@pytest.mark.parametrize("kind", ["delete", "replace"])
def test_the_intent_forbids_with_its_place(kind: str) -> None:
    (found,) = forbidden(plan_to(kind), state("a"), {"a": HERE}, {})
    assert found.where == HERE
    assert f"would {kind} a" in found.summary
    assert not list(forbidden(plan_to(kind), state("a", protected=("a",)), {"a": None}, {})), "the intent lifts it"


def test_without_its_intent_the_state_forbids() -> None:
    (found,) = forbidden(plan_to("delete"), state("a", protected=("a",)), {}, {})
    assert found.where is None
    assert "2026-01-01T00:00:00Z" in (found.reason or "")
    assert "prevent_destroy: false" in (found.remedy or "")
    assert not list(forbidden(plan_to("delete"), state("a"), {}, {}))


@pytest.mark.parametrize("kind", ["update", "keep", "create"])
def test_what_destroys_nothing_is_allowed(kind: str) -> None:
    assert not list(forbidden(plan_to(kind), state("a", protected=("a",)), {"a": HERE}, {}))


def test_what_is_dead_may_be_replaced_and_what_is_wounded_may_not() -> None:
    def found(trouble: str) -> int:
        return len(list(forbidden(plan_to("replace"), state("a", protected=("a",)), {"a": HERE}, {"a": trouble})))

    assert found("dead: process 7 is gone") == 0
    assert found("absent: nothing is there") == 0
    assert found("degraded: 1 of 2 replicas answer") == 1


def test_it_holds_under_another_name_and_of_groups() -> None:
    assert list(forbidden(plan_to("replace", "b", "a"), state("a", protected=("a",)), {"b": HERE}, {}))
    assert list(forbidden(plan_to("delete", "svc/2"), state("svc/1", "svc/2"), {"svc": HERE}, {}))


def test_destroy_refuses_all_that_is_protected_at_once() -> None:
    with pytest.raises(InputError) as caught:
        destroy_actions(state("a", "b", "c", protected=("a", "c")))
    assert [item.summary for item in caught.value.diagnostics] == [
        "a is not to be destroyed",
        "c is not to be destroyed",
    ]
    assert [item.address for item in destroy_actions(state("a", "b", protected=("a",)), ["b"])] == ["b"]


def test_a_pipeline_is_destroyed_whole_or_not_at_all() -> None:
    stands = state("ocr/detect", "ocr/read", "other")
    assert [item.address for item in destroy_actions(stands, ["ocr"])] == ["ocr/detect", "ocr/read"]
    assert len(destroy_actions(stands, ["ocr/read", "ocr/detect"])) == 2
    assert len(destroy_actions(stands)) == 3
    with pytest.raises(InputError) as caught:
        destroy_actions(stands, ["ocr/read"])
    (found,) = caught.value.diagnostics
    assert found.summary == "ocr/read cannot be destroyed without ocr/detect"
    assert found.command == "aios destroy ocr"


@pytest.mark.parametrize("name", ["*", "ocr/*", "o", ""])
def test_names_are_no_patterns(name: str) -> None:
    with pytest.raises(InputError, match="the state knows no service"):
        destroy_actions(state("ocr/detect", "ocr/read"), [name])
