"""Devices that are cut into parts: the parts are smaller devices, and no more of them than fit."""

import pytest

from aios.catalogue import root
from aios.fleet import compile_fleet, fleet_text, load_catalogue
from aios.records.document import parse
from aios.records.errors import InputError

CATALOGUE = load_catalogue(root() / "hardware")
CARD = """\
    - name: card
      kind: gpu
      model: Card 80
      provenance: {trust: datasheet, ref: sheet, as_of: "2020"}
      peak: {fp16: 700 TFLOPS, int8: 1400 TOPS}
      peak_sparse: {fp16: 1400 TFLOPS}
      memory: 80 GB
      bandwidth: 2 TB/s
      tdp: 400 W
      interconnects: [{kind: nvlink4, bandwidth: 450 GB/s}, {kind: pcie5-x16, bandwidth: 63 GB/s}]
      partitions:
        - {name: 1g, compute: 14.3 %, memory: 10 GB, bandwidth: 12.5 %, most: 7}
        - {name: 3g, compute: 42.9 %, memory: 40 GB, most: 2}
"""


def fleet(devices: str, more: str = "", own: str = CARD):
    text = (
        "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: lab}\nspec:\n"
        f"  nodes: [{{name: a, devices: {devices}{more}}}]\n  devices:\n{own}"
    )
    return compile_fleet(parse(text.encode(), "fleet.yaml"), CATALOGUE, "fleet.yaml")


def mistakes(*arguments: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        fleet(*arguments)
    return [f"{item.summary}{f' ({item.reason})' if item.reason else ''}" for item in caught.value.diagnostics]


def test_parts_have_ids_of_their_device():
    node = fleet("[{type: card}, {type: card, count: 2, partitions: [3g, 1g, 1g]}]").nodes[0]
    assert {slot.type: slot.ids for slot in node.devices} == {
        "card": ("0",),
        "card:1g": ("1.0", "1.1", "2.0", "2.1"),
        "card:3g": ("1.2", "2.2"),
    }


def test_ids_follow_what_is_written_where_something_refers_to_them():
    node = fleet("[{type: card, partitions: [3g, 1g, 1g]}]", ', used: {devices: {"0.0": 50 %}}').nodes[0]
    assert {slot.type: slot.ids for slot in node.devices} == {"card:3g": ("0.0",), "card:1g": ("0.1", "0.2")}


def test_a_part_has_its_share_of_the_rates_and_says_where_that_comes_from():
    types = fleet("[{type: card, partitions: [1g, 3g]}]").types
    small, large = types["card:1g"], types["card:3g"]
    assert (small.part_of, small.kind, small.model) == ("card", "gpu", "Card 80 1g")
    assert small.memory_bytes.value == 10e9
    fact = small.peak_ops_per_s["fp16"]
    assert fact.value == pytest.approx(700e12 * 0.143)
    assert (fact.source, fact.trust, fact.as_of) == ("analytic", "derived", "2020")
    assert fact.ref == "0.143 of 7e+14 FLOP/s (sheet)"
    assert small.peak_ops_per_s["int8"].unit == "OP/s"
    assert small.sparse_peak_ops_per_s["fp16"].value == pytest.approx(1400e12 * 0.143)
    assert small.memory_bandwidth_bytes_per_s.value == pytest.approx(2e12 / 8)
    assert large.memory_bandwidth_bytes_per_s is None
    assert (small.tdp_w, small.price_usd_per_h) == (None, None)
    assert [item.kind for item in small.interconnects] == ["pcie5-x16"]
    assert types["card"].part_of is None


@pytest.mark.parametrize(
    ("parts", "mistake"),
    [
        ("[2g]", "card has no partition `2g`"),
        ("[1g, 1g, 1g, 1g, 1g, 1g, 1g, 1g]", "one card holds at most 7 of `1g`, not 8"),
        ("[3g, 3g, 1g]", "together they take 83.8 GiB of memory, but card has 74.5 GiB"),
        ("[3g, 3g, 3g]", "one card holds at most 2 of `3g`, not 3"),
    ],
)
def test_what_does_not_fit_on_one_device(parts, mistake):
    assert mistake in mistakes(f"[{{type: card, partitions: {parts}}}]")[0]


def test_more_than_all_of_the_computing():
    own = "    - {name: x, kind: npu, partitions: [{name: half, compute: 0.5, memory: 1 GiB, most: 2}," + (
        " {name: most, compute: 0.75, memory: 1 GiB, most: 1}]}\n"
    )
    assert "more than all of the computing of one x" in mistakes("[{type: x, partitions: [half, most]}]", "", own)[0]


def test_a_device_without_partitions_and_a_name_that_is_near():
    assert mistakes("[{type: nvidia-t4, partitions: 1g.5gb}]") == [
        "nvidia-t4 has no partition `1g.5gb` (nobody states any partitions of nvidia-t4)"
    ]
    with pytest.raises(InputError) as caught:
        fleet("[{type: card, partitions: 1gg}]")
    assert caught.value.diagnostics[0].remedy == "did you mean `1g`? known: `1g`, `3g`"


def test_what_is_used_names_a_part_not_the_device_that_is_cut():
    assert mistakes("[{type: card, partitions: [1g, 1g]}]", ', used: {devices: {"0": 50 %}}') == [
        "node `a` has no device `0` (it is cut into parts, 0.0 to 0.1)"
    ]


def test_a_topology_counts_a_device_that_is_cut_as_one():
    node = fleet("[{type: card, count: 7}, {type: card, partitions: [1g, 1g]}]", ", topology: {kind: nvlink}").nodes[0]
    assert node.topology[0].bandwidth_bytes_per_s.value == pytest.approx(450e9 / 7)


def test_cut_devices_of_the_catalogue_read_back_from_text_without_their_description():
    written = (
        "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: lab}\nspec:\n"
        "  nodes: [{name: a, devices: [{type: nvidia-a100-sxm4-80gb, partitions: [3g.40gb, 4g.40gb]}]}]\n"
    )
    fleet = compile_fleet(parse(written.encode(), "fleet.yaml"), CATALOGUE, "fleet.yaml")
    assert fleet.types["nvidia-a100-sxm4-80gb:3g.40gb"].memory_bytes.value == pytest.approx(40e9, rel=0.08)
    text = fleet_text(fleet, CATALOGUE)
    assert "\n  devices:" not in text
    assert compile_fleet(parse(text.encode(), "fleet.yaml"), CATALOGUE, "fleet.yaml").digest == fleet.digest
