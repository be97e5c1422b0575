"""Fleets as graphs: which connections a topology stands for, what joins machines, and what nobody stated."""

import time

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.fleet.topology.fabric import MOST_DEVICES, fabric_of
from aios.fleet.topology.generators import fewest_links, link_count, linked_pairs
from aios.records.errors import InputError
from aios.records.fabric import InterconnectType
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Interconnect, Link, Node, Topology


def rate(gigabytes):
    return Fact(value=gigabytes * 1e9, unit="B/s")


def micros(value):
    return Fact(value=value * 1e-6, unit="s")


GPU = DeviceType(
    name="gpu",
    kind="gpu",
    interconnects=(
        Interconnect(kind="nvlink4", links=18, bandwidth_bytes_per_s=rate(450)),
        Interconnect(kind="pcie5-x16", bandwidth_bytes_per_s=rate(64)),
    ),
)
CPU = DeviceType(name="cpu", kind="cpu", memory_bandwidth_bytes_per_s=rate(300))
BARE = DeviceType(name="bare", kind="npu")
TYPES = {"gpu": GPU, "cpu": CPU, "bare": BARE}
KINDS = {
    "pcie5-x16": InterconnectType(name="pcie5-x16", latency_s=micros(3)),
    "nvlink4": InterconnectType(name="nvlink4", bandwidth_bytes_per_s=rate(25), latency_s=micros(2)),
}


def level(name, kind, **more):
    return Topology(name=name, kind=kind, **{"bandwidth_bytes_per_s": rate(50), "latency_s": micros(1)} | more)


def node(name, devices, *topology, count=1, kind="gpu", **more):
    return Node(name=name, count=count, devices=(slot(kind, devices),), topology=topology, **more)


def slot(kind, count):
    return DeviceSlot(type=kind, ids=tuple(f"cpu{n}" if kind == "cpu" else str(n) for n in range(count)))


def fleet(*nodes, topology=(), links=()):
    return Fleet(name="f", nodes=nodes, types=TYPES, topology=topology, links=links, digest="sha256:0", origin="f.yaml")


def pairs(fabric, level_name):
    return {frozenset((edge.a, edge.b)) for edge in fabric.edges if edge.level == level_name}


def domains(fabric, name):
    return [domain.members for domain in fabric.domains if domain.name == name]


@pytest.mark.parametrize(
    ("kind", "count", "shape", "links", "fewest"),
    [
        ("full", 4, (), 6, 3),
        ("ring", 5, (), 5, 2),
        ("ring", 2, (), 1, 1),
        ("mesh", 12, (3, 4), 3 * 3 + 2 * 4, 2),
        ("torus", 12, (3, 4), 24, 4),
        ("torus", 8, (2, 4), 4 + 8, 3),
        ("torus", 64, (4, 4, 4), 192, 6),
        ("mesh", 1, (1, 1), 0, 1),
    ],
)
def test_each_kind_has_the_links_that_its_name_says(kind, count, shape, links, fewest):
    found = list(linked_pairs(kind, count, shape))
    assert len(found) == len(set(found)) == links
    assert fewest_links(kind, count, shape) == fewest
    if links:
        graph = nx.Graph(found)
        assert nx.is_connected(graph)
        assert min(dict(graph.degree).values()) == fewest


