"""What probes found becomes a fleet, completed from the catalogue."""

import pytest

from aios.catalogue import root
from aios.fleet import compile_fleet, describe, fleet_text, load_catalogue
from aios.records.document import parse
from aios.records.fleet import DeviceType, Fact, MemoryTier, Topology, Used
from aios.spi.probe import Discovery, Found

CATALOGUE = load_catalogue(root() / "hardware")


def cpu(**identity: str) -> Discovery:
    cores = int(identity["physical_cores"])
    device = DeviceType(name="this-cpu", kind="cpu", vendor=identity["vendor"], cores=cores, identity=identity)
    return Discovery(devices=(Found(type=device),), cores=cores, memory_bytes=2.0**34)


def gpu(name: str, type_name: str, count: int = 1, **facts: Fact) -> Discovery:
    device = DeviceType(name=type_name, kind="gpu", vendor="NVIDIA", model=name, identity={"name": name}, **facts)
    return Discovery(devices=(Found(type=device, count=count),))


def test_a_virtual_processor_gets_its_generations_power_per_core_assumed():
    fleet = describe([cpu(vendor="AMD", family="26", model="2", name="AMD EPYC", physical_cores="2")], CATALOGUE)
    device = fleet.types["this-cpu"]
    assert device.tdp_w.value == pytest.approx(400 * 2 / 96, rel=1e-3)
    assert device.tdp_w.source == "assumed"
    assert "same generation" in device.tdp_w.ref
    assert "9655" in device.tdp_w.ref
    (node,) = fleet.nodes
    assert (node.name, node.address, node.cores, node.memory_bytes) == ("local", "local", 2, 2.0**34)
    assert node.devices[0].ids == ("cpu0",)


def test_a_whole_named_part_keeps_the_datasheets_figure():
    name = "AMD EPYC 7763 64-Core Processor"
    fleet = describe([cpu(vendor="AMD", family="25", model="1", name=name, physical_cores="64")], CATALOGUE)
    assert fleet.types["this-cpu"].tdp_w == CATALOGUE["amd-epyc-7763"].tdp_w


def test_half_of_a_named_part_is_assumed_to_draw_half():
    name = "AMD EPYC 7763 64-Core Processor"
    fleet = describe([cpu(vendor="AMD", family="25", model="1", name=name, physical_cores="32")], CATALOGUE)
    tdp = fleet.types["this-cpu"].tdp_w
    assert (tdp.value, tdp.source) == (140.0, "assumed")
    assert "same generation" not in tdp.ref


def test_an_unknown_processor_stays_unknown():
    fleet = describe([cpu(vendor="AMD", family="99", model="2", name="New", physical_cores="2")], CATALOGUE)
    assert fleet.types["this-cpu"].tdp_w is None


def test_a_gpu_takes_the_catalogues_name_and_peaks_and_keeps_what_was_read():
    memory = Fact(value=79.6 * 2**30, unit="B", source="measured")
    found = gpu("NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3", count=8, memory_bytes=memory)
    fleet = describe([found], CATALOGUE)
    device = fleet.types["nvidia-h100-sxm5-80gb"]
    assert device.memory_bytes == memory
    assert device.peak_ops_per_s == CATALOGUE["nvidia-h100-sxm5-80gb"].peak_ops_per_s
    assert device.model == "NVIDIA H100 80GB HBM3"
    assert fleet.nodes[0].devices[0].ids == tuple("01234567")


def test_two_different_types_never_share_a_name():
    first = gpu("NVIDIA Odd", "nvidia-odd")
    second = gpu("NVIDIA Odd", "nvidia-odd", memory_bytes=Fact(value=1e9, unit="B"))
    fleet = describe([first, second], CATALOGUE)
    assert [slot.type for slot in fleet.nodes[0].devices] == ["nvidia-odd", "nvidia-odd-2"]


def test_what_init_saves_reads_back_equal():
    found = [
        cpu(vendor="Intel", family="6", model="143", name="Intel(R) Xeon(R) Processor", physical_cores="4"),
        gpu("Tesla T4", "nvidia-t4", count=2),
    ]
    fleet = describe(found, CATALOGUE)
    back = compile_fleet(parse(fleet_text(fleet).encode(), "fleet.yaml"), CATALOGUE, "fleet.yaml")
    assert (back.digest, back.types) == (fleet.digest, fleet.types)


def test_ids_of_several_probes_run_on_in_topology_and_use():
    nvlink = Topology(name="nvlink", kind="full", members=("0", "1"))
    first = gpu("Tesla T4", "nvidia-t4", count=2).model_copy(update={"topology": (nvlink,)})
    npu = DeviceType(name="some-npu", kind="npu")
    second = Discovery(
        devices=(Found(type=npu, count=2, used=(0.0, 0.75)),),
        topology=(Topology(name="hccs", kind="full"), Topology(name="ring", kind="ring", members=("1", "0"))),
    )
    (node,) = describe([first, second], CATALOGUE).nodes
    assert {level.name: level.members for level in node.topology} == {
        "nvlink": ("0", "1"),
        "hccs": ("2", "3"),
        "ring": ("3", "2"),
    }
    assert node.used == Used(devices={"3": 0.75})


def test_memory_tiers_of_all_probes_are_kept_under_names_of_their_own():
    disk = MemoryTier(name="nvme", kind="nvme", bytes=Fact(value=1e12, unit="B", source="measured"))
    (node,) = describe([Discovery(memory_tiers=(disk,)), Discovery(memory_tiers=(disk,))], CATALOGUE).nodes
    assert [(tier.name, tier.kind) for tier in node.memory_tiers] == [("nvme", "nvme"), ("nvme-2", "nvme")]


def test_parts_that_the_catalogue_knows_become_devices():
    card = DeviceType(name="a100", kind="gpu", identity={"name": "NVIDIA A100-SXM4-80GB"})
    found = Found(type=card, count=2, partitions=("3g.40gb", "4g.40gb"), used=(0.0, 0.5))
    fleet = describe([Discovery(devices=(found,))], CATALOGUE)
    (node,) = fleet.nodes
    assert {slot.type.partition(":")[2]: slot.ids for slot in node.devices} == {
        "3g.40gb": ("0.0", "1.0"),
        "4g.40gb": ("0.1", "1.1"),
    }
    assert node.used.devices == {"1.0": 0.5, "1.1": 0.5}
    back = compile_fleet(parse(fleet_text(fleet, CATALOGUE).encode(), "fleet.yaml"), CATALOGUE, "fleet.yaml")
    assert back.digest == fleet.digest


def test_parts_that_nobody_describes_leave_nothing_to_give():
    found = Found(type=DeviceType(name="odd", kind="npu"), count=2, partitions=("quarter",))
    (node,) = describe([Discovery(devices=(found,))], CATALOGUE).nodes
    assert node.devices[0].ids == ("0", "1")
    assert [node.free_share(id_) for id_ in ("0", "1")] == [0.0, 0.0]


def test_nothing_found_is_still_a_machine():
    assert describe([Discovery(missing=("no GPU",))], CATALOGUE).nodes[0].devices == ()
