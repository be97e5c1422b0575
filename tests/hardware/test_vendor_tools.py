"""Accelerators of other makers from recorded output of their tools, and tools that fail."""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_plugins.vendortools import Amd, Ascend, Cambricon, Gaudi, Intel
from aios_plugins.vendortools.amd import parse_amd_smi, parse_rocm_smi, parse_rocm_topology
from aios_plugins.vendortools.ascend import parse_info, parse_topology
from aios_plugins.vendortools.cambricon import parse_cnmon
from aios_plugins.vendortools.cards import Card, discovery, mebibytes, read
from aios_plugins.vendortools.gaudi import parse_hl_smi
from aios_plugins.vendortools.intel import parse_device, parse_discovery
from aios_plugins.vendortools.running import Answer, ask

DATA = Path(__file__).parent / "data"
PARSERS = {
    "npu-smi-8x-910b3.txt": parse_info,
    "npu-smi-310p3-duo.txt": parse_info,
    "npu-smi-ascend910-a3.txt": parse_info,
    "cnmon-2x-mlu370-x4.txt": parse_cnmon,
    "hl-smi-8x-hl-225.txt": parse_hl_smi,
    "hl-smi-2x-hl-205.txt": parse_hl_smi,
    "rocm-smi-4x-mi100.json": parse_rocm_smi,
    "amd-smi-static-mi210.json": parse_amd_smi,
    "xpu-smi-discovery.json": parse_discovery,
}
GIB = 2.0**30


def text(name):
    return (DATA / name).read_text()


def cards(name):
    return PARSERS[name](text(name))


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A folder on PATH for tools that a test writes; returns the function that writes one."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def write(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return write


@pytest.mark.parametrize(
    ("name", "count", "called", "memory", "limit", "driver"),
    [
        ("npu-smi-8x-910b3.txt", 8, "Ascend 910B3", 64 * GIB, None, "24.1.rc1.b030"),
        ("npu-smi-310p3-duo.txt", 2, "Ascend 310P3", 43693 * 2**20, None, "25.2.0"),
        ("npu-smi-ascend910-a3.txt", 2, "Ascend910", 64 * GIB, None, "25.5.1"),
        ("cnmon-2x-mlu370-x4.txt", 2, "MLU370-X4", 23308 * 2**20, 150, "5.10.10"),
        ("hl-smi-8x-hl-225.txt", 8, "HL-225", 96 * GIB, 600, "1.19.1-6f47ddd"),
        ("hl-smi-2x-hl-205.txt", 2, "HL-205", 32 * GIB, 350, "1.6.0-3c06a7c"),
        ("rocm-smi-4x-mi100.json", 4, "Instinct MI100", 34342961152, 290, "6.3.6"),
        ("amd-smi-static-mi210.json", 1, "Instinct MI210", 65520 * 2**20, 300, "Linuxversion6.14.0-24-generic"),
        ("xpu-smi-discovery.json", 1, "Graphics [0x020a]", None, None, None),
    ],
)
def test_recorded_outputs_are_read(name, count, called, memory, limit, driver):
    found = cards(name)
    assert len(found) == count
    assert {(card.name, card.memory_bytes, card.power_limit_w, card.driver) for card in found} == {
        (called, memory, limit, driver)
    }
    (one_type,) = discovery(found, "tool").devices
    assert (one_type.count, one_type.type.identity["name"]) == (count, called)


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("npu-smi-8x-910b3.txt", [0.0] * 8),  # five percent are an idle chip's own
        ("npu-smi-ascend910-a3.txt", [0.78, 0.69]),
        ("hl-smi-8x-hl-225.txt", [0, 0, 0, 0.98, 0, 0.98, 0, 0.18]),
        ("hl-smi-2x-hl-205.txt", [0.99, 0.98]),
        ("cnmon-2x-mlu370-x4.txt", [0.0, 0.0]),
        ("rocm-smi-4x-mi100.json", [0.0] * 4),
    ],
)
def test_what_is_taken_now_is_read(name, used):
    assert [card.used for card in cards(name)] == used


