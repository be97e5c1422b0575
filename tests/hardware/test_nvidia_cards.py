"""NVIDIA GPUs one by one: what holds now, what joins them; NVML itself is played from recorded answers."""

from types import SimpleNamespace

import pynvml
import pytest

from aios_plugins.nvidia.cards import Card, Link, pcie_link, read_cards, topologies
from aios_plugins.nvidia.nvml import Gpu
from aios_plugins.nvidia.probe import discovery_of_cards

A100 = Gpu(name="NVIDIA A100-SXM4-80GB", memory_bytes=80 * 2.0**30, pcie="4 x16", power_limit_w=400.0)


class Recorded:
    """Answers of NVML on a machine with two A100 behind one NVSwitch; what was not recorded is refused as by NVML.

    Every name that is asked for must be one of the real library's.
    """

    answers = {  # noqa: RUF012 - never changed
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda _: b"NVIDIA A100-SXM4-80GB",
        "nvmlDeviceGetPciInfo": lambda gpu: SimpleNamespace(busId=f"00000000:0{gpu + 1}:00.0".encode()),
        "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(total=80 * 2**30, used=(gpu * 40) * 2**30),
        "nvmlDeviceGetUtilizationRates": lambda gpu: SimpleNamespace(gpu=gpu * 70),
        "nvmlDeviceGetComputeRunningProcesses": lambda gpu: [SimpleNamespace(pid=1)] * gpu,
        "nvmlDeviceGetPowerManagementDefaultLimit": lambda _: 400_000,
        "nvmlDeviceGetPowerManagementLimit": lambda _: 300_000,
        "nvmlDeviceGetPowerManagementLimitConstraints": lambda _: (100_000, 400_000),
        "nvmlDeviceGetMaxPcieLinkGeneration": lambda _: 4,
        "nvmlDeviceGetMaxPcieLinkWidth": lambda _: 16,
        "nvmlDeviceGetMigMode": lambda _: (0, 0),
        "nvmlDeviceGetEccMode": lambda _: (1, 1),
        "nvmlSystemGetDriverVersion": lambda: "535.54.03",
        "nvmlDeviceGetTopologyCommonAncestor": lambda *_: pynvml.NVML_TOPOLOGY_MULTIPLE,
        "nvmlDeviceGetNvLinkState": lambda _gpu, link: int(link < 12),
        "nvmlDeviceGetNvLinkRemoteDeviceType": lambda *_: pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH,
        "nvmlDeviceGetNvLinkRemotePciInfo": lambda *_: SimpleNamespace(busId="0000:C4:00.0"),
        "nvmlDeviceGetFieldValues": lambda *_: [
            SimpleNamespace(nvmlReturn=pynvml.NVML_SUCCESS, value=SimpleNamespace(uiVal=25000))
        ],
    }

    def __init__(self, **answers):
        self.own = answers

    def __getattr__(self, name):
        real = getattr(pynvml, name)
        if not name.startswith(("nvmlDevice", "nvmlSystem")):
            return real
        return self.own.get(name) or self.answers.get(name) or self.refuse

    @staticmethod
    def refuse(*_):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


def test_nvml_is_read_card_by_card():
    first, second = read_cards(Recorded())
    assert (first.bus, first.near, first.used) == ("0000:01:00.0", {"0000:02:00.0": "PXB"}, 0.0)
    assert (second.used, second.utilisation, second.processes, second.limit_w) == (0.5, 0.7, 1, 300.0)
    assert first.links == (Link(switched=True, bytes_per_s=25e9),) * 12
    discovery = discovery_of_cards([first, second])
    (found,) = discovery.devices
    assert (found.count, found.used) == (2, (0.0, 0.5))
    nvlink, pcie = discovery.topology
    assert (nvlink.kind, nvlink.members, nvlink.bandwidth_bytes_per_s.value) == ("switch", ("0", "1"), 300e9)
    assert (pcie.name, pcie.interconnect) == ("pcie", "pcie4-x16")
    line = discovery.seen[0]
    assert "power limit 400 W (100 to 400 W may be set), now 300 W" in line
    assert "ECC on" in line
    assert "memory taken now: 50 % of 1 of them (1 processes), busy now: 70 % of 1 of them" in line


def test_a_card_that_answers_nothing_is_still_a_card():
    silent = Recorded()
    silent.answers = {name: Recorded.answers[name] for name in ("nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex")}
    discovery = discovery_of_cards(read_cards(silent))
    assert discovery.devices[0].count == 2
    assert discovery.topology == ()


def test_mig_instances_are_read_by_their_names():
    names = {0: "NVIDIA A100-SXM4-80GB", "a": "NVIDIA A100-SXM4-80GB MIG 3g.40gb", "b": b"NVIDIA A100 MIG 1g.10gb+me"}
    nvml = Recorded(
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetMigMode=lambda _: (1, 1),
        nvmlDeviceGetMaxMigDeviceCount=lambda _: 7,
        nvmlDeviceGetMigDeviceHandleByIndex=lambda _, index: "ab"[index] if index < 2 else Recorded.refuse(),
        nvmlDeviceGetName=names.__getitem__,
    )
    (found,) = discovery_of_cards(read_cards(nvml)).devices
    assert (found.count, found.partitions, found.used) == (1, ("3g.40gb", "1g.10gb+me"), ())


def test_pairs_that_are_bridged_are_islands_of_their_own():
    links = {"a": "b", "b": "a", "c": "d", "d": "c"}
    cards = [Card(gpu=A100, bus=bus, links=(Link(peer=peer, bytes_per_s=25e9),) * 4) for bus, peer in links.items()]
    assert [(level.kind, level.members) for level in topologies(cards)] == [("full", ("0", "1")), ("full", ("2", "3"))]
    assert topologies(cards)[0].bandwidth_bytes_per_s.value == 100e9


def test_cards_that_are_cut_into_parts_are_joined_by_nothing():
    cut = A100.model_copy(update={"mig": True, "parts": ("7g.80gb",)})
    links = (Link(switched=True),) * 12
    cards = [Card(gpu=cut, bus="a", links=links), *(Card(gpu=A100, bus=bus, links=links) for bus in "bc")]
    (level,) = topologies(cards)
    assert level.members == ("1", "2")  # the cut card is first, so it has id 0


def test_a_drivers_own_memory_is_no_use():
    idle = Card(gpu=A100, memory_used_bytes=0.01 * A100.memory_bytes, utilisation=0.0, processes=0)
    assert idle.used == 0.0
    assert idle.model_copy(update={"processes": 1}).used == 0.01
    assert Card(gpu=A100).used == 0.0


def test_a_busy_moment_takes_nothing_and_a_process_at_least_a_little():
    busy = Card(gpu=A100, memory_used_bytes=0.0, utilisation=0.97, processes=0)
    assert busy.used == 0.0
    half_a_gib = busy.model_copy(update={"memory_used_bytes": 0.3e9, "processes": 1})
    assert half_a_gib.used == 0.01
    assert half_a_gib.model_copy(update={"memory_used_bytes": None}).used == 0.01


def test_the_narrowest_link_counts_and_an_unknown_one_makes_all_unknown():
    fact, name = pcie_link(["4 x16", "4 x8"])
    assert (fact.value, name) == (pytest.approx(8 * 1.969e9, rel=1e-3), "pcie4-x8")
    assert pcie_link(["4 x16", None]) == (None, None)
    assert pcie_link([]) == (None, None)
