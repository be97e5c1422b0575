"""Device trees as owners have them become machines; what cannot be read says where and why."""

import contextlib
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.records.errors import InputError
from aios.records.fleet import Topology
from aios_plugins.devicetree import Importer

DATA = Path(__file__).parent / "data" / "devicetree"

NPU = """\
npu_device {
  compatible = "ai_accelerator";
  peak_flops = <1024>; // TFLOPS
  memory_bandwidth = <256>; // GB/s
  precision_support = <FP16, BF16, INT8>;
  topology = <"2D_MESH", 4, 4>; // 4x4 mesh
};
"""


def read(text, file="npu.dts", **options):
    content = text if isinstance(text, bytes) else text.encode()
    return Importer().read({file: content}, options)


def only(inventory):
    (machine,) = inventory.machines
    return machine


def device(text, **options):
    (found,) = only(read(text, **options)).devices
    return found


def peaks(found):
    return {name: fact.value for name, fact in found.type.peak_ops_per_s.items()}


def mistakes_of(text, file="npu.dts", **options):
    with pytest.raises(InputError) as raised:
        read(text, file, **options)
    return raised.value.diagnostics


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


# Device trees of machines


def board():
    return read((DATA / "invented-server.dts").read_bytes(), "crate.dts")


def test_a_board_has_the_processors_memory_and_accelerators_that_are_enabled():
    machine = only(board())
    cpu, npu, gpu = machine.devices
    assert (machine.name, machine.cores, machine.memory_bytes) == ("example-corp-crate-2", 3, 6 * 2**30)
    assert (cpu.type.kind, cpu.count, cpu.type.cores) == ("cpu", 1, 3)
    assert cpu.type.identity["name"] == "arm,cortex-a55 + arm,cortex-a76"
    assert cpu.type.identity["board"] == "Example Corp. Crate 2"
    assert cpu.type.frequency_hz.value == 2.4e9
    assert {level: fact.value for level, fact in cpu.type.cache_bytes.items()} == {"l1d": 96 * 1024, "l2": 2**20}
    assert (npu.type.kind, npu.count, npu.type.identity["name"]) == ("npu", 3, "rockchip,rk3588-rknn-core")
    assert (gpu.type.kind, gpu.count) == ("gpu", 1)
    assert gpu.type.identity["compatible"] == "rockchip,rk3588-mali arm,mali-valhall-csf"
    assert machine.labels == {"numa-nodes": "2"}
    assert any("0: 1 cores, 2 GiB; 1: 2 cores, 4 GiB" in note and "0 to 1: 20" in note for note in board().notes)


def test_a_board_takes_its_chip_from_a_file_that_it_includes():
    texts = {name: (DATA / name).read_bytes() for name in ("invented-pi.dts", "bcm2712-excerpt.dtsi")}
    inventory = Importer().read(texts, {})
    machine = only(inventory)
    cpu, gpu = machine.devices
    assert (machine.name, machine.cores, machine.memory_bytes) == ("raspberry-pi-5-model-b-rev-1-0", 4, 8 * 2**30)
    sizes = {level: fact.value / 1024 for level, fact in cpu.type.cache_bytes.items()}
    assert sizes == {"l1d": 256, "l2": 2048, "l3": 2048}
    assert cpu.type.identity["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert (gpu.type.kind, gpu.type.identity["name"]) == ("gpu", "brcm,2712-v3d")
    assert any("arm-gic.h" in sentence for sentence in inventory.left_out)
    assert any(sentence.startswith("invented-pi.dts:25: `&uart10`") for sentence in inventory.left_out)


def test_without_the_included_file_it_says_what_is_missing():
    (found,) = mistakes_of((DATA / "invented-pi.dts").read_bytes().replace(b"&axi", b"&axis"), "pi.dts")
    assert "describes no processor" in found.summary
    assert "bcm2712-excerpt.dtsi" in found.reason


def test_memory_that_firmware_fills_in_is_unknown():
    text = '/ { cpus { cpu@0 { device_type = "cpu"; }; }; memory@0 { device_type = "memory"; reg = <0 0 0>; }; };'
    inventory = read(text)
    assert only(inventory).memory_bytes is None
    assert "firmware" in inventory.notes[0]


def test_a_size_that_only_a_preprocessor_knows_is_left_out():
    text = '/ { cpus { cpu@0 { device_type = "cpu"; }; }; memory@0 { device_type = "memory"; reg = <0 0 SIZE>; }; };'
    inventory = read(text)
    assert only(inventory).memory_bytes is None
    assert "memory@0" in inventory.left_out[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("reg = <0 0x100>, <0 0x101>;", "reg = <0 0x100>, <0 0x101>; reg = <0>;"),
        ("cpu@1 {", "cpu@0 {"),
    ],
)
def test_what_dtc_refuses_in_one_block_is_refused(old, new):
    text = (DATA / "invented-server.dts").read_text().replace(old, new)
    assert "is written twice" in mistakes_of(text)[0].summary


