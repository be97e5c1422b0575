"""Best-connected sets: against brute force, on machines as they are sold, and in large fleets."""

import time
from itertools import combinations, pairwise

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.fleet.topology.fabric import fabric_of
from aios.fleet.topology.grid import Grid
from aios.fleet.topology.representatives import accelerators, representatives
from aios.fleet.topology.sets import best_sets, connections, largest_set
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Interconnect, Link, Node, Topology

PCIE = Interconnect(kind="pcie4-x16", bandwidth_bytes_per_s=Fact(value=32e9, unit="B/s"))
TYPES = {
    "gpu": DeviceType(name="gpu", kind="gpu", interconnects=(PCIE,)),
    "bare": DeviceType(name="bare", kind="npu"),
    "cpu": DeviceType(name="cpu", kind="cpu"),
}


def level(name, kind, gigabytes=50, **more):
    rate = Fact(value=gigabytes * 1e9, unit="B/s")
    return Topology(name=name, kind=kind, bandwidth_bytes_per_s=rate, latency_s=Fact(value=1e-6, unit="s"), **more)


def node(name, devices, *topology, count=1, kind="gpu"):
    ids = tuple(str(number) for number in range(devices))
    return Node(name=name, count=count, devices=(DeviceSlot(type=kind, ids=ids),), topology=topology)


def fleet(*nodes, topology=(), links=()):
    return Fleet(name="f", nodes=nodes, types=TYPES, topology=topology, links=links, digest="sha256:0", origin="f")


def fabric(*nodes, **more):
    return fabric_of(fleet(*nodes, **more), {})


def numbers(found):
    return [int(device.split("/")[1]) for device in found.devices]


RACKS = level("rack", "switch", 12, group=2, between=level("spine", "switch", 12))
BOX = node("box", 16, level("hccs", "full", 28, group=8, between=level("pcie", "switch", 32)), kind="bare")


def test_an_island_before_pcie_before_the_network():
    machine = node("m", 8, level("nvlink", "switch", 450, group=4), count=4)
    found = {size: best_sets(fabric(machine, topology=(RACKS,)), size)[0] for size in (4, 8, 16, 32)}
    assert {size: (one.level, one.split, one.bandwidth) for size, one in found.items()} == {
        4: ("nvlink", (4,), 450e9),
        8: ("host", (4, 4), 32e9),
        16: ("rack", (8, 8), 12e9),
        32: ("spine", (16, 16), 12e9),
    }
    assert [found[size].hops for size in (4, 8, 16, 32)] == [2, 2, 4, 6]


def test_eight_free_devices_that_are_six_and_two_are_not_eight():
    free = {f"box/{number}" for number in (0, 1, 2, 3, 4, 5, 8, 9)}
    (found,) = best_sets(fabric(BOX), 8, free)
    assert (found.level, found.split, found.hops) == ("pcie", (6, 2), 2)
    (found,) = best_sets(fabric(BOX), 6, free)
    assert (found.level, found.split, numbers(found)) == ("hccs", (6,), [0, 1, 2, 3, 4, 5])
    (found,) = best_sets(fabric(BOX), 8)
    assert (found.level, found.split) == ("hccs", (8,))


def test_the_smallest_hole_that_fits_is_taken_first():
    free = {f"box/{number}" for number in (0, 1, 2, 3, 4, 8, 9, 10)}
    assert numbers(best_sets(fabric(BOX), 3, free)[0]) == [8, 9, 10]
    assert numbers(best_sets(fabric(BOX), 2, free)[0]) == [8, 9]
    assert numbers(best_sets(fabric(BOX), 5, free)[0]) == [0, 1, 2, 3, 4]


