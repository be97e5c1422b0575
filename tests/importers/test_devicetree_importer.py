"""Devices that owners describe in a device tree become machines; what cannot be read says where and why."""

import re
from pathlib import Path

import pytest
from importer_texts import Texts, only, peaks

from aios.records.fleet import Topology
from aios_plugins.devicetree import Importer

TEXTS = Texts(Importer, "npu.dts")
read, mistakes_of = TEXTS.read, TEXTS.mistakes_of

NPU = (Path(__file__).parent / "data" / "devicetree" / "invented-npu.dts").read_text()


def device(text, **options):
    (found,) = only(read(text, **options)).devices
    return found


def test_the_documented_description_is_read_as_it_stands():
    inventory = read(NPU)
    machine = only(inventory)
    (found,) = machine.devices
    assert (machine.name, machine.line, machine.cores) == ("npu", 1, None)
    assert (found.type.name, found.type.kind, found.count) == ("npu_device", "npu", 16)
    assert peaks(found) == {"fp16": 1.024e15, "bf16": 1.024e15}, "how fast INT8 is, nobody says"
    assert found.type.memory_bandwidth_bytes_per_s.value == 256e9
    assert found.type.memory_bandwidth_bytes_per_s.source == "declared"
    assert found.type.identity["name"] == "npu_device"
    assert found.type.identity["compatible"] == "ai_accelerator"
    assert found.type.identity["precisions"] == "fp16 bf16 int8"
    assert machine.topology == (Topology(name="mesh", kind="mesh", shape=(4, 4)),)
    assert any("int8" in note and "unknown" in note for note in inventory.notes)
    assert any("16 devices" in note and "topology=inside" in note for note in inventory.notes)
    assert not inventory.left_out


@pytest.mark.parametrize(
    "written",
    [
        "    " + NPU.replace("\n", "\n    "),
        NPU.replace("\n", "\r\n"),
        "\ufeff" + NPU,
        "/* of the\n brochure */\n" + NPU,
        NPU.replace("// TFLOPS", "/* TFLOPS */").replace("// GB/s", "/* in GB/s, measured */"),
        NPU.replace("<1024>; // TFLOPS", "<1024 /* TFLOPS */>;"),
        NPU.replace("<1024>; // TFLOPS", '"1024 TFLOPS";'),
        NPU.replace("  peak_flops = <1024>; // TFLOPS", "  // TFLOPS\n  peak_flops = <1024>;"),
        NPU.replace("<1024>; // TFLOPS", "<1.024>; // PFLOPS"),
        NPU.replace("<1024>; // TFLOPS", "<1024000>; // GFLOPS"),
        NPU.replace("<256>; // GB/s", "<0.256>; // TB/s"),
        NPU.replace("<256>; // GB/s", "<256000>; // MB/s"),
        NPU.replace("<FP16, BF16, INT8>", "<FP16 BF16 INT8>"),
        NPU.replace("<FP16, BF16, INT8>", '"fp16", "bfloat16", "int8"'),
        NPU.replace('<"2D_MESH", 4, 4>', "<2D_MESH 4 4>"),
        NPU.replace("peak_flops", "peak-flops").replace("precision_support", "precision-support"),
        "/dts-v1/;\n" + NPU,
    ],
)
def test_the_same_description_written_otherwise_is_the_same(written):
    expected, found = device(NPU), device(written)
    assert peaks(found) == pytest.approx(peaks(expected))
    assert found.type.memory_bandwidth_bytes_per_s.value == pytest.approx(256e9)
    assert (found.count, found.type.identity) == (expected.count, expected.type.identity)


@pytest.mark.parametrize(
    ("precisions", "rate", "expected"),
    [
        ("FP32, FP16, INT8", "<8>; // TFLOPS", {"fp16": 8e12}),
        ("FP32", "<8>; // TFLOPS", {"fp32": 8e12}),
        ("FP16, FP8", "<8>; // TFLOPS", {"fp8": 8e12}),
        ("INT8", "<8>; // TOPS", {"int8": 8e12}),
        ("FP16, INT8", "<8>; // TOPS", {"int8": 8e12}),
        ("INT8", "<8>; // TFLOPS", {"int8": 8e12}),
        ("FP16, INT8", "<8 16>; // TFLOPS", {"fp16": 8e12, "int8": 16e12}),
    ],
)
def test_one_peak_belongs_to_the_narrowest_precision_that_it_can_count(precisions, rate, expected):
    text = f"npu {{ peak_flops = {rate}\n precision_support = <{precisions}>; }};"
    found = device(text)
    assert peaks(found) == expected
    assert found.type.peak_ops_per_s[next(iter(expected))].unit == (
        "OP/s" if "int8" in list(expected)[:1] else "FLOP/s"
    )