def test_later_blocks_extend_and_delete():
    text = (DATA / "invented-server.dts").read_text()
    text += '&npu0 { status = "disabled"; };\n/delete-node/ &gpu;\n'
    text += "/ { soc { npu@fdac0000 { /delete-property/ compatible; }; }; };"
    assert [(found.type.kind, found.count) for found in only(read(text)).devices] == [("cpu", 1), ("npu", 1)]


def test_a_described_device_in_a_board_is_one_of_its_devices():
    text = (DATA / "invented-server.dts").read_text() + "/ { " + NPU + " };"
    machine = only(read(text))
    assert [(found.type.name, found.count) for found in machine.devices[-2:]] == [
        ("rockchip-rk3588-mali", 1),
        ("npu_device", 16),
    ]
    assert machine.topology[0].members == tuple(str(number) for number in range(4, 20))


def test_files_that_include_each_other_end_in_a_mistake():
    texts = {"a.dtsi": b'#include "b.dtsi"\n/ { };', "b.dtsi": b'#include "a.dtsi"\n'}
    with pytest.raises(InputError) as raised:
        Importer().read(texts, {})
    (found,) = raised.value.diagnostics
    assert found.summary == "a.dtsi includes itself"
    assert found.reason == "a.dtsi -> b.dtsi -> a.dtsi"


def test_includes_that_double_end_soon():
    texts = {f"{n}.dtsi": f'#include "{n + 1}.dtsi"\n#include "{n + 1}.dtsi"\n'.encode() for n in range(40)}
    with pytest.raises(InputError, match="included"):
        Importer().read({"top.dts": b'#include "0.dtsi"\n/ { };', **texts, "40.dtsi": b"\n/ { };"}, {})


def test_an_overlay_is_no_machine():
    (found,) = mistakes_of("/dts-v1/;\n/plugin/;\n&soc { npu { }; };", "camera.dtso")
    assert "overlay" in found.summary
    assert "fdtoverlay" in found.remedy


# Compiled trees


def blob_of(tree):
    """Return ``(name, {property: bytes}, [children])`` as a compiled device tree of version 17."""
    strings, structure = bytearray(), bytearray()

    def put(node):
        name, properties, children = node
        structure.extend(struct.pack(">I", 1) + padded(name.encode() + b"\0"))
        for key, value in properties.items():
            structure.extend(struct.pack(">III", 3, len(value), len(strings)) + padded(value))
            strings.extend(key.encode() + b"\0")
        for child in children:
            put(child)
        structure.extend(struct.pack(">I", 2))

    put(tree)
    structure.extend(struct.pack(">I", 9))
    sizes = len(strings), len(structure)
    header = struct.pack(">10I", 0xD00DFEED, 56 + sum(sizes), 56, 56 + sizes[1], 40, 17, 16, 0, *sizes)
    return header + bytes(16) + bytes(structure) + bytes(strings)


def padded(value):
    return value + bytes(-len(value) % 4)


def cells(*numbers):
    return b"".join(number.to_bytes(4, "big") for number in numbers)


SMALL = blob_of(
    (
        "",
        {"model": b"Box\0", "#address-cells": cells(1), "#size-cells": cells(1)},
        [
            ("memory@0", {"device_type": b"memory\0", "reg": cells(0, 0x40000000)}, []),
            (
                "cpus",
                {},
                [("cpu@0", {"device_type": b"cpu\0", "compatible": b"riscv\0", "riscv,isa": b"rv64gc\0"}, [])],
            ),
            (
                "npu_device",
                {"peak_flops": cells(4), "precision_support": b"FP16\0INT8\0", "topology": b"RING\0" + cells(8)},
                [],
            ),
        ],
    )
)


