"""Times of collectives against closed forms, on fabrics small enough to work out by hand."""

from itertools import combinations
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios import catalogue
from aios.cost import collective, point_to_point
from aios.cost.courses import OPERATIONS
from aios.fleet.interconnects import load_interconnects
from aios.records.errors import InputError
from aios.records.fabric import Calibration, Domain, Edge, Fabric, InterconnectType, Kernels

BANDWIDTH = 100e9
HOP = 1e-6
SIZE = 1e9
SHIPPED = load_interconnects(catalogue.root() / "hardware" / "interconnects.yaml")


def kind(
    name: str = "wire", hop: float = HOP, quick: float = 1.0, libraries: tuple[str, ...] = ("nccl", "other")
) -> dict:
    """A kind on which nothing costs but hops and bytes, so that closed forms hold exactly."""
    kernels: tuple[Kernels, ...] = ("ring", "pairwise")
    calibrations = tuple(
        Calibration(
            library=library, kernels=item, start_s=0.0, hop_s=hop, quick_share=quick, bulk_start_s=0.0,
            bulk_share=1.0, low=0.8, high=1.25, ref="by hand",
        )
        for library in libraries
        for item in kernels
    )  # fmt: skip
    return {name: InterconnectType(name=name, calibrations=calibrations)}


def switch(count: int, bandwidth: float = BANDWIDTH, latency: float = 0.0, **extra: object) -> Fabric:
    devices = tuple(f"n/{i}" for i in range(count))
    edges = tuple(Edge(device, "n#switch", bandwidth, latency, "wire") for device in devices)
    return Fabric(devices=devices, edges=edges, interconnects=kind(**extra))  # type: ignore[arg-type]  # of kind()


def nodes(count: int, per_node: int, uplink: float, cards: bool = False, quick: float = 1.0) -> Fabric:
    """Machines with a fast switch inside; one uplink each, or one of the same rate per device."""
    devices = tuple(f"n{node}/{i}" for node in range(count) for i in range(per_node))
    edges = [Edge(device, f"{device.split('/')[0]}#in", BANDWIDTH, 0.0, "wire") for device in devices]
    if cards:
        edges += [Edge(device, "#spine", uplink, 0.0, "net") for device in devices]
    else:
        edges += [Edge(f"n{node}#in", "#spine", uplink, 0.0, "net") for node in range(count)]
    kinds = {name: kind(name, quick=quick)[name] for name in ("wire", "net")}
    return Fabric(devices=devices, edges=tuple(edges), interconnects=kinds)


@pytest.mark.parametrize("n", [2, 3, 4, 8])
def test_ring_all_reduce_on_a_switch(n: int) -> None:
    fabric = switch(n)
    found = collective(fabric, fabric.devices, "all-reduce", SIZE, algorithm="ring")
    assert found.value == pytest.approx(2 * (n - 1) / n * SIZE / BANDWIDTH + 2 * (n - 1) * HOP)
    assert found.algorithm == "ring"


@pytest.mark.parametrize("n", [2, 3, 4, 8])
@pytest.mark.parametrize("operation", ["all-gather", "reduce-scatter"])
def test_ring_all_gather_and_reduce_scatter_on_a_switch(n: int, operation: str) -> None:
    fabric = switch(n)
    found = collective(fabric, fabric.devices, operation, SIZE)
    assert found.value == pytest.approx((n - 1) / n * SIZE / BANDWIDTH + (n - 1) * HOP)


def test_all_reduce_is_a_reduce_scatter_and_an_all_gather() -> None:
    fabric = switch(6)
    parts = [collective(fabric, fabric.devices, name, SIZE).value for name in ("reduce-scatter", "all-gather")]
    assert collective(fabric, fabric.devices, "all-reduce", SIZE).value == pytest.approx(sum(parts))


