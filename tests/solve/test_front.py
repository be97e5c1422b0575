"""The Pareto front equals a brute force over options and placements; its ends, ties, gaps and limits."""

import math

import brute_force
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.check import audit
from aios.records.base import Span
from aios.records.metrics import metric
from aios.records.objective import Budget
from aios.records.selection import Selection, Termination
from aios.records.where import PlacementRules, Spread
from aios.solve import Limits
from aios.solve.front import front, with_plan

RANDOM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = ("power", "latency.p99", "accuracy.top1", "throughput")
"""Sums and worst values, in which small is good and in which large is."""


def totals(plan, names):
    """What a plan comes to, by the meaning of the metrics and nothing else."""
    found = []
    for name in names:
        values = [priced.estimates[name].value for priced in plan]
        found.append({"sum": math.fsum, "max": max, "min": min}[metric(name).total](values))
    return tuple(found)


def beats(one, other, names):
    signed = [(a, b) if metric(n).better == "lower" else (-a, -b) for a, b, n in zip(one, other, names, strict=True)]
    return all(a <= b for a, b in signed) and any(a < b for a, b in signed)


def best_of(vectors, names):
    return {v for v in vectors if not any(beats(other, v, names) for other in vectors)}


def brute_front(intents, options, fleet, names):
    known = {name: [p for p in row if all(n in p.estimates for n in names)] for name, row in options.items()}
    return best_of({totals(plan, names) for plan in brute_force.plans(intents, known, fleet)}, names)


def shown(found):
    return {tuple(value.value for value in point.values) for point in found.points}


@st.composite
def problems(draw, make):
    """Up to three intents whose options have few different values, on nodes that may be too small."""
    names = tuple(draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True)))
    nodes = [make.node(f"n{k}", {"cpu": 1}, cores=draw(st.integers(1, 4))) for k in range(draw(st.integers(1, 2)))]
    intents, options = [], {}
    for name in "abc"[: draw(st.integers(1, 3))]:
        intents.append(make.intent(name, draw(st.sampled_from([{}, {names[0]: 0.75}]))))
        options[name] = [
            make.option(
                f"{name}/{k}",
                {metric_name: draw(st.integers(1, 7)) / 8 for metric_name in names},
                nodes=tuple(n.name for n in nodes),
                cores=draw(st.integers(0, 3)),
                replicas=draw(st.integers(1, 2)),
            )
            for k in range(draw(st.integers(1, 5)))
        ]
    return intents, options, make.fleet(*nodes), names


@RANDOM
@given(data=st.data())
def test_equals_brute_force(make, data):
    intents, options, fleet, names = data.draw(problems(make))
    found = front(intents, options, fleet, names, Limits(), 200)
    assert shown(found) == brute_front(intents, options, fleet, names)
    assert found.stopped == "all"
    assert found.total == len(found.points) == len(shown(found))
    assert all(point.proved for point in found.points)


@RANDOM
@given(data=st.data(), names=st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True))
def test_equals_brute_force_with_all_kinds_of_devices_and_gaps(make, data, names):
    intents, options, fleet = data.draw(make.instances())
    found = front(intents, options, fleet, names, Limits(), 200)
    known = [intent for intent in intents if any(all(n in p.estimates for n in names) for p in options[intent.name])]
    expected = brute_front(intents, options, fleet, names) if known == intents else set()
    assert shown(found) == expected


@RANDOM
@given(data=st.data())
def test_every_point_passes_the_checker_and_comes_to_its_values(make, data):
    intents, options, fleet, names = data.draw(problems(make))
    end = Termination(stopped="limit", found=True, seed=0, workers=1, deterministic_limit=1.0, version="none")
    for point in front(intents, options, fleet, names, Limits(), 200).points:
        selection = Selection(status="feasible", chosen=point.chosen, placement=point.placement, termination=end)
        ledger = audit(intents, selection, fleet)
        assert [row for row in ledger.rows if not row.holds and not row.clause.id.startswith("objective/")] == []
        assert tuple(value.value for value in point.values) == totals(point.chosen.values(), names)


@RANDOM
@given(data=st.data())
def test_the_order_of_the_input_never_matters(make, data):
    intents, options, fleet, names = data.draw(problems(make))
    other = data.draw(st.permutations(intents))
    shuffled = {name: data.draw(st.permutations(options[name])) for name in reversed(options)}
    assert front(other, shuffled, fleet, names, Limits(), 5) == front(intents, options, fleet, names, Limits(), 5)


@RANDOM
@given(data=st.data())
def test_fewer_points_are_still_on_the_front_and_it_is_said(make, data):
    intents, options, fleet, names = data.draw(problems(make))
    whole = brute_front(intents, options, fleet, names)
    found = front(intents, options, fleet, names, Limits(), 4)
    assert shown(found) <= whole
    assert len(found.points) == min(4, len(whole))
    assert found.stopped == ("all" if len(whole) <= 4 else "enough")


