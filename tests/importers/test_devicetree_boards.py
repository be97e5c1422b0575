"""Device trees of whole boards, as text and compiled, become machines."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from importer_texts import Texts, only, peaks

from aios.records.errors import InputError
from aios_plugins.devicetree import Importer

DATA = Path(__file__).parent / "data" / "devicetree"
NPU = (DATA / "invented-npu.dts").read_text()
TEXTS = Texts(Importer, "npu.dts")
read, mistakes_of = TEXTS.read, TEXTS.mistakes_of


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
    TEXTS.read_or_refused(bytes(damaged), "any")


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
