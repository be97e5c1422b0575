"""Probes and meters as the core meets them: by entry point, cheap to load, one sentence per thing missing."""

import subprocess
import sys

import pytest

from aios.records.fleet import DeviceType, Fact
from aios.spi.registry import load

PROBES = ("amd", "ascend", "cambricon", "cpu", "disks", "gaudi", "memory", "nvidia", "xpu")
CPU = DeviceType(name="c", kind="cpu", cores=2, tdp_w=Fact(value=10, unit="W"))


@pytest.mark.parametrize(
    ("group", "name"),
    [
        *(("aios.probes", name) for name in PROBES),
        ("aios.meters", "rapl"),
        ("aios.meters", "nvml"),
        ("aios.meters", "cputime"),
    ],
)
def test_it_loads_and_names_itself(group, name):
    assert load(group, name).name == name


@pytest.mark.parametrize("name", ["rapl", "nvml", "cputime"])
def test_a_meter_that_can_gives_a_reading(name):
    meter = load("aios.meters", name)
    if meter.can(CPU) is None:
        reading = meter.begin(CPU, []).end()
        assert reading.seconds >= 0
        assert reading.meter


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_says_in_sentences_what_it_saw_and_missed(name):
    discovery = load("aios.probes", name).discover(measure=False)
    assert discovery.seen or discovery.missing
    assert all(sentence and "\n" not in sentence for sentence in (*discovery.seen, *discovery.missing))


def test_loading_the_plugins_imports_no_engine():
    plugins = ("cpu", "nvidia", "rapl", "cputime", "disks", "vendortools")
    modules = ", ".join(["aios.fleet", *(f"aios_plugins.{name}" for name in plugins)])
    engines = {"numpy", "pynvml", "onnx", "ortools", "xml.etree", "networkx"}
    code = f"import sys, {modules}; print(sorted({engines!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
