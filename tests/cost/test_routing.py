"""Routes and link loads on small fabrics, by hand and against networkx."""

from itertools import combinations, pairwise, permutations

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.cost import collective, point_to_point
from aios.cost.rings import best_rings, grid_lines, groupings
from aios.cost.routing import Flow, Network, link_load, pairs_load
from aios.fleet.topology.fabric import fabric_of
from aios.fleet.topology.sets import connections
from aios.records.errors import InputError
from aios.records.fabric import Calibration, Domain, Edge, Fabric, InterconnectType
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Link, Node, Topology

PLAIN = Calibration(
    library="nccl", kernels="pairwise", start_s=0.0, hop_s=1e-6, quick_share=1.0, bulk_start_s=0.0, bulk_share=1.0,
    low=0.8, high=1.25,
)  # fmt: skip
WIRE = {"wire": InterconnectType(name="wire", calibrations=(PLAIN,))}


def rate(gigabytes: float) -> Fact:
    return Fact(value=gigabytes * 1e9, unit="B/s")


def level(name: str, kind: str, gigabytes: float, **more: object) -> Topology:
    return Topology.model_validate(
        {"name": name, "kind": kind, "interconnect": "wire", "bandwidth_bytes_per_s": rate(gigabytes), **more}
    )


def fleet(count: int, *levels: Topology, second: bool = False, **more: object) -> Fleet:
    """One machine of some devices, and if asked for another of one device."""
    slot, one = (DeviceSlot(type="npu", ids=tuple(map(str, range(number)))) for number in (count, 1))
    nodes = [Node(name="a", devices=(slot,), topology=levels)]
    nodes += [Node(name="b", devices=(one,), topology=(level("host", "switch", 32),))] if second else []
    types = {"npu": DeviceType(name="npu", kind="npu")}
    return Fleet.model_validate({"name": "f", "nodes": nodes, "types": types, "digest": "-", "origin": "-", **more})


def fabric(count: int, edges: list[tuple[str, str, float]], domains: tuple[Domain, ...] = ()) -> Fabric:
    devices = tuple(f"n/{i}" for i in range(count))
    return Fabric(devices=devices, edges=tuple(Edge(a, b, w, 0.0, "wire") for a, b, w in edges), domains=domains)


def grid(rows: int, columns: int, wraps: bool = False) -> Fabric:
    edges = []
    for row in range(rows):
        for column in range(columns):
            here = f"n/{row * columns + column}"
            if column + 1 < columns or (wraps and columns > 2):
                edges.append((here, f"n/{row * columns + (column + 1) % columns}", 1e9))
            if row + 1 < rows or (wraps and rows > 2):
                edges.append((here, f"n/{(row + 1) % rows * columns + column}", 1e9))
    return fabric(rows * columns, edges)


def vertices(network: Network, source: str, target: str) -> list[str]:
    return [source, *(hop.target for hop in network.route(source, target))]


def test_the_widest_way_is_taken_and_of_those_the_shortest() -> None:
    slow_direct = [("n/0", "n/1", 1e8), ("n/0", "n#nvlink", 9e9), ("n/1", "n#nvlink", 9e9)]
    assert vertices(Network(fabric(2, slow_direct)), "n/0", "n/1") == ["n/0", "n#nvlink", "n/1"]
    equal = [("n/0", "n/1", 9e9), *slow_direct[1:]]
    assert vertices(Network(fabric(2, equal)), "n/0", "n/1") == ["n/0", "n/1"]


def test_a_narrow_link_before_the_narrowest_does_not_lengthen_the_way() -> None:
    """To the middle the wide way round is best; to the end, behind a narrow link, the short one is as wide."""
    edges = [("n/0", "n/1", 5e9), ("n/0", "n/2", 9e9), ("n/2", "n/1", 9e9), ("n/1", "n/3", 5e9)]
    network = Network(fabric(4, edges))
    assert vertices(network, "n/0", "n/1") == ["n/0", "n/2", "n/1"]
    assert vertices(network, "n/0", "n/3") == ["n/0", "n/1", "n/3"]


