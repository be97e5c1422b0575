"""Stated demands: what must stand stands, of the rest what is worth most, and nothing holds more than it has."""

from __future__ import annotations

import random  # noqa: TID251 -- seeded: the order that a case is told in

import pytest
from build_instances import fleet
from hypothesis import given, settings
from hypothesis import strategies as st
from stated_demands import (
    ADMITTED,
    ALLOCATED,
    best,
    demand,
    machine,
    planned,
    random_case,
    standing,
    values,
    wishes,
)

from aios.check import audit
from aios.records.demanded import Demanded
from aios.records.fleet import Fleet, Used
from aios.records.objective import Objective
from aios.records.selection import Selection

SEEDS = st.integers(0, 10**6)
QUICK = settings(max_examples=25, deadline=None)


def checked(demands: list[Demanded], place: Fleet, *goals: str) -> Selection:
    """Return the choice, which the checker agrees with."""
    objective = wishes(*goals) if goals else None
    found = planned(demands, place, objective)
    broken = [row.clause.text for row in audit((), found, place, demands, objective).rows if not row.holds]
    assert not broken
    return found


def stands(place: Fleet, *demands: Demanded) -> dict[str, int]:
    """Return how many copies of each stand, none of which has to."""
    return standing(checked([item.model_copy(update={"required": False}) for item in demands], place))


ONE = fleet(machine("a", 1))
TWO = fleet(machine("a", 2))


@pytest.mark.parametrize(
    ("share", "fit"),
    [
        (1 / 3, 3), (0.3333333333, 3), (0.33333334, 3), (0.333333, 3), (0.333334, 2), (0.3334, 2),
        (0.5, 2), (0.51, 1), (1 / 6, 6), (0.1666667, 6), (0.16667, 5), (1 / 7, 7), (1 / 13, 13),
        (0.1, 10), (0.01, 100), (0.0100009, 99), (0.7, 1), (1.0, 1), (0.99999999, 1), (1 / 1000, 100),
    ],
)  # fmt: skip
def test_shares_fill_a_device(share, fit):
    assert stands(ONE, demand("x", devices=1, share=share, copies=100)) == {"x": fit}


def test_parts_of_different_sizes_share_a_device():
    sizes = (1 / 2, 1 / 3, 1 / 6)
    assert stands(ONE, *(demand(f"x{i}", devices=1, share=size) for i, size in enumerate(sizes))) == dict.fromkeys(
        ("x0", "x1", "x2"), 1
    )


def test_several_devices_stand_beside_shares_of_others():
    place = fleet(machine("a", 4), machine("b", 1))
    large, half = demand("large", devices=4), demand("half", devices=1, share=0.5, copies=2)
    found = checked([large, half], place)
    assert {part.node for part in found.placement["large"]} == {"a"}
    assert stands(place, demand("large", devices=3), half) == {"large": 1, "half": 2}
    assert stands(fleet(machine("a", 4)), demand("large", devices=3), half) == {"large": 1, "half": 2}


def test_devices_of_one_copy_are_of_one_type_and_one_node():
    place = fleet(machine("a", devices={"gpu": 1, "npu": 1}), machine("b", 1))
    assert stands(place, demand("pair", devices=2), demand("single", devices=1, copies=4)) == {"pair": 0, "single": 3}


def test_what_needs_no_device_takes_cores_and_memory():
    place = fleet(machine("a", 1, cores=4, gib=10), machine("b", cores=2, gib=64))
    assert stands(place, demand("x", cores=1, copies=9)) == {"x": 6}
    assert stands(place, demand("x", cores=0.3, copies=99)) == {"x": 13 + 6}
    assert stands(place, demand("x", cores=1 / 3, copies=99)) == {"x": 12 + 6}
    assert stands(fleet(machine("a", cores=64, gib=16)), demand("x", gib=1.6, copies=99)) == {"x": 10}
    assert stands(fleet(machine("a", cores=64, gib=1)), demand("x", gib=0.1, copies=99)) == {"x": 10}


def test_what_nobody_knows_there_is_enough_of():
    place = fleet(machine("a", 2, cores=None, gib=None))
    assert stands(place, demand("x", cores=100, gib=1000, devices=1, copies=9)) == {"x": 2}


