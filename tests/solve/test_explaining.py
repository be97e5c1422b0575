"""What an infeasible selection says, hand-worked."""

from __future__ import annotations

import pytest

from aios.records.metrics import metric
from aios.records.units import Dimension, parse_quantity
from aios.solve import Limits, choose
from aios.solve.wording import instead, sufficient


def test_latency_against_accuracy(make):
    options = [
        make.option("a/small", {"latency.p99": 0.0081, "accuracy.top1": 0.951}),
        make.option("a/large", {"latency.p99": 0.01234, "accuracy.top1": 0.9789}),
    ]
    intent = make.intent("a", {"latency.p99": 0.010, "accuracy.top1": 0.97, "power": 5.0}, risk="expected")
    options = [
        make.option(o.candidate.id, {**{k: e.value for k, e in o.estimates.items()}, "power": 4}) for o in options
    ]
    conflict = choose([intent], {"a": options}, make.fleet(), Limits()).conflict
    assert [(c.text, str(c.where)) for c in conflict.clauses] == [
        ("latency.p99 <= 10 ms", "intent.yaml:9:5"),
        ("accuracy.top1 >= 97 %", "intent.yaml:10:5"),
    ]
    assert [(r.clause, r.to, r.value) for r in conflict.relaxations] == [
        ("a/latency.p99", "12.4 ms", 0.01234),
        ("a/accuracy.top1", "95.1 %", 0.951),
    ]
    assert conflict.notes == ()


def test_two_clauses_that_must_both_give(make):
    """Neither bound can be kept by the only option."""
    intent = make.intent("a", {"latency.p99": 0.01, "accuracy.top1": 0.97})
    option = make.option("a/1", {"latency.p99": 0.02, "accuracy.top1": 0.9})
    conflict = choose([intent], {"a": [option]}, make.fleet(), Limits()).conflict
    assert [c.text for c in conflict.clauses] == ["latency.p99 <= 10 ms"]
    assert conflict.relaxations == ()
    assert conflict.notes == (
        "Changing `latency.p99 <= 10 ms` alone is not enough: `accuracy.top1 >= 97 %` must give too.",
    )


def test_a_conflict_of_one_intent_leaves_the_others_out(make):
    fine, broken = make.intent("a", {"power": 5}), make.intent("b", {"power": 5})
    options = {"a": [make.option("a/1", {"power": 1})], "b": [make.option("b/1", {"power": 7})]}
    conflict = choose([fine, broken], options, make.fleet(), Limits()).conflict
    assert [c.id for c in conflict.clauses] == ["b/power"]
    assert [r.to for r in conflict.relaxations] == ["7 W"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("latency.p99", 0.01234, "12.4 ms"),
        ("latency.p99", 0.0124, "12.4 ms"),
        ("latency.p99", 0.00099999, "1 ms"),
        ("accuracy.top1", 0.96789, "96.78 %"),
        ("throughput", 123.9, "123/s"),
        ("power", 1234.0, "1.24 kW"),
        ("power", 3.1, "3.1 W"),
        ("memory", 1.5 * 2**30 + 1, "1.51 GiB"),
        ("energy", 0.0123401, "12.4 mJ"),
    ],
)
def test_text_is_rounded_to_where_it_suffices(name, value, text):
    of = metric(name)
    assert sufficient(value, of) == text
    read = parse_quantity(text, of.dimension)
    assert read >= value if of.relation == "<=" else read <= value


def test_bytes_are_rounded_up():
    text, value = instead(17 * 2**30 + 1, 16.0 * 2**30)
    assert text == "17.1 GiB instead of 16 GiB"
    assert value == 17 * 2**30 + 1
    assert parse_quantity(text.partition(" instead")[0], Dimension.BYTES) >= value