def test_of_parallel_links_the_widest_counts_whichever_comes_first() -> None:
    for edges in ([("n/0", "n/1", 1e9), ("n/1", "n/0", 5e9)], [("n/0", "n/1", 5e9), ("n/1", "n/0", 1e9)]):
        assert Network(fabric(2, edges)).route("n/0", "n/1")[0].bandwidth == 5e9


def test_meshes_are_routed_along_the_row_first_in_every_direction() -> None:
    network = Network(grid(4, 4))
    assert vertices(network, "n/0", "n/10") == ["n/0", "n/1", "n/2", "n/6", "n/10"]
    assert vertices(network, "n/10", "n/0") == ["n/10", "n/9", "n/8", "n/4", "n/0"]
    assert vertices(network, "n/3", "n/8") == ["n/3", "n/2", "n/1", "n/0", "n/4", "n/8"]


def test_a_torus_goes_round_where_that_is_shorter() -> None:
    assert vertices(Network(grid(1, 5, wraps=True)), "n/0", "n/4") == ["n/0", "n/4"]


def test_loads_add_up_per_link_and_direction() -> None:
    line = fabric(3, [("n/0", "n/1", 1e9), ("n/1", "n/2", 1e9)])
    load = link_load(line, [Flow("n/0", "n/2", 5.0), Flow("n/1", "n/2", 2.0), Flow("n/2", "n/1", 3.0)])
    assert load == {("n/0", "n/1"): 5.0, ("n/1", "n/2"): 7.0, ("n/2", "n/1"): 3.0}


def test_a_flow_to_itself_loads_nothing() -> None:
    assert link_load(grid(2, 2), [Flow("n/0", "n/0", 5.0)]) == {}


def test_what_is_not_joined_is_said_with_the_reason() -> None:
    apart = Fabric(devices=("a/0", "b/0"), edges=(), unknown=("a - b: nobody states the bandwidth of `spine`",))
    with pytest.raises(InputError) as caught:
        Network(apart).route("a/0", "b/0")
    (diagnostic,) = caught.value.diagnostics
    assert "`a/0` and `b/0`" in diagnostic.summary
    assert diagnostic.reason == apart.unknown[0]


def test_links_of_no_bandwidth_join_nothing() -> None:
    with pytest.raises(InputError, match="joins"):
        Network(fabric(2, [("n/0", "n/1", 0.0)])).route("n/0", "n/1")


def test_an_unknown_device_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        Network(grid(2, 2)).route("n/0", "n/9")
    assert "did you mean `n/" in (caught.value.diagnostics[0].remedy or "")


@given(st.data())
def test_routes_are_as_wide_as_networkx_finds_them_and_no_longer_than_that_takes(data: st.DataObject) -> None:
    count = data.draw(st.integers(3, 7))
    pairs = data.draw(st.lists(st.sampled_from(list(combinations(range(count), 2))), unique=True, min_size=count))
    widths = [data.draw(st.sampled_from([1e9, 2e9, 5e9])) for _ in pairs]
    edges = [(f"n/{a}", f"n/{b}", width) for (a, b), width in zip(pairs, widths, strict=True)]
    network, graph = Network(fabric(count, edges)), nx.Graph()
    graph.add_nodes_from(f"n/{i}" for i in range(count))
    graph.add_weighted_edges_from(edges)
    tree = nx.maximum_spanning_tree(graph)
    for target in nx.node_connected_component(graph, "n/0") - {"n/0"}:
        route = network.route("n/0", target)
        widest = min(tree[a][b]["weight"] for a, b in pairwise(nx.shortest_path(tree, "n/0", target)))
        wide = nx.Graph((a, b) for a, b, width in edges if width >= widest)
        assert min(hop.bandwidth for hop in route) == widest
        assert vertices(network, "n/0", target) in list(nx.all_shortest_paths(wide, "n/0", target))


MESH = level("mesh", "mesh", 400, shape=(4, 4))
HOST = level("host", "switch", 32)


