"""What is written of connections becomes levels with bandwidths, or a sentence about what does not add up."""

import pytest

from aios.fleet import compile_fleet
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.fleet import DeviceType, Fact, Interconnect


def rate(value: float) -> Fact:
    return Fact(value=value, unit="B/s", source="datasheet", ref="sheet", as_of="2020")


CATALOGUE = {
    "gpu": DeviceType(
        name="gpu",
        kind="gpu",
        interconnects=(
            Interconnect(kind="nvlink3", links=12, bandwidth_bytes_per_s=rate(300e9)),
            Interconnect(kind="nvlink-c2c", bandwidth_bytes_per_s=rate(450e9)),
            Interconnect(kind="pcie4-x16", bandwidth_bytes_per_s=rate(31.5e9)),
        ),
    ),
    "npu": DeviceType(
        name="npu", kind="npu", interconnects=(Interconnect(kind="hccs", bandwidth_bytes_per_s=rate(196e9)),)
    ),
    "tpu": DeviceType(
        name="tpu", kind="tpu", interconnects=(Interconnect(kind="ici", links=6, bandwidth_bytes_per_s=rate(300e9)),)
    ),
    "host": DeviceType(name="host", kind="cpu", cores=64),
}


def compiled(spec: str):
    text = f"apiVersion: aios/v1\nkind: Fleet\nmetadata: {{name: lab}}\nspec:\n{spec}"
    return compile_fleet(parse(text.encode(), "fleet.yaml"), CATALOGUE, "fleet.yaml")


def on_node(topology: str, devices: str = "[{type: gpu, count: 8}]"):
    return compiled(f"  nodes: [{{name: a, devices: {devices}, topology: {topology}}}]\n").nodes[0].topology


def between_machines(topology: str, extra: str = ""):
    nodes = "".join(
        f"    - {{name: n{rack}, count: 4, labels: {{rack: r{rack}, row: x{rack // 2}}}}}\n" for rack in range(4)
    )
    return compiled(f"  nodes:\n{nodes}  topology: {topology}\n{extra}").topology