@given(st.sampled_from(["mesh", "torus"]), st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_meshes_and_tori_are_what_networkx_makes(kind, shape):
    count = 1
    for size in shape:
        count *= size
    whole = nx.grid_graph(dim=list(reversed(shape)), periodic=kind == "torus")
    whole.remove_edges_from(list(nx.selfloop_edges(whole)))
    expected = nx.Graph()
    expected.add_nodes_from(range(count))
    expected.add_edges_from(linked_pairs(kind, count, shape))
    assert nx.faster_could_be_isomorphic(whole, expected)
    assert whole.number_of_edges() == expected.number_of_edges() <= link_count(kind, count, shape)


def test_an_nvswitch_island_is_closer_than_the_pcie_path_that_its_type_states():
    island = level("nvlink", "switch", interconnect="nvlink4", bandwidth_bytes_per_s=rate(450), latency_s=None)
    machine = Node(name="dgx", devices=(slot("cpu", 1), slot("gpu", 8)), topology=(island,))
    fabric = fabric_of(fleet(machine), KINDS)
    assert fabric.devices == ("dgx/cpu0", *(f"dgx/{n}" for n in range(8)))
    assert pairs(fabric, "nvlink") == {frozenset((f"dgx/{n}", "dgx#nvlink")) for n in range(8)}
    assert pairs(fabric, "host") == {frozenset((device, "dgx#host")) for device in fabric.devices}
    assert [(d.name, len(d.members), d.bandwidth, d.latency) for d in fabric.domains] == [
        ("nvlink", 8, 450e9, 2e-6),
        ("host", 9, 64e9, 3e-6),
    ]
    assert set(fabric.interconnects) == {"nvlink4", "pcie5-x16"}
    assert fabric.unknown == ()


def test_groups_without_a_switch_meet_outside_with_every_member():
    inner = level("hccs", "full", group=8, bandwidth_bytes_per_s=rate(28))
    outer = level("pcie", "switch", bandwidth_bytes_per_s=rate(32))
    fabric = fabric_of(fleet(node("box", 16, inner.model_copy(update={"between": outer}), kind="bare")), {})
    assert len(pairs(fabric, "hccs")) == 2 * 28
    assert pairs(fabric, "pcie") == {frozenset((f"box/{n}", "box#host")) for n in range(16)}
    assert [(d.name, len(d.members), d.bandwidth) for d in fabric.domains] == [
        ("hccs", 8, 7 * 28e9),
        ("hccs", 8, 7 * 28e9),
        ("pcie", 16, 32e9),
    ]


def test_groups_joined_directly_are_joined_member_by_member():
    chain = level("inner", "full", group=2, between=level("outer", "full"))
    fabric = fabric_of(fleet(node("box", 6, chain, kind="bare")), {})
    assert pairs(fabric, "outer") == {
        frozenset((f"box/{a + side}", f"box/{b + side}")) for a, b in ((0, 2), (0, 4), (2, 4)) for side in (0, 1)
    }


def test_pcie_switches_hang_on_the_host():
    tree = level("pcie", "switch", group=4, between=level("host", "switch", bandwidth_bytes_per_s=rate(40)))
    fabric = fabric_of(fleet(node("pc", 8, level("nvlink", "full", group=2), tree)), {})
    assert pairs(fabric, "host") == {frozenset((f"pc#pcie-{n}", "pc#host")) for n in (0, 1)}
    assert [(d.name, len(d.members), d.bandwidth) for d in fabric.domains] == [
        *[("nvlink", 2, 50e9)] * 4,
        *[("pcie", 4, 50e9)] * 2,
        ("host", 8, 40e9),
    ]


def test_two_topologies_of_one_name_keep_their_switches_apart():
    halves = [level("nvlink", "switch", members=tuple("0123")), level("nvlink", "switch", members=tuple("4567"))]
    fabric = fabric_of(fleet(node("pc", 8, *halves)), {})
    graph = nx.Graph((edge.a, edge.b) for edge in fabric.edges if edge.level == "nvlink")
    assert nx.number_connected_components(graph) == 2
    assert domains(fabric, "nvlink") == [tuple(f"pc/{n}" for n in range(4)), tuple(f"pc/{n}" for n in range(4, 8))]


def test_parts_of_a_cut_device_share_its_way_to_the_host_and_no_island():
    ids = (("gpu", ("0.0", "1.0")), ("gpu", ("0.1", "1.1")), ("gpu", ("2",)))
    machine = Node(
        name="mig",
        devices=tuple(DeviceSlot(type=kind, ids=names) for kind, names in ids),
        topology=(level("nvlink", "switch"),),
    )
    fabric = fabric_of(fleet(machine), KINDS)
    assert fabric.devices == ("mig/0.0", "mig/0.1", "mig/1.0", "mig/1.1", "mig/2")
    assert pairs(fabric, "nvlink") == {frozenset(("mig/2", "mig#nvlink"))}
    assert frozenset(("mig/0.1", "mig#card0")) in pairs(fabric, "host")
    assert frozenset(("mig#card0", "mig#host")) in pairs(fabric, "host")
    assert len(pairs(fabric, "host")) == 2 * 3 + 1


def test_what_nobody_states_makes_no_edge_and_is_said():
    island = Topology(name="nvlink", kind="switch", group=2)
    fabric = fabric_of(fleet(node("pc", 4, island, kind="bare")), {})
    assert fabric.edges == ()
    assert domains(fabric, "nvlink") == [("pc/0", "pc/1"), ("pc/2", "pc/3")]
    assert [domain.bandwidth for domain in fabric.domains] == [None] * 3
    assert fabric.unknown == (
        "node `pc`: nobody states the bandwidth of `nvlink`",
        "node `pc`: how `bare` reaches its host is not known; its type states no PCIe",
    )


def test_an_unknown_latency_counts_as_nothing_and_is_said():
    fabric = fabric_of(fleet(node("pc", 2, level("x", "full", latency_s=None))), KINDS)
    assert [edge.latency for edge in fabric.edges if edge.level == "x"] == [0.0]
    assert fabric.unknown == ("node `pc`: nobody states the latency of `x`; it counts as 0",)


def test_the_kind_of_interconnect_says_what_the_topology_does_not():
    bare = Topology(name="nv", kind="ring", interconnect="nvlink4")
    fabric = fabric_of(fleet(node("pc", 4, bare)), KINDS)
    assert {(edge.bandwidth, edge.latency) for edge in fabric.edges if edge.level == "nv"} == {(25e9, 2e-6)}
    assert fabric.domains[0].bandwidth == 50e9  # two of them each


def rack(**more):
    return level("rack", "switch", between=level("spine", "switch", bandwidth_bytes_per_s=rate(100)), **more)


@pytest.mark.parametrize(
    ("kind", "links", "bandwidth"), [("nvlink9", None, None), ("nvlink9", 18, 450e9), ("pcie9-x16", None, 25e9)]
)
def test_a_port_of_a_switch_is_never_taken_to_be_one_link_of_several(kind, links, bandwidth):
    """Of NVLink the kind states one link; what PCIe lanes a card has stands in the name."""
    known = {kind: InterconnectType(name=kind, bandwidth_bytes_per_s=rate(25), latency_s=micros(1))}
    port = Topology(name="island", kind="switch", interconnect=kind, links=links)
    fabric = fabric_of(fleet(node("n", 4, port, kind="bare")), known)
    (island,) = [domain for domain in fabric.domains if domain.name == "island"]
    assert island.bandwidth == bandwidth
    sentence = "node `n`: nobody states the bandwidth of `island` (nvlink9), nor how many `links` of it a device has"
    assert (sentence in fabric.unknown) == (bandwidth is None)


def test_machines_reach_the_network_by_their_host():
    fabric = fabric_of(fleet(node("a", 2, count=4), topology=(rack(group=2),)), KINDS)
    assert pairs(fabric, "rack") == {frozenset((f"a-{n}#host", f"#rack-{n // 2}")) for n in range(4)}
    assert pairs(fabric, "spine") == {frozenset((f"#rack-{n}", "#spine")) for n in (0, 1)}
    assert [len(members) for members in domains(fabric, "rack")] == [4, 4]
    assert [(d.name, d.bandwidth) for d in fabric.domains[-2:]] == [("rack", 50e9), ("spine", 50e9)]


def test_groups_follow_labels_and_stay_the_same_when_few_machines_are_looked_at():
    nodes = [node(name, 1, labels={"rack": label, "row": row}) for name, label, row in
             (("a", "r1", "x"), ("b", "r2", "x"), ("c", "r1", "x"), ("d", "r3", "y"))]  # fmt: skip
    rows = level("rack", "switch", by="rack", between=level("row", "switch", by="row", between=level("top", "switch")))
    whole = fabric_of(fleet(*nodes, topology=(rows,)), KINDS)
    assert sorted(domains(whole, "rack")) == [("a/0", "c/0"), ("b/0",), ("d/0",)]
    assert sorted(map(sorted, domains(whole, "row"))) == [["a/0", "b/0", "c/0"], ["d/0"]]
    part = fabric_of(fleet(*nodes, topology=(rows,)), KINDS, ["d", "b"])
    assert set(part.edges) <= set(whole.edges)
    assert frozenset(("b#host", "#rack-r2")) in pairs(part, "rack")


@given(st.lists(st.integers(0, 23), min_size=1, max_size=6, unique=True), st.sampled_from([2, 3, 5, 8]))
def test_looking_at_some_machines_shows_a_part_of_the_whole(numbers, group):
    machines = fleet(node("a", 2, level("nv", "full"), count=20), node("b", 1, count=4), topology=(rack(group=group),))
    names = [f"a-{n}" if n < 20 else f"b-{n - 20}" for n in numbers]
    whole, part = fabric_of(machines, KINDS), fabric_of(machines, KINDS, names)
    assert set(part.edges) <= set(whole.edges)
    assert {device.split("/")[0] for device in part.devices} == set(names)
    for domain in part.domains:
        assert any(domain.name == it.name and set(domain.members) <= set(it.members) for it in whole.domains)


def test_a_torus_of_machines_passes_traffic_through_those_that_nobody_asked_for():
    machines = fleet(node("a", 1, count=16), topology=(level("torus", "torus", shape=(4, 4)),))
    part = fabric_of(machines, KINDS, ["a-0", "a-10"])
    graph = nx.Graph((edge.a, edge.b) for edge in part.edges)
    assert nx.shortest_path_length(graph, "a-0/0", "a-10/0") == 1 + 4 + 1
    assert part.devices == ("a-0/0", "a-10/0")
    whole = fabric_of(machines, KINDS)
    assert [(d.shape, d.wraps) for d in whole.domains if d.name == "torus"] == [((4, 4), True)]


def test_links_join_machines_and_devices():
    links = (
        Link(ends=("hub", "w"), bandwidth_bytes_per_s=rate(1), latency_s=micros(50)),
        Link(ends=("w/0", "w/1"), interconnect="nvlink4", bandwidth_bytes_per_s=rate(100)),
        Link(ends=("hub", "far"), bandwidth_bytes_per_s=rate(2), latency_s=micros(50)),
    )
    machines = fleet(node("hub", 1), node("w", 2, count=3), node("far", 1), node("alone", 1), links=links)
    fabric = fabric_of(machines, KINDS)
    assert pairs(fabric, "fleet") == {frozenset(("hub#host", f"{name}#host")) for name in ("w-0", "w-1", "w-2", "far")}
    assert pairs(fabric, "nvlink") == {frozenset((f"w-{n}/0", f"w-{n}/1")) for n in range(3)}
    assert [set(members) for members in domains(fabric, "fleet")] == [set(fabric.devices) - {"alone/0"}]
    through = fabric_of(machines, KINDS, ["w-1", "far"])
    graph = nx.Graph((edge.a, edge.b) for edge in through.edges)
    assert nx.has_path(graph, "w-1/0", "far/0")


def test_a_hundred_thousand_devices_are_not_expanded_to_look_at_sixteen_machines():
    island = level("nvlink", "switch", bandwidth_bytes_per_s=rate(450))
    nodes = [node(f"c{n}", 8, island, count=250) for n in range(50)]
    machines = fleet(*nodes, topology=(rack(group=16),))
    begun = time.perf_counter()
    fabric = fabric_of(machines, KINDS, [f"c7-{n}" for n in range(16)])
    assert time.perf_counter() - begun < 2
    assert len(fabric.devices) == 128
    with pytest.raises(InputError) as raised:
        fabric_of(machines, KINDS)
    assert raised.value.diagnostics[0].summary == (
        f"100,000 devices are more than can be looked at together (at most {MOST_DEVICES:,})"
    )


@pytest.mark.parametrize(
    "topology", [level("all", "full"), level("all", "torus", shape=(100, 300)), level("all", "ring")]
)
def test_too_many_connections_are_refused_before_they_are_made(topology):
    machines = fleet(node("a", 1, count=30_000), topology=(topology,))
    begun = time.perf_counter()
    with pytest.raises(InputError):
        fabric_of(machines, KINDS)
    assert time.perf_counter() - begun < 2
    few = fleet(node("a", 1, count=2_000), topology=(level("all", "full"),))
    with pytest.raises(InputError) as raised:
        fabric_of(few, KINDS)
    assert "1,999,000 connections" in raised.value.diagnostics[0].summary


def test_a_machine_that_does_not_exist_is_named_with_the_nearest():
    with pytest.raises(InputError) as raised:
        fabric_of(fleet(node("dgx", 1, count=4)), KINDS, ["dgx-4", "dgx-01", "dgy"])
    assert [item.summary for item in raised.value.diagnostics] == [
        f"there is no machine `{name}` in fleet f" for name in ("dgx-4", "dgx-01", "dgy")
    ]
    assert raised.value.diagnostics[0].remedy == "did you mean one of dgx-0 to dgx-3?"


@settings(max_examples=40)
@given(st.data())
def test_every_device_stands_in_a_domain_and_outer_domains_come_later(data):
    size = data.draw(st.sampled_from([4, 6, 8]))
    group = data.draw(st.sampled_from([2, size // 2, size]))
    inner = level("in", data.draw(st.sampled_from(["full", "switch", "ring"])), group=group)
    outer = level("out", data.draw(st.sampled_from(["full", "switch"])))
    machines = fleet(
        node("a", size, inner.model_copy(update={"between": outer if group < size else None}), count=2),
        node("b", 1),
        topology=(rack(group=2),),
    )
    fabric = fabric_of(machines, KINDS)
    assert {device for domain in fabric.domains for device in domain.members} == set(fabric.devices)
    for later, domain in enumerate(fabric.domains):
        for earlier in fabric.domains[:later]:
            assert not set(earlier.members) > set(domain.members)