def test_a_way_stays_in_the_closest_domain_that_holds_both_ends() -> None:
    """Two hops by the host would be fewer than six over the mesh, and far slower."""
    with_host = fabric_of(fleet(16, MESH, HOST), WIRE)
    assert len(Network(with_host).route("a/0", "a/15")) == 6
    for operation in ("point-to-point", "all-to-all"):
        alone, beside = (timed(fabric_of(fleet(16, *levels), WIRE), operation) for levels in ([MESH], [MESH, HOST]))
        assert alone == beside


def timed(machine: Fabric, operation: str) -> float:
    if operation == "point-to-point":
        return point_to_point(machine, "a/0", "a/15", 1e9).value
    return collective(machine, machine.devices, operation, 1e9).value


def test_links_side_by_side_keep_a_transfer_in_their_domain_where_one_of_them_is_narrower_than_the_way_outside() -> (
    None
):
    hccs = fabric_of(fleet(8, level("hccs", "full", 28), HOST), WIRE)
    assert [hop.bandwidth for hop in Network(hccs).route("a/0", "a/1")] == [28e9]  # of 196 GB/s
    slow = fabric_of(fleet(8, level("hccs", "full", 4), HOST), WIRE)
    assert [hop.bandwidth for hop in Network(slow).route("a/0", "a/1")] == [32e9, 32e9]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_link_that_is_added_makes_a_transfer_slower(data: st.DataObject) -> None:
    """On switches within each other and beside each other, whatever the link joins and however slow it is."""
    rates = st.sampled_from([1, 5, 20, 32, 50, 400])
    levels = [level("host", "switch", data.draw(rates))]
    for number in range(data.draw(st.integers(0, 2))):
        members = data.draw(st.lists(st.sampled_from("012345"), min_size=2, unique=True))
        levels.append(level(f"nv{number}", "switch", data.draw(rates), members=tuple(sorted(members))))
    rack = level("rack", "switch", data.draw(rates))
    ends = data.draw(
        st.one_of(
            st.lists(st.sampled_from([f"a/{i}" for i in range(6)]), min_size=2, max_size=2, unique=True),
            st.just(["a", "b"]),
        )
    )
    added = Link(ends=(ends[0], ends[1]), interconnect="wire", bandwidth_bytes_per_s=rate(data.draw(rates)))
    before, after = (
        fabric_of(fleet(6, *levels, second=True, topology=(rack,), links=links), WIRE) for links in ((), (added,))
    )
    for pair in combinations(before.devices, 2):
        times = [point_to_point(it, *pair, 1e9).value for it in (before, after)]
        assert times[1] <= times[0] * (1 + 1e-9), pair
        for machines in (before, after):
            known, route = connections(machines, pair)[pair], Network(machines).route(*pair)
            assert (known.bandwidth, known.hops) == (min(hop.bandwidth for hop in route), len(route))
            assert known.latency == sum(hop.latency for hop in route)


@pytest.mark.parametrize("network", [Network(grid(3, 4)), Network(grid(4, 4, wraps=True)), Network(grid(1, 5))])
def test_what_all_pairs_load_is_the_sum_of_every_pair(network: Network) -> None:
    for devices in (network.fabric.devices, network.fabric.devices[1::2], network.fabric.devices[:1]):
        flows = [Flow(a, b, 1.0) for a, b in permutations(devices, 2)]
        assert pairs_load(network, devices) == pytest.approx(link_load(network, flows))


def test_routes_are_the_same_whatever_was_asked_before() -> None:
    """Trees of routes grow as far as somebody asks; what is near must not depend on what is asked later."""
    far_first, near_first = Network(grid(4, 5)), Network(grid(4, 5))
    far_first.route("n/0", "n/19")
    for target in far_first.fabric.devices:
        assert near_first.route("n/0", target) == far_first.route("n/0", target)


