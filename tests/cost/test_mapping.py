"""Ranks on devices: against every placement of small cases, and never worse than taking devices in order."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.cost.mapping import map_traffic, weigh
from aios.records.errors import InputError
from aios.records.fabric import Domain, Edge, Fabric


def grid(rows, columns, bandwidth=1e9):
    names = [f"m/{number}" for number in range(rows * columns)]
    edges = []
    for number, name in enumerate(names):
        if number % columns + 1 < columns:
            edges.append(Edge(name, names[number + 1], bandwidth, 1e-6, None, "mesh"))
        if number + columns < len(names):
            edges.append(Edge(name, names[number + columns], bandwidth, 1e-6, None, "mesh"))
    domain = Domain("mesh", tuple(names), 2 * bandwidth, 1e-6, (rows, columns))
    return Fabric(devices=tuple(names), edges=tuple(edges), domains=(domain,))


def ring(ranks, size=1e6):
    return dict.fromkeys(zip(ranks, [*ranks[1:], ranks[0]], strict=True), size)


def test_what_a_mapping_costs_by_hand():
    """On a line 0 - 1 - 2, rank 0 sends 3 bytes to rank 1 and 5 to rank 2; rank 2 sends 7 to rank 0."""
    line = grid(1, 3, bandwidth=1.0)
    traffic = {(0, 1): 3.0, (0, 2): 5.0, (2, 0): 7.0, (1, 1): 100.0}
    straight = weigh(line, traffic, line.devices)
    assert (straight.hop_bytes, straight.busiest_s) == (3 * 1 + 5 * 2 + 7 * 2, 8.0)
    middle = weigh(line, traffic, ["m/1", "m/0", "m/2"])
    assert (middle.hop_bytes, middle.busiest_s) == (15, 7.0)


def test_a_shuffled_ring_becomes_a_ring_again():
    """A cycle exists in a 4 x 4 mesh, so every message needs one link and no link carries two."""
    ranks = [3, 14, 0, 9, 5, 12, 1, 7, 15, 2, 10, 4, 13, 8, 6, 11]
    found = map_traffic(grid(4, 4), ring(ranks), grid(4, 4).devices)
    assert (found.hop_bytes, found.busiest_s) == (16e6, 1e-3)
    assert sorted(found.devices) == sorted(grid(4, 4).devices)


@pytest.mark.parametrize(("rows", "columns", "group"), [(4, 4, 4), (4, 8, 8), (8, 8, 16), (6, 6, 6)])
def test_rings_of_neighbouring_ranks_each_get_a_cycle_of_their_own(rows, columns, group):
    """Both ways round, so that in order a row's link carries a ring twice each way, and in a box once."""
    mesh = grid(rows, columns)
    traffic = {}
    for first in range(0, rows * columns, group):
        members = list(range(first, first + group))
        traffic |= ring(members) | ring(members[::-1])
    found = map_traffic(mesh, traffic, mesh.devices)
    assert found.busiest_s == pytest.approx(1e-3)
    assert found.hop_bytes == pytest.approx(2 * rows * columns * 1e6)
    assert weigh(mesh, traffic, mesh.devices).busiest_s == pytest.approx(2e-3)


@pytest.mark.parametrize(
    "traffic",
    [
        ring(range(6)) | ring([0, 2, 4], 4e6),
        {(0, 5): 5e6, (1, 4): 4e6, (2, 3): 3e6},
        {(0, other): 1e6 for other in range(1, 6)},
        {(a, b): 1e6 for a in range(6) for b in range(6) if a != b},
    ],
)
def test_small_mappings_are_close_to_the_best_of_all(traffic):
    mesh = grid(2, 3)
    best = min(weigh(mesh, traffic, list(order)).busiest_s for order in permutations(mesh.devices))
    assert map_traffic(mesh, traffic, mesh.devices).busiest_s <= 1.26 * best


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 8), st.integers(0, 8)), st.floats(1, 1e9, allow_nan=False), min_size=1, max_size=30
    )
)
def test_never_worse_than_in_order_and_always_the_same(traffic):
    mesh = grid(3, 3)
    found = map_traffic(mesh, traffic, mesh.devices)
    ranks = 1 + max(rank for pair in traffic for rank in pair)
    assert len(set(found.devices)) == len(found.devices) == ranks
    assert found.busiest_s <= weigh(mesh, traffic, mesh.devices[:ranks]).busiest_s * (1 + 1e-9)
    assert found == map_traffic(mesh, dict(sorted(traffic.items())), mesh.devices)


def test_fast_links_carry_what_is_said_most():
    """Two islands of two devices behind switches that a slow link joins: partners share an island."""
    names = ["a/0", "b/0", "a/1", "b/1"]
    edges = [Edge(name, f"{name[0]}#nv", 100e9, 1e-6, None, "nv") for name in names]
    edges.append(Edge("a#nv", "b#nv", 1e9, 1e-6, None, "net"))
    fabric = Fabric(devices=tuple(names), edges=tuple(edges))
    found = map_traffic(fabric, {(0, 1): 1e9, (2, 3): 1e9, (0, 2): 1e6}, names)
    assert found.devices[0][0] == found.devices[1][0] != found.devices[2][0] == found.devices[3][0]


def test_more_ranks_than_devices_and_devices_that_nothing_joins_are_refused():
    mesh = grid(2, 2)
    with pytest.raises(InputError, match="5 ranks cannot be mapped to 4 devices"):
        map_traffic(mesh, {(0, 4): 1.0}, mesh.devices)
    apart = Fabric(devices=("a/0", "b/0"), edges=())
    with pytest.raises(InputError, match="nothing of known bandwidth joins"):
        map_traffic(apart, {(0, 1): 1.0}, apart.devices)
    assert map_traffic(mesh, {}, mesh.devices) == ((), 0.0, 0.0)