@pytest.mark.parametrize("n", [2, 4, 8])
def test_all_to_all_on_a_switch(n: int) -> None:
    fabric = switch(n)
    found = collective(fabric, fabric.devices, "all-to-all", SIZE)
    assert found.value == pytest.approx((n - 1) / n * SIZE / BANDWIDTH + (n - 1) * HOP)


def test_broadcast_takes_a_chain_for_large_sizes_and_a_tree_for_small_ones() -> None:
    fabric = switch(16)
    large = collective(fabric, fabric.devices, "broadcast", SIZE, library="other")
    assert (large.algorithm, large.value) == ("chain", pytest.approx(SIZE / BANDWIDTH + 15 * HOP))
    small = collective(fabric, fabric.devices, "broadcast", 1.0, library="other")
    assert small.algorithm == "tree"
    assert small.value == pytest.approx(4 * HOP, rel=1e-3)  # the last of 16 is four levels down


def test_tree_all_reduce_goes_up_and_down_log2_n_levels() -> None:
    fabric = switch(16)
    found = collective(fabric, fabric.devices, "all-reduce", SIZE, algorithm="tree")
    assert found.value == pytest.approx(2 * SIZE / BANDWIDTH + 2 * log2(16) * HOP)


def test_small_all_reduces_take_the_tree_and_large_ones_the_ring() -> None:
    fabric = switch(16)
    chosen = [collective(fabric, fabric.devices, "all-reduce", size, library="other").algorithm for size in (1e3, 1e9)]
    assert chosen == ["tree", "ring"]


def test_nccl_has_trees_of_machines_only_with_chains_through_them() -> None:
    alone, cluster = switch(8), nodes(4, 2, 10e9, quick=0.25)
    assert collective(alone, alone.devices, "all-reduce", 1.0).algorithm == "ring"
    found = collective(cluster, cluster.devices, "all-reduce", 1.0)
    assert found.algorithm == "chained-tree"
    assert found.value == pytest.approx(2 * (1 + 2) * HOP, rel=1e-3)  # a machine's chain, two levels of machines


def test_send_recv_goes_round_and_point_to_point_is_as_long() -> None:
    fabric = switch(4)
    found = collective(fabric, fabric.devices, "send-recv", SIZE)
    assert found.value == pytest.approx(SIZE / BANDWIDTH + HOP)
    assert point_to_point(fabric, "n/0", "n/3", SIZE).value == pytest.approx(found.value)


def test_a_shared_bridge_halves_what_two_flows_get() -> None:
    """Two pairs, each behind a link of one card's rate: an all-to-all crosses it with four flows of a quarter."""
    edges = [Edge(f"n/{i}", f"n#{i // 2}", BANDWIDTH, 0.0, "wire") for i in range(4)]
    edges.append(Edge("n#0", "n#1", BANDWIDTH, 0.0, "wire"))
    fabric = Fabric(devices=tuple(f"n/{i}" for i in range(4)), edges=tuple(edges), interconnects=kind(hop=0.0))
    assert collective(fabric, fabric.devices, "all-to-all", SIZE).value == pytest.approx(SIZE / BANDWIDTH)
    assert collective(switch(4, hop=0.0), fabric.devices, "all-to-all", SIZE).value == pytest.approx(
        0.75 * SIZE / BANDWIDTH
    )
    ring = collective(fabric, fabric.devices, "all-reduce", SIZE, algorithm="ring")
    assert ring.value == pytest.approx(1.5 * SIZE / BANDWIDTH)  # a ring that keeps pairs together crosses once each way


def test_a_ring_keeps_neighbours_together_however_devices_are_named() -> None:
    fabric = nodes(2, 4, BANDWIDTH / 10)
    mixed = [fabric.devices[i] for i in (0, 4, 1, 5, 2, 6, 3, 7)]
    times = {collective(fabric, order, "all-reduce", SIZE).value for order in (fabric.devices, mixed)}
    assert len(times) == 1


