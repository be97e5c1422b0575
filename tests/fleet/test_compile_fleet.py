"""Fleet documents become a Fleet, or say everything that is wrong with them."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.fleet import compile_fleet
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.fleet import DeviceType, Fact

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
    assert (node.address, node.region, node.topology, node.labels) == (None, "eu-west", "pcie", {"rack": "r1"})
    assert str(node.where) == "fleet.yaml:6:7"
    assert result.types == {"nvidia-t4": CATALOGUE["nvidia-t4"]}
    assert (result.name, result.origin) == ("lab", "fleet.yaml")


def test_ids_run_on_over_slots_and_cpus_have_their_own():
    result = fleet(
        "  nodes:\n    - name: a\n      devices:\n        - {type: nvidia-t4, count: 2}\n"
        "        - {type: amd-epyc-7763, count: 2}\n        - {type: nvidia-t4}\n"
    )
    assert [slot.ids for slot in result.nodes[0].devices] == [("0", "1"), ("cpu0", "cpu1"), ("2",)]


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


def test_power_modes_and_links():
    result = fleet(
        "  nodes: [{name: b, devices: [{type: orin}]}, {name: a}]\n"
        "  devices:\n    - name: orin\n      kind: gpu\n      power_modes:\n"
        "        - {name: 7W, cap: 7 W, peak_scale: 65 %}\n        - {name: 15W, cap: 15 W}\n"
        "  links: [{between: [b, a], bandwidth: 25 GB/s, latency: 10 us}]\n"
    )
    slow, full = result.types["orin"].power_modes
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
        "10:42 device type `x` is described twice",
        "10:84 the catalogue has no device type `nvidia-t9`",
        "6:34 unknown device type `nvidia-t5`",
        "7:14 there are two machines called `a`",
        "9:14 there are two machines called `b-1`",
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


@given(st.permutations(["{name: a, cpu: 1}", "{name: b, cpu: 2}", "{name: c, devices: [{type: nvidia-t4}]}"]))
def test_neither_order_nor_place_nor_name_changes_the_digest(nodes):
    listed = "".join(f"    - {node}\n" for node in nodes)
    reference = fleet("  nodes: [{name: a, cpu: 1}, {name: b, cpu: 2}, {name: c, devices: [{type: nvidia-t4}]}]\n")
    result = fleet(f"  nodes:\n{listed}", name="other")
    assert result.digest == reference.digest
    assert [node.name for node in result.nodes] == ["a", "b", "c"]


def test_a_changed_fact_changes_the_digest():
    spec = "  nodes: [{{name: a, devices: [{{type: x}}]}}]\n  devices: [{{name: x, kind: gpu, tdp: {0} W}}]\n"
    assert fleet(spec.format(70)).digest != fleet(spec.format(71)).digest
