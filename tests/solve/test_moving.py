"""What stands is an input: a move is made where it pays, where it must be, and nowhere else."""

from __future__ import annotations

import itertools
from collections import Counter

import build_instances as make
import pytest
import stated_demands as stated
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.candidates import sites_of
from aios.check import audit
from aios.records.base import Span
from aios.records.candidate import Estimate
from aios.records.current import Moving, Standing
from aios.records.objective import Objective
from aios.records.selection import Placement
from aios.solve import Limits, choose, choose_together

WHERE = Span(file="objective.yaml", line=1, column=1)


def seconds(value):
    return Estimate(metric="disruption", value=value, low=value, high=value, unit="s", source="assumed", basis="made")


def stood(option, *places, outage=864.0, alike=(), others=()):
    """``places``: (machine, device id, replicas, share). outage: 864 s are a hundredth of a day."""
    parts = tuple(Placement(node=n, devices=(d,), share=s, replicas=r) for n, d, r, s in places)
    ids = {option, *alike}
    return Standing(parts, option, frozenset(ids), {id_: seconds(outage) for id_ in {*ids, *others}})


def ways(*powers, replicas=1, share=1.0, name="a"):
    """Options ``a/0``, ``a/1``... on devices of their own: gpu0 of node n0, and so on."""
    return [
        make.option(f"{name}/{k}", {"power": power}, device=f"gpu{k}", nodes=(f"n{k}",), replicas=replicas, share=share)
        for k, power in enumerate(powers)
    ]


def hall(*kinds, count=2):
    return make.fleet(*(make.node(f"n{k}", {f"gpu{k}": 2}, count=count) for k in range(len(kinds))))


def planned(intents, options, fleet, moving, objective=None):
    found = choose(intents, options, fleet, Limits(), objective, moving)
    if found.status in ("optimal", "feasible"):
        broken = [r.clause.text for r in audit(intents, found, fleet, (), objective, moving).rows if not r.holds]
        assert not broken, broken
    return found


@pytest.mark.parametrize(
    ("other", "moves"),
    [
        pytest.param(98.9, True, id="saves 1.1 % for 1 % of a day"),
        pytest.param(99.1, False, id="saves 0.9 % for 1 % of a day"),
        pytest.param(100.0, False, id="saves nothing"),
    ],
)
def test_a_move_pays_where_it_saves_a_larger_share_than_it_disrupts(other, moves):
    options = {"a": ways(100.0, other)}
    standing = stood("a/0", ("n0-1", "1", 1, 1.0), others=["a/1"])
    found = planned([make.intent("a")], options, hall(1, 1), Moving({"a": standing}))
    assert found.chosen["a"].candidate.id == ("a/1" if moves else "a/0")
    assert found.placement["a"][0].node == ("n1-0" if moves else "n0-1")
    assert found.status == "optimal"
    assert found.objective[0].value == found.chosen["a"].estimates["power"].value


def test_it_stays_on_its_very_machine_and_device_beside_new_ones():
    fleet = hall(1, count=3)
    options = {"a": ways(10.0), "b": [make.option("b/0", {"power": 1.0}, device="gpu0", nodes=("n0",), share=1.0)]}
    standing = stood("a/0", ("n0-2", "1", 1, 1.0))
    found = planned([make.intent("b", priority=5), make.intent("a")], options, fleet, Moving({"a": standing}))
    assert [(part.node, part.devices) for part in found.placement["a"]] == [("n0-2", ("1",))]
    assert found.placement["b"][0].node == "n0-0"


def test_what_makes_room_for_something_that_must_run_moves():
    """``b`` can only run where ``a`` stands, and ``a`` anywhere."""
    fleet = make.fleet(make.node("n0", {"gpu0": 1}), make.node("n1", {"gpu0": 1}))
    anywhere = make.option("a/0", {"power": 10.0}, device="gpu0", nodes=("n0", "n1"), share=1.0)
    there = make.option("b/0", {"power": 10.0}, device="gpu0", nodes=("n0",), share=1.0)
    standing = stood("a/0", ("n0", "0", 1, 1.0))
    intents = [make.intent("a"), make.intent("b")]
    options = {"a": [anywhere], "b": [there]}
    found = planned(intents, options, fleet, Moving({"a": standing}))
    assert (found.placement["a"][0].node, found.placement["b"][0].node) == ("n1", "n0")
    for moving in (Moving({"a": standing}, frozenset({"a"})), Moving({"a": standing}, most=0)):
        stuck = planned(intents, options, fleet, moving)
        assert stuck.status == "infeasible"
        texts = [clause.text for clause in stuck.conflict.clauses]
        assert any("--freeze" in text or "--max-moves" in text for text in texts)