def test_one_uplink_per_machine_carries_the_ring_of_all_and_cards_share_it() -> None:
    shared = collective(nodes(2, 8, 10e9), nodes(2, 8, 10e9).devices, "all-reduce", SIZE, algorithm="ring")
    per_card = collective(
        nodes(2, 8, 10e9, cards=True), nodes(2, 8, 10e9).devices, "all-reduce", SIZE, algorithm="ring"
    )
    hops = 2 * 15 * HOP
    assert shared.value == pytest.approx(2 * 15 / 16 * SIZE / 10e9 + hops)
    assert per_card.value == pytest.approx(2 * 15 / 16 * SIZE / 10e9 / 8 + hops)  # eight rings, one per card


def test_hierarchical_all_reduce_within_and_across_machines() -> None:
    fabric = nodes(2, 4, 10e9)
    found = collective(fabric, fabric.devices, "all-reduce", SIZE, algorithm="hierarchical")
    within = 2 * 3 / 4 * SIZE / BANDWIDTH + 2 * 3 * HOP
    across = 2 * 1 / 2 * (SIZE / 4) * 4 / 10e9 + 2 * HOP  # four rings of a quarter each over one uplink
    assert found.value == pytest.approx(within + across)


def test_the_better_of_hierarchical_and_flat_is_taken_and_named_where_the_library_has_both() -> None:
    fabric = nodes(2, 8, 10e9, quick=0.25)
    times = {
        name: collective(fabric, fabric.devices, "all-reduce", SIZE, algorithm=name, library="other").value
        for name in ("ring", "hierarchical")
    }
    best = collective(fabric, fabric.devices, "all-reduce", SIZE, library="other")
    assert times["hierarchical"] < times["ring"]
    assert (best.algorithm, best.value) == ("hierarchical", times["hierarchical"])
    assert collective(fabric, fabric.devices, "all-reduce", SIZE, library="nccl").algorithm == "ring"


def grid(rows: int, columns: int) -> Fabric:
    edges = []
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        edges += [Edge(f"n/{place}", f"n/{place + 1}", BANDWIDTH, 0.0, "wire")] if column + 1 < columns else []
        edges += [Edge(f"n/{place}", f"n/{place + columns}", BANDWIDTH, 0.0, "wire")] if row + 1 < rows else []
    return Fabric(devices=tuple(f"n/{i}" for i in range(rows * columns)), edges=tuple(edges), interconnects=kind())


def test_a_mesh_runs_two_rings_on_links_of_their_own() -> None:
    """Each link has two directions: one ring each way round carries half of the data."""
    fabric = grid(4, 4)
    found = collective(fabric, fabric.devices, "all-reduce", SIZE, algorithm="ring")
    assert found.value == pytest.approx(2 * 15 / 16 * SIZE / 2 / BANDWIDTH + 30 * HOP)


def torus(rows: int, columns: int) -> Fabric:
    def place(row: int, column: int) -> str:
        return f"n/{row % rows * columns + column % columns}"

    ends = [(place(r, c), n) for r in range(rows) for c in range(columns) for n in (place(r, c + 1), place(r + 1, c))]
    devices = tuple(f"n/{i}" for i in range(rows * columns))
    domain = Domain("ici", devices, shape=(rows, columns), wraps=True)
    edges = tuple(Edge(a, b, BANDWIDTH, 0.0, "wire") for a, b in ends)
    return Fabric(devices=devices, edges=edges, interconnects=kind(), domains=(domain,))


@pytest.mark.parametrize("side", [4, 5])
def test_a_torus_uses_all_four_links_of_each_device(side: int) -> None:
    """Along both dimensions at once, both ways round: what each sends leaves by four links; two phases of rings."""
    fabric, n = torus(side, side), side * side
    for operation, passes in (("all-gather", 1), ("reduce-scatter", 1), ("all-reduce", 2)):
        found = collective(fabric, fabric.devices, operation, SIZE)
        assert found.algorithm == "bucket"
        assert found.value == pytest.approx(passes * ((n - 1) / n * SIZE / (4 * BANDWIDTH) + 2 * (side - 1) * HOP))


