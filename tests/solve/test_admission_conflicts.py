"""What is required and does not fit: the smallest set that does not, and exactly how many copies would."""

from __future__ import annotations

import pytest
from build_instances import fleet
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stated_demands import best, demand, machine, planned, random_case

from aios.records.demanded import Demanded
from aios.records.fleet import Fleet
from aios.records.selection import Conflict


def conflict_of(demands: list[Demanded], place: Fleet) -> Conflict:
    found = planned(demands, place)
    assert found.status == "infeasible"
    assert found.placement == {}
    return found.conflict


def members(conflict: Conflict, demands: list[Demanded]) -> list[list[Demanded]]:
    """Return the demands that each clause is about; those that take and may do the same are one clause."""
    found = []
    for clause in conflict.clauses:
        _, _, names = clause.text.partition(" stand (")
        alike = names.removesuffix(")").split(", ") if names else [clause.intent]
        found.append([item for item in demands if item.name in alike])
    return [own for own in found if own]


def fits(demands: list[Demanded], place: Fleet) -> bool:
    return best(demands, place, ()) is not None


def without(demands: list[Demanded], own: list[Demanded], copies: int) -> list[Demanded]:
    """Return demands of which one that is alike others stands for all of them, with so many copies."""
    others = [item for item in demands if item not in own]
    return [*others, own[0].model_copy(update={"copies": copies})] if copies else others


def certain(seed: int) -> tuple[list[Demanded], Fleet]:
    demands, place = random_case(seed)
    return [item.model_copy(update={"required": True, "copies": item.copies + seed % 2}) for item in demands], place


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_conflict_is_smallest_and_its_relaxations_are_exact(seed):
    demands, place = certain(seed)
    assume(not fits(demands, place))
    conflict = conflict_of(demands, place)
    core = members(conflict, demands)
    everybody = [item for own in core for item in own]
    assert not fits(everybody, place)
    for own in core:
        assert fits(without(everybody, own, 0), place)
    for relaxation in conflict.relaxations:
        (own,) = (own for own in core if own[0].name == relaxation.clause.removesuffix("/stands"))
        most = int(relaxation.value)
        assert 0 < most < sum(item.copies for item in own)
        assert fits(without(demands, own, most), place)
        assert not fits(without(demands, own, most + 1), place)
    assert not any("was stopped" in note for note in conflict.notes)


def test_says_what_is_asked_for_where_and_how_many_would_fit():
    place = fleet(machine("a", 4, count=2))
    demands = [
        demand("train", devices=4, cores=8, gib=16, line=3),
        demand("serve", devices=1, share=0.5, copies=10, line=9),
        demand("index", cores=1, line=15),
    ]
    conflict = conflict_of(demands, place)
    assert [clause.text for clause in conflict.clauses] == [
        "10 copies of 0.5 of 1 accelerator stand",
        "1 copy of 8 cores, 16 GiB, 4 accelerators stands",
        "2 machines where they may stand have 8 devices, 128 cores and 512 GiB free; "
        "9 devices, 8 cores and 16 GiB are asked for: not enough devices",
    ]
    assert [str(clause.where) for clause in conflict.clauses[:2]] == ["work.yaml:9:18", "work.yaml:3:18"]
    assert [(item.clause, item.to, item.value) for item in conflict.relaxations] == [
        ("serve/stands", "8 copies instead of 10", 8),
    ]
    assert conflict.notes == ("Not one copy of train finds room.",)


def test_demands_that_are_alike_are_told_together():
    conflict = conflict_of([demand(f"x{i}", devices=1) for i in range(6)], fleet(machine("a", 4)))
    assert conflict.clauses[0].text == "6 copies of 1 accelerator stand (x0, x1, x2 and 3 more)"
    assert conflict.relaxations[0].to == "4 copies instead of 6"


@pytest.mark.parametrize(
    ("asked", "node", "core"),
    [
        # As many devices and cores are there as are asked for, but not where.
        ([demand("x", devices=3, copies=2), demand("y", devices=2)], machine("a", 4, count=2), ["x", "y"]),
        ([demand("x", devices=3, copies=3), demand("y", devices=1)], machine("a", 5, count=2), ["x"]),
        ([demand("x", devices=1, share=0.6, copies=3), demand("y", devices=1, share=0.2)], machine("a", 2), ["x"]),
        ([demand("x", cores=5, copies=3), demand("y", cores=1)], machine("a", cores=8, count=2), ["x"]),
        ([demand("x", cores=5, copies=2), demand("y", cores=4)], machine("a", cores=8, count=2), ["x", "y"]),
    ],
)
def test_what_fits_into_all_nodes_together_but_on_none_is_a_conflict_too(asked, node, core):
    place = fleet(node)
    assert [own[0].name for own in members(conflict_of(asked, place), asked)] == core