@pytest.mark.parametrize(
    ("name", "idle", "busy"),
    [
        ("rocm-smi-4x-mi100.json", '"GPU use (%)": "0"', '"GPU use (%)": "97"'),
        ("cnmon-2x-mlu370-x4.txt", "| 0%  ", "| 97% "),
        ("npu-smi-8x-910b3.txt", "| 0           0    / 0  ", "| 97          0    / 0  "),
        ("hl-smi-8x-hl-225.txt", "  0%            0% |", " 97%            0% |"),
    ],
)
def test_a_busy_moment_is_told_and_takes_nothing(name, idle, busy):
    recorded = text(name)
    assert idle in recorded
    later = PARSERS[name](recorded.replace(idle, busy))
    assert {card.busy for card in later} >= {0.97}
    first, second = discovery(cards(name), "tool"), discovery(later, "tool")
    assert first.devices == second.devices
    assert "busy now: 97 %" in second.seen[0]


def test_idle_cards_are_not_called_used():
    assert discovery(cards("npu-smi-8x-910b3.txt"), "npu-smi").devices[0].used == ()
    assert discovery(cards("hl-smi-8x-hl-225.txt"), "hl-smi").devices[0].used[3] == 0.98


def test_a_matrix_counts_for_the_cards_that_it_has():
    matrix = text("npu-smi-topo-8x-910b3.txt")
    hccs, numa = parse_topology(matrix, cards("npu-smi-8x-910b3.txt"))
    assert (hccs.name, hccs.kind, hccs.members) == ("hccs", "full", tuple("01234567"))
    assert (numa.name, numa.group) == ("numa", 2)
    assert parse_topology(matrix, cards("npu-smi-ascend910-a3.txt")) == ()
    assert parse_topology("", cards("npu-smi-8x-910b3.txt")) == ()


def test_amd_gpus_are_joined_by_what_rocm_smi_says():
    four = cards("rocm-smi-4x-mi100.json")
    (host,) = parse_rocm_topology(text("rocm-smi-4x-mi100.json"), four)
    assert (host.name, len(host.members)) == ("host", 4)  # all over PCIe, on one NUMA node
    bridged = text("rocm-smi-4x-mi100.json").replace('"PCIE"', '"XGMI"')
    assert parse_rocm_topology(bridged, four)[0].name == "xgmi"
    assert parse_rocm_topology("{}", four) == ()
    assert parse_rocm_topology(bridged, four[:1]) == ()


def test_intel_gpus_get_their_memory_from_their_details():
    (card,) = cards("xpu-smi-discovery.json")
    detail = json.dumps({"memory_physical_size_byte": "17102532608", "driver_version": "1.3.30510"})  # invented
    assert parse_device(detail, card).memory_bytes == 17102532608
    assert parse_device("nonsense", card) == card
    listed = [
        {"device_name": "Intel(R) Data Center GPU Max 1550"},
        {"device_name": "v", "device_function_type": "virtual"},
    ]
    (max_1550,) = parse_discovery(json.dumps({"device_list": listed}))
    assert max_1550.name == "Data Center GPU Max 1550"


def test_ids_follow_the_types():
    mixed = [Card(name=name, maker="M", kind="npu", used=used) for name, used in (("a", 0.1), ("b", 0.2), ("a", 0.3))]
    first, second = discovery(mixed, "t").devices
    assert (first.count, first.used, second.used) == (2, (0.1, 0.3), (0.2,))


@pytest.mark.parametrize(
    ("written", "size"), [("65520", 65520 * 2**20), ("16 MB", 2**24), ("N/A", None), ("0", None), (None, None)]
)
def test_sizes_are_mebibytes(written, size):
    assert mebibytes(written) == size


