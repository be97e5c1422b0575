"""The checker's account of stated demands: good choices hold, and each way to tamper with one is noticed."""

from __future__ import annotations

import pytest
from build_instances import fleet
from stated_demands import ADMITTED, ALLOCATED, demand, machine, planned, wishes

from aios.check import audit
from aios.records.fleet import Used
from aios.records.selection import Placement

GOALS = wishes(ALLOCATED, ADMITTED)
PLACE = fleet(
    machine("a", 2, cores=8, gib=8, count=2),
    machine("b", devices={"npu": 2, "cpu-type": 1}, cores=8, gib=8, used=Used(cores=1.0, devices={"1": 0.25})),
    machine("c", 1, taints=("gone=yes:NoExecute",)),
)
DEMANDS = [
    demand("must", devices=1, share=1 / 3, cores=1, gib=1, copies=3, types=["gpu"]),
    demand("pair", devices=2, cores=2, exclude={"node": ["b"]}, required=True),
    demand("may", devices=1, share=0.75, cores=2, required=False, copies=9, priority=2, pin={"device": ["npu", "gpu"]}),
    demand("plain", cores=0.5, gib=0.5, required=False, copies=2),
]
CHOICE = planned(DEMANDS, PLACE, GOALS)


def broken(selection, demands=None, objective=GOALS) -> set[str]:
    ledger = audit((), selection, PLACE, DEMANDS if demands is None else demands, objective)
    assert ledger.holds == all(row.holds for row in ledger.rows)
    return {row.clause.id for row in ledger.rows if not row.holds}


def placed(name, *parts):
    return CHOICE.model_copy(update={"placement": {**CHOICE.placement, name: parts}})


def changed(name, **update):
    first, *rest = CHOICE.placement[name]
    return placed(name, first.model_copy(update=update), *rest)


def test_what_was_chosen_holds():
    assert CHOICE.status == "optimal"
    assert broken(CHOICE) == set()
    ledger = audit((), CHOICE, PLACE, DEMANDS, GOALS)
    assert [(row.goal, row.value) for row in ledger.objective] == [
        (row.goal, pytest.approx(row.value)) for row in CHOICE.objective
    ]
    rows = {row.clause.id: row for row in ledger.rows}
    assert rows["must/copies"].value == 3
    assert str(rows["must/copies"].clause.where) == "work.yaml:3:18"
    assert rows["demands/b/devices"].slack >= 0


def test_what_is_free_is_what_the_fleet_leaves():
    assert audit((), CHOICE, PLACE, DEMANDS, GOALS).holds
    fuller = PLACE.model_copy(
        update={"nodes": tuple(own.model_copy(update={"used": Used(cores=7.9)}) for own in PLACE.nodes)}
    )
    ids = {row.clause.id for row in audit((), CHOICE, fuller, DEMANDS, GOALS).rows if not row.holds}
    assert {"demands/a/cores", "demands/b/cores"} <= ids


@pytest.mark.parametrize(
    ("tampered", "rows"),
    [
        (lambda: changed("must", replicas=4), {"must/copies"}),
        (lambda: changed("must", replicas=2), {"must/copies"}),
        (lambda: changed("must", share=0.3), {"must/placement"}),
        (lambda: changed("must", share=0.34), {"must/placement", "demands/a/devices"}),
        (lambda: changed("must", devices=("9",)), {"must/placement"}),
        (lambda: changed("must", devices=()), {"must/placement"}),
        (lambda: changed("must", devices=("0", "1")), {"must/placement"}),
        (lambda: changed("must", node="b"), {"must/placement"}),
        (lambda: changed("must", node="c"), {"must/placement"}),
        (lambda: changed("must", node="a"), {"must/placement"}),
        (lambda: changed("must", node="nowhere"), {"must/placement"}),
        (lambda: changed("pair", devices=("0", "0")), {"pair/placement"}),
        (lambda: changed("pair", node="b"), {"pair/placement"}),
        (lambda: placed("pair"), {"pair/copies"}),
        (lambda: changed("may", devices=("cpu0",), node="b"), {"may/placement"}),
        (lambda: changed("plain", devices=("0",), share=0.0), {"plain/placement"}),
        (lambda: changed("plain", share=0.1), {"plain/placement"}),
        (lambda: changed("plain", replicas=0), {"plain/copies", "plain/placement"}),
        (lambda: placed("plain", Placement(node="a-0", devices=(), share=0.0, replicas=-1)), {"plain/placement"}),
        (lambda: CHOICE.model_copy(update={"refused": {}}), {"may/copies"}),
        (lambda: CHOICE.model_copy(update={"refused": {"may": 99}}), {"may/copies"}),
        (lambda: CHOICE.model_copy(update={"refused": {**CHOICE.refused, "must": 1}}), {"must/copies"}),
        (lambda: CHOICE.model_copy(update={"refused": {**CHOICE.refused, "plain": -1}}), {"plain/copies"}),
        (lambda: CHOICE.model_copy(update={"placement": {}}), {"must/copies", "pair/copies"}),
    ],
)  # fmt: skip
def test_every_wrong_placement_is_noticed(tampered, rows):
    assert rows <= broken(tampered())


def test_a_required_demand_is_not_refused_even_with_its_count_right():
    refused = placed("pair").model_copy(update={"refused": {**CHOICE.refused, "pair": 1}})
    assert "pair/copies" in broken(refused)


def test_one_copy_more_than_a_device_cores_or_memory_hold_is_noticed():
    wide = [item.model_copy(update={"required": False}) for item in DEMANDS]
    for asked, row in (
        (demand("more", devices=1, share=0.5, required=False), "demands/a/devices"),
        (demand("more", cores=8, required=False), "demands/a/cores"),
        (demand("more", gib=8.5, required=False), "demands/a/memory"),
    ):
        part = Placement(
            node=CHOICE.placement["pair"][0].node,
            devices=("0",) if asked.accelerators else (),
            share=0.5 if asked.accelerators else 0.0,
            replicas=1,
        )
        more = CHOICE.model_copy(update={"placement": {**CHOICE.placement, "more": (part,)}})
        assert row in broken(more, [*wide, asked])


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    "update",
    [
        lambda row: {"value": row.value + 1, "bound": row.bound + 1},
        lambda row: {"value": row.value - 0.1},
        lambda row: {"value": row.value * (1 + 1e-6), "bound": row.bound * (1 + 1e-6)},
        lambda row: {"bound": row.value - 0.1},
        lambda _: {"gap": 0.5},
        lambda _: {"unit": "W"},
        lambda _: {"goal": "maximize moves"},
    ],
)
def test_every_wrong_goal_is_noticed(index, update):
    rows = list(CHOICE.objective)
    rows[index] = rows[index].model_copy(update=update(rows[index]))
    assert broken(CHOICE.model_copy(update={"objective": tuple(rows)}))


def test_a_goal_that_is_missing_is_noticed():
    assert broken(CHOICE.model_copy(update={"objective": CHOICE.objective[:1]}))
    assert broken(CHOICE.model_copy(update={"objective": ()}))
