"""Fleet documents become a Fleet, or say everything that is wrong with them."""

from textwrap import dedent

import pytest

from aios.catalogue import root
from aios.fleet import compile_fleet, fleet_text, load_catalogue
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.fleet import DeviceType, Fact, Topology, Used

CATALOGUE = {
    "nvidia-t4": DeviceType(
        name="nvidia-t4", kind="gpu", tdp_w=Fact(value=70, unit="W", source="datasheet"), features=("sm_75",)
    ),
    "amd-epyc-7763": DeviceType(
        name="amd-epyc-7763", kind="cpu", cores=64, memory_bytes=Fact(value=2.0**38, unit="B", source="declared")
    ),
}


def fleet(spec: str, name: str = "lab"):
    text = f"apiVersion: aios/v1\nkind: Fleet\nmetadata: {{name: {name}}}\nspec:\n{spec}"
    return compile_fleet(parse(text.encode(), "fleet.yaml"), CATALOGUE, "fleet.yaml")


def mistakes(spec: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        fleet(spec)
    return [f"{item.where.line}:{item.where.column} {item.summary}" for item in caught.value.diagnostics]


def test_nodes_devices_and_units():
    result = fleet(
        "  nodes:\n"
        "    - {name: t4, count: 387, cpu: 104, memory: 512 GiB, devices: [{type: nvidia-t4, count: 2}],"
        " labels: {rack: r1}, region: eu-west, topology: {kind: pcie}}\n"
    )
    (node,) = result.nodes
    assert (node.name, node.count, node.cores, node.memory_bytes) == ("t4", 387, 104, 512 * 2.0**30)
    assert node.devices[0].ids == ("0", "1")
    assert (node.address, node.region, node.labels) == (None, "eu-west", {"rack": "r1"})
    assert node.topology == (Topology(name="pcie", kind="switch", interconnect="pcie"),)
    assert str(node.where) == "fleet.yaml:6:7"
    assert result.types == {"nvidia-t4": CATALOGUE["nvidia-t4"]}
    assert (result.name, result.origin) == ("lab", "fleet.yaml")


def test_everything_that_a_node_may_say():
    (node,) = fleet(
        """\
  regions: {north: {carbon: [30 g/kWh, 40 g/kWh]}, south: {}}
  nodes:
    - name: a
      hosts: gpu[001-003]
      cpu: 64
      memory: 512 GiB
      memory_tiers:
        - {kind: cxl, capacity: 512 GiB, read: 30 GB/s, latency: 250 ns}
        - {kind: nvme, name: nvme-scratch, capacity: {value: 7 TB, source: measured}}
      devices: [{type: nvidia-t4, count: 2}]
      taints: ["dedicated=ml:NoSchedule"]
      region: north
      used: {cpu: 12.5, memory: 40 GiB, devices: {"1": 50 %}}
      price: {value: 3.2 USD/h, ref: price list}
"""
    ).nodes
    assert (node.count, node.hosts) == (3, "gpu[001-003]")
    cxl, scratch = node.memory_tiers
    assert (cxl.name, cxl.kind, cxl.bytes.value, cxl.read_bytes_per_s.value) == ("cxl", "cxl", 2.0**39, 30e9)
    assert cxl.latency_s.value == pytest.approx(2.5e-7)
    assert (scratch.name, scratch.kind, scratch.bytes.source) == ("nvme-scratch", "nvme", "measured")
    assert (node.taints, node.carbon_g_per_kwh) == (("dedicated=ml:NoSchedule",), (30.0, 40.0))
    assert node.used == Used(cores=12.5, memory_bytes=40 * 2.0**30, devices={"1": 0.5})
    assert node.price_usd_per_h == Fact(value=3.2, unit="USD/h", ref="price list")


def test_a_node_states_its_own_carbon_before_its_regions():
    nodes = fleet(
        "  regions: {north: {carbon: 30 g/kWh}}\n"
        "  nodes: [{name: a, region: north}, {name: b, region: north, carbon: 5 g/kWh}, {name: c, region: x},"
        " {name: d}]\n"
    ).nodes
    assert [node.carbon_g_per_kwh for node in nodes] == [(30.0,), (5.0,), (), ()]


@pytest.mark.parametrize(
    ("node", "mistake"),
    [
        ("{name: a, count: 0}", "`spec.nodes[0].count` must be at least 1, not `0`"),
        ("{name: a, count: -3}", "`spec.nodes[0].count` must be at least 1, not `-3`"),
        ("{name: a, memory: 512}", "`spec.nodes[0].memory`: 512 has no unit"),
        ("{name: a, taints: [dedicated]}", "`spec.nodes[0].taints[0]`: `dedicated` is no taint"),
        ("{name: a, hosts: 'g[3-1]'}", "`g[3-1]` is no host list: the range `3-1` runs backwards"),
        ("{name: a, hosts: 'g[1-999999999]'}", "this host list stands for 999,999,999 machines; at most 1,000,000"),
        ("{name: a, carbon: -5 g/kWh}", "`spec.nodes[0].carbon`: `-5 g/kWh` is negative"),
        ("{name: a, used: {memory: -1 GiB}}", "`spec.nodes[0].used.memory`: `-1 GiB` is negative"),
        ("{name: a, topology: {kind: nvlnk}}", "`spec.nodes[0].topology.kind` cannot be `nvlnk`"),
    ],
)
def test_a_wrong_value_of_a_node(node, mistake):
    (found,) = mistakes(f"  nodes: [{node}]\n")
    assert mistake in found


def test_ids_run_on_over_entries_and_cpus_have_their_own():
    result = fleet(
        "  nodes:\n    - name: a\n      devices:\n        - {type: nvidia-t4, count: 2}\n"
        "        - {type: amd-epyc-7763, count: 2}\n        - {type: nvidia-t4}\n"
    )
    slots = {slot.type: slot.ids for slot in result.nodes[0].devices}
    assert slots == {"amd-epyc-7763": ("cpu0", "cpu1"), "nvidia-t4": ("0", "1", "2")}


def test_a_node_takes_cores_and_memory_from_its_processors():
    (node,) = fleet("  nodes: [{name: a, devices: [{type: amd-epyc-7763, count: 2}]}]\n").nodes
    assert (node.cores, node.memory_bytes) == (128, 2.0**38)
    (node,) = fleet("  nodes: [{name: a, cpu: 8, memory: 1 GiB, devices: [{type: amd-epyc-7763}]}]\n").nodes
    assert (node.cores, node.memory_bytes) == (8, 2.0**30)
    (node,) = fleet("  nodes: [{name: a, devices: [{type: nvidia-t4}]}]\n").nodes
    assert (node.cores, node.memory_bytes) == (None, None)


def test_own_types_replace_the_catalogues_and_facts_are_declared():
    result = fleet(
        "  nodes: [{name: a, devices: [{type: nvidia-t4}, {type: mine}]}]\n"
        "  devices:\n    - {name: nvidia-t4, kind: gpu, memory: 15 GiB}\n"
        "    - {name: mine, kind: npu, peak: {int8: 26 TOPS},"
        " tdp: {value: 2.5 W, source: datasheet, ref: brief, as_of: 2023-04}}\n"
    )
    t4, mine = result.types["nvidia-t4"], result.types["mine"]
    assert t4.tdp_w is None
    assert t4.memory_bytes == Fact(value=15 * 2.0**30, unit="B", source="declared")
    assert mine.tdp_w == Fact(value=2.5, unit="W", source="datasheet", ref="brief", as_of="2023-04")
    assert mine.peak_ops_per_s["int8"] == Fact(value=2.6e13, unit="OP/s")


def test_a_type_may_take_over_what_the_catalogue_says():
    result = fleet(
        "  nodes: [{name: a, devices: [{type: capped}]}]\n"
        "  devices: [{name: capped, kind: gpu, from: nvidia-t4, price: 0.35 USD/h}]\n"
    )
    capped = result.types["capped"]
    assert (capped.name, capped.features) == ("capped", ("sm_75",))
    assert capped.tdp_w == CATALOGUE["nvidia-t4"].tdp_w
    assert capped.price_usd_per_h.value == 0.35


def test_of_what_a_type_has_several_it_takes_over_those_it_does_not_name():
    base, mine = fleet(
        """  nodes: [{name: a, devices: [{type: base}, {type: mine}]}]
  devices:
    - name: base
      kind: gpu
      memory: 80 GB
      memory_tiers: [{kind: sram, capacity: 40 MB}, {kind: cxl, capacity: 64 GB}]
      interconnects:
        - {kind: nvlink3, bandwidth: 300 GB/s}
        - {kind: nvlink-c2c, bandwidth: 450 GB/s}
        - {kind: pcie4-x16, bandwidth: 31.5 GB/s}
      power_modes: [{name: low, cap: 200 W}, {name: full, cap: 400 W}]
      partitions: [{name: half, compute: 50 %, memory: 40 GB, most: 2}]
    - name: mine
      kind: gpu
      from: base
      memory_tiers: [{kind: cxl, capacity: 32 GB}]
      interconnects: [{kind: pcie3-x8, bandwidth: 7.9 GB/s}]
      power_modes: [{name: low, cap: 150 W}]
      partitions: [{name: quarter, compute: 25 %, memory: 20 GB, most: 4}]
"""
    ).types.values()
    assert [(tier.name, tier.bytes.value) for tier in mine.memory_tiers] == [("cxl", 32e9), ("sram", 40e6)]
    assert [item.kind for item in mine.interconnects] == ["nvlink3", "nvlink-c2c", "pcie3-x8"]
    assert [(mode.name, mode.cap_w.value) for mode in mine.power_modes] == [("full", 400), ("low", 150)]
    assert [part for part in mine.partitions if part.name != "quarter"] == list(base.partitions)


def test_own_types_may_be_like_other_own_types_in_any_order():
    result = fleet(
        "  nodes: [{name: a, devices: [{type: top}, {type: nvidia-t4}]}]\n"
        "  devices:\n    - {name: top, kind: gpu, from: middle, idle: 9 W}\n"
        "    - {name: middle, kind: gpu, from: nvidia-t4, memory: 15 GiB}\n"
        "    - {name: nvidia-t4, kind: gpu, from: nvidia-t4, price: 0.35 USD/h}\n"
    )
    top, t4 = result.types["top"], result.types["nvidia-t4"]
    assert (top.tdp_w.value, top.memory_bytes.value, top.idle_w.value) == (70.0, 15 * 2.0**30, 9.0)
    assert (top.price_usd_per_h.value, t4.features) == (0.35, ("sm_75",))


@pytest.mark.parametrize(
    ("devices", "mistake"),
    [
        ("{name: x, kind: gpu, from: y}, {name: y, kind: gpu, from: x}", "`x` is described by way of itself"),
        (
            "{name: x, kind: npu, from: nvidia-t4}",
            "`x` is of kind npu, but takes over facts of `nvidia-t4`, of kind gpu",
        ),
        ("{name: x, kind: gpu, from: x}", "the catalogue has no device type `x`"),
    ],
)
def test_a_type_that_is_like_nothing(devices, mistake):
    assert mistake in mistakes(f"  nodes: [{{name: a}}]\n  devices: [{devices}]\n")[0]


def test_a_long_chain_of_types_is_followed():
    chain = ", ".join(f"{{name: t{n}, kind: gpu, from: t{n + 1}}}" for n in range(3000))
    result = fleet(
        "  nodes: [{name: a, devices: [{type: t0}]}]\n"
        f"  devices: [{chain}, {{name: t3000, kind: gpu, from: nvidia-t4}}]\n"
    )
    assert result.types["t0"].tdp_w.value == 70


def test_power_modes_and_links():
    result = fleet(
        "  nodes: [{name: b, devices: [{type: orin}]}, {name: a}]\n"
        "  devices:\n    - name: orin\n      kind: gpu\n      power_modes:\n"
        "        - {name: 7W, cap: 7 W, peak_scale: 65 %}\n        - {name: 15W, cap: 15 W}\n"
        "  links: [{between: [b, a], bandwidth: 25 GB/s, latency: 10 us}]\n"
    )
    full, slow = result.types["orin"].power_modes
    assert (slow.cap_w.value, slow.peak_scale.value, full.peak_scale) == (7.0, 0.65, None)
    (link,) = result.links
    assert (link.ends, link.bandwidth_bytes_per_s.value, link.latency_s.value) == (("a", "b"), 2.5e10, 1e-5)


def test_every_mistake_of_form_is_reported_with_its_place():
    assert mistakes(
        "  nodes:\n    - {name: a, cpu: 0}\n    - {name: b, memory: 5 W, adress: x}\n"
        "  devices: [{name: x, kind: gpuu, peak: {fp61: 1 TFLOPS}}, {kind: gpu}]\n"
    ) == [
        "6:22 `spec.nodes[0].cpu` must be at least 1, not `0`",
        "7:25 `spec.nodes[1].memory`: 5 W is a power, but a size in bytes is wanted here",
        "7:30 unknown field `adress` in `spec.nodes[1]`",
        "8:29 `spec.devices[0].kind` cannot be `gpuu`",
        "8:42 `spec.devices[0].peak.fp61` cannot be `fp61`",
        "8:60 `spec.devices[1].name` is missing",
    ]


def test_every_wrong_reference_is_reported_at_once():
    assert mistakes(
        "  nodes:\n    - {name: a, devices: [{type: nvidia-t5}]}\n    - {name: a}\n    - {name: b, count: 2}\n"
        "    - {name: b-1}\n"
        "  devices: [{name: x, kind: gpu}, {name: x, kind: gpu}, {name: y, kind: gpu, from: nvidia-t9}]\n"
        "  links: [{between: [a, q], bandwidth: 1 GB/s}]\n"
    ) == [
        "6:34 unknown device type `nvidia-t5`",
        "7:14 there are two machines called `a`",
        "9:14 there are two machines called `b-1`",
        "10:42 device type `x` is described twice",
        "10:84 the catalogue has no device type `nvidia-t9`",
        "11:25 there is no node `q`",
    ]


def test_an_unknown_type_suggests_the_nearest_and_says_how_to_describe_one():
    with pytest.raises(InputError) as caught:
        fleet("  nodes: [{name: a, devices: [{type: nvidia-t44}]}]\n")
    (mistake,) = caught.value.diagnostics
    assert mistake.remedy.startswith("did you mean `nvidia-t4`?")
    # What the remedy says to write is a fleet that compiles.
    written = dedent(mistake.remedy.split("unknown:\n")[1]).removeprefix("spec:\n") + "\n"
    result = fleet("  nodes: [{name: a, devices: [{type: nvidia-t44}]}]\n" + written)
    assert result.types["nvidia-t44"].memory_bytes.value == 16 * 2.0**30


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Jetson AGX Orin 64GB", ["nvidia-jetson-agx-orin-64gb"]),
        ("Raspberry Pi 4", ["raspberry-pi-4-8gb"]),
        ("A100", [f"nvidia-a100-{form}-{size}gb" for form in ("pcie", "sxm4") for size in (40, 80)]),
    ],
)
def test_a_type_called_as_people_call_it_is_asked_back_by_its_name(written, meant):
    head = "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: lab}\nspec:\n"
    text = f"{head}  nodes: [{{name: a, devices: [{{type: {written}}}]}}]\n"
    with pytest.raises(InputError) as caught:
        compile_fleet(parse(text.encode(), "fleet.yaml"), load_catalogue(root() / "hardware"), "fleet.yaml")
    (mistake,) = caught.value.diagnostics
    assert mistake.summary == f"unknown device type `{written}`"
    assert mistake.remedy.startswith("did you mean " + ", ".join(f"`{name}`" for name in meant) + "?")
    described = dedent(mistake.remedy.split("unknown:\n")[1]).removeprefix("spec:\n") + "\n"
    assert fleet("  nodes: [{name: a}]\n" + described).types == {}