def test_types_pins_exclusions_and_taints_say_where():
    nodes = machine("a", 1), machine("b", devices={"npu": 1}), machine("c", 1, taints=("dedicated=x:NoSchedule",))
    place = fleet(*nodes, machine("d", devices={"cpu-type": 2}))

    def on(**rules):
        found = checked([demand("x", devices=1, copies=9, required=False, **rules)], place)
        return [(part.node, *part.devices) for part in found.placement["x"]]

    assert on() == [("a", "0"), ("b", "0")]
    assert on(types=["npu"]) == [("b", "0")]
    assert on(types=["npu", "gpu"]) == [("a", "0"), ("b", "0")]
    assert on(pin={"node": ["a"]}) == [("a", "0")]
    assert on(pin={"device": ["npu"]}) == [("b", "0")]
    assert on(exclude={"node": ["a"]}) == [("b", "0")]
    assert on(exclude={"device": ["npu"]}) == [("a", "0")]
    assert on(pin={"node": ["c"]}) == []
    assert on(types=["cpu-type"]) == [("d", "cpu0"), ("d", "cpu1")]
    assert on(types=["no-such-type"]) == []


def test_instances_of_a_node_are_told_apart():
    found = checked([demand("x", devices=2, copies=3)], fleet(machine("a", 2, count=4)))
    assert len({part.node for part in found.placement["x"]}) == 3
    assert {part.node for part in found.placement["x"]} <= {"a-0", "a-1", "a-2", "a-3"}
    assert all((part.devices, part.share, part.replicas) == (("0", "1"), 1.0, 1) for part in found.placement["x"])


@pytest.mark.parametrize(
    ("used", "share", "fit"),
    [
        ({"0": 0.3}, 1.0, 1), ({"0": 0.3}, 0.7, 2), ({"0": 0.3}, 0.35, 4), ({"0": 0.3}, 0.71, 1), ({"0": 1.0}, 0.5, 2),
        ({"0": 0.9, "1": 0.9}, 0.1, 2), ({"0": 2 / 3}, 1 / 3, 4), ({"0": 0.1, "1": 0.2}, 0.4, 4), ({}, 1.0, 2),
    ],
)  # fmt: skip
def test_what_is_free_of_a_device_is_used(used, share, fit):
    place = fleet(machine("a", 2, used=Used(devices=used)))
    assert stands(place, demand("x", devices=1, share=share, copies=9)) == {"x": fit}


def test_several_devices_are_taken_whole():
    place = fleet(machine("a", 3, used=Used(devices={"1": 0.1})))
    found = checked([demand("x", devices=2), demand("y", devices=1, share=0.9)], place)
    assert found.placement["x"][0].devices == ("0", "2")
    assert found.placement["y"][0].devices == ("1",)


def test_used_cores_and_memory_are_gone():
    place = fleet(machine("a", cores=16, gib=16, used=Used(cores=0.1, memory_bytes=2.0**30)))
    assert stands(place, demand("x", cores=15.9)) == {"x": 1}
    assert stands(place, demand("x", cores=15.91)) == {"x": 0}
    assert stands(place, demand("x", gib=15)) == {"x": 1}
    assert stands(place, demand("x", gib=15.01)) == {"x": 0}


def test_what_must_stand_stands_however_little_it_is_worth():
    least = demand("least", cores=60, required=True, copies=1)
    most = demand("most", cores=10, devices=1, required=False, copies=2, priority=100)
    assert standing(checked([least, most], TWO)) == {"least": 1, "most": 0}


def test_priorities_weigh_copies():
    large = demand("large", cores=64, required=False, priority=3)
    small = demand("small", cores=32, required=False, priority=1, copies=2)
    assert standing(checked([large, small], TWO)) == {"large": 1, "small": 0}
    assert values(checked([large, small], TWO)) == [3]
    heavier = small.model_copy(update={"priority": 2})
    assert standing(checked([large, heavier], TWO)) == {"large": 0, "small": 2}