def test_a_torus_of_unequal_sides_waits_for_the_longer_one() -> None:
    """3 x 6: half of the data along 3, half along 6; then a third of a half along 6, a sixth of a half along 3."""
    fabric = torus(3, 6)
    along_6_then = [5 / 6 / 2 / 2, 5 / 6 / 2 / 2 / 3]  # both ways round; always more than what goes along 3
    found = collective(fabric, fabric.devices, "all-gather", SIZE, algorithm="bucket")
    assert found.value == pytest.approx(sum(along_6_then) * SIZE / BANDWIDTH + 2 * 5 * HOP)


def test_eight_gpus_on_an_nvswitch_and_two_such_machines_over_a_network() -> None:
    """Of 450 GB/s a ring gets the share that it was calibrated to; between machines all share one port of 12.5 GB/s."""
    devices = tuple(f"n{node}/{i}" for node in range(2) for i in range(8))
    edges = [Edge(device, f"{device[:2]}#nvlink", 450e9, 0.0, "nvlink4") for device in devices]
    edges += [Edge(device, f"{device[:2]}#host", 63e9, 0.0, "pcie5-x16") for device in devices]
    edges += [Edge(f"n{node}#host", "#switch", 12.5e9, 0.0, "ethernet-100g") for node in range(2)]
    fabric, size = Fabric(devices=devices, edges=tuple(edges), interconnects=SHIPPED), float(1 << 30)
    inside = SHIPPED["nvlink4"].calibrations[0]
    assert (inside.library, inside.kernels) == ("nccl", "ring")
    one = collective(fabric, devices[:8], "all-gather", size)
    sent = (7 + inside.local_share) / 8 * size / (450e9 * inside.bulk_share)
    assert one.value == pytest.approx(inside.start_s + inside.bulk_start_s + 7 * inside.hop_s + sent)
    network = next(item for item in SHIPPED["ethernet-100g"].calibrations if item.kernels == "ring")
    two = collective(fabric, devices, "all-reduce", size)
    assert two.algorithm == "ring"
    assert two.value == pytest.approx(2 * 15 / 16 * size / (12.5e9 * network.bulk_share), rel=0.01)  # steps: under 1 %
    split = collective(fabric, devices, "all-reduce", size, algorithm="hierarchical")
    assert split.value == pytest.approx(size / (12.5e9 * network.bulk_share) + 2 * one.value, rel=0.02)


def test_cards_behind_a_shared_host_bridge_get_a_part_of_it_each() -> None:
    """Four pairs on switches below one bridge: all-to-all, of each pair two devices send 6/8 of their data up."""
    devices = tuple(f"n/{i}" for i in range(8))
    edges = [Edge(device, f"n#{i // 2}", 31.5e9, 0.0, "pcie4-x16") for i, device in enumerate(devices)]
    edges += [Edge(f"n#{i}", "n#host", 31.5e9, 0.0, "pcie4-host-bridge") for i in range(4)]
    fabric = Fabric(devices=devices, edges=tuple(edges), interconnects=SHIPPED)
    bridge = next(item for item in SHIPPED["pcie4-host-bridge"].calibrations if item.kernels == "pairwise")
    found = collective(fabric, devices, "all-to-all", 1e9)
    assert found.value == pytest.approx(2 * 6 / 8 * 1e9 / (31.5e9 * bridge.bulk_share), rel=0.01)


def test_a_full_graph_uses_every_link_both_ways() -> None:
    devices = tuple(f"n/{i}" for i in range(5))
    edges = tuple(Edge(a, b, BANDWIDTH, 0.0, "wire") for a, b in combinations(devices, 2))
    fabric = Fabric(devices=devices, edges=edges, interconnects=kind(hop=0.0))
    found = collective(fabric, devices, "all-reduce", SIZE, algorithm="ring")
    assert found.value == pytest.approx(2 * 4 / 5 * SIZE / (4 * BANDWIDTH))  # K5: two cycles, two ways


