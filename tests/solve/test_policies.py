"""Policies: how what cannot all be admitted is divided, by hand-worked numbers and by trying everything."""

from __future__ import annotations

import itertools
import random  # noqa: TID251 -- seeded: which cases are made up
from fractions import Fraction

import pytest
from build_instances import fleet
from stated_demands import demand, machine, planned, standing, wishes

from aios.check import audit

PLACE = fleet(machine("a", 0, cores=24))


def divided(policy, *demands, place=PLACE):
    """Return how many copies of each demand stand under a policy; the checker agrees."""
    objective = wishes().model_copy(update={"policy": policy})
    found = planned(list(demands), place, objective)
    assert found.status == "optimal"
    broken = [row.clause.text for row in audit((), found, place, demands, objective).rows if not row.holds]
    assert not broken
    return {name: copies for name, copies in standing(found).items() if copies}


def wanting(name, copies, priority=0, cores=1.0):
    return demand(name, cores=cores, copies=copies, priority=priority, required=False)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        # 24 cores, weights 2 : 1 : 1. The common level ends at c's 3 copies: 6, 3, 3.
        ("fair-share", {"a": 6, "b": 3, "c": 3}),
        # c has all that it wants at 3; of the other 21 cores a has twice what b has: 14 and 7.
        ("max-min", {"a": 14, "b": 7, "c": 3}),
        # a alone takes everything.
        ("priority", {"a": 24}),
    ],
)
def test_one_resource(policy, expected):
    given = (wanting("a", 100, priority=2), wanting("b", 100), wanting("c", 3))
    assert divided(policy, *given) == expected


def test_fair_share_counts_what_each_takes():
    """Two weights of one: 4 + 2 cores a level, so the level is four."""
    assert divided("fair-share", wanting("a", 100, cores=4.0), wanting("b", 100, cores=2.0)) == {"a": 4, "b": 4}


@pytest.mark.parametrize("policy", ["fair-share", "max-min"])
def test_nobody_starves(policy):
    """A weight of 23 to 1: rounded down to whole copies the light one would have nothing."""
    found = divided(policy, wanting("heavy", 100, priority=40), wanting("light", 100))
    assert found == {"heavy": 23, "light": 1}


@pytest.mark.parametrize("policy", ["fair-share", "max-min", "priority"])
def test_what_is_required_stands_first(policy):
    must = demand("must", cores=20.0, copies=1)
    assert divided(policy, must, wanting("a", 9, priority=9), wanting("b", 9))["must"] == 1


def test_priority_keeps_the_higher_ones_and_fills_up():
    given = (
        wanting("a", 2, priority=9, cores=10.0),
        wanting("b", 9, priority=5, cores=3.0),
        wanting("c", 9, priority=1),
    )
    assert divided("priority", *given) == {"a": 2, "b": 1, "c": 1}


def test_without_anything_optional_a_policy_has_nothing_to_divide():
    for policy in ("fair-share", "max-min", "priority"):
        assert divided(policy, demand("must", cores=2.0, copies=3)) == {"must": 3}


@pytest.mark.parametrize("seed", range(12))
def test_against_trying_everything(seed):
    draw = random.Random(seed)
    cores, memory = draw.randint(4, 14), draw.randint(4, 14)
    place = fleet(machine("a", 0, cores=cores, gib=memory))
    own = [
        (f"d{index}", draw.randint(1, 5), draw.choice([0, 1, 2, 3]), draw.randint(1, 3), draw.randint(0, 3))
        for index in range(3)
    ]
    demands = [
        demand(name, cores=float(c), gib=float(m), copies=copies, priority=priority, required=False)
        for name, copies, priority, c, m in own
    ]
    weights = [max(priority, 1) for _, _, priority, _, _ in own]
    fits = [
        numbers
        for numbers in itertools.product(*(range(copies + 1) for _, copies, _, _, _ in own))
        if sum(n * item[3] for n, item in zip(numbers, own, strict=True)) <= cores
        and sum(n * item[4] for n, item in zip(numbers, own, strict=True)) <= memory
    ]
    found = divided("max-min", *demands, place=place)
    got = tuple(found.get(name, 0) for name, *_ in own)
    levels = [sorted(Fraction(n, w) for n, w in zip(numbers, weights, strict=True)) for numbers in fits]
    assert min(Fraction(n, w) for n, w in zip(got, weights, strict=True)) == max(item[0] for item in levels)
    for index in range(3):  # nobody can have one more beside what all have
        more = tuple(n + (position == index) for position, n in enumerate(got))
        assert more not in fits
