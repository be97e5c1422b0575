"""The order of goals, hand-worked."""

from __future__ import annotations

from aios.solve import Limits, choose


def rows(selection):
    return [(row.goal, row.value, row.bound, row.gap) for row in selection.objective]


def ids(selection):
    return [priced.candidate.id for priced in selection.chosen.values()]


def test_equal_goals_are_summed_and_unlike_ones_are_shares_of_the_best_alone(make):
    options = {
        "a": [make.option("a/1", {"power": 10}), make.option("a/2", {"power": 12})],
        "b": [make.option("b/1", {"throughput": 100}), make.option("b/2", {"throughput": 50})],
    }
    intents = [make.intent("a"), make.intent("b", goals=["maximize throughput"])]
    # Both may have their best: the shortfall is 0.
    found = choose(intents, options, make.fleet(), Limits())
    assert rows(found) == [
        ("a: minimize power", 10, 10, 0),
        ("b: maximize throughput", 100, 100, 0),
        ("minimize shortfall from the best alone: a: minimize power; b: maximize throughput", 0, 0, 0),
    ]


def test_unlike_goals_that_exclude_each_other(make):
    """One core each; the best for one leaves nothing better for the other. 20 % is given up rather than 50 %."""
    options = {
        "a": [make.option("a/1", {"power": 10}, cores=2), make.option("a/2", {"power": 12}, cores=1)],
        "b": [make.option("b/1", {"throughput": 100}, cores=2), make.option("b/2", {"throughput": 50}, cores=1)],
    }
    intents = [make.intent("a"), make.intent("b", goals=["maximize throughput"])]
    found = choose(intents, options, make.fleet(make.node(cores=3)), Limits())
    assert ids(found) == ["a/2", "b/1"]
    assert [(goal.partition(":")[0], value, bound) for goal, value, bound, _ in rows(found)] == [
        ("a", 12, 10),
        ("b", 100, 100),
        ("minimize shortfall from the best alone", 0.2, 0.2),
    ]
    assert [round(row.gap, 6) for row in found.objective] == [round(2 / 12, 6), 0, 0]


def test_priority_comes_before_the_number_of_intents(make):
    options = {
        name: [make.option(f"{name}/1", {"power": 1}, cores=2), make.option(f"{name}/2", {"power": 9}, cores=1)]
        for name in ("a", "b", "c")
    }
    intents = [make.intent("a", priority=1), make.intent("b"), make.intent("c")]
    found = choose(intents, options, make.fleet(make.node(cores=4)), Limits())
    assert ids(found) == ["a/1", "b/2", "c/2"]
    assert rows(found) == [("a: minimize power", 1, 1, 0), ("b, c: minimize power", 18, 18, 0)]


def test_the_second_goal_decides_among_equals_and_within_the_tolerance(make):
    options = [
        make.option("a/1", {"power": 10.0, "latency.p99": 0.3}),
        make.option("a/2", {"power": 10.0, "latency.p99": 0.2}),
        make.option("a/3", {"power": 10.9, "latency.p99": 0.1}),
        make.option("a/4", {"power": 11.1, "latency.p99": 0.05}),
    ]
    goals = ["minimize power", "minimize latency.p99"]
    strict = choose([make.intent("a", goals=goals)], {"a": options}, make.fleet(), Limits())
    assert ids(strict) == ["a/2"]
    goals = ["minimize power within 0.1", "minimize latency.p99"]
    loose = choose([make.intent("a", goals=goals)], {"a": options}, make.fleet(), Limits())
    assert ids(loose) == ["a/3"]
    assert [row[:3] for row in rows(loose)] == [
        ("minimize power within 10 %", 10.9, 10.0),
        ("minimize latency.p99", 0.1, 0.1),
    ]


def test_unknown_is_worse_than_any_known_value_and_visible(make):
    known, unknown = make.option("a/known", {"power": 1e6}), make.option("a/unknown")
    found = choose([make.intent("a")], {"a": [known, unknown]}, make.fleet(), Limits())
    assert ids(found) == ["a/known"]
    found = choose([make.intent("a")], {"a": [unknown]}, make.fleet(), Limits())
    assert rows(found) == [("a: minimize unknown power", 1, 1, 0)]


def test_ties_go_to_fewest_cores_then_least_share_then_first_id(make):
    options = [
        make.option("a/1", {"power": 1}, cores=2, share=0.1),
        make.option("a/2", {"power": 1}, cores=1, share=0.3),
        make.option("a/4", {"power": 1}, cores=1, share=0.2),
        make.option("a/3", {"power": 1}, cores=1, share=0.2),
    ]
    assert ids(choose([make.intent("a")], {"a": options}, make.fleet(), Limits())) == ["a/3"]


def test_close_values_are_told_apart(make):
    """A difference of a billionth of the largest figure counts."""
    options = [make.option("a/1", {"power": 1000.000001}), make.option("a/2", {"power": 1000.0})]
    options.append(make.option("a/3", {"power": 0.5}, device="gpu"))
    assert ids(choose([make.intent("a")], {"a": options}, make.fleet(), Limits())) == ["a/2"]


def test_values_of_excluded_options_do_not_coarsen_the_steps(make):
    options = [
        make.option("a/1", {"power": 1.0000001, "latency.p99": 0.1}),
        make.option("a/2", {"power": 1.0, "latency.p99": 0.1}),
        make.option("a/3", {"power": 1e12, "latency.p99": 9}),
    ]
    found = choose([make.intent("a", {"latency.p99": 1})], {"a": options}, make.fleet(), Limits())
    assert ids(found) == ["a/2"]