def test_a_fleet_has_a_node():
    assert mistakes("  nodes: []\n") == ["5:10 a fleet needs at least one node"]


def test_several_documents_are_one_fleet_and_others_are_passed_over():
    head = "apiVersion: aios/v1\nkind: Fleet\nmetadata: {{name: {0}}}\nspec: {{nodes: [{{name: {0}}}]}}\n---\n"
    text = head.format("one") + "apiVersion: aios/v1\nkind: Intent\n---\n" + head.format("two")
    result = compile_fleet(parse(text.encode(), "all.yaml"), {}, "all.yaml")
    assert result.name == "one+two"
    assert [node.name for node in result.nodes] == ["one", "two"]


def test_no_fleet_at_all_says_what_to_do():
    with pytest.raises(InputError) as caught:
        compile_fleet(parse(b"apiVersion: aios/v1\nkind: Intent\n", "x.yaml"), {}, "x.yaml")
    assert caught.value.diagnostics[0].command == "aios init"


def test_nodes_that_end_in_numbers_come_in_their_order():
    assert [node.name for node in fleet("  nodes: [{name: n10}, {name: n9}, {name: m}]\n").nodes] == ["m", "n9", "n10"]


def test_no_machine_of_a_class_is_spelled_out():
    """Fifty million machines: spelling them out would take minutes and all memory."""
    nodes = "".join(
        f"    - {{name: class{number}, hosts: 'h{number}-[0-999999]', devices: [{{type: nvidia-t4, count: 8}}]}}\n"
        for number in range(50)
    )
    links = "".join(f"    - {{between: [class0-7, class{number}], bandwidth: 1 GB/s}}\n" for number in range(1, 50))
    result = fleet(f"  nodes:\n{nodes}    - {{name: class}}\n  links:\n{links}  topology: {{kind: switch}}\n")
    assert sum(node.count for node in result.nodes) == 50_000_001
    assert len(fleet_text(result)) < 20_000


def test_mistakes_of_form_hide_no_others():
    found = mistakes("""
  nodes:
    - {name: a, count: 0, devices: [{type: nvidia-t5}]}
    - {name: a, memory: 3 XB, devices: [{type: mine}, {type: ours}]}
    - 17
  devices:
    - {name: mine, kind: gpuu}
    - {name: ours, kind: gpu, memory: 3 PiB}
""")
    told = " ".join(found)
    assert len(found) == 7
    for text in (
        "count` must be",
        "unknown device type `nvidia-t5`",
        "unknown unit 'XB'",
        "two machines called `a`",
        "nodes[2]` must be a mapping",
        "kind` cannot be `gpuu`",
        "`memory` of 3 PiB is impossible",
    ):
        assert text in told