def trade(make, count, **more):
    """Options of which each draws less power and takes longer than the one before."""
    return [
        make.option(f"a/{k:03}", {"power": float(count - k), "latency.p99": (k + 1) / 1000}, **more)
        for k in range(count)
    ]


def test_points_come_from_the_best_in_the_first_metric_to_the_worst(make):
    found = front([make.intent("a")], {"a": trade(make, 9)}, make.fleet(), ("latency.p99", "power"), Limits(), 50)
    assert [point.values[0].value for point in found.points] == [k / 1000 for k in range(1, 10)]


def test_of_a_larger_front_the_ends_and_points_all_over_it_are_shown(make):
    found = front([make.intent("a")], {"a": trade(make, 101)}, make.fleet(), ("power", "latency.p99"), Limits(), 5)
    assert [point.values[0].value for point in found.points] == [1, 26, 51, 76, 101]
    assert (found.total, found.stopped) == (101, "enough")


def test_options_that_come_to_the_same_are_one_point(make):
    rows = [
        make.option("a/big", {"power": 2.0, "latency.p99": 0.1}, cores=4),
        make.option("a/small", {"power": 2.0, "latency.p99": 0.1}, cores=1),
        make.option("a/too-big", {"power": 2.0, "latency.p99": 0.1}, cores=9),
        make.option("a/worse", {"power": 2.0, "latency.p99": 0.2}, cores=1),
    ]
    (point,) = front([make.intent("a")], {"a": rows}, make.fleet(), ("power", "latency.p99"), Limits(), 50).points
    assert point.chosen["a"].candidate.id == "a/small"
    assert point.alike == ("a/big",)


def test_differences_of_rounding_make_no_points(make):
    rows = [
        make.option("a/one", {"power": 0.1 + 0.2, "latency.p99": 0.1}),
        make.option("a/two", {"power": 0.3, "latency.p99": 0.1 + 1e-17}),
        make.option("a/far", {"power": 0.2, "latency.p99": 0.2}),
    ]
    found = front([make.intent("a")], {"a": rows}, make.fleet(), ("power", "latency.p99"), Limits(), 50)
    assert [point.chosen["a"].candidate.id for point in found.points] == ["a/far", "a/one"]


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_no_points_where_nothing_fits(make, names):
    rows = {name: [make.option(f"{name}/1", {"power": 1.0, "latency.p99": 0.1}, cores=9)] for name in names}
    found = front([make.intent(n) for n in names], rows, make.fleet(), ("power", "latency.p99"), Limits(), 50)
    assert (found.points, found.total, found.stopped, found.knee) == ((), 0, "all", None)


def test_together_fewer_cores_leave_fewer_points(make):
    """Each intent is quick with 3 cores or slow with 1, and 4 cores are there for both: (q, s), (s, q) or (s, s)."""
    rows = {
        name: [
            make.option(f"{name}/quick", {"power": power, "latency.p99": 0.1}, cores=3),
            make.option(f"{name}/slow", {"power": 1.0, "latency.p99": 0.1 + late}, cores=1),
        ]
        for name, power, late in (("a", 4.0, 0.2), ("b", 3.0, 0.3))
    }
    intents = [make.intent("a"), make.intent("b")]
    found = front(intents, rows, make.fleet(make.node(cores=4)), ("power", "latency.p99"), Limits(), 50)
    assert [[value.value for value in point.values] for point in found.points] == [
        pytest.approx([2.0, 0.4]),
        pytest.approx([4.0, 0.3]),
    ]
    assert {name: option.id for name, option in ((n, o.candidate) for n, o in found.points[1].chosen.items())} == {
        "a": "a/slow",
        "b": "b/quick",
    }


def test_intervals_add_up_as_the_metric_says(make):
    rows = {
        "a": [make.option("a/1", {"power": (1.0, 2.0, 4.0), "latency.p99": (0.1, 0.2, 0.9)})],
        "b": [make.option("b/1", {"power": (2.0, 3.0, 5.0), "latency.p99": (0.15, 0.3, 0.4)})],
    }
    names = ("power", "latency.p99")
    (point,) = front([make.intent("a"), make.intent("b")], rows, make.fleet(), names, Limits(), 50).points
    assert point.values == ((5.0, 3.0, 9.0), (0.3, 0.15, 0.9))


