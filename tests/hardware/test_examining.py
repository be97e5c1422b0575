"""What plugins say is wrong with what they need: on trees such as Linux shows them, with tools that are stand-ins."""

import os
import tempfile
from pathlib import Path

import pytest

from aios.spi.checkup import tried_apart
from aios_plugins import rapl
from aios_plugins.nvidia import examining
from aios_plugins.vendortools import Amd


def card(root, vendor, kind="0x030200", number=0):
    device = root / f"sys/bus/pci/devices/0000:0{number}:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text(f"{kind}\n")


def driver(root, version="535.104.05"):
    told = root / "proc/driver/nvidia/version"
    told.parent.mkdir(parents=True)
    told.write_text(f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Sat Aug 19 01:15:15 UTC 2023\n")
    (root / "dev").mkdir(exist_ok=True)
    for name in ("nvidiactl", "nvidia0"):
        (root / "dev" / name).write_text("")


def one(found):
    (item,) = found
    return item


@pytest.fixture
def elsewhere():
    """A folder that somebody who is not root may reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def as_nobody():
    """Who is root may read anything: returns a function that asks as somebody else."""

    def ask(question):
        if os.geteuid() != 0:
            return question()
        os.seteuid(65534)
        try:
            return question()
        finally:
            os.seteuid(0)

    return ask


def test_without_a_card_there_is_nothing_to_look_at(tmp_path):
    card(tmp_path, "0x8086")
    assert one(examining.examine(tmp_path)).status == "skipped"


def test_a_card_without_a_driver(tmp_path):
    card(tmp_path, "0x10de")
    card(tmp_path, "0x10de", "0x040300", 1)  # its sound device is no card
    found = one(examining.examine(tmp_path))
    assert (found.status, found.seen) == ("fail", "1 NVIDIA card on PCI, and no driver is loaded")
    assert "modprobe" in found.command


def test_device_files_that_this_user_may_not_use(elsewhere, as_nobody):
    driver(elsewhere)
    (elsewhere / "dev/nvidiactl").chmod(0o600)
    found = one(as_nobody(lambda: list(examining.examine(elsewhere))))
    assert found.status == "fail"
    assert found.seen.startswith(f"this user may not use {elsewhere}/dev/nvidiactl")
    if os.geteuid() == 0:  # the files are root's
        assert found.command.startswith(f"sudo chmod a+rw {elsewhere}")


class StandInNvml:
    """Stands in for ``pynvml``: fails at its start as NVML does, or has cards of which some are lost."""

    NVML_ERROR_LIB_RM_VERSION_MISMATCH, NVML_ERROR_LIBRARY_NOT_FOUND = 18, 12
    NVML_ERROR_DRIVER_NOT_LOADED, NVML_ERROR_NO_PERMISSION = 9, 4

    class NVMLError(Exception):
        def __init__(self, value, text="GPU is lost"):
            super().__init__(text)
            self.value = value

    def __init__(self, fails=None, cards=0, lost=()):
        self.fails, self.cards, self.lost = fails, cards, lost

    def nvmlInit(self):
        if self.fails is not None:
            raise self.NVMLError(self.fails, "Unknown Error")

    def nvmlShutdown(self):
        pass

    def nvmlDeviceGetCount(self):
        return self.cards

    def nvmlDeviceGetHandleByIndex(self, index):
        if index in self.lost:
            raise self.NVMLError(15)
        return index

    def nvmlDeviceGetMemoryInfo(self, _handle):
        return None

    def nvmlSystemGetDriverVersion(self):
        return "535.104.05"


@pytest.mark.parametrize(
    ("library", "status", "said"),
    [
        (
            StandInNvml(fails=18),
            "fail",
            "driver 535.104.05 is loaded, and its library libnvidia-ml is of another",
        ),
        (StandInNvml(fails=12), "fail", "libnvidia-ml.so.1 is not here"),
        (StandInNvml(fails=9), "fail", "the driver is not loaded"),
        (StandInNvml(fails=4), "fail", "may not talk to it"),
        (StandInNvml(fails=999), "fail", "NVML does not start: Unknown Error"),
        (StandInNvml(cards=4, lost=(2,)), "fail", "GPU 2: GPU is lost"),
        (StandInNvml(cards=0), "warn", "0 GPUs, driver 535.104.05"),
        (StandInNvml(cards=2), "ok", "2 GPUs, driver 535.104.05"),
    ],
)
def test_what_nvml_says(tmp_path, monkeypatch, library, status, said):
    driver(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "pynvml", library)
    found = one(examining.examine(tmp_path))
    assert found.status == status
    assert said in found.seen
    assert status == "ok" or found.remedy


def test_counters_that_this_user_may_not_read(elsewhere, as_nobody):
    assert one(rapl.Meter(elsewhere).examine()).status == "skipped"
    zone = elsewhere / "sys/class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "energy_uj").write_text("1\n")
    assert one(rapl.Meter(elsewhere).examine()).status == "ok"
    (zone / "energy_uj").chmod(0o400)
    found = one(as_nobody(rapl.Meter(elsewhere).examine)) if os.geteuid() == 0 else None
    if found is not None:  # who is not root owns the file and may read it
        assert found.status == "warn"
        assert found.command == f"sudo chmod a+r {zone}/energy_uj"


def tool(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_another_makers_cards(tmp_path, monkeypatch):
    """The tool's output is the seam: ``amd-smi`` is a stand-in here."""
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    assert one(Amd(tmp_path).examine()).status == "skipped"
    card(tmp_path, "0x1002")
    found = one(Amd(tmp_path).examine())
    assert (found.status, found.remedy) == ("warn", "install what shows them: the tools come with ROCm")
    tool(tools, "amd-smi", "echo 'driver not initialized'; exit 255")
    found = one(Amd(tmp_path).examine())
    assert found.status == "fail"
    assert "driver not initialized" in found.seen
    tool(tools, "amd-smi", """echo '[{"asic": {"market_name": "AMD Instinct MI300X"}, "vram": {"size": "1 MB"}}]'""")
    found = one(Amd(tmp_path).examine())
    assert (found.status, found.seen[:23]) == ("ok", "1 x AMD Instinct MI300X")


def test_code_that_is_tried_apart():
    assert tried_apart("print('a'); print('b')") == (True, "b")
    assert tried_apart("raise ValueError('no')") == (False, "ValueError: no")
    assert tried_apart("import os; os.abort()")[1] == "the process was ended by signal 6"
    assert tried_apart("import time; time.sleep(60)", seconds=0.3) == (False, "it did not end within 0.3 s")