def test_the_lines_of_a_box_run_along_each_dimension() -> None:
    mesh = grid(3, 4)
    shaped = Network(mesh.model_copy(update={"domains": (Domain("mesh", mesh.devices, shape=(3, 4)),)}))
    box = ["n/1", "n/2", "n/5", "n/6"]
    assert grid_lines(shaped, box) == ((("n/1", "n/5"), ("n/2", "n/6")), (("n/1", "n/2"), ("n/5", "n/6")))
    assert grid_lines(shaped, [*box[:3], "n/7"]) == ()  # no box
    assert grid_lines(shaped, ["n/0", "n/1", "n/2"]) == ()  # one dimension: a ring does it
    assert grid_lines(Network(mesh), box) == ()  # nobody says that it is a mesh


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 3), (3, 2), (4, 4), (4, 5), (5, 4), (6, 3), (16, 16)])
def test_an_even_mesh_has_a_ring_over_direct_links(rows: int, columns: int) -> None:
    network = Network(grid(rows, columns))
    for ring in best_rings(network, network.fabric.devices):
        assert sorted(ring) == sorted(network.fabric.devices)
        assert all(len(network.route(a, b)) == 1 for a, b in zip(ring, (*ring[1:], ring[0]), strict=True))


def test_a_part_of_a_mesh_has_its_ring_too() -> None:
    network = Network(grid(4, 4))
    block = ["n/5", "n/6", "n/7", "n/9", "n/10", "n/11"]
    (ring, *_) = best_rings(network, block)
    assert all(len(network.route(a, b)) == 1 for a, b in zip(ring, (*ring[1:], ring[0]), strict=True))


def test_an_odd_mesh_has_no_such_ring_and_gets_one_all_the_same() -> None:
    network = Network(grid(3, 3))
    (ring, *_) = best_rings(network, network.fabric.devices)
    longer = [len(network.route(a, b)) for a, b in zip(ring, (*ring[1:], ring[0]), strict=True)]
    assert sorted(ring) == sorted(network.fabric.devices)
    assert sum(longer) > 9  # nine direct links would make a ring, which a bipartite graph of odd order cannot have


def test_a_cube_has_a_ring_over_direct_links() -> None:
    names = [f"n/{i}" for i in range(27 + 9)]
    edges = []
    for place in range(36):  # 4 x 3 x 3, last dimension fastest
        z, rest = divmod(place, 9)
        y, x = divmod(rest, 3)
        edges += [(names[place], names[place + 1], 1e9)] if x < 2 else []
        edges += [(names[place], names[place + 3], 1e9)] if y < 2 else []
        edges += [(names[place], names[place + 9], 1e9)] if z < 3 else []
    domain = Domain("ici", tuple(names), shape=(4, 3, 3))
    network = Network(fabric(36, edges, (domain,)))
    (ring, *_) = best_rings(network, names)
    assert all(len(network.route(a, b)) == 1 for a, b in zip(ring, (*ring[1:], ring[0]), strict=True))


def test_a_full_graph_is_covered_by_rings_that_share_no_link() -> None:
    edges = [(f"n/{a}", f"n/{b}", 1e9) for a, b in combinations(range(7), 2)]
    network = Network(fabric(7, edges))
    rings = best_rings(network, network.fabric.devices)
    used = [ends for ring in rings for ends in zip(ring, (*ring[1:], ring[0]), strict=True)]
    assert len(rings) == 6  # three cycles of seven links each, both ways round
    assert len(used) == len(set(used)) == 42


def test_rings_do_not_depend_on_the_order_in_which_devices_are_named() -> None:
    network = Network(grid(4, 4))
    assert best_rings(network, network.fabric.devices) == best_rings(network, network.fabric.devices[::-1])


def test_groups_are_machines_and_domains_of_equal_size() -> None:
    devices = tuple(f"{node}/{i}" for node in ("a", "b") for i in range(4))
    domains = tuple(Domain("pair", devices[i : i + 2]) for i in range(0, 8, 2))
    network = Network(Fabric(devices=devices, edges=(), domains=domains))
    assert groupings(network, devices) == (
        (devices[:4], devices[4:]),
        (devices[:2], devices[2:4], devices[4:6], devices[6:]),
    )
    assert groupings(network, devices[:6]) == ((devices[:2], devices[2:4], devices[4:6]),)  # 4 + 2 machines are unequal
    assert groupings(network, devices[:2]) == ()