def test_latency_that_the_fabric_states_counts_where_it_is_longer_than_the_librarys_step() -> None:
    fabric = switch(4, latency=5e-6)
    ring = collective(fabric, fabric.devices, "all-gather", 1.0)
    assert ring.value == pytest.approx(3 * 2 * 5e-6, rel=1e-6)
    together = collective(fabric, fabric.devices, "all-to-all", 1.0)
    assert together.value == pytest.approx(2 * 5e-6, rel=1e-6)  # sends do not wait for each other


def test_the_switch_adds_up_where_that_is_calibrated() -> None:
    ring = kind()["wire"].calibrations[0].model_copy(update={"in_switch_share": 1.0, "in_switch_start_s": 0.0})
    fabric = switch(8).model_copy(
        update={"interconnects": {"wire": InterconnectType(name="wire", calibrations=(ring,))}}
    )
    found = collective(fabric, fabric.devices, "all-reduce", SIZE)
    assert found.algorithm == "in-switch"
    assert found.value == pytest.approx(9 / 8 * SIZE / BANDWIDTH + 2 * HOP)


def test_direct_kernels_read_all_at_once_and_leave_large_sizes_to_nccl() -> None:
    direct = kind()["wire"].calibrations[0].model_copy(
        update={"library": "custom", "kernels": "direct", "bulk_start_s": 3e-6, "most_bytes": 1e6, "hop_s": 0.0}
    )  # fmt: skip
    wire = InterconnectType(name="wire", calibrations=(*kind(quick=0.25)["wire"].calibrations, direct))
    fabric = switch(4).model_copy(update={"interconnects": {"wire": wire}})

    def at(size: float) -> tuple[str, float]:
        found = collective(fabric, fabric.devices, "all-reduce", size, library="custom")
        return found.algorithm, found.value

    assert at(1e4) == ("one-shot", pytest.approx(3 * 1e4 / BANDWIDTH))
    assert at(1e6) == ("two-shot", pytest.approx(3e-6 + 1.5 * 1e6 / BANDWIDTH))
    assert at(2e6)[0] == "ring"


def test_what_was_not_calibrated_is_assumed_and_wide() -> None:
    fabric = switch(4).model_copy(update={"interconnects": {}})
    found = collective(fabric, fabric.devices, "all-reduce", SIZE)
    known = collective(switch(4), fabric.devices, "all-reduce", SIZE)
    assert (found.source, known.source) == ("assumed", "calibrated")
    assert found.high / found.low > known.high / known.low
    assert "assumed on wire" in found.basis


def test_nothing_is_moved_for_one_device_or_no_bytes() -> None:
    fabric = switch(2)
    assert collective(fabric, ["n/0"], "all-reduce", SIZE).value == 0
    assert collective(fabric, fabric.devices, "all-reduce", 0).value == 0
    assert point_to_point(fabric, "n/0", "n/0", SIZE).value == 0


def test_wrong_questions_are_refused_with_what_is_known() -> None:
    fabric = switch(4)
    cases = [
        ("allreduce", {}, fabric.devices, "did you mean `all-reduce`"),
        ("all-reduce", {"algorithm": "rings"}, fabric.devices, "did you mean `ring`"),
        ("all-reduce", {}, ["n/0", "n/7"], "did you mean"),
    ]
    for operation, options, devices, remedy in cases:
        with pytest.raises(InputError) as caught:
            collective(fabric, devices, operation, SIZE, **options)  # type: ignore[arg-type]  # of the cases above
        assert remedy in (caught.value.diagnostics[0].remedy or "")
    with pytest.raises(InputError, match="more than once"):
        collective(fabric, ["n/0", "n/0"], "all-reduce", SIZE)


