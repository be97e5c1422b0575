"""What probes found becomes a fleet, completed from the catalogue."""

import pytest

from aios.catalogue import root
from aios.fleet import compile_fleet, fleet_text, load_catalogue
from aios.fleet import describe as described
from aios.records.document import parse
from aios.records.fleet import DeviceType, Fact, Interconnect, MemoryTier, Topology, Used
from aios.spi.probe import Discovery, Found

CATALOGUE = load_catalogue(root() / "hardware")


def describe(discoveries, catalogue):
    return described(discoveries, catalogue).fleet


def cpu(memory_bytes: float = 2.0**34, **identity: str) -> Discovery:
    cores = int(identity["physical_cores"])
    device = DeviceType(name="this-cpu", kind="cpu", vendor=identity["vendor"], cores=cores, identity=identity)
    return Discovery(devices=(Found(type=device),), cores=cores, memory_bytes=memory_bytes)


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


def test_what_the_catalogue_knows_beside_what_was_read_stays():
    pcie = Interconnect(kind="pcie3-x16", bandwidth_bytes_per_s=Fact(value=15.75e9, unit="B/s", source="measured"))
    device = DeviceType(name="a100", kind="gpu", identity={"name": "NVIDIA A100-SXM4-80GB"}, interconnects=(pcie,))
    entry = CATALOGUE["nvidia-a100-sxm4-80gb"]
    found = describe([Discovery(devices=(Found(type=device),))], CATALOGUE).types[entry.name]
    assert found.interconnects == (entry.interconnects[0], pcie)  # NVLink 3; PCIe as read, no second one beside it
    assert [item.kind for item in entry.interconnects] == ["nvlink3", "pcie4-x16"]
    assert found.partitions == entry.partitions


@pytest.mark.parametrize(
    ("name", "gigabytes", "type_name"),
    [
        ("Tesla V100-SXM2", 32, "nvidia-v100-sxm2-32gb"),
        ("Tesla V100-SXM2", 16, "nvidia-v100-sxm2-16gb"),
        ("V100-PCIE", 31.7, "nvidia-v100-pcie-32gb"),
        ("NVIDIA A100-SXM4", 79.3, "nvidia-a100-sxm4-80gb"),
    ],
)
def test_the_memory_of_a_card_tells_which_variant_it_is(name, gigabytes, type_name):
    found = gpu(name, "some-gpu", memory_bytes=Fact(value=gigabytes * 1e9, unit="B", source="measured"))
    assert list(describe([found], CATALOGUE).types) == [type_name]


def test_a_card_that_could_be_several_keeps_what_was_read_and_says_so():
    found = gpu("V100", "v100", memory_bytes=Fact(value=32e9, unit="B", source="measured"))
    fleet, doubts = described([found], CATALOGUE)
    assert fleet.types["v100"].peak_ops_per_s == {}
    (doubt,) = doubts
    assert doubt.startswith("V100: it could be one of several: nvidia-v100-pcie-32gb, nvidia-v100-sxm2-32gb")
    assert "16gb" not in doubt
    assert doubt.endswith("only what was read of it is known")


@pytest.mark.parametrize(("gibibytes", "known"), [(8, True), (7.6, True), (4, False), (16, False)])
def test_a_board_that_has_other_memory_is_another_board(gibibytes, known):
    name = "Raspberry Pi 5 Model B Rev 1.0"
    found = cpu(gibibytes * 2**30, vendor="ARM", name="Cortex-A76", board=name, physical_cores="4")
    fleet, doubts = described([found], CATALOGUE)
    device = fleet.types["this-cpu"]
    assert (device.tdp_w is not None, doubts == ()) == (known, known)
    if not known:
        assert doubts[0].startswith(f"{name}: none that is called so has {gibibytes} GiB of memory: raspberry-pi-5-8gb")


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
