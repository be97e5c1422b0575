"""On small random cases the fleet that is sized equals a brute force over all fleets, options and placements."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import brute_force
import pytest
import ruled_instances
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.objective import Budget
from aios.solve import Limits
from aios.solve.sizing import (
    Demand,
    Place,
    Problem,
    Shape,
    Sized,
    Standing,
    Wanted,
    Way,
    bought,
    kept,
    problem_of,
    size,
    standable,
    undominated,
    watched,
)

RANDOM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
UNITS = 1000


def nothing(_priced: Priced) -> float:
    return 0.0


def power(priced: Priced) -> float:
    return priced.estimates["power"].value if "power" in priced.estimates else 50.0


def sized(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    prices: Sequence[float],
    most: int,
    added=nothing,
    amounts: Mapping[str, int] | None = None,
    covers: Mapping[str, Sequence[int]] | None = None,
    equals: int = 0,
    budgets: Sequence[Budget] = (),
) -> Sized:
    """Size the shapes that are the nodes of ``fleet``. covers: pieces that each option serves, of ``amounts``"""
    wanted, watch = [], watched(intents, fleet, budgets)
    for intent in intents:
        rows = options[intent.name]
        pieces = dict(
            zip((row.candidate.id for row in rows), (covers or {}).get(intent.name, [1] * len(rows)), strict=True)
        )
        able = standable(kept(intent, rows), fleet)
        own = [pieces[row.candidate.id] for row in able]
        left = undominated(intent, able, own, added, watch)
        amount = (amounts or {}).get(intent.name, 1)
        wanted.append(Wanted(intent, amount, [able[k] for k in left], [own[k] for k in left]))
    problem = problem_of(wanted, fleet, prices, added, most, budgets=budgets)
    return size(problem, Limits(), Standing(wanted, fleet, Limits(), budgets), equals)


def fleets(fleet: Fleet, most: int) -> Iterator[tuple[int, ...]]:
    """Yield every number of machines of each node."""
    for counts in itertools.product(*(range(node.count + 1) for node in fleet.nodes)):
        if sum(counts) <= most:
            yield counts


def least(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    prices: Sequence[float],
    most: int,
    added=nothing,
    plans=brute_force.plans,
) -> float | None:
    """Return what the best fleet comes to, by trying all of them; None where none holds everything."""
    found = []
    for counts in fleets(fleet, most):
        own = bought(fleet, counts)
        there = {node.name for node in own.nodes}
        able = {name: [row for row in rows if there & set(row.candidate.nodes)] for name, rows in options.items()}
        machines = math.fsum(price * count for price, count in zip(prices, counts, strict=True))
        found += [machines + math.fsum(map(added, plan)) for plan in plans(intents, able, own)]
    return min(found, default=None)


def test_intents_that_take_the_same_share_a_machine(make):
    options = {name: [make.option(f"{name}/0", {}, device="gpu", nodes=("n",), share=0.1)] for name in "ab"}
    found = sized([make.intent(name) for name in "ab"], options, make.fleet(make.node("n", {"gpu": 1})), [0.7], 2)
    assert (found.status, found.machines, found.figure) == ("optimal", (1,), pytest.approx(0.7))


@pytest.mark.parametrize("added", [nothing, power])
@RANDOM
@given(data=st.data())
def test_sizing_equals_brute_force(make, added, data):
    intents, options, fleet = data.draw(make.instances())
    prices = [data.draw(st.sampled_from([0.7, 1.01, 2.8, 3.0])) for _ in fleet.nodes]
    most = data.draw(st.integers(1, 4))
    found = sized(intents, options, fleet, prices, most, added)
    expected = least(intents, options, fleet, prices, most, added)
    assert found.status == ("infeasible" if expected is None else "optimal")
    if expected is not None:
        assert found.figure == pytest.approx(expected, rel=1e-9)
        assert found.bound == found.figure
        assert sum(found.machines) <= most
        assert all(count <= node.count for count, node in zip(found.machines, fleet.nodes, strict=True))


@pytest.mark.parametrize("added", [nothing, power])
@RANDOM
@given(data=st.data())
def test_sizing_under_rules_caps_and_budgets_equals_brute_force(added, data):
    intents, options, fleet, budgets = data.draw(ruled_instances.instances())
    nodes = [node.model_copy(update={"count": data.draw(st.integers(1, 3))}) for node in fleet.nodes]
    fleet = fleet.model_copy(update={"nodes": tuple(nodes)})
    prices = [data.draw(st.sampled_from([0.7, 1.01, 3.0])) for _ in fleet.nodes]
    most = data.draw(st.integers(2, 4))
    found = sized(intents, options, fleet, prices, most, added, budgets=budgets)
    plans = partial(ruled_instances.plans, budgets=budgets)
    expected = least(intents, options, fleet, prices, most, added, plans)
    assert found.status == ("infeasible" if expected is None else "optimal")
    if expected is not None:
        assert found.figure == found.bound == pytest.approx(expected, rel=1e-9)


@RANDOM
@given(data=st.data())
def test_the_order_of_shapes_options_and_intents_changes_nothing(make, data):
    intents, options, fleet = data.draw(make.instances())
    prices = dict(zip((node.name for node in fleet.nodes), (1.5, 2.5), strict=False))
    turned = fleet.model_copy(update={"nodes": fleet.nodes[::-1]})
    one = sized(intents, options, fleet, [prices[node.name] for node in fleet.nodes], 4)
    other = sized(
        intents[::-1],
        {name: rows[::-1] for name, rows in options.items()},
        turned,
        [prices[node.name] for node in turned.nodes],
        4,
    )
    assert (one.status, one.figure) == (other.status, other.figure)


def test_shares_that_do_not_go_together_take_machines_of_their_own(make):
    """Five replicas of 0.6 of a device are three devices by what they take, and five by where they stand."""
    fleet = make.fleet(make.node("gpus", {"gpu": 2}, count=9))
    options = {"a": [make.option("a/1", {"power": 1.0}, device="gpu", nodes=("gpus",), replicas=5, share=0.6)]}
    found = sized([make.intent("a")], options, fleet, [2.0], 9)
    assert (found.status, found.machines, found.figure, found.bound) == ("optimal", (3,), 6.0, 6.0)


def test_what_only_placement_shows_is_found_by_looking(make):
    """Machines of 6 cores: 4 + 2 and 3 + 3 stand on two; 4 + 4 + 4, which are two machines when pooled, on three."""
    fleet = make.fleet(make.node("box", {"cpu": 1}, cores=6, count=9))

    def needing(*cores: int) -> Sized:
        names = [f"i{k}" for k in range(len(cores))]
        options = {
            n: [make.option(f"{n}/1", {"power": 1.0}, nodes=("box",), cores=c)]
            for n, c in zip(names, cores, strict=True)
        }
        return sized([make.intent(n) for n in names], options, fleet, [1.0], 9)

    assert needing(4, 3, 3, 2).machines == (2,)
    assert needing(4, 4, 4).machines == (3,)
    assert needing(5, 5, 1, 1).machines == (2,)
    assert needing(4, 4, 2, 2, 3, 3).machines == (3,)


def test_a_machine_of_another_shape_that_helps_nothing_is_never_bought(make):
    """Cheap machines that no option may use leave the answer, and its proof, as they are."""
    dear = make.node("dear", {"gpu": 1}, count=9)
    cheap = [make.node(f"cheap{k}", {"cpu": 1}, count=9) for k in range(5)]
    fleet = make.fleet(dear, *cheap)
    rows = [make.option("a/1", {"power": 1.0}, device="gpu", nodes=("dear",), replicas=3, share=0.4)]
    found = sized([make.intent("a")], {"a": rows}, fleet, [10.0, *[0.01] * 5], 40)
    assert (found.status, found.machines, found.figure) == ("optimal", (2, 0, 0, 0, 0, 0), 20.0)


def test_equally_good_fleets_are_told(make):
    """Four devices at 0.7 each: on one machine of four, or on more machines of fewer."""
    nodes = [make.node(f"x{n}", {"gpu": n}, count=9) for n in (1, 2, 4)]
    fleet = make.fleet(*nodes)
    rows = [make.option("a/1", {"power": 1.0}, device="gpu", nodes=("x1", "x2", "x4"), replicas=4, share=1.0)]
    found = sized([make.intent("a")], {"a": rows}, fleet, [0.7, 1.4, 2.8], 9, equals=8)
    assert (found.machines, found.figure) == ((0, 0, 1), 2.8)
    assert list(found.equal) == [(0, 2, 0), (2, 1, 0), (4, 0, 0)]


def test_a_split_load_takes_a_small_device_beside_a_large_one(make):
    """Three pieces: a large device serves two, a small one serves one; 2 + 1 costs less than two large ones."""
    fleet = make.fleet(make.node("large", {"big": 1}, count=3), make.node("small", {"little": 1}, count=3))
    rows = [
        make.option("a/big2", {"power": 1.0}, device="big", nodes=("large",), share=1.0),
        make.option("a/big3", {"power": 1.0}, device="big", nodes=("large",), share=1.0, replicas=2),
        make.option("a/little1", {"power": 1.0}, device="little", nodes=("small",), share=1.0),
    ]
    whole = sized([make.intent("a")], {"a": rows}, fleet, [3.0, 1.0], 9, amounts={"a": 3}, covers={"a": [3, 3, 3]})
    assert whole.figure == 1.0
    found = sized([make.intent("a")], {"a": rows}, fleet, [3.0, 1.0], 9, amounts={"a": 3}, covers={"a": [2, 3, 1]})
    assert (found.status, found.machines, found.figure) == ("optimal", (1, 1), 4.0)
    assert sorted(found.taken) == [(0, 0), (0, 2)]


def test_a_search_without_work_left_says_so(make):
    fleet = make.fleet(make.node("box", {"cpu": 1}, cores=6, count=9))
    rows = [make.option("a/1", {"power": 1.0}, nodes=("box",), cores=4, replicas=3)]
    wanted = [Wanted(make.intent("a"), 1, rows, [1])]
    found = size(problem_of(wanted, fleet, [1.0], nothing, 9), Limits(deterministic_limit=0.0))
    assert found.status == "unknown"


def test_what_cannot_be_looked_at_is_no_proof(make):
    """Where nobody finds out what stands, the bound is all that is known."""
    fleet = make.fleet(make.node("box", {"cpu": 1}, cores=6, count=9))
    rows = [make.option("a/1", {"power": 1.0}, nodes=("box",), cores=4, replicas=3)]
    wanted = [Wanted(make.intent("a"), 1, rows, [1])]
    blind = Standing(wanted, fleet, Limits(deterministic_limit=0.0))
    found = size(problem_of(wanted, fleet, [1.0], nothing, 9), Limits(), blind)
    assert (found.status, found.bound) == ("unknown", 3.0)


# Requests in buckets of several sizes, on GPUs whose time is all that they have.


def shared(costs: Sequence[float], loads: Sequence[Sequence[int]], slices: int) -> Problem:
    """loads: of a slice of each bucket, on each type; 0 where it cannot run there."""
    footprints: list[tuple[Place, ...]] = []
    demands = []
    for number, row in enumerate(loads):
        ways = []
        for gpu, load in enumerate(row):
            if load:
                ways.append(Way(1, 0.0, 1, len(footprints), slices))
                footprints.append((Place(gpu, ((0, load),)),))
        demands.append(Demand(f"bucket {number}", slices, tuple(ways)))
    return Problem([Shape(f"gpu{k}", 60, cost, (UNITS,)) for k, cost in enumerate(costs)], footprints, demands, 200)


@RANDOM
@given(data=st.data())
def test_buckets_on_gpus_equal_brute_force(data):
    types = data.draw(st.integers(1, 3))
    slices = data.draw(st.integers(1, 2))
    load = st.one_of(st.integers(1, 3 * UNITS), st.just(0))
    loads = data.draw(
        st.lists(
            st.lists(load, min_size=types, max_size=types).filter(any), min_size=1, max_size=3 if slices > 1 else 5
        )
    )
    costs = [data.draw(st.sampled_from([0.7, 1.01, 1.4, 3.67])) for _ in range(types)]
    found = size(shared(costs, loads, slices), Limits())
    best = math.inf
    for where in itertools.product(*[[k for k in range(types) if row[k]] for row in loads for _ in range(slices)]):
        taken = [0] * types
        for number, gpu in enumerate(where):
            taken[gpu] += loads[number // slices][gpu]
        best = min(best, math.fsum(cost * -(-units // UNITS) for cost, units in zip(costs, taken, strict=True)))
    assert found.status == "optimal"
    assert found.figure == pytest.approx(best, rel=1e-12)


def test_nothing_that_runs_nowhere_is_sized():
    assert size(shared([1.0, 2.0], [[0, 0], [1, 1]], 1), Limits()).status == "infeasible"


def test_figures_that_are_no_decimals_keep_their_order():
    """Thirds of a dollar, and a price a billion times another one."""
    found = size(shared([1 / 3, 2 / 3], [[UNITS, UNITS], [UNITS, UNITS]], 1), Limits())
    assert (found.machines, found.figure) == ((2, 0), pytest.approx(2 / 3, rel=1e-9))
    found = size(shared([1e-6, 1e3], [[3 * UNITS, UNITS]], 1), Limits())
    assert (found.machines, found.figure) == ((3, 0), pytest.approx(3e-6, rel=1e-2))
