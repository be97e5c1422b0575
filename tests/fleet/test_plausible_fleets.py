"""What no hardware can be is refused, with the reason; what real hardware is, is not."""

import pytest

from aios.catalogue import root
from aios.fleet import compile_fleet, load_catalogue
from aios.fleet.files.places import Place
from aios.fleet.files.plausible import contradictions, implausible_device
from aios.fleet.forms.device import DeviceForm
from aios.records.document import check, parse
from aios.records.errors import InputError

HARDWARE = sorted((root() / "hardware").glob("*/*.yaml"))
CATALOGUE = load_catalogue(root() / "hardware")


def mistakes(node: str = "{name: a, devices: [{type: x}]}", device: str = "{name: x, kind: gpu}", more: str = ""):
    text = (
        "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: lab}\nspec:\n"
        f"  nodes: [{node}]\n  devices: [{device}]\n{more}"
    )
    with pytest.raises(InputError) as caught:
        compile_fleet(parse(text.encode(), "fleet.yaml"), CATALOGUE, "fleet.yaml")
    assert all(item.where for item in caught.value.diagnostics)
    return caught.value.diagnostics


@pytest.mark.parametrize("path", HARDWARE, ids=lambda path: path.stem)
def test_every_device_of_the_catalogue_is_believed(path):
    (document,) = parse(path.read_bytes(), str(path))
    place = Place(document)
    assert list(implausible_device(check(document, DeviceForm), place)) == []
    assert list(contradictions(CATALOGUE[path.stem], place)) == []


@pytest.mark.parametrize(
    ("fact", "mistake"),
    [
        ("bandwidth: 10 PB/s", "`bandwidth` of 10 PB/s is impossible"),
        ("bandwidth: {value: 10 PB/s, source: measured}", "`bandwidth` of 10 PB/s is impossible"),
        ("memory_kind: sram, bandwidth: 1000 PB/s", "`bandwidth` of 1000 PB/s is impossible"),
        ("memory_kind: gddr, bandwidth: 18 TB/s", "`bandwidth` of 18 TB/s is impossible"),
        ("memory: 2 PiB", "`memory` of 2 PiB is impossible"),
        ("peak: {fp16: 990 PFLOPS}", "`fp16` of 990 PFLOPS is impossible"),
        ("peak_sparse: {fp8: 990 PFLOPS}", "`fp8` of 990 PFLOPS is impossible"),
        ("tdp: 700 kW", "`tdp` of 700 kW is impossible"),
        ("frequency: 210 GHz", "`frequency` of 210 GHz is impossible"),
        ("cache: {l2: 40 TiB}", "`l2` of 40 TiB is impossible"),
        ("launch_overhead: 1 min", "`launch_overhead` of 1 min is impossible"),
        ("interconnects: [{kind: nvlink9, bandwidth: 900 TB/s}]", "`bandwidth` of 900 TB/s is impossible"),
        ("memory_tiers: [{kind: lpddr, capacity: 480 GB, read: 546 TB/s}]", "`read` of 546 TB/s is impossible"),
        ("power_cap: {low: 1 W, high: 450 kW}", "`high` of 450 kW is impossible"),
        ("power_modes: [{name: m, cap: 200 kW}]", "`cap` of 200 kW is impossible"),
        ("price: 3000000 USD/h", "`price` of 3000000 USD/h is impossible"),
        ("price_to_buy: 200000 kUSD", "`price_to_buy` of 200000 kUSD is impossible"),
    ],
)
def test_what_no_device_can_be(fact, mistake):
    (found,) = mistakes(device=f"{{name: x, kind: gpu, {fact}}}")
    assert found.summary == mistake
    assert found.reason
    assert found.remedy.startswith("look at the number and its unit; at most")


def test_a_whole_wafer_is_believed_and_a_dimm_of_its_speed_is_not():
    wafer = "{name: x, kind: other, memory_kind: sram, memory: 44 GB, bandwidth: 21 PB/s, peak: {fp16: 125 PFLOPS}}"
    text = (
        f"apiVersion: aios/v1\nkind: Fleet\nmetadata: {{name: w}}\nspec: {{nodes: [{{name: a}}], devices: [{wafer}]}}\n"
    )
    assert compile_fleet(parse(text.encode(), "w.yaml"), {}, "w.yaml").nodes
    (found,) = mistakes(device="{name: x, kind: cpu, bandwidth: 21 PB/s}")
    assert "a DIMM moves less than 0.1 TB/s" in found.reason