@given(
    st.sampled_from(OPERATIONS),
    st.sampled_from([switch(5), nodes(2, 4, 10e9), nodes(3, 2, 10e9, cards=True), grid(2, 3), grid(3, 3)]),
    st.floats(1, 1e10),
    st.floats(1.01, 100),
)
def test_more_bytes_never_take_less_and_the_interval_holds_the_value(
    operation: str, fabric: Fabric, size: float, factor: float
) -> None:
    less = collective(fabric, fabric.devices, operation, size)
    more = collective(fabric, fabric.devices, operation, size * factor)
    assert less.value <= more.value <= less.value * factor * (1 + 1e-9)
    assert 0 < less.low <= less.value <= less.high


@given(st.sampled_from(OPERATIONS), st.permutations(range(6)), st.floats(1e3, 1e9))
def test_a_wider_fabric_is_never_slower_and_names_do_not_matter(operation: str, order: list[int], size: float) -> None:
    narrow, wide = switch(6), switch(6, bandwidth=2 * BANDWIDTH)
    devices = [narrow.devices[i] for i in order]
    time = collective(narrow, devices, operation, size).value
    assert collective(wide, devices, operation, size).value <= time
    assert collective(narrow, narrow.devices, operation, size).value == pytest.approx(time)


def test_unequal_islands_run_a_ring_over_both() -> None:
    devices = tuple(f"n/{i}" for i in range(8))
    edges = [Edge(device, f"n#{'a' if i < 6 else 'b'}", BANDWIDTH, 0.0, "wire") for i, device in enumerate(devices)]
    edges.append(Edge("n#a", "n#b", BANDWIDTH / 10, 0.0, "wire"))
    domains = (Domain("hccs", devices[:6]), Domain("hccs", devices[6:]), Domain("node", devices))
    fabric = Fabric(devices=devices, edges=tuple(edges), domains=domains, interconnects=kind())
    found = collective(fabric, devices[::-1], "all-reduce", SIZE, library="other")
    assert found.algorithm == "ring"
    assert found.value == pytest.approx(2 * 7 / 8 * SIZE / (BANDWIDTH / 10) + 14 * HOP)


# Measured by ai-dynamo/aiconfigurator (Apache-2.0, commit 095f58a): NCCL 2.29.2 on H100 and B200 SXM, NCCL 2.27.3 on
# A100 SXM and L40S; size in bytes, microseconds.
MEASURED = [
    ("nvlink4", 450e9, 8, "reduce-scatter", 512, 10.24),
    ("nvlink4", 450e9, 8, "reduce-scatter", 512 << 20, 1399.0),
    ("nvlink4", 450e9, 8, "all-reduce", 512, 15.59),
    ("nvlink4", 450e9, 8, "all-reduce", 512 << 20, 2111.0),
    ("nvlink4", 450e9, 4, "all-to-all", 512 << 20, 1397.0),
    ("nvlink3", 300e9, 8, "all-gather", 512, 15.56),
    ("nvlink3", 300e9, 8, "all-gather", 512 << 20, 2288.0),
    ("nvlink3", 300e9, 2, "all-reduce", 512 << 20, 2781.0),
    ("nvlink5", 900e9, 8, "all-to-all", 512 << 20, 834.2),
    ("pcie4-x16", 31.5e9, 2, "all-reduce", 512 << 20, 26700.0),
]


@pytest.mark.parametrize(("name", "bandwidth", "count", "operation", "size", "measured_us"), MEASURED)
def test_shipped_constants_tell_measured_times_within_their_interval(
    name: str, bandwidth: float, count: int, operation: str, size: int, measured_us: float
) -> None:
    devices = tuple(f"n/{i}" for i in range(count))
    latency = SHIPPED[name].latency_s
    assert latency is not None
    edges = tuple(Edge(device, "n#switch", bandwidth, latency.value, name) for device in devices)
    found = collective(Fabric(devices=devices, edges=edges, interconnects=SHIPPED), devices, operation, size)
    assert found.low <= measured_us * 1e-6 <= found.high
    assert found.source == "calibrated"
