"""What waits for what: ports, devices and memory that another action frees; a successor that does not fit beside."""

from __future__ import annotations

from typing import Any

import made_plans

from aios.plan.room import with_room
from aios.records.candidate import Estimate
from aios.records.fleet import DeviceSlot, Fleet, Node
from aios.records.intent import Serve
from aios.records.plan import Action, Claim, Deployment, Disruption
from aios.records.selection import Placement
from aios.records.state import Resource, State

RESTART = Disruption(value=10.0, low=1.0, high=60.0, source="assumed", basis="restart")
GIB = float(1 << 30)


def deployment(address: str, share: float = 0.5, **changes: Any) -> Deployment:
    place = Placement(node="n", devices=("cpu0",), share=share, replicas=1)
    made: Deployment = made_plans.deployment(address, **{"executor": "files", "placement": (place,), **changes})
    return made


def action(kind: Any, before: Deployment | None, after: Deployment | None) -> Action:
    subject = after or before
    assert subject is not None
    return Action(
        address=subject.intent, action=kind, reason="r", executor="files", before=before, after=after, undo="u"
    )


def memory(address: str, gib: float) -> Claim:
    value = gib * GIB
    estimate = Estimate(metric="memory", value=value, low=value, high=value, unit="B", source="declared", basis="b")
    return Claim(address=address, metric="memory", estimate=estimate)


def fleet(gib: float | None = 4.0) -> Fleet:
    node = Node(
        name="n",
        cores=2,
        memory_bytes=None if gib is None else gib * GIB,
        devices=(DeviceSlot(type="cpu", ids=("cpu0",)),),
    )
    return Fleet(name="f", origin="here", digest="d", nodes=(node,), types={})


def placed(actions: list[Action], *, gib: float | None = 4.0, now: float = 1.0, then: float = 1.0) -> dict[str, Action]:
    """Return address -> action. now, then: GiB that each replica takes of what stands, and of what is wanted"""
    standing = {
        item.address: Resource(
            address=item.address,
            executor="files",
            deployment=item.before,
            handle={},
            claims=(memory(item.address, now),),
            plan="p",
            applied_at="t",
        )
        for item in actions
        if item.before is not None
    }
    state = State(lineage="l", serial=1, resources=standing)
    claims = [memory(item.address, then) for item in actions if item.after is not None]
    return {item.address: item for item in with_room(actions, claims, state, fleet(gib), RESTART)}


def test_a_service_waits_for_the_one_that_leaves_its_device_where_both_do_not_fit() -> None:
    gone, new = deployment("gone", share=0.6), deployment("new", share=0.6)
    found = placed([action("delete", gone, None), action("create", None, new)])
    assert found["new"].waits_for == ("gone",)
    assert found["gone"].waits_for == ()
    small = deployment("gone", share=0.4)
    assert placed([action("delete", small, None), action("create", None, new)])["new"].waits_for == ()


def test_a_service_waits_for_memory() -> None:
    actions = [
        action("delete", deployment("gone", share=0.1), None),
        action("create", None, deployment("new", share=0.1)),
    ]
    assert placed(actions, gib=4.0, now=2.5, then=2.5)["new"].waits_for == ("gone",)
    assert placed(actions, gib=5.5, now=2.5, then=2.5)["new"].waits_for == ()
    assert placed(actions, gib=None, now=2.5, then=2.5)["new"].waits_for == ()


def test_a_service_waits_for_its_port_whatever_the_order_and_only_on_one_machine() -> None:
    here = deployment("b", share=0.1, serve=Serve(port=8000))
    away = here.model_copy(update={"serve": Serve(port=8001)})
    taking = deployment("a", share=0.1, serve=Serve(port=8000))
    found = placed([action("create", None, taking), action("replace", here, away)])
    assert found["a"].waits_for == ("b",)
    assert found["b"].waits_for == ()
    elsewhere = (Placement(node="m", devices=("cpu0",), share=0.1, replicas=1),)
    apart = taking.model_copy(update={"placement": elsewhere})
    assert placed([action("create", None, apart), action("replace", here, away)])["a"].waits_for == ()


def test_what_is_called_does_not_wait_for_its_caller() -> None:
    """The caller changes once what it calls is there: were there no such rule, each would wait for the other."""
    caller = deployment("a", share=0.9)
    calls = deployment("a", share=0.5, next=("b",))
    found = placed([action("update", caller, calls), action("create", None, deployment("b", share=0.5))])
    assert found["b"].waits_for == ()


def test_the_old_one_ends_first_where_memory_does_not_hold_both_and_the_action_says_so() -> None:
    before, after = deployment("a"), deployment("a", serve=Serve(port=8000))
    changed = [action("replace", before, after)]
    assert placed(changed, gib=4.0, now=1.5, then=1.5)["a"].downtime_s is None
    found = placed(changed, gib=2.5, now=1.5, then=1.5)["a"]
    assert found.downtime_s == RESTART
    assert "do not fit at once into 2.5 GiB of memory of n: the old one ends first, about 10 s without service" in (
        found.reason
    )
    assert placed(changed, gib=None, now=1.5, then=1.5)["a"].downtime_s is None