def test_a_compiled_tree_is_read_without_tools():
    machine = only(read(SMALL, "fdt"))
    cpu, npu = machine.devices
    assert (machine.name, machine.cores, machine.memory_bytes) == ("box", 1, 2**30)
    assert (cpu.type.identity["isa"], npu.type.kind, npu.count, peaks(npu)) == ("rv64gc", "npu", 8, {"fp16": 4e12})


def test_of_two_nodes_with_one_name_both_count_as_in_linux():
    memory = ("memory@0", {"device_type": b"memory\0", "reg": cells(0, 0x40000000)}, [])
    cpu = ("cpu@0", {"device_type": b"cpu\0", "compatible": b"riscv\0"}, [])
    properties = {"#address-cells": cells(1), "#size-cells": cells(1)}
    machine = only(read(blob_of(("", properties, [memory, memory, ("cpus", {}, [cpu, cpu, cpu])])), "fdt"))
    assert (machine.cores, machine.memory_bytes) == (3, 2**31)


def test_of_two_properties_with_one_name_the_first_counts_and_it_is_said():
    once = blob_of(("", {"model": b"Box\0"}, [("cpus", {}, [("cpu@0", {"device_type": b"cpu\0"}, [])])]))
    at = once.index(b"Box\0") - 12
    header = list(struct.unpack_from(">10I", once))
    for grows in (1, 3, 9):  # size of all, offset of the strings, size of the structure
        header[grows] += 16
    inventory = read(struct.pack(">10I", *header) + once[40 : at + 16] + once[at:], "fdt")
    assert only(inventory).name == "box"
    assert inventory.left_out == ("fdt: the property `model` of `/` stands twice, and the first one counts",)


@pytest.mark.parametrize("length", [4, 39, 40, 60, 100, len(SMALL) - 1])
def test_a_compiled_tree_that_is_cut_off_is_refused(length):
    assert "is no sound compiled device tree" in mistakes_of(SMALL[:length], "fdt")[0].summary


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(4, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_compiled_tree_is_read_or_refused(changes):
    damaged = bytearray(SMALL)
    for at, value in changes:
        damaged[at] = value
    read_or_refused(bytes(damaged))


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
VALUES = st.one_of(
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5).map(lambda numbers: f"<{' '.join(map(hex, numbers))}>"),
    st.lists(st.from_regex(r"[a-z][a-z0-9,-]{0,9}", fullmatch=True), min_size=1, max_size=3).map(
        lambda texts: ", ".join(f'"{text}"' for text in texts)
    ),
)
PROPERTIES = st.dictionaries(NAMES.map(lambda name: f"x-{name}"), VALUES, max_size=3)
CPUS = st.lists(
    st.tuples(st.sampled_from(["arm,cortex-a55", "arm,cortex-a76", "riscv"]), st.booleans(), st.integers(1, 2**20)),
    min_size=1,
    max_size=5,
)


@st.composite
def trees(draw):
    lines = ["/dts-v1/;", "/ {", f'model = "{draw(NAMES)}";', "#address-cells = <2>;", "#size-cells = <2>;"]
    lines += [f"{name} = {value};" for name, value in draw(PROPERTIES).items()]
    lines += ["cpus {", "#address-cells = <1>;", "#size-cells = <0>;"]
    for number, (part, enabled, size) in enumerate(draw(CPUS)):
        status = "" if enabled or number == 0 else 'status = "disabled";'
        lines.append(f'cpu@{number:x} {{ device_type = "cpu"; compatible = "{part}"; reg = <{number}>; {status}')
        lines.append(f"d-cache-size = <{size}>; next-level-cache = <&l2>; }};")
    lines.append(f"l2: l2-cache {{ cache-level = <2>; cache-size = <{draw(st.integers(1, 2**24))}>; }}; }};")
    for number, size in enumerate(draw(st.lists(st.integers(0, 2**36), max_size=3))):
        reg = f"<{number} 0 {size >> 32} {size & 0xFFFFFFFF}>"
        lines.append(
            f'memory@{number:x}00000000 {{ device_type = "memory"; reg = {reg}; numa-node-id = <{number}>; }};'
        )
    for number, part in enumerate(
        draw(st.lists(st.sampled_from(["a,b-npu", "arm,mali-t860", "a,b-uart"]), max_size=4))
    ):
        lines.append(f'unit@{number:x} {{ compatible = "{part}"; reg = <0 {number} 0 1>; }};')
    return "\n".join([*lines, "};"])