def test_peaks_may_be_stated_per_precision():
    text = "npu { peak_flops_fp16 = <4>; // TFLOPS\n peak_int8 = <8>; // TOPS\n };"
    assert peaks(device(text)) == {"fp16": 4e12, "int8": 8e12}


def test_a_peak_of_no_stated_precision_is_left_out_and_said():
    inventory = read("npu { peak_flops = <4>; // TFLOPS\n };")
    assert peaks(only(inventory).devices[0]) == {}
    assert "precision_support" in inventory.left_out[0]


def test_other_facts_need_their_unit_and_a_unit_that_is_assumed_is_said():
    text = "gpu { memory_size = <80>; // GiB\n tdp = <400>; // W\n peak_flops = <3>;\n x = <1>; };"
    inventory = read(text)
    (found,) = only(inventory).devices
    assert (found.type.kind, found.type.memory_bytes.value, found.type.tdp_w.value) == ("gpu", 80 * 2**30, 400)
    assert any("`peak_flops` states no unit; it is read in TFLOPS" in note for note in inventory.notes)
    assert any("`x`" in sentence for sentence in inventory.left_out)
    (missing,) = mistakes_of("gpu { tdp = <400>; };")
    assert missing.summary == "`tdp` has no unit"
    assert (missing.where.line, missing.where.column) == (1, 14)


@pytest.mark.parametrize(
    ("written", "count", "kind", "shape", "groups"),
    [
        ('"2D_MESH", 4, 4', 16, "mesh", (4, 4), None),
        ('"3D_TORUS", 2, 3, 4', 24, "torus", (2, 3, 4), None),
        ('"2D_TORUS", 8, 8', 64, "torus", (8, 8), None),
        ('"MESH", 2, 2, 2, 2', 16, "mesh", (2, 2, 2, 2), None),
        ('"RING", 8', 8, "ring", (), None),
        ('"FULLY_CONNECTED", 8', 8, "full", (), None),
        ('"SWITCH", 6', 6, "switch", (), None),
        ('"TREE", 6', 6, "switch", (), None),
        ('"TREE", 2, 4', 8, "switch", (), [4, None]),
        ('"TREE", 2, 3, 4', 24, "switch", (), [4, 3, None]),
    ],
)
def test_topologies_connect_as_many_devices_as_they_have_places(written, count, kind, shape, groups):
    machine = only(read(NPU.replace('"2D_MESH", 4, 4', written)))
    (level,) = machine.topology
    assert (machine.devices[0].count, level.kind, level.shape, level.members) == (count, kind, shape, ())
    found = []
    while level is not None:
        found.append(level.group)
        level = level.between
    assert found == (groups or [None])


def test_links_have_the_bandwidth_that_is_stated():
    text = NPU.replace("\n};", "\n  link_bandwidth = <50>; // GB/s\n  link_latency = <200>; // ns\n};")
    (level,) = only(read(text)).topology
    assert level.bandwidth_bytes_per_s.value == 50e9
    assert level.latency_s.value == pytest.approx(200e-9)


def test_the_other_reading_of_a_topology_is_one_device():
    machine = only(read(NPU, topology="inside"))
    assert (machine.devices[0].count, machine.topology) == (1, ())
    assert machine.devices[0].type.identity["topology"] == "2D_MESH 4x4"


def test_several_nodes_are_devices_of_one_machine():
    other = NPU.replace("npu_device", "gpu_device").replace("2D_MESH", "2D_TORUS").replace("4, 4", "2, 3")
    machine = only(read(NPU + other))
    assert [(found.type.name, found.type.kind, found.count) for found in machine.devices] == [
        ("npu_device", "npu", 16),
        ("gpu_device", "gpu", 6),
    ]
    mesh, torus = machine.topology
    assert mesh.members == tuple(str(n) for n in range(16))
    assert torus.members == tuple(str(n) for n in range(16, 22))


