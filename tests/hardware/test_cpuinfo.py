"""Recorded and hostile /proc/cpuinfo texts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_plugins.cpu import type_name
from aios_plugins.cpu.cpuinfo import parse_cpuinfo, slug
from aios_plugins.cpu.isa import operations_per_cycle

DATA = Path(__file__).parent / "data"
_CASCADE_LAKE = {"vendor_id": "GenuineIntel", "cpu family": "6", "model": "85", "flags": "avx2 fma avx512f"}
TEXTS = {path.stem.removeprefix("cpuinfo-"): path.read_text() for path in sorted(DATA.glob("cpuinfo-*.txt"))}


def test_a_virtual_zen_5_hides_its_model():
    info = parse_cpuinfo(TEXTS["amd-epyc-zen5-kvm"])
    assert (info.vendor, info.family, info.model, info.name) == ("AMD", 26, "2", "AMD EPYC")
    assert info.hypervisor
    assert info.cores == {0: "0.0", 1: "0.1"}
    assert info.current_hz == pytest.approx(2.5961e9, rel=1e-4)
    assert {"avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16"} <= set(info.features)
    assert type_name(info, 2) == "amd-epyc-f26m2-2c"


def test_hyper_threads_share_a_core():
    info = parse_cpuinfo(TEXTS["amd-ryzen-5950x"])
    assert info.cores == {0: "0.0", 1: "0.1", 16: "0.0", 17: "0.1"}
    assert not info.hypervisor
    assert type_name(info, 32) == "amd-ryzen-9-5950x-32c"


def test_granite_rapids_has_amx():
    info = parse_cpuinfo(TEXTS["intel-xeon-6972p"])
    assert {"amx_int8", "amx_bf16", "avx512_fp16"} <= set(info.features)
    assert type_name(info, 96) == "intel-xeon-6972p-96c"


def test_an_arm_server_is_named_by_its_core():
    info = parse_cpuinfo(TEXTS["arm-neoverse-n1"])
    assert (info.vendor, info.family, info.model, info.name) == ("Arm", None, "0xd0c", "Neoverse-N1")
    assert info.features == ("dotprod", "fp16", "neon")
    assert type_name(info, 64) == "arm-neoverse-n1-64c"


def test_a_raspberry_pi_names_its_board():
    info = parse_cpuinfo(TEXTS["raspberry-pi-5"])
    assert (info.name, info.board) == ("Cortex-A76", "Raspberry Pi 5 Model B Rev 1.0")
    assert info.cores == {}


def test_big_little_says_both_and_only_common_features():
    big = "processor: 0\nFeatures: asimd asimddp i8mm\nCPU implementer: 0x41\nCPU part: 0xd0b\n\n"
    little = "processor: 1\nFeatures: asimd asimddp\nCPU implementer: 0x41\nCPU part: 0xd05\n\n"
    info = parse_cpuinfo(big + little + little.replace("1\n", "2\n", 1))
    assert info.name == "Cortex-A55 + Cortex-A76"
    assert (info.model, info.features) == ("0xd05", ("dotprod", "neon"))


def test_the_nominal_clock_may_stand_in_the_name():
    text = "processor: 0\nvendor_id: GenuineIntel\nmodel name: Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz\n"
    info = parse_cpuinfo(text)
    assert info.nominal_hz == 2.7e9
    assert type_name(info, 4) == "intel-xeon-platinum-8280-4c"


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        # Zen 5 servers: two 512-bit FMA pipes: 2 x 16 lanes x 2.
        ("amd-epyc-zen5-kvm", {"fp32": 64, "int8": 256, "bf16": 128}),
        # Zen 3: two 256-bit FMA pipes: 2 x 8 x 2; int8 by multiply-add pairs.
        ("amd-ryzen-5950x", {"fp32": 32, "int8": 128 / 3}),
        # AMX: 16 x 16 x 64 multiply-adds in 16 cycles = 2048 int8 operations a cycle.
        ("intel-xeon-6972p", {"fp32": 64, "int8": 2048, "bf16": 1024, "fp16": 128}),
        # Neoverse N1 and Cortex-A76: two 128-bit pipes: 2 x 4 x 2; SDOT does four times as many.
        ("arm-neoverse-n1", {"fp32": 16, "int8": 64, "fp16": 32}),
        ("raspberry-pi-5", {"fp32": 16, "int8": 64, "fp16": 32}),
    ],
)
def test_operations_per_cycle(name, rates):
    assert operations_per_cycle(parse_cpuinfo(TEXTS[name])) == pytest.approx(rates)


@pytest.mark.parametrize(
    ("fields", "fp32"),
    [
        (
            {"vendor_id": "AuthenticAMD", "cpu family": "25", "model": "17", "flags": "avx avx2 fma avx512f"},
            32,
        ),  # Zen 4
        ({"vendor_id": "AuthenticAMD", "cpu family": "23", "model": "1", "flags": "avx avx2 fma"}, 16),  # Zen
        ({"vendor_id": "AuthenticAMD", "cpu family": "23", "model": "49", "flags": "avx avx2 fma"}, 32),  # Zen 2
        ({"vendor_id": "AuthenticAMD", "cpu family": "26", "model": "36", "flags": "avx2 fma avx512f"}, 32),  # Strix
        ({"vendor_id": "GenuineIntel", "cpu family": "6", "model": "190", "flags": "avx avx2 fma"}, 16),  # N100
        ({"vendor_id": "GenuineIntel", "cpu family": "6", "model": "140", "flags": "avx2 fma avx512f"}, 32),  # laptop
        ({**_CASCADE_LAKE, "model name": "Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz"}, 64),
        ({**_CASCADE_LAKE, "model name": "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz"}, 64),
        ({**_CASCADE_LAKE, "model name": "Intel(R) Xeon(R) Gold 5218 CPU @ 2.30GHz"}, 32),
        ({**_CASCADE_LAKE, "model name": "Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz"}, 32),
        ({"CPU implementer": "0x41", "CPU part": "0xd0a", "Features": "asimd"}, 8),  # Cortex-A75
        ({"CPU implementer": "0x41", "CPU part": "0xd0b", "Features": "asimd"}, 16),  # Cortex-A76
        ({"CPU implementer": "0x41", "CPU part": "0xd40", "Features": "asimd"}, 32),  # Neoverse V1
        ({"vendor_id": "GenuineIntel", "cpu family": "6", "model": "42", "flags": "sse4_1 avx"}, 16),  # Sandy Bridge
        ({"vendor_id": "GenuineIntel", "cpu family": "6", "model": "23", "flags": "sse4_1"}, 8),
        ({"vendor_id": "GenuineIntel", "cpu family": "6", "model": "15", "flags": "sse2"}, None),
    ],
)
def test_operations_per_cycle_by_generation(fields, fp32):
    text = "\n".join(f"{key}\t: {value}" for key, value in {"processor": "0", **fields}.items())
    assert operations_per_cycle(parse_cpuinfo(text)).get("fp32") == fp32


@pytest.mark.parametrize("text", ["", "\x00", ":", "processor\t: \n\n", "processor: 0\ncpu MHz: nan\ncpu family: x\n"])
def test_nonsense_is_unknown(text):
    info = parse_cpuinfo(text)
    assert (info.vendor, info.family, info.current_hz, info.features) == (None, None, None, ())


@given(st.sampled_from(sorted(TEXTS)), st.lists(st.tuples(st.integers(0, 4000), st.text(max_size=6)), max_size=8))
def test_a_damaged_text_never_raises(name, edits):
    text = TEXTS[name]
    for place, inserted in edits:
        text = text[:place] + inserted + text[place + len(inserted) * 2 :]
    info = parse_cpuinfo(text)
    operations_per_cycle(info)
    assert type_name(info, 1) == type_name(parse_cpuinfo(text), 1)


@given(st.text(max_size=60))
def test_a_slug_is_fit_for_a_file_name(text):
    assert all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in slug(text))