def test_unlike_links_of_one_island_count():
    """Half of a hybrid cube mesh: a square whose edges 0-3 and 1-2 are doubled."""
    ends = {(0, 1): 25, (0, 2): 25, (0, 3): 50, (1, 2): 50, (1, 3): 25, (2, 3): 25}
    links = [
        Link(
            ends=(f"dgx/{a}", f"dgx/{b}"),
            interconnect="nvlink2",
            bandwidth_bytes_per_s=Fact(value=rate * 1e9, unit="B/s"),
            latency_s=Fact(value=1e-6, unit="s"),
        )
        for (a, b), rate in ends.items()
    ]
    both = best_sets(fabric(node("dgx", 4), links=links), 2, most=2)
    assert [(numbers(one), one.bandwidth) for one in both] == [([0, 3], 50e9), ([1, 2], 50e9)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [(2, [0, 1]), (4, [0, 1, 4, 5]), (6, [0, 1, 2, 4, 5, 6]), (8, [0, 1, 2, 3, 4, 5, 6, 7]), (16, list(range(16)))],
)
def test_a_mesh_gives_boxes_in_its_corners(size, expected):
    (found,) = best_sets(fabric(node("pod", 16, level("mesh", "mesh", shape=(4, 4)), kind="bare")), size)
    assert (numbers(found), found.level) == (expected, "mesh")