def test_replicas_of_a_machine_that_is_gone_move_and_the_others_stay():
    option = make.option("a/0", {"power": 10.0}, device="gpu0", nodes=("n0",), replicas=3, share=1.0)
    standing = stood("a/0", ("n0-1", "0", 1, 1.0), ("n0-1", "1", 1, 1.0))  # the third stood on n0-7
    found = planned([make.intent("a")], {"a": [option]}, hall(1), Moving({"a": standing}, most=0))
    assert [(part.node, part.devices) for part in found.placement["a"]] == [
        ("n0-0", ("0",)),
        ("n0-1", ("0",)),
        ("n0-1", ("1",)),
    ]


def test_what_grows_in_place_keeps_its_places():
    small, large = (
        make.option(
            f"a/{n}", {"power": 5.0 * n, "throughput": 10.0 * n}, device="gpu0", nodes=("n0",), replicas=n, share=1.0
        )
        for n in (1, 2)
    )
    standing = stood("a/1", ("n0-1", "1", 1, 1.0), alike=["a/2"])
    intent = make.intent("a", {"throughput": 15.0})
    found = planned([intent], {"a": [small, large]}, hall(1), Moving({"a": standing}, most=0))
    assert ("n0-1", ("1",)) in [(part.node, part.devices) for part in found.placement["a"]]


def test_fewest_moves_as_a_goal():
    options = {"a": ways(100.0, 10.0), "b": ways(100.0, 10.0, name="b")}
    standing = {
        "a": stood("a/0", ("n0-0", "0", 1, 1.0), others=["a/1"]),
        "b": stood("b/0", ("n0-0", "1", 1, 1.0), others=["b/1"]),
    }
    intents, fleet = [make.intent("a"), make.intent("b")], hall(1, 1)
    objective = Objective(name="o", goal=(make.goal("minimize moves"),), where=WHERE)
    found = planned(intents, options, fleet, Moving(standing), objective)
    assert [row.value for row in found.objective if row.goal == "minimize moves"] == [0.0]
    assert {priced.candidate.id for priced in found.chosen.values()} == {"a/0", "b/0"}
    one = planned(intents, options, fleet, Moving(standing, most=1))
    assert sorted(priced.candidate.id[-1] for priced in one.chosen.values()) == ["0", "1"]


@st.composite
def cases(draw):
    """Two intents that stand somewhere, three ways each, on few machines."""
    fleet = make.fleet(make.node("n", {"gpu": 2}, count=2), make.node("m", {"gpu": 1}))
    names = ("a", "b")
    options = {
        name: [
            make.option(
                f"{name}/{k}",
                {"power": draw(st.sampled_from([99.0, 100.0, 100.5, 101.0, 120.0]))},
                device="gpu",
                nodes=draw(st.sampled_from([("n",), ("m",), ("n", "m")])),
                share=draw(st.sampled_from([0.5, 1.0])),
            )
            for k in range(3)
        ]
        for name in names
    }
    places = {"n": ["n-0", "n-1"], "m": ["m"]}
    standing = {}
    for name in names:
        now = draw(st.sampled_from(options[name]))
        machine = draw(st.sampled_from([m for node in now.candidate.nodes for m in places[node]]))
        spot = (machine, "0" if machine == "m" else draw(st.sampled_from(["0", "1"])), 1, now.demand.share)
        outage = draw(st.sampled_from([100.0, 864.0, 8640.0]))
        standing[name] = stood(now.candidate.id, spot, outage=outage, others=[o.candidate.id for o in options[name]])
    return [make.intent(name) for name in names], options, fleet, Moving(standing)


def best(options, moving):
    """The least of power and prices of moves over all ways and places, by trying every one."""
    spots = [("n-0", "0"), ("n-0", "1"), ("n-1", "0"), ("n-1", "1"), ("m", "0")]
    found = None
    for picked in itertools.product(*(options[name] for name in ("a", "b"))):
        for stand in itertools.product(spots, repeat=2):
            used = Counter()
            for priced, spot in zip(picked, stand, strict=True):
                used[spot] += priced.demand.share
            allowed = all(s[0].split("-")[0] in p.candidate.nodes for p, s in zip(picked, stand, strict=True))
            if not allowed or max(used.values()) > 1:
                continue
            total = 0.0
            for name, priced, spot in zip(("a", "b"), picked, stand, strict=True):
                own = moving.standing[name]
                part = own.placement[0]
                now = next(o for o in options[name] if o.candidate.id == own.option)
                total += priced.estimates["power"].value
                if priced.candidate.id != own.option or spot != (part.node, part.devices[0]):
                    outage = own.outage[priced.candidate.id].value
                    total += now.estimates["power"].value * outage / 86400
            found = total if found is None else min(found, total)
    return found


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_equals_brute_force_and_a_second_plan_changes_nothing(case):
    intents, options, fleet, moving = case
    found = planned(intents, options, fleet, moving)
    expected = best(options, moving)
    assert (expected is None) == (found.status == "infeasible")
    if expected is None:
        return
    total, again = 0.0, {}
    for name, priced in found.chosen.items():
        own, part = moving.standing[name], found.placement[name][0]
        now = next(o for o in options[name] if o.candidate.id == own.option)
        total += priced.estimates["power"].value
        if priced.candidate.id != own.option or (part.node, part.devices) != (
            own.placement[0].node,
            own.placement[0].devices,
        ):
            total += now.estimates["power"].value * own.outage[priced.candidate.id].value / 86400
        again[name] = own._replace(
            placement=found.placement[name], option=priced.candidate.id, alike=frozenset({priced.candidate.id})
        )
    assert total == pytest.approx(expected, rel=1e-9)
    second = planned(intents, options, fleet, Moving(again))
    assert second.placement == found.placement
    assert {n: p.candidate.id for n, p in second.chosen.items()} == {n: p.candidate.id for n, p in found.chosen.items()}