def test_equal_nodes_are_one_type():
    one = "npu@{0} {{ peak_flops = <1>; // TFLOPS\n precision_support = <FP16>; }};\n"
    machine = only(read("".join(one.format(n) for n in range(3))))
    assert [(found.type.name, found.count) for found in machine.devices] == [("npu", 3)]
    machine = only(read(one.format(0) + one.format(1).replace("<1>", "<2>")))
    assert [found.type.name for found in machine.devices] == ["npu", "npu-2"]


MISTAKES = {
    "no semicolon": ("<1024>;", "<1024>", (3, 22), "`;` is missing after the value of `peak_flops`"),
    "no semicolon at the end": ("};", "}", (7, 2), "`;` is missing after the `}` of node `npu_device`"),
    "unknown precision": ("INT8", "INT9", (5, 36), "unknown precision `INT9`"),
    "negative": ("<256>", "<-256>", (4, 23), "must be more than zero, not -256 GB/s"),
    "zero": ("<256>", "<0>", (4, 23), "must be more than zero"),
    "too many sizes": ("4, 4>", "4, 4, 4>", (6, 15), "`2D_MESH` takes 2 numbers, not 3 (4, 4, 4)"),
    "no sizes": (", 4, 4>", ">", (6, 15), "takes 2 numbers, not 0"),
    "a size of zero": ("4, 4>", "4, 0>", (6, 15), "cannot have a size of 0"),
    "too large": ("4, 4>", "4000, 4000>", (6, 15), "more than 65,536 devices"),
    "unknown topology": ("2D_MESH", "2D_MASH", (6, 15), "unknown topology `2D_MASH`"),
    "text without end": ('"2D_MESH"', '"2D_MESH', (6, 15), "this text does not end on its line"),
    "comment without end": ("// GB/s", "/* GB/s", (4, 29), "this comment does not end"),
    "bracket without end": ("<1024>", "<1024", (3, 16), "this `<` is not closed"),
    "no bracket": ("<1024>", "1024", (3, 16), "`1024` is no value of a property"),
    "no value": (" = <1024>", " =", (3, 15), "the value of `peak_flops` is missing"),
    "twice": ("  compat", "  topology = <1>;\n  compat", (7, 3), "the property `topology` is written twice"),
    "another quantity": ("// GB/s", "// GB", (4, 23), "a size in bytes (GB)"),
    "bits or bytes": ("// GB/s", "// Gb/s", (4, 23), "`Gb/s` may mean bits or bytes"),
    "impossible": ("<256>", "<256000000>", (4, 23), "is more than any device has"),
    "two numbers": ("<256>", "<256 512>", (4, 27), "takes one number, not 2"),
    "a name for a number": ("<256>", "<MANY>", (4, 23), "`MANY` is no number"),
    "no node": ("npu_device {", "npu_device", (1, 11), "`{` is missing after node `npu_device`"),
    "count does not fit": ("4, 4>;", "4, 4>;\n  count = <8>;", (6, 15), "connects 16 devices, but `count` says 8"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_with_its_place(case):
    old, new, place, summary = MISTAKES[case]
    found = mistakes_of(NPU.replace(old, new, 1))[0]
    assert summary in found.summary
    assert (found.where.file, found.where.line, found.where.column) == ("npu.dts", *place)
    assert found.line_text == NPU.replace(old, new, 1).split("\n")[place[0] - 1]


def test_all_mistakes_of_a_file_are_told_at_once():
    text = NPU.replace("INT8", "INT9").replace("256", "-1").replace("2D_MESH", "BLOB")
    assert [found.where.line for found in mistakes_of(text)] == [4, 5, 6]
    text = NPU.replace(">;", ">")
    assert [found.where.line for found in mistakes_of(text)] == [3, 4, 5, 6]


def test_two_nodes_of_one_name_are_a_mistake():
    (found,) = mistakes_of(NPU + NPU)
    assert (found.summary, found.where.line) == ("there are two nodes called `npu_device`", 8)
    assert found.reason == "the other stands on line 1"


def test_unknown_options_are_refused():
    assert "unknown option `topologie`" in mistakes_of(NPU, topologie="inside")[0].summary
    assert "`topology` cannot be `both`" in mistakes_of(NPU, topology="both")[0].summary


def test_the_importer_says_what_it_reads():
    importer = Importer()
    assert importer.name == "devicetree"
    assert importer.api_version == 1
    assert set(importer.options) == {"topology"}
    assert re.search(r"\.dtb", importer.title)