def test_large_boxes_too_and_around_what_is_taken():
    mesh = fabric(node("pod", 256, level("mesh", "mesh", shape=(16, 16)), kind="bare"))
    (found,) = best_sets(mesh, 64)
    assert {(number // 16, number % 16) for number in numbers(found)} == {(r, c) for r in range(8) for c in range(8)}
    free = {f"pod/{r * 16 + c}" for r in range(16) for c in range(16) if r % 5 and c % 5}
    (found,) = best_sets(mesh, 16, free)
    places = [(number // 16, number % 16) for number in numbers(found)]
    assert len({r for r, _ in places}) == len({c for _, c in places}) == 4


def test_without_a_free_box_a_set_of_neighbours():
    mesh = fabric(node("pod", 256, level("mesh", "mesh", shape=(16, 16)), kind="bare"))
    cross = {f"pod/{7 * 16 + c}" for c in range(16)} | {f"pod/{r * 16 + 7}" for r in range(16)}
    (found,) = best_sets(mesh, 9, cross | {"pod/0", "pod/2", "pod/32", "pod/255"})
    chosen = set(found.devices)
    joined = nx.Graph((edge.a, edge.b) for edge in mesh.edges if {edge.a, edge.b} <= chosen)
    assert chosen == set(joined)
    assert nx.is_connected(joined)


def test_a_torus_has_boxes_over_its_edge():
    torus = fabric(node("pod", 64, level("ici", "torus", shape=(8, 8)), kind="bare"))
    free = {f"pod/{r % 8 * 8 + c % 8}" for r in (7, 8) for c in (6, 7, 8, 9)} | {"pod/20", "pod/29", "pod/38"}
    (found,) = best_sets(torus, 8, free)
    assert set(numbers(found)) == {r % 8 * 8 + c % 8 for r in (7, 8) for c in (6, 7, 8, 9)}


def test_a_set_that_hangs_together_only_by_others_says_so_in_its_hops():
    ring = fabric(node("pod", 6, level("ring", "ring"), kind="bare"))
    (found,) = best_sets(ring, 3, {"pod/0", "pod/2", "pod/4"})
    assert (found.bandwidth, found.hops) == (50e9, 2)


def test_islands_that_nothing_joins_give_no_set():
    apart = fabric(node("a", 4), node("b", 4))
    assert best_sets(apart, 5) == ()
    assert largest_set(apart) == 4
    assert best_sets(apart, 4)[0].devices == ("a/0", "a/1", "a/2", "a/3")
    assert best_sets(apart, 3, {"a/0", "a/1", "b/0", "b/1"}) == ()
    assert largest_set(apart, {"a/0", "a/1", "b/0", "b/1"}) == 2
    assert best_sets(apart, 9) == best_sets(apart, 0) == ()


def test_what_is_unknown_still_has_its_islands():
    island = Topology(name="hccs", kind="full", group=4)
    (found,) = best_sets(fabric(node("box", 8, island, kind="bare")), 4)
    assert (found.level, found.bandwidth, found.hops) == ("hccs", None, None)


def test_how_every_two_devices_are_connected():
    pairs = connections(fabric(BOX), [f"box/{number}" for number in (0, 1, 8)])
    assert [(one.level, one.bandwidth, one.hops) for one in pairs.values()] == [
        ("hccs", 28e9, 1),
        ("pcie", 32e9, 2),
        ("pcie", 32e9, 2),
    ]


def brute_force(machines, size, free):
    """Return the score of the best set: every subset, with networkx for the paths."""
    devices = [device for device in machines.devices if device in free]
    best = None
    for chosen in combinations(devices, size):
        index = next((i for i, d in enumerate(machines.domains) if set(chosen) <= set(d.members)), None)
        if index is not None:
            score = score_of(machines, index, chosen, free)
            best = score if best is None else min(best, score)
    return best


def rank_of(machines, index):
    same = machines.domains[index]
    return next(i for i, d in enumerate(machines.domains) if (d.name, d.bandwidth) == (same.name, same.bandwidth))


def graph_of(machines, index, devices):
    """Return the graph of a domain's level and closer ones over some devices and all switches."""
    members = set(machines.domains[index].members)
    names = {d.name for d in machines.domains[: index + 1] if members & set(d.members)}
    graph = nx.Graph()
    graph.add_nodes_from(devices)
    for edge in machines.edges:
        if edge.level in names and all("/" not in end or end in devices for end in edge[:2]):
            graph.add_edge(edge.a, edge.b, bandwidth=edge.bandwidth)
    return graph


def score_of(machines, index, chosen, free):
    own = machines.domains[index]
    inner = [d for d in machines.domains[:index] if set(d.members) < set(own.members)]
    maximal = [d for d in inner if not any(set(d.members) < set(o.members) for o in inner)]
    seen, kept = set(), []
    for part in maximal:
        if seen.isdisjoint(part.members):
            kept.append(set(part.members))
            seen |= set(part.members)
    parts = sum(bool(part & set(chosen)) for part in kept)
    parts += len(set(chosen) - seen) if kept else 1
    narrow = graph_of(machines, index, set(chosen))
    tree = nx.maximum_spanning_tree(narrow, weight="bandwidth")
    width = 0.0
    if all(nx.has_path(tree, a, b) for a, b in pairwise(chosen)):
        ways = [nx.shortest_path(tree, a, b) for a, b in combinations(chosen, 2)]
        width = min((tree.edges[x, y]["bandwidth"] for way in ways for x, y in pairwise(way)), default=0.0)
    box = 1
    if len(own.shape) > 1:
        places = {device: divmod(n, own.shape[1]) for n, device in enumerate(own.members)}
        rows, columns = zip(*(places[device] for device in chosen), strict=True)
        box = 0 if (max(rows) - min(rows) + 1) * (max(columns) - min(columns) + 1) == len(chosen) else 1
    wide = graph_of(machines, index, set(own.members))
    far = {a: nx.single_source_shortest_path_length(wide, a) for a in chosen}
    hops = sum(far[a].get(b, wide.number_of_nodes()) for a, b in combinations(chosen, 2))
    left = set(free) - set(chosen)
    broken = sum(len(set(free) & set(d.members)) ** 2 - len(left & set(d.members)) ** 2 for d in machines.domains)
    lost = sum(1 for a, b in wide.edges if {a, b} <= set(free) and not {a, b} <= left)
    return (rank_of(machines, index), parts, -width, box, hops, broken, lost)


SMALL = st.sampled_from(
    [
        lambda: fabric(node("a", 8, level("nv", "full", 100, group=2), level("pcie", "switch", 32, group=4,
                       between=level("host", "switch", 20))), count_cpu("c")),
        lambda: fabric(node("a", 9, level("mesh", "mesh", shape=(3, 3)), kind="bare")),
        lambda: fabric(node("a", 8, level("mesh", "mesh", shape=(2, 4)))),
        lambda: fabric(node("a", 7, level("ring", "ring"))),
        lambda: fabric(node("a", 3, level("nv", "switch", 450)), node("b", 4, level("nv", "full", 100)),
                       node("c", 2), topology=(level("net", "switch", 10),)),
        lambda: fabric(node("a", 2, count=5), topology=(level("rack", "switch", 12, group=2,
                       between=level("spine", "switch", 5)),)),
        lambda: fabric(node("a", 10, level("hccs", "full", 28, group=5, between=level("pcie", "switch", 32)))),
        lambda: fabric(node("a", 4, level("nv", "switch", 200, members=("0", "1", "2"))), node("b", 4)),
    ]
)  # fmt: skip


def count_cpu(name):
    return Node(name=name, devices=(DeviceSlot(type="cpu", ids=("cpu0", "cpu1")),))


@settings(max_examples=60, deadline=None)
@given(SMALL, st.data())
def test_small_sets_are_the_best_that_there_are(make, data):
    machines = make()
    free = set(data.draw(st.lists(st.sampled_from(machines.devices), min_size=2, unique=True)))
    size = data.draw(st.integers(1, min(5, len(free))))
    expected = brute_force(machines, size, free)
    found = best_sets(machines, size, free)
    if expected is None:
        assert found == ()
    else:
        index = next(i for i, d in enumerate(machines.domains) if set(found[0].devices) <= set(d.members))
        assert score_of(machines, index, found[0].devices, free) == expected
        assert machines.domains[index].name == found[0].level
        assert sum(found[0].split) == size


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 31), min_size=4), st.integers(2, 12))
def test_whatever_is_free_a_set_is_of_free_devices_and_its_split_adds_up(free, size):
    machines = fabric(node("m", 8, level("nvlink", "switch", 450, group=4), count=4), topology=(RACKS,))
    names = {f"m-{number // 8}/{number % 8}" for number in free}
    found = best_sets(machines, size, names, most=3)
    assert bool(found) == (len(free) >= size)
    assert len({one.devices for one in found}) == len(found)
    for one in found:
        assert set(one.devices) <= names
        assert sum(one.split) == size == len(one.devices)
        assert list(one.devices) == sorted(one.devices, key=machines.devices.index)


@given(st.integers(1, 4), st.integers(1, 4), st.booleans(), st.data())
def test_boxes_are_boxes(rows, columns, wraps, data):
    members = [f"a/{number}" for number in range(rows * columns)]
    grid = Grid(members, (rows, columns), wraps)
    for volume in range(1, len(members) + 1):
        for box in grid.boxes(volume, members):
            assert len(set(box)) == volume
            assert grid.is_box(box)
    some = data.draw(st.sets(st.sampled_from(members), min_size=1))
    if not wraps:
        places = [divmod(members.index(device), columns) for device in some]
        spans = [max(axis) - min(axis) + 1 for axis in zip(*places, strict=True)]
        assert grid.is_box(some) == (spans[0] * spans[1] == len(some))


def test_whole_machines_of_one_rack_out_of_four_thousand_devices():
    island = level("nvlink", "switch", 450)
    racks = RACKS.model_copy(update={"group": 20})
    machines = fabric(node("dgx", 8, island, count=500), topology=(racks,))
    free = set(machines.devices) - {f"dgx-{n}/{d}" for n in range(0, 500, 3) for d in range(3)}
    begun = time.perf_counter()
    (found,) = best_sets(machines, 64, free)
    assert time.perf_counter() - begun < 10
    assert (found.level, found.split) == ("rack", (8,) * 8)


def test_a_hundred_thousand_devices_are_looked_at_by_their_classes():
    island = level("nvlink", "switch", 450)
    classes = [node(f"c{number}", 8, island, count=250) for number in range(49)]
    slow = node("a-slow", 8, level("nvlink", "switch", 300), count=250)
    large = fleet(slow, *classes, topology=(RACKS.model_copy(update={"group": 16}),))
    names = representatives(large, 16, 4096)
    assert 50 * 2 <= len(names) <= 512
    assert {name.rpartition("-")[0] for name in names} == {each.name for each in large.nodes}
    found = best_sets(fabric_of(large, {}, names), 8)[0]
    assert (found.level, found.bandwidth) == ("nvlink", 450e9)
    found = best_sets(fabric_of(large, {}, names), 16)[0]
    assert (found.level, found.split) == ("rack", (8, 8))
    assert len(representatives(large, 4096, 4096)) * 8 <= 4096
    small = fleet(node("a", 2, count=3), node("b", 1))
    assert representatives(small, 2, 4096) == ("a-0", "a-1", "a-2", "b")


def test_cpus_are_only_taken_where_there_is_nothing_else():
    mixed = Node(name="m", devices=(DeviceSlot(type="cpu", ids=("cpu0",)), DeviceSlot(type="gpu", ids=("0", "1"))))
    machines = fleet(mixed)
    assert accelerators(mixed, machines) == ("0", "1")
    assert accelerators(count_cpu("c"), machines) == ("cpu0", "cpu1")