def test_many_intents_stay_on_a_large_fleet_but_for_the_one_that_is_new():
    fleet = make.fleet(*(make.node(f"n{k}", {"gpu": 4}, count=6, cores=64) for k in range(3)))
    nodes = ("n0", "n1", "n2")
    names = [f"i{k:02d}" for k in range(40)]
    options = {
        name: [
            make.option(
                f"{name}/{k}", {"power": 10.0 + k + int(name[1:]) % 7}, device="gpu", nodes=nodes, share=0.4 + 0.005 * k
            )
            for k in range(40)
        ]
        for name in names
    }
    first = planned([make.intent(name) for name in names], options, fleet, Moving())
    standing = {
        name: Standing(
            first.placement[name],
            first.chosen[name].candidate.id,
            frozenset({first.chosen[name].candidate.id}),
            {o.candidate.id: seconds(60.0) for o in options[name]},
        )
        for name in names
    }
    options["new"] = [make.option("new/0", {"power": 3.0}, device="gpu", nodes=nodes, share=0.5)]
    second = planned([make.intent(name) for name in [*names, "new"]], options, fleet, Moving(standing))
    assert {name: second.placement[name] for name in names} == dict(first.placement)
    assert second.placement["new"]
    assert second.objective[0].bound <= second.objective[0].value


class TestDemands:
    def test_copies_stay_on_their_machines_when_others_come(self):
        place = make.fleet(*(stated.machine(f"n{k}", gpus=2) for k in range(4)))
        web = stated.demand("web", devices=1, copies=3)
        parts = tuple(Placement(node=f"n{k}", devices=("1",), share=1.0, replicas=1) for k in (3, 2, 1))
        moving = Moving({"web": Standing(parts, None, frozenset(), {})})
        for demands in ([web], [web, stated.demand("batch", devices=2, copies=1)]):
            found = choose_together((), {}, demands, sites_of(demands, place).sites, None, place, Limits(), moving)
            assert {(p.node, p.devices) for p in found.placement["web"]} == {(f"n{k}", ("1",)) for k in (1, 2, 3)}
            assert all(row.holds for row in audit((), found, place, demands, None, moving).rows)

    def test_copies_move_where_what_must_stand_finds_no_room_otherwise(self):
        place = make.fleet(*(stated.machine(f"n{k}", gpus=2) for k in range(2)))
        demands = [stated.demand("web", devices=1, copies=2), stated.demand("batch", devices=2, copies=1)]
        parts = tuple(Placement(node=f"n{k}", devices=("0",), share=1.0, replicas=1) for k in range(2))
        moving = Moving({"web": Standing(parts, None, frozenset(), {})})
        found = choose_together((), {}, demands, sites_of(demands, place).sites, None, place, Limits(), moving)
        assert found.status == "optimal"
        assert len({p.node for p in found.placement["web"]}) == 1

    @pytest.mark.parametrize("bound", [{"most": 0}, {"frozen": frozenset({"web"})}], ids=["max-moves", "freeze"])
    def test_what_must_stay_and_leaves_no_room_is_named(self, bound):
        place = make.fleet(*(stated.machine(f"n{k}", gpus=2) for k in range(2)))
        demands = [stated.demand("web", devices=1, copies=2), stated.demand("batch", devices=2, copies=1)]
        parts = tuple(Placement(node=f"n{k}", devices=("0",), share=1.0, replicas=1) for k in range(2))
        moving = Moving({"web": Standing(parts, None, frozenset(), {})}, **bound)
        found = choose_together((), {}, demands, sites_of(demands, place).sites, None, place, Limits(), moving)
        assert found.status == "infeasible"
        texts = [clause.text for clause in found.conflict.clauses]
        assert "1 copies of batch stand" in texts
        assert any("--freeze" in text or "--max-moves" in text for text in texts)