def mistakes(call, *arguments: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return [item.summary for item in caught.value.diagnostics]


def test_a_switch_takes_the_devices_own_links_as_its_ports():
    (nvlink,) = on_node("{kind: nvswitch}")
    assert (nvlink.kind, nvlink.name, nvlink.interconnect, nvlink.members) == ("switch", "nvlink", "nvlink3", ())
    assert nvlink.bandwidth_bytes_per_s == rate(300e9)


def test_links_between_every_two_share_the_devices_links():
    (hccs,) = on_node("{kind: hccs, group: 8}", "[{type: npu, count: 16}]")
    assert (hccs.kind, hccs.group, hccs.between) == ("full", 8, None)
    fact = hccs.bandwidth_bytes_per_s
    assert fact.value == pytest.approx(196e9 / 7)
    assert (fact.source, fact.trust, fact.as_of) == ("analytic", "derived", "2020")
    assert fact.ref == "196 GB/s of hccs over 7 links (sheet)"


@pytest.mark.parametrize(
    ("written", "per_link"),
    [
        ("{kind: ici, shape: [4, 2]}", 300e9 / 6),  # six links are stated
        ("{kind: ring, interconnect: ici}", 150e9),
        ("{kind: full, interconnect: ici}", 300e9 / 7),
        ("{kind: switch, interconnect: ici}", 300e9),
    ],
)
def test_what_one_link_carries_follows_from_the_kind(written, per_link):
    (level,) = on_node(written, "[{type: tpu, count: 8}]")
    assert level.bandwidth_bytes_per_s.value == pytest.approx(per_link)


def test_without_a_number_of_links_an_inner_member_shares_with_its_neighbours():
    (mesh,) = on_node("{kind: mesh, shape: [2, 2, 4], interconnect: hccs}", "[{type: npu, count: 16}]")
    assert mesh.bandwidth_bytes_per_s.value == pytest.approx(196e9 / (1 + 1 + 2))


@pytest.mark.parametrize(
    ("written", "bandwidth", "ref"),
    [
        ("{kind: nvlink, group: 4, links: 4}", 4 * 25e9, "300 GB/s of nvlink3 over 4 of 12 links (sheet)"),
        ('{kind: nvlink, members: ["0", "3"], links: 2}', 2 * 25e9, "300 GB/s of nvlink3 over 2 of 12 links (sheet)"),
        ("{kind: ring, interconnect: nvlink, links: 6}", 6 * 25e9, "300 GB/s of nvlink3 over 6 of 12 links (sheet)"),
        ("{kind: nvswitch, links: 12}", 300e9, "sheet"),
    ],
)
def test_links_side_by_side_are_so_many_of_the_devices_own(written, bandwidth, ref):
    (level,) = on_node(written)
    assert (level.bandwidth_bytes_per_s.value, level.bandwidth_bytes_per_s.ref) == (bandwidth, ref)


def test_of_links_that_nobody_counts_the_part_is_unknown_but_at_a_switch_it_is_all():
    npus = "[{type: npu, count: 4}]"
    (direct,) = on_node("{kind: hccs, links: 2}", npus)
    assert (direct.links, direct.bandwidth_bytes_per_s) == (2, None)
    (switch,) = on_node("{kind: switch, interconnect: hccs, links: 7}", npus)
    assert switch.bandwidth_bytes_per_s == rate(196e9)


@pytest.mark.parametrize(
    ("written", "summary"),
    [
        ("{kind: nvlink, links: 2}", "2 links to each of 7 neighbours are"),
        ("{kind: nvswitch, links: 18}", "18 links are"),
        ("{kind: nvlink, group: 4, links: 5}", "5 links to each of 3 neighbours are"),
    ],
)
def test_more_links_than_a_device_has_are_a_mistake(written, summary):
    assert mistakes(on_node, written) == [f"{summary} more than the 12 of nvlink3 that gpu has"]


def test_what_is_stated_stands():
    (level,) = on_node("{kind: nvlink, name: bridge, bandwidth: 50 GB/s, latency: 700 ns}")
    assert (level.name, level.interconnect) == ("bridge", "nvlink3")
    assert level.bandwidth_bytes_per_s == Fact(value=50e9, unit="B/s")
    assert level.latency_s.value == pytest.approx(7e-7)


@pytest.mark.parametrize(
    "devices", ["[{type: npu, count: 8}]", "[{type: gpu, count: 4}, {type: npu, count: 4}]", "[{type: host, count: 2}]"]
)
def test_bandwidth_stays_unknown_where_the_devices_do_not_agree_on_one(devices):
    (level,) = on_node("{kind: nvswitch}", devices)
    assert (level.interconnect, level.bandwidth_bytes_per_s) == ("nvlink", None)


def test_cpus_take_no_part_unless_there_is_nothing_else():
    devices = "[{type: host, count: 2}, {type: gpu, count: 4}]"
    (ring,) = on_node("{kind: mesh, shape: [2, 2], interconnect: nvlink}", devices)
    assert (ring.members, ring.bandwidth_bytes_per_s.value) == ((), 300e9 / 12)
    assert on_node("{kind: mesh, shape: [2]}", "[{type: host, count: 2}]")[0].members == ()


def test_members_in_their_usual_order_need_not_be_kept():
    assert on_node('{kind: nvlink, members: ["0", "1", "2"]}')[0].members == ("0", "1", "2")
    assert on_node('{kind: ring, members: ["1", "0"]}', "[{type: gpu, count: 2}]")[0].members == ("1", "0")
    assert on_node('{kind: ring, members: ["0", "1"]}', "[{type: gpu, count: 2}]")[0].members == ()


def test_the_order_of_members_is_kept_where_it_says_something():
    assert on_node('{kind: nvlink, members: ["1", "0"]}', "[{type: gpu, count: 2}]")[0].members == ()
    assert on_node('{kind: nvlink, members: ["2", "0"]}')[0].members == ("0", "2")
    paired = '{kind: full, members: ["2", "0", "3", "1"], group: 2, between: {kind: switch}}'
    assert on_node(paired)[0].members == ("2", "0", "3", "1")


def test_pcie_switches_are_joined_by_the_host():
    nvlink, pcie = on_node("[{kind: pcie, group: 4, host: {bandwidth: 60 GB/s}}, {kind: nvswitch}]")
    assert (nvlink.name, pcie.name, pcie.interconnect) == ("nvlink", "pcie", "pcie4-x16")
    assert (pcie.group, pcie.bandwidth_bytes_per_s.value) == (4, 31.5e9)
    assert (pcie.between.name, pcie.between.kind, pcie.between.bandwidth_bytes_per_s.value) == ("host", "switch", 60e9)
    assert on_node("{kind: pcie}")[0].between is None
    assert on_node("{kind: pcie, group: 4, between: {kind: full, name: sockets}}")[0].between.name == "sockets"


def test_racks_and_a_spine():
    (rack,) = between_machines("{kind: rack-spine, by: rack, bandwidth: 25 GB/s, spine: {bandwidth: 100 GB/s}}")
    assert (rack.name, rack.kind, rack.by, rack.bandwidth_bytes_per_s.value) == ("rack", "switch", "rack", 25e9)
    assert (rack.between.name, rack.between.kind, rack.between.bandwidth_bytes_per_s.value) == ("spine", "switch", 1e11)
    (rack,) = between_machines("{kind: rack-spine, group: 8}")
    assert (rack.group, rack.between.name) == (8, "spine")


def test_a_tree_is_switches_above_switches():
    (leaf,) = between_machines("{kind: tree, levels: [{group: 4, bandwidth: 25 GB/s}, {group: 2}, {name: core}]}")
    names = []
    level = leaf
    while level is not None:
        names.append((level.name, level.kind, level.group))
        level = level.between
    assert names == [("leaf", "switch", 4), ("level-2", "switch", 2), ("core", "switch", None)]


def test_groups_may_be_grouped_by_a_label_that_their_machines_share():
    (rack,) = between_machines("{kind: switch, by: rack, between: {kind: full, by: row, between: {kind: ring}}}")
    assert (rack.between.by, rack.between.between.kind) == ("row", "ring")
    assert mistakes(
        between_machines, "{kind: switch, by: row, between: {kind: full, by: rack, between: {kind: ring}}}"
    ) == ["2 of 2 groups of `switch` lack the label `rack`"]


@pytest.mark.parametrize(
    ("topology", "mistake"),
    [
        ("{kind: nvswitch, group: 3}", "8 devices cannot be split into groups of 3"),
        ("{kind: mesh, shape: [3, 3]}", "3 x 3 has 9 places, but there are 8 devices"),
        (
            "{kind: torus, shape: [2, 2], group: 2, between: {kind: ring}}",
            "2 x 2 has 4 places, but there are 2 devices",
        ),
        (
            "{kind: full, group: 4, between: {kind: mesh, shape: [3]}}",
            "3 has 3 places, but there are 2 groups of `full`",
        ),
        ("{kind: ici}", "a torus needs its `shape`"),
        ("{kind: ring, shape: [8]}", "`ring` has no shape"),
        ('{kind: full, members: ["0", "8"]}', "node `a` has no device `8`"),
        ('{kind: full, members: ["0", "1", "0"]}', "`0` is named twice"),
        ("{kind: switch, by: rack}", "`by` cannot be used here"),
        ("{kind: full, between: {kind: switch}}", "`full` connects all devices, so there is nothing between groups"),
        ("{kind: switch, host: {bandwidth: 1 GB/s}}", "`host` belongs to `kind: pcie`, not to `kind: switch`"),
        ("{kind: switch, levels: [{group: 2}]}", "`levels` belongs to `kind: tree`, not to `kind: switch`"),
        (
            "{kind: pcie, group: 4, between: {kind: ring}, host: {}}",
            "`host` and `between` both say what is between the groups",
        ),
        ("{kind: tree, group: 2, levels: [{}]}", "`group` belongs into one of the `levels` of a tree"),
        ("{kind: tree}", "a tree needs its `levels`"),
        ("{kind: nvswitch, bandwidth: 900 TB/s}", "`bandwidth` of 900 TB/s is impossible"),
        ("{kind: full, group: 2, between: {kind: ring, latency: 1 min}}", "`latency` of 1 min is impossible"),
    ],
)
def test_what_does_not_add_up_in_a_node(topology, mistake):
    assert mistakes(on_node, topology) == [mistake]


@pytest.mark.parametrize(
    ("topology", "mistake"),
    [
        ("{kind: rack-spine}", "`rack-spine` does not say which machines share a rack"),
        ("{kind: rack-spine, by: rak}", "no machine has the label `rak`"),
        ("{kind: rack-spine, by: rack, group: 4}", "`group` and `by` both say what a group is"),
        ("{kind: switch, over: [n1, n9]}", "there is no node `n9`"),
        ("{kind: mesh, shape: [4, 5]}", "4 x 5 has 20 places, but there are 16 machines"),
        ("{kind: switch, group: 4, between: {kind: ring, by: row}}", "`by` cannot be used here"),
        ("{kind: switch, spine: {bandwidth: 1 GB/s}}", "`spine` belongs to `kind: rack-spine`, not to `kind: switch`"),
    ],
)
def test_what_does_not_add_up_between_machines(topology, mistake):
    assert mistakes(between_machines, topology) == [mistake]


def test_a_label_that_only_some_have():
    spec = "  nodes: [{name: a, labels: {rack: r}}, {name: b, count: 3}]\n  topology: {kind: rack-spine, by: rack}\n"
    with pytest.raises(InputError) as caught:
        compiled(spec)
    (mistake,) = caught.value.diagnostics
    assert mistake.summary == "3 of 4 machines lack the label `rack`"
    assert mistake.remedy == "write `labels: {rack: ...}` for each node"


def test_a_mesh_of_groups_of_unlike_size_is_wrong_for_those_that_differ():
    spec = (
        "  nodes: [{name: a, count: 4, labels: {rack: r}}, {name: b, count: 6, labels: {rack: s}}]\n"
        "  topology: {kind: mesh, by: rack, shape: [2, 2], between: {kind: ring}}\n"
    )
    assert mistakes(compiled, spec) == ["2 x 2 has 4 places, but there are 6 machines"]


def test_levels_and_dimensions_have_an_end():
    assert mistakes(on_node, f"{{kind: tree, levels: [{', '.join(['{group: 1}'] * 9)}]}}") == [
        "`spec.nodes[0].topology.levels` has 9 entries; at most 8 are read"
    ]
    assert mistakes(on_node, "{kind: mesh, shape: [1, 1, 1, 1, 1, 1, 8]}") == [
        "`spec.nodes[0].topology.shape` has 7 entries; at most 6 are read"
    ]