def test_what_nobody_knows_is_on_no_front_and_counted(make):
    rows = [
        make.option("a/known", {"power": 3.0, "latency.p99": 0.1}),
        make.option("a/1", {"power": 1.0}, unknown={"latency.p99": "nobody measured it"}),
        make.option("a/2", {"power": 1.0}, unknown={"latency.p99": "nobody measured it"}),
        make.option("a/3", {"power": 1.0}, unknown={"latency.p99": "no model"}),
        make.option("a/4", {"power": 1.0, "latency.p99": 3600.0}),
        make.option("a/out", {"power": 9.0}),
    ]
    intents = [make.intent("a", {"power": 5.0})]
    found = front(intents, {"a": rows}, make.fleet(), ("power", "latency.p99"), Limits(), 50)
    assert [point.chosen["a"].candidate.id for point in found.points] == ["a/known"]
    (missing,) = found.missing
    assert missing == ("a", "latency.p99", 4, 5, "nobody measured it")


@RANDOM
@given(data=st.data(), bound=st.integers(1, 14))
def test_budgets_of_all_together_are_kept(make, data, bound):
    intents, options, fleet, names = data.draw(problems(make))
    for name in options:
        options[name] = [
            option.model_copy(
                update={"estimates": {**option.estimates, "cost": make.estimate("cost", data.draw(st.integers(1, 7)))}}
            )
            for option in options[name]
        ]
    where = Span(file="goals.yaml", line=1, column=1)
    budget = Budget(metric="cost", bound=bound, text=f"cost <= {bound} USD/h", where=where)
    found = front(intents, options, fleet, names, Limits(), 200, (budget,))
    within = [
        plan
        for plan in brute_force.plans(intents, options, fleet)
        if sum(priced.estimates["cost"].high for priced in plan) <= bound
    ]
    assert shown(found) == best_of({totals(plan, names) for plan in within}, names)


def test_replicas_kept_apart_need_as_many_machines(make):
    """Four replicas draw least but do not fit on three machines one by one, two do."""
    rows = [
        make.option("a/4", {"power": 1.0, "latency.p99": 0.2}, replicas=4, nodes=("n",)),
        make.option("a/2", {"power": 2.0, "latency.p99": 0.1}, replicas=2, nodes=("n",)),
    ]
    fleet = make.fleet(make.node("n", count=3, cores=8))
    over = ("power", "latency.p99")
    apart = PlacementRules(spread=(Spread(over="node", most=1),))
    free, kept = make.intent("a"), make.intent("a", placement=apart)
    assert [len(front([intent], {"a": rows}, fleet, over, Limits(), 50).points) for intent in (free, kept)] == [2, 1]


def test_the_solvers_limit_is_said_and_nothing_is_called_proved_that_is_not(make):
    intents, rows, fleet = make.hard(6, 20)
    found = front(intents, rows, fleet, ("power", "latency.p99"), Limits(deterministic_limit=0.02), 50)
    assert found.stopped == "limit"
    assert found.total is None
    better = front(intents, rows, fleet, ("power", "latency.p99"), Limits(), 50)
    assert better.stopped == "all"
    assert {point.values for point in found.points if point.proved} <= {point.values for point in better.points}


def test_where_the_limit_came_the_plan_is_among_the_points(make):
    intents, rows, fleet = make.hard(6, 20)
    names = ("power", "latency.p99")
    whole = front(intents, rows, fleet, names, Limits(), 50)
    short = front(intents, rows, fleet, names, Limits(deterministic_limit=0.0), 50)
    assert (short.points, short.stopped) == ((), "limit")
    for point in whole.points:
        found = with_plan(short, names, point.chosen, point.placement)
        assert [(item.values, item.proved) for item in found.points] == [(point.values, False)]
    best, other = whole.points[0], whole.points[-1]
    both = with_plan(with_plan(short, names, other.chosen, other.placement), names, best.chosen, best.placement)
    assert [item.values for item in both.points] == [best.values, other.values]
    beaten = {name: max(rows[name], key=lambda row: row.estimates["power"].value) for name in rows}
    worse = with_plan(short, names, beaten, {})
    assert [item.values for item in with_plan(worse, names, best.chosen, best.placement).points] in (
        [best.values],
        [best.values, worse.points[0].values],
    )
    assert with_plan(whole, names, beaten, {}) is whole


def test_of_a_joint_front_too_large_to_show_the_ends_are_shown(make):
    intents, rows, fleet = make.hard(6, 20)
    names = ("power", "latency.p99")
    whole = front(intents, rows, fleet, names, Limits(), 200)
    part = front(intents, rows, fleet, names, Limits(), 4)
    assert whole.stopped == "all"
    assert (len(part.points), part.stopped, part.total) == (4, "enough", None)
    assert shown(part) < shown(whole)
    assert (part.points[0].values, part.points[-1].values) == (whole.points[0].values, whole.points[-1].values)
