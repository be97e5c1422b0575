"""NVIDIA GPUs from recorded nvidia-smi output; the library itself where there is a driver."""

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from aios.records.fleet import DeviceType
from aios_plugins.nvidia import Meter, Probe
from aios_plugins.nvidia.cards import Card
from aios_plugins.nvidia.meter import PowerIntegral, descends
from aios_plugins.nvidia.nvml import Gpu, NvmlAbsent, handles, opened
from aios_plugins.nvidia.probe import device_type, discovery_of_cards, type_name

DATA = Path(__file__).parent / "data"


def recorded(name: str) -> Gpu:
    """The figures that NVML answered when ``nvidia-smi -q -x`` printed them."""
    log = ElementTree.parse(DATA / f"nvidia-smi-{name}.xml").getroot()

    def number(path: str) -> float:
        return float(re.match(r"[\d.]+", log.findtext(f"gpu/{path}"))[0])

    return Gpu(
        name=log.findtext("gpu/product_name"),
        driver=log.findtext("driver_version"),
        memory_bytes=number("fb_memory_usage/total") * 2**20,
        power_limit_w=number("power_readings/default_power_limit"),
        power_limit_min_w=number("power_readings/min_power_limit"),
        power_limit_max_w=number("power_readings/max_power_limit"),
        pcie=f"{number('pci/pci_gpu_link_info/pcie_gen/max_link_gen'):g} x16",
        mig=log.findtext("gpu/mig_mode/current_mig") == "Enabled",
        clock_hz=number("max_clocks/sm_clock") * 1e6,
    )


def test_a_t4_is_described_by_what_nvml_says():
    device = device_type(recorded("t4"))
    assert (device.name, device.kind, device.vendor) == ("nvidia-t4", "gpu", "NVIDIA")
    assert device.memory_bytes.value == 15360 * 2**20
    assert (device.tdp_w.value, device.tdp_w.source) == (70.0, "measured")
    assert device.identity["power_limit_min_w"] == "60"
    assert device.peak_ops_per_s == {}  # NVML does not tell; the datasheet does


def test_equal_gpus_are_one_type():
    gpu = recorded("t4")
    discovery = discovery_of_cards([Card(gpu=gpu.model_copy(update={"uuid": f"GPU-{i}"})) for i in range(4)])
    assert [found.count for found in discovery.devices] == [4]
    assert discovery.seen[0].startswith("4 x Tesla T4: 15.0 GiB, power limit 70 W")


def test_a_gpu_in_mig_mode_is_not_counted_and_says_so():
    discovery = discovery_of_cards([Card(gpu=recorded("a100-mig"))])
    assert discovery.devices == ()
    assert "MIG mode" in discovery.missing[0]


def test_a_driver_without_gpus_says_so():
    assert discovery_of_cards([]).missing == ("no NVIDIA GPU: the driver is there and shows none",)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Tesla T4", "nvidia-t4"),
        ("NVIDIA L4", "nvidia-l4"),
        ("NVIDIA A100-SXM4-80GB", "nvidia-a100-sxm4-80gb"),
        ("NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3"),
        ("NVIDIA GeForce RTX 3060", "nvidia-geforce-rtx-3060"),
    ],
)
def test_names_take_the_catalogues_form(name, slug):
    assert type_name(name) == slug


def test_power_is_integrated_by_trapezoids():
    integral = PowerIntegral()
    for seconds, watts in ((0.0, 100.0), (1.0, 200.0), (2.0, None), (3.0, 200.0)):
        integral.add(seconds, watts)
    assert integral.joules == 150.0 + 400.0
    assert integral.samples == 3


def test_descendants_belong_to_a_process():
    assert descends(os.getpid(), frozenset({os.getpid()}))
    assert descends(os.getpid(), frozenset({os.getppid()}))
    assert not descends(os.getppid(), frozenset({os.getpid()}))
    assert not descends(2**22 + 1, frozenset({1}))


def test_the_meter_refuses_what_is_no_nvidia_gpu():
    assert "cpu" in Meter().can(DeviceType(name="c", kind="cpu", vendor="AMD")).reason
    assert Meter().can(DeviceType(name="g", kind="gpu", vendor="AMD")) is not None


def _gpus_here() -> int:
    try:
        with opened() as pynvml:
            return len(handles(pynvml))
    except NvmlAbsent:
        return 0


@pytest.mark.skipif(_gpus_here() > 0, reason="this machine has an NVIDIA GPU")
def test_without_a_gpu_the_probe_says_what_is_missing():
    discovery = Probe().discover(measure=True)
    assert discovery.devices == ()
    assert "NVIDIA" in discovery.missing[0]
    refusal = Meter().can(device_type(recorded("t4")))
    assert refusal is not None
    assert refusal.reason


@pytest.mark.skipif(_gpus_here() == 0, reason="needs an NVIDIA GPU and its driver")
def test_with_a_gpu_discovery_and_energy_agree_with_the_hardware():
    found = Probe().discover(measure=False).devices
    assert found
    device = found[0].type
    assert device.memory_bytes.value > 2**30
    assert Meter().can(device) is None
    reading = Meter().begin(device, []).end()
    assert reading.scope == "device"
    assert reading.seconds > 0