def test_a_probe_reads_its_tool(tools):
    tools(
        "npu-smi",
        f'case "$*" in *topo*) cat {DATA}/npu-smi-topo-8x-910b3.txt;; *) cat {DATA}/npu-smi-8x-910b3.txt;; esac',
    )
    found = Ascend().discover(measure=False)
    assert (found.devices[0].count, found.topology[0].name, found.missing) == (8, "hccs", ())
    assert found.seen[0].startswith("8 x Huawei Ascend 910B3: 64.0 GiB, driver 24.1.rc1.b030 (npu-smi)")


def test_the_new_amd_tool_is_preferred_to_the_old(tools):
    tools("rocm-smi", f"cat {DATA}/rocm-smi-4x-mi100.json")
    assert "MI100" in Amd().discover(measure=False).seen[0]
    tools("amd-smi", f"cat {DATA}/amd-smi-static-mi210.json")
    assert "MI210" in Amd().discover(measure=False).seen[0]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo DrvMngGetConsoleLogLevel failed; exit 3", "ended with code 3: DrvMngGetConsoleLogLevel failed"),
        ("echo nonsense", "printed nothing that can be read"),
        ("head -c 3000 /dev/urandom", "printed nothing that can be read"),
        ("exit 0", "printed nothing that can be read"),
    ],
)
@pytest.mark.parametrize(
    ("probe", "tool"),
    [(Ascend, "npu-smi"), (Cambricon, "cnmon"), (Gaudi, "hl-smi"), (Intel, "xpu-smi"), (Amd, "amd-smi")],
)
def test_a_tool_that_fails_or_prints_nonsense_is_one_sentence(tools, probe, tool, script, words):
    tools(tool, script)
    found = probe().discover(measure=False)
    assert found.devices == ()
    assert words in found.missing[0]
    assert len(found.missing) == 1


def test_a_tool_that_hangs_is_ended_with_all_that_it_started(tools, tmp_path):
    tools("slow", f"sleep 60 & echo $! > {tmp_path}/child; wait")
    begun = time.monotonic()
    answer = ask("slow", seconds=0.4)
    assert time.monotonic() - begun < 5
    assert answer.problem == "`slow` gave no answer in time and was ended"
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break  # ended, not yet collected by its new parent
        time.sleep(0.01)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_a_tool_that_never_stops_printing_is_ended(tools):
    tools("loud", "yes")
    assert "more than 4 MiB" in ask("loud").problem


def test_a_tool_that_cannot_start_is_a_sentence(tools, tmp_path):
    (tmp_path / "broken").write_text("#!/no/such/interpreter\n")
    (tmp_path / "broken").chmod(0o755)
    tools("fine", "echo fine")
    assert "does not start" in ask("broken").problem
    assert ask("fine") == Answer("fine\n")
    assert ask("no-such-tool-anywhere") == Answer(problem="`no-such-tool-anywhere` is not on PATH", absent=True)


def test_a_plugged_in_card_without_its_tool_says_what_would_show_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    device = tmp_path / "sys/bus/pci/devices/0000:c1:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x19e5\n")
    (device / "class").write_text("0x120000\n")
    (sentence,) = Ascend(tmp_path).discover(measure=False).missing
    assert sentence == (
        "Ascend NPU: 1 PCI device of this maker, but `npu-smi` is not on PATH; npu-smi comes with Huawei's driver"
    )
    assert (
        Gaudi(tmp_path).discover(measure=False).missing[0].startswith("no Gaudi accelerator: `hl-smi` is not on PATH")
    )
    (device / "class").write_text("0x020000\n")  # a network card
    assert Ascend(tmp_path).discover(measure=False).missing[0].startswith("no Ascend NPU")


@given(st.sampled_from(sorted(PARSERS)), st.lists(st.tuples(st.integers(0, 3000), st.text(max_size=6)), max_size=6))
def test_damaged_outputs_are_cards_or_a_sentence(name, edits):
    damaged = text(name)
    for place, inserted in edits:
        damaged = damaged[:place] + inserted + damaged[place + 2 * len(inserted) :]
    found, problem = read(Answer(damaged), PARSERS[name], "tool")
    assert bool(found) != bool(problem)
    assert len(discovery(found, "tool").seen) >= bool(found)