def test_the_first_goal_comes_first_and_the_next_decides_among_its_best():
    # Two whole devices, or one and two halves: 2 devices either way, 2 or 3 copies.
    whole = demand("whole", devices=1, copies=2, required=False, priority=1)
    half = demand("half", devices=1, share=0.5, copies=2, required=False)
    tenth = demand("tenth", devices=1, share=0.1, copies=10, required=False, priority=5)
    assert values(checked([whole, half], TWO, ALLOCATED, ADMITTED)) == [2, 3]
    # Ten tenths are worth as much of a device as one whole, and more copies: 1 whole and 10 tenths.
    assert values(checked([whole, tenth], TWO, ALLOCATED, ADMITTED)) == [pytest.approx(2), 51]
    third = demand("third", devices=1, share=0.35, copies=9, required=False, priority=9)
    assert standing(checked([whole, third], TWO, ALLOCATED, ADMITTED)) == {"whole": 2, "third": 0}
    assert standing(checked([whole, third], TWO, ADMITTED, ALLOCATED)) == {"whole": 0, "third": 4}


def test_what_counts_in_no_goal_is_not_refused_for_nothing():
    found = checked([demand("x", cores=1, copies=3, required=False)], ONE, ALLOCATED)
    assert standing(found) == {"x": 3}
    assert [row.goal for row in found.objective] == [ALLOCATED, ADMITTED]


def test_goals_count_what_is_required_where_it_counts():
    both = [demand("must", devices=1, required=True), demand("may", devices=1, copies=5, required=False)]
    assert values(checked(both, TWO, ALLOCATED, ADMITTED)) == [2, 1]
    assert values(checked(both[:1], TWO, ALLOCATED)) == [1]
    assert checked(both[:1], TWO).objective == ()


def _told(demands, place, objective: Objective | None = None):
    found = planned(demands, place, objective)
    return found.status, [(row.goal, row.value, row.bound) for row in found.objective], dict(found.refused)


@QUICK
@given(seed=SEEDS, goals=st.sampled_from([(), (ALLOCATED,), (ALLOCATED, ADMITTED), (ADMITTED, ALLOCATED)]))
def test_nothing_is_better_than_what_is_chosen(seed, goals):
    demands, place = random_case(seed)
    found = checked(demands, place, *goals)
    refusable = any(not item.required for item in demands)
    last = [] if ADMITTED in goals or not refusable else [ADMITTED]
    expected = best(demands, place, [*goals, *last])
    if expected is None:
        assert found.status == "infeasible"
        return
    assert found.status == "optimal"
    assert values(found) == pytest.approx([float(value) for value in expected], abs=1e-6)
    assert all(row.gap == 0 for row in found.objective)


@QUICK
@given(seed=SEEDS)
def test_the_order_of_demands_and_nodes_changes_nothing(seed):
    demands, place = random_case(seed)
    draw, nodes = random.Random(seed), list(place.nodes)
    other = list(demands)
    draw.shuffle(other)
    draw.shuffle(nodes)
    moved = place.model_copy(update={"nodes": tuple(nodes)})
    assert planned(other, moved) == planned(demands, place)


@QUICK
@given(seed=SEEDS)
def test_an_intent_of_many_copies_is_as_many_intents_of_one(seed):
    demands, place = random_case(seed)
    single = [
        item.model_copy(update={"name": f"{item.name}-{copy}", "copies": 1})
        for item in demands
        for copy in range(item.copies)
    ]
    together, apart = planned(demands, place), planned(single, place)
    assert (together.status, together.objective) == (apart.status, apart.objective)


@QUICK
@given(seed=SEEDS)
def test_equal_nodes_are_as_one_node_with_a_count(seed):
    demands, place = random_case(seed)
    free = [item.model_copy(update={"pin": type(item.pin)(), "exclude": type(item.pin)()}) for item in demands]
    single = tuple(own.model_copy(update={"name": name, "count": 1}) for own in place.nodes for name in own.instances())
    together, apart = planned(free, place), planned(free, place.model_copy(update={"nodes": single}))
    assert (together.status, together.objective) == (apart.status, apart.objective)


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, policy=st.sampled_from(["fair-share", "max-min", "priority"]))
def test_every_policy_keeps_what_the_checker_asks_for(seed, policy):
    demands, place = random_case(seed)
    objective = wishes(policy=policy)
    found = planned(demands, place, objective)
    assert not [row.clause.text for row in audit((), found, place, demands, objective).rows if not row.holds]
    if found.status != "infeasible":
        assert all(0 <= found.refused.get(item.name, 0) <= item.copies for item in demands)


def test_nobody_gets_more_copies_than_are_asked_for():
    objective = wishes(policy="max-min")
    found = planned([demand("x", devices=1, required=False)], TWO, objective)
    assert standing(found) == {"x": 1}
    assert found.refused == {}
