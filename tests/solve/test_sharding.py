"""Splits of small graphs are the best there are, whatever the order they are told in; those of larger ones hold."""

from __future__ import annotations

import itertools
import math
import random  # noqa: TID251 -- seeded: which graphs are made

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.solve import Limits
from aios.solve.cpsat import Engine
from aios.solve.sharding import Device, Devices, Graph, Operator, Sharding, Unfit, loads, memories, shard

SEEDS = st.integers(0, 10**6)
EXACT = {"rel": 1e-6, "abs": 1e-12}


def sharded(graph: Graph, *, contiguous: bool = False, allowance: float = 6.0) -> Sharding | Unfit:
    return shard(graph, Engine(Limits(deterministic_limit=allowance)), contiguous=contiguous)


def random_graph(seed: int) -> Graph:
    """Return at most six operators over two or three devices of one or two kinds."""
    draw = random.Random(seed)
    count = draw.randint(1, 6)
    kinds = (Devices(2, draw.choice([None, 8, 14]), True), Devices(draw.randint(0, 1), None, False))
    operators = tuple(
        Operator(
            seconds=(
                draw.choice([None, *[draw.randint(0, 9) / 8] * 5]),
                draw.choice([None, *[draw.randint(0, 40) / 8] * 5]),
            ),
            memory=draw.randint(0, 6),
            transfer=draw.choice([0.0, draw.randint(1, 8) / 16]),
            group=draw.choice([None, None, 0, 1]),
            backward=draw.random() < 0.2,
        )
        for _ in range(count)
    )
    edges = {(a, b) for a, b in itertools.combinations(range(count), 2) if draw.random() < 0.4}
    return Graph(operators, tuple(sorted(edges)), kinds)


def may_hold(graph: Graph, devices: tuple[Device, ...]) -> bool:
    """Say whether a split keeps memory and groups, and runs everything where it can."""
    if any(operator.seconds[kind] is None for operator, (kind, _) in zip(graph.operators, devices, strict=True)):
        return False
    groups: dict[int, set[Device]] = {}
    for operator, device in zip(graph.operators, devices, strict=True):
        if operator.group is not None:
            groups.setdefault(operator.group, set()).add(device)
    limits = [own.memory for own in graph.devices]
    over = any(
        limits[kind] is not None and taken > limits[kind] for (kind, _), taken in memories(graph, devices).items()
    )
    return not over and all(len(own) == 1 for own in groups.values())


def follow_each_other(graph: Graph, devices: tuple[Device, ...]) -> bool:
    """Say whether the parts can be put in an order that every forward edge keeps."""
    forward = [(a, b) for a, b in graph.edges if not graph.operators[a].backward and not graph.operators[b].backward]
    links = {(devices[a], devices[b]) for a, b in forward if devices[a] != devices[b]}
    orders = itertools.permutations(set(devices))
    return any(all(order.index(a) < order.index(b) for a, b in links) for order in orders)


def best_value(graph: Graph, *, contiguous: bool) -> float | None:
    """Return the smallest largest load of all splits, or None if there is none."""
    every = [(kind, index) for kind, own in enumerate(graph.devices) for index in range(own.number)]
    splits = itertools.product(every, repeat=len(graph.operators))
    kept = (s for s in splits if may_hold(graph, s) and (not contiguous or follow_each_other(graph, s)))
    return min((max(loads(graph, s).values()) for s in kept), default=None)


