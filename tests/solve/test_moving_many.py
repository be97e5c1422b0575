"""Planning again where there are too many ways to run for one exact model: what stands stays, but for what pays."""

from __future__ import annotations

import build_instances as make
import pytest

from aios.check import audit
from aios.records.candidate import Estimate
from aios.records.current import Moving, Standing
from aios.solve import Limits, choose
from aios.solve.joint.size import LARGE, variables_of
from aios.solve.problem import outline

NODES = ("n0", "n1", "n2")
NAMES = [f"i{k:02d}" for k in range(40)]
HALL = make.fleet(*(make.node(name, {"gpu": 4}, count=6, cores=64) for name in NODES))
MINUTE = Estimate(metric="disruption", value=60.0, low=60.0, high=60.0, unit="s", source="assumed", basis="made")


def ways(name, nodes=NODES, replicas=1, less=0.0):
    return [
        make.option(
            f"{name}/{k}",
            {"power": 10.0 + k + int(name[1:]) % 7 - less},
            device="gpu",
            nodes=nodes,
            share=0.4 + 0.005 * k,
            replicas=replicas,
        )
        for k in range(40)
    ]


OPTIONS = {name: ways(name) for name in NAMES}


def planned(options, fleet, moving=None):
    moving = moving or Moving()
    intents = [make.intent(name) for name in options]
    assert variables_of(outline(intents, options, fleet)) > LARGE
    found = choose(intents, options, fleet, Limits(), None, moving)
    if found.chosen:
        broken = [row.clause.text for row in audit(intents, found, fleet, (), None, moving).rows if not row.holds]
        assert not broken, broken
        assert found.objective[0].bound <= found.objective[0].value
    return found


def standing(made, options, **more):
    return Moving(
        {
            name: Standing(
                made.placement[name],
                made.chosen[name].candidate.id,
                frozenset({made.chosen[name].candidate.id}),
                {option.candidate.id: MINUTE for option in options[name]},
            )
            for name in made.chosen
        },
        **more,
    )


def moved(before, after):
    return {name for name in before.chosen if after.placement[name] != before.placement[name]}


@pytest.fixture(scope="module")
def first():
    return planned(OPTIONS, HALL)


def test_nothing_moves_when_nothing_changed_whatever_the_order(first):
    options = dict(reversed(OPTIONS.items()))
    again = planned(options, HALL, standing(first, OPTIONS))
    assert dict(again.placement) == dict(first.placement)
    assert {n: p.candidate.id for n, p in again.chosen.items()} == {n: p.candidate.id for n, p in first.chosen.items()}


def test_only_what_stood_on_a_lost_machine_moves(first):
    used = sorted({part.node for parts in first.placement.values() for part in parts})
    node, _, count = used[-1].rpartition("-")  # the machines after it are gone as well
    left = {**dict.fromkeys(NODES, 6), node: int(count)}
    fleet = make.fleet(*(make.node(n, {"gpu": 4}, count=left[n], cores=64) for n in NODES if left[n]))
    there = {name for node in fleet.nodes for name in node.instances()}
    moving = standing(first, OPTIONS)
    rest = {
        name: own._replace(placement=tuple(part for part in own.placement if part.node in there))
        for name, own in moving.standing.items()
    }
    after = planned(OPTIONS, fleet, Moving(rest))
    gone = {name for name, parts in first.placement.items() if any(part.node not in there for part in parts)}
    assert gone
    assert moved(first, after) == gone


def test_what_grows_takes_places_that_nobody_stands_on(first):
    options = {**OPTIONS, "i00": ways("i00", replicas=8)}
    after = planned(options, HALL, standing(first, options))
    assert moved(first, after) == {"i00"}
    assert sum(part.replicas for part in after.placement["i00"]) == 8
    [(node, devices)] = [(part.node, part.devices) for part in first.placement["i00"]]
    assert (node, devices) in [(part.node, part.devices) for part in after.placement["i00"]]


@pytest.fixture(scope="module")
def better():
    """Every way to run costs 3 W less on machines that have come."""
    fleet = make.fleet(*HALL.nodes, make.node("n3", {"gpu": 4}, count=6, cores=64))
    options = {
        name: [
            *row,
            *(
                option.model_copy(
                    update={
                        "candidate": option.candidate.model_copy(update={"id": f"{name}/new{k}", "nodes": ("n3",)}),
                        "estimates": ways(name, less=3.0)[k].estimates,
                    }
                )
                for k, option in enumerate(row[:5])
            ),
        ]
        for name, row in OPTIONS.items()
    }
    return fleet, options


def test_what_pays_moves_and_then_stays(first, better):
    fleet, options = better
    after = planned(options, fleet, standing(first, options))
    assert moved(first, after) == set(NAMES)
    assert after.objective[0].value == pytest.approx(first.objective[0].value - 3.0 * len(NAMES))
    again = planned(options, fleet, standing(after, options))
    assert not moved(after, again)


def test_a_gain_that_is_less_than_its_price_moves_nothing(first, better):
    fleet, options = better
    day = MINUTE.model_copy(update={"value": 86400.0, "high": 86400.0})
    moving = standing(first, options)
    dear = {
        name: own._replace(outage=dict.fromkeys((o.candidate.id for o in options[name]), day))
        for name, own in moving.standing.items()
    }
    assert not moved(first, planned(options, fleet, Moving(dear)))


def test_no_more_than_allowed_move_and_the_frozen_stay(first, better):
    fleet, options = better
    some = planned(options, fleet, standing(first, options, most=5))
    assert 0 < len(moved(first, some)) <= 5
    assert not moved(first, planned(options, fleet, standing(first, options, most=0)))
    frozen = frozenset(NAMES[:10])
    assert moved(first, planned(options, fleet, standing(first, options, frozen=frozen))) == set(NAMES[10:])


def test_others_make_room_where_something_must_run():
    """Two on each of 20 devices, so that two devices side by side are free where four go to machines of one device."""
    full = [make.node(name, {"gpu": 4}, count=count, cores=64) for name, count in zip(NODES, (2, 2, 1), strict=True)]
    options = {name: ways(name, nodes=(*NODES, "n3")) for name in NAMES}
    tight = planned(options, make.fleet(*full))
    fleet = make.fleet(*full, make.node("n3", {"gpu": 1}, count=2, cores=64))
    more = {**options, "wide": [make.option("wide/0", {"power": 1.0}, device="gpu", nodes=NODES, devices=2, share=1.0)]}
    after = planned(more, fleet, standing(tight, more))
    assert after.placement["wide"]
    assert len(moved(tight, after)) == 4