@pytest.mark.parametrize(
    ("fact", "mistake"),
    [
        ("memory: 2 PiB", "`memory` of 2 PiB is impossible"),
        ("memory_tiers: [{kind: dram, capacity: 64 GiB, read: 10 PB/s}]", "`read` of 10 PB/s is impossible"),
        ("memory_tiers: [{kind: nvme, capacity: 64 TB, write: 7 TB/s}]", "`write` of 7 TB/s is impossible"),
        ("memory_tiers: [{kind: cxl, capacity: 64 GiB, latency: 250 s}]", "`latency` of 250 s is impossible"),
        ("price: 2000000 USD/h", "`price` of 2000000 USD/h is impossible"),
        ("carbon: 38000 g/kWh", "`carbon` of 38000 g/kWh is impossible"),
        ("carbon: [38 g/kWh, 39000 g/kWh, 39000 g/kWh]", "`carbon` of 39000 g/kWh is impossible"),
        (f"carbon: [{', '.join(['1 g/kWh'] * 8785)}]", "8,785 hourly values are more than a year has"),
    ],
)
def test_what_no_machine_can_be(fact, mistake):
    text = f"apiVersion: aios/v1\nkind: Fleet\nmetadata: {{name: w}}\nspec: {{nodes: [{{name: a, {fact}}}]}}\n"
    with pytest.raises(InputError) as caught:
        compile_fleet(parse(text.encode(), "w.yaml"), {}, "w.yaml")
    assert [item.summary for item in caught.value.diagnostics] == [mistake]


def test_what_no_link_or_region_can_be():
    nodes = "{name: a}, {name: b}"
    links = "  links: [{between: [a, b], bandwidth: 1 PB/s, latency: 1 h}]\n"
    assert [item.summary for item in mistakes(nodes, more=links)] == [
        "`bandwidth` of 1 PB/s is impossible",
        "`latency` of 1 h is impossible",
    ]
    regions = "  regions: {north: {carbon: 9000 g/kWh}}\n"
    assert [item.summary for item in mistakes(nodes, more=regions)] == ["`carbon` of 9000 g/kWh is impossible"]


@pytest.mark.parametrize(
    ("facts", "mistake"),
    [
        ("tdp: 70 W, idle: 80 W", "`idle` (80 W) is more than `tdp` (70 W)"),
        ("from: nvidia-t4, idle: 80 W", "`idle` (80 W) is more than `tdp` (70 W)"),
        ("power_cap: {low: 90 W, high: 60 W}", "`power_cap` begins at 90 W and ends at 60 W"),
        ("tdp: 15 W, power_modes: [{name: m, cap: 25 W}]", "power mode `m` allows 25 W, but `tdp` is 15 W"),
        ("peak: {fp16: 2 TFLOPS}, peak_sparse: {fp16: 1 TFLOPS}", "the sparse fp16 peak is less than the dense one"),
        (
            "peak: {fp16: 2 TFLOPS}, peak_reached: {fp16: 3 TFLOPS}",
            "the fp16 rate that was reached is more than the dense peak",
        ),
        ("power_modes: [{name: m, cap: 5 W}, {name: m, cap: 7 W}]", "`m` stands twice in `power_modes`"),
        (
            "memory: 16 GiB, partitions: [{name: p, compute: 0.1, memory: 4 GiB, most: 5}]",
            "5 of `p` with 4 GiB each have more memory than the device (16 GiB)",
        ),
        (
            "partitions: [{name: p, compute: 0.3, memory: 4 GiB, most: 4}]",
            "4 of `p` have more than all of the device's compute",
        ),
    ],
)
def test_facts_that_contradict_each_other(facts, mistake):
    (found,) = mistakes(device=f"{{name: x, kind: gpu, {facts}}}")
    assert found.summary == mistake


def test_sevenths_and_gigabytes_for_gibibytes_are_no_contradiction():
    device = (
        "{name: x, kind: gpu, memory: 80 GB, partitions: [{name: one, compute: 14.3 %, memory: 9.75 GiB, most: 7},"
        " {name: half, compute: 42.9 %, memory: 39.5 GiB, most: 2}]}"
    )
    head = "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: w}\n"
    text = f"{head}spec: {{nodes: [{{name: a}}], devices: [{device}]}}\n"
    assert compile_fleet(parse(text.encode(), "w.yaml"), {}, "w.yaml").nodes


@pytest.mark.parametrize(
    ("node", "mistake"),
    [
        ("{name: a, cpu: 8, used: {cpu: 9}}", "9 cores are used of 8 that node `a` has"),
        (
            "{name: a, memory: 8 GiB, used: {memory: 9 GiB}}",
            "9 GiB of memory are used of 8 GiB that node `a` has",
        ),
        ('{name: a, devices: [{type: x}], used: {devices: {"1": 50 %}}}', "node `a` has no device `1`"),
        (
            "{name: a, memory_tiers: [{kind: nvme, capacity: 1 TB}, {kind: nvme, capacity: 1 TB}]}",
            "there are two memory tiers called `nvme`",
        ),
        ("{name: a, hosts: 'g[1-3]', count: 4}", "`hosts` names 3 machines, but `count` is 4"),
    ],
)
def test_a_machine_that_contradicts_itself(node, mistake):
    assert [item.summary for item in mistakes(node)] == [mistake]


def test_a_million_devices_are_enough():
    nodes = ", ".join(f"{{name: n{index}, devices: [{{type: x, count: 10000}}]}}" for index in range(101))
    (found,) = mistakes(nodes)
    assert found.summary == "more than 1,000,000 devices, equal machines counted once"