@pytest.mark.parametrize("contiguous", [True, False])
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_small_graphs_are_split_best(contiguous, seed):
    graph = random_graph(seed)
    answer, best = sharded(graph, contiguous=contiguous), best_value(graph, contiguous=contiguous)
    if best is None:
        assert answer == Unfit(proved=True)
        return
    assert isinstance(answer, Sharding)
    assert may_hold(graph, answer.devices)
    assert not contiguous or follow_each_other(graph, answer.devices)
    assert answer.value == max(loads(graph, answer.devices).values())
    assert answer.value == pytest.approx(best, **EXACT)
    assert answer.bound == pytest.approx(best, **EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_the_order_of_operators_changes_nothing(seed):
    graph, draw = random_graph(seed), random.Random(seed + 1)
    order = draw.sample(range(len(graph.operators)), len(graph.operators))
    place = {old: new for new, old in enumerate(order)}
    edges = [(place[a], place[b]) for a, b in graph.edges]
    shuffled = graph._replace(
        operators=tuple(graph.operators[old] for old in order), edges=tuple(draw.sample(edges, len(edges)))
    )
    one, other = sharded(graph), sharded(shuffled)
    if isinstance(one, Sharding) and isinstance(other, Sharding):
        assert (one.value, one.bound) == (other.value, other.bound)
    else:
        assert one == other


def chain(times: list[float], transfer: float, number: int) -> Graph:
    operators = tuple(Operator((time,), 1, transfer) for time in times)
    return Graph(operators, tuple(itertools.pairwise(range(len(times)))), (Devices(number, None, True),))


def test_a_load_is_computing_and_each_transfer_once():
    """Worked by hand: 0 feeds 1 and 2, which feed 3. On the first device 0 and 1, on the second 2 and 3: out of the
    first go what 0 gives to 2 and 1 to 3, and both go into the second."""
    operators = tuple(Operator((float(time), 10.0), 1, 0.25) for time in (1, 2, 3, 4))
    graph = Graph(operators, ((0, 1), (0, 2), (1, 3), (2, 3)), (Devices(2, None, True), Devices(1, None, False)))
    first, second, host = (0, 0), (0, 1), (1, 0)
    assert loads(graph, (first, first, second, second)) == {first: 1 + 2 + 0.5, second: 3 + 4 + 0.5}
    assert loads(graph, (first, second, second, first)) == {first: 1 + 4 + 0.75, second: 2 + 3 + 0.75}
    assert loads(graph, (first, host, host, host)) == {first: 1.25, host: 30.0}


def test_a_transfer_that_costs_more_than_it_saves_is_not_made():
    answer = sharded(chain([1.0, 1.0], transfer=1.5, number=2))
    assert isinstance(answer, Sharding)
    assert len(set(answer.devices)) == 1
    assert answer.value == 2.0
    assert answer.bound == pytest.approx(2.0, **EXACT)


def test_parts_that_need_not_follow_each_other_balance_better():
    graph = chain([3.0, 4.0, 3.0], transfer=0.25, number=2)
    follows, anything = sharded(graph, contiguous=True), sharded(graph)
    assert isinstance(follows, Sharding)
    assert isinstance(anything, Sharding)
    assert follows.value == follows.bound == 7.25
    assert anything.value == pytest.approx(6.5, **EXACT)
    assert anything.bound == pytest.approx(6.5, **EXACT)


def test_memory_decides_where_time_would_not():
    operators = tuple(Operator((1.0, 9.0), memory, 0.0) for memory in (6, 6, 6))
    graph = Graph(operators, (), (Devices(2, 10, True), Devices(1, None, False)))
    answer = sharded(graph)
    assert isinstance(answer, Sharding)
    assert answer.value == 9.0
    assert sharded(graph._replace(devices=(Devices(2, 10, True), Devices(0, None, False)))) == Unfit(proved=True)


def test_a_larger_graph_keeps_its_limits_and_comes_near_its_bound():
    draw = random.Random(7)
    count = 60
    operators = tuple(
        Operator(
            (draw.randint(1, 30) / 1000, draw.randint(50, 900) / 1000), draw.randint(1, 9), draw.randint(0, 4) / 1000
        )
        for _ in range(count)
    )
    edges = tuple((draw.randint(max(0, node - 6), node - 1), node) for node in range(1, count))
    graph = Graph(operators, edges, (Devices(4, 200, True), Devices(1, None, False)))
    for contiguous in (True, False):
        answer = sharded(graph, contiguous=contiguous, allowance=1.0)
        assert isinstance(answer, Sharding)
        assert may_hold(graph, answer.devices)
        assert answer.bound <= answer.value <= 1.1 * answer.bound
        assert answer == sharded(graph, contiguous=contiguous, allowance=1.0)


def test_nothing_to_split_and_nothing_to_split_it_over():
    assert sharded(Graph((), (), (Devices(1, None, True),))) == Sharding((), 0.0, 0.0)
    assert sharded(Graph((Operator((), 1, 0.0),), (), ())) == Unfit(proved=True)
    assert sharded(Graph((Operator((None,), 1, 0.0),), (), (Devices(1, None, True),))) == Unfit(proved=True)


@pytest.mark.parametrize(
    ("operator", "edges"),
    [
        (Operator((math.nan,), 1, 0.0), ()),
        (Operator((math.inf,), 1, 0.0), ()),
        (Operator((-1.0,), 1, 0.0), ()),
        (Operator((1.0,), -1, 0.0), ()),
        (Operator((1.0,), 1 << 61, 0.0), ()),
        (Operator((1.0, 1.0), 1, 0.0), ()),
        (Operator((1.0,), 1, 0.0), ((0, 1),)),
    ],
)
def test_numbers_that_are_none_are_refused(operator, edges):
    with pytest.raises(ValueError, match=r"number|edge|bytes"):
        sharded(Graph((operator,), edges, (Devices(1, None, True),)))