def without_lines(inventory):
    return [machine.model_copy(update={"line": None}) for machine in inventory.machines], inventory.notes


@pytest.mark.skipif(shutil.which("dtc") is None, reason="the device tree compiler is not installed")
@settings(max_examples=25, deadline=None)
@given(trees())
def test_source_and_what_dtc_compiles_of_it_are_the_same(text):
    done = subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb"], input=text.encode(), capture_output=True, check=True)
    assert without_lines(read(text, "board")) == without_lines(read(done.stdout, "board"))
    back = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts"], input=done.stdout, capture_output=True, check=True)
    assert without_lines(read(back.stdout, "board")) == without_lines(read(text, "board"))


# Hostile input


def read_or_refused(content, file="any"):
    with contextlib.suppress(InputError):
        assert read(content, file).machines


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"\x00\x01\x02",
        b"\xff\xfen\x00p\x00u\x00",
        b"npu \xe9 { };",
        b"npu { " * 100_000,
        b"npu {x=<" + b"(" * 100_000,
        b"npu {x=<" + b"1 " * 100_000,
        b"npu {x=<" + b"9" * 100_000,
        b"/*" * 100_000,
        b'"' * 100_000,
        b"}" * 100_000,
        b"a;" * 100_000,
        b"#" * 100_000,
        b"x" * (9 * 2**20),
        b"\xd0\x0d\xfe\xed" + b"\0" * (9 * 2**20),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_hostile_text_ends_in_mistakes(content):
    found = mistakes_of(content, "hostile.dts")
    assert len(found) <= 51
    assert found[0].where is not None


@pytest.mark.parametrize(
    "text",
    [
        "n { precision_support = <" + "AAA " * 60_000 + ">; peak_flops = <1>; };",
        "".join(f"n{i} {{ peak_flops = <{i + 1}>; precision_support = <FP16>; }};\n" for i in range(4_000)),
        "/ { " + "".join(f"n@{i} {{ peak_flops = <{i + 1}>; }};\n" for i in range(4_000)) + " };",
        "/ { " + "".join(f"a{i}: n{i} {{ }};" for i in range(4_000)) + " };"
        + "".join(f"/delete-node/ &a{i};" for i in range(4_000)),
        "n { peak_flops = <1>;" + "/*" * 300_000 + " };",
    ],
    ids=["words", "nodes", "one name", "deleted", "comments"],
)  # fmt: skip
def test_large_text_is_read_or_refused_soon(text):
    begun = time.process_time()
    read_or_refused(text.encode(), "large.dts")
    assert time.process_time() - begun < 8  # some 1 s


def test_a_negative_cell_is_what_it_is_compiled_to():
    text = "/ { #size-cells = <1>; #address-cells = <1>; memory@0 { reg = <0 -4096>; }; cpus { cpu@0 { }; }; };"
    assert only(read(text.encode(), "board.dts")).memory_bytes == 2**32 - 4096


def test_nodes_that_are_deleted_are_gone_wherever_they_stand():
    text = (
        '/ { off { status = "disabled"; g: gpu@1 { compatible = "arm,mali-g52"; }; };'
        ' cpus { c: cpu@0 { device_type = "cpu"; }; cpu@1 { device_type = "cpu"; }; }; };'
        ' &g { status = "okay"; }; /delete-node/ &c; /delete-node/ &g;'
    )
    assert only(read(text.encode(), "board.dts")).cores == 1


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(NPU) - 1),
    st.integers(0, 12),
    st.text(alphabet='{}<>;="/*,()&:#@\n 0xZ_', max_size=6),
)
def test_text_with_a_slip_is_read_or_refused(at, length, inserted):
    read_or_refused((NPU[:at] + inserted + NPU[at + length :]).encode())


def test_the_importer_says_what_it_reads():
    importer = Importer()
    assert importer.name == "devicetree"
    assert importer.api_version == 1
    assert set(importer.options) == {"topology"}
    assert re.search(r"\.dtb", importer.title)
