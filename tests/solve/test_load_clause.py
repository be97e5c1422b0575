"""A load is a requirement: what cannot keep up with it is no plan, and is told what would do."""

from __future__ import annotations

import pytest

from aios.records.base import Span
from aios.records.intent import Load, Requirement
from aios.solve import Limits, choose

OF_LOAD = Requirement(
    metric="throughput",
    bound=20.0,
    text="throughput >= 20/s (implied by load)",
    where=Span(file="intent.yaml", line=7, column=16),
    implied_by="load",
)


def loaded(make, *more, **fields):
    return make.intent("a", [OF_LOAD, *more], load=Load(rate_per_s=20.0), **fields)


def solve(make, intent, *options):
    return choose([intent], {"a": options}, make.fleet(), Limits())


def test_the_cheaper_option_that_cannot_keep_up_is_not_chosen(make):
    small = make.option("a/small", {"throughput": (4, 40, 50), "power": 1})
    large = make.option("a/large", {"throughput": (20, 60, 70), "power": 9})
    assert solve(make, loaded(make), small, large).chosen["a"] == large
    assert solve(make, loaded(make, risk="expected"), small, large).chosen["a"] == small


def test_infeasible_says_which_capacity_is_lacking_and_what_would_do(make):
    """7.4/s of three replicas at the pessimistic end: 20/s take 3 x 20 / 7.4 = 8.1 of them."""
    options = [
        make.option("a/1", {"throughput": (2.5, 10, 12), "power": 1}),
        make.option("a/3", {"throughput": (7.4, 30, 36), "power": 3}, replicas=3),
    ]
    conflict = solve(make, loaded(make, make.requirement("power", 5.0)), *options).conflict
    assert [(clause.id, clause.text, str(clause.where)) for clause in conflict.clauses] == [
        ("a/throughput", "throughput >= 20/s (implied by load)", "intent.yaml:7:16")
    ]
    assert [(item.clause, item.to, item.value) for item in conflict.relaxations] == [
        ("a/throughput", "rate 7.4/s", 7.4)
    ]
    assert conflict.notes == (
        "No option sustains the load of a. Nearest is 3 replicas of m on cpu, with 7.4/s at the pessimistic end "
        "(30/s expected); it would take at least 9 of them.",
    )


def test_a_load_that_something_else_keeps_small_is_told_with_it(make):
    strong = make.option("a/strong", {"throughput": 30, "power": 9})
    weak = make.option("a/weak", {"throughput": 8, "power": 1})
    conflict = solve(make, loaded(make, make.requirement("power", 5.0)), strong, weak).conflict
    assert [clause.id for clause in conflict.clauses] == ["a/throughput", "a/power"]
    assert {item.clause: item.to for item in conflict.relaxations} == {"a/throughput": "rate 8/s", "a/power": "9 W"}
    assert conflict.notes == ()


def test_latency_that_is_unknown_under_too_much_load_is_left_open(make):
    reason = "20 requests/s are more than 1 replica can sustain (9/s): the queue grows without end"
    option = make.option("a/1", {"throughput": (8, 9, 10)}, unknown={"latency.p99": reason})
    conflict = solve(make, loaded(make, make.requirement("latency.p99", 0.1), risk="expected"), option).conflict
    assert [clause.id for clause in conflict.clauses] == ["a/throughput"]
    assert conflict.relaxations == ()
    assert conflict.notes == (
        "No option sustains the load of a. Nearest is 1 replica of m on cpu, with 9/s; "
        "it would take at least 3 of them.",
        "Whether a smaller load keeps `latency.p99 <= 100 ms` shows when it is planned for.",
    )


@pytest.mark.parametrize(("value", "told"), [(22.0, "22/s"), (7.0, "7/s, and a load of no more")])
def test_a_bound_that_stands_for_the_load_does_not_give_without_it(make, value, told):
    intent = make.intent("a", {"throughput": 25.0}, load=Load(rate_per_s=20.0))
    conflict = solve(make, intent, make.option("a/1", {"throughput": value})).conflict
    assert [item.to for item in conflict.relaxations] == [told]


def test_an_unknown_capacity_keeps_no_load(make):
    conflict = solve(make, loaded(make), make.option("a/1", {"power": 1}, unknown={"throughput": "no peak"})).conflict
    assert [clause.id for clause in conflict.clauses] == ["a/throughput"]
    assert "no peak" in conflict.notes[0]


def test_only_what_can_be_measured_is_to_be_measured(make):
    """Not what has no end, no model without a file, and nothing on a machine that is only described; what is known of
    an accuracy may be written down."""
    wanted = make.intent("a", {"latency.p99": 0.1}, load=Load(rate_per_s=20.0))
    busy = make.option("a/1", {"throughput": 9}, unknown={"latency.p99": "the queue grows without end"})
    assert first_note(make, wanted, busy) == "every option of a is overloaded by 20 requests/s."
    unknown = make.option("a/1", {"throughput": 90}, unknown={"latency.p99": "no peak"})
    assert first_note(make, wanted, unknown).endswith("(no peak).")
    advice = "(no peak). To measure it, run: aios profile intent.yaml"
    assert first_note(make, wanted, unknown, address="local").endswith(advice)
    published = tuple(model.model_copy(update={"card": True}) for model in wanted.models)
    card = wanted.model_copy(update={"models": published})
    assert first_note(make, card, unknown, address="local").endswith("(no peak).")
    sharp = make.intent("a", {"accuracy.top1": 0.8}).model_copy(update={"models": published})
    assert "`declared: {accuracy: {top1: ...}}`" in first_note(make, sharp, make.option("a/1"))


def test_a_latency_without_end_is_no_matter_of_its_bound(make):
    """115 ms expected, without end at the pessimistic end: neither that bound nor the other one is what is wrong."""
    times = {"latency.ttft.p90": (0.05, 0.115, 3600.0), "latency.tpot.p90": (0.005, 0.01, 3600.0)}
    option = make.option("a/1", {"throughput": (21, 40, 50), **times})
    bounds = {"latency.ttft.p90": 0.07, "latency.tpot.p90": 0.006}
    conflict = solve(make, make.intent("a", bounds, load=Load(rate_per_s=20.0)), option).conflict
    (clause,) = conflict.clauses
    assert conflict.relaxations == ()
    assert conflict.notes == (
        f"At 20 requests/s every option of a may be overloaded, so that no bound on {clause.metric} is kept: a smaller "
        "load or more devices help, or `risk: expected`.",
    )


def first_note(make, intent, option, address=None):
    fleet = make.fleet()
    nodes = tuple(node.model_copy(update={"address": address}) for node in fleet.nodes)
    found = choose([intent], {"a": [option]}, fleet.model_copy(update={"nodes": nodes}), Limits())
    return found.conflict.notes[0]
