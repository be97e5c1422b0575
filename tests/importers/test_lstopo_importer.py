"""What hwloc's lstopo writes of real machines becomes machines, of every version of its XML."""

import contextlib
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.records.errors import InputError
from aios_plugins.lstopo import Importer

DATA = Path(__file__).parent / "data"
HWLOC = DATA / "hwloc"


def read(content, file="node.xml"):
    return Importer().read({file: content if isinstance(content, bytes) else content.encode()}, {})


def machine_of(name):
    (machine,) = read((HWLOC / name).read_bytes(), name).machines
    return machine


def mistakes_of(content):
    with pytest.raises(InputError) as raised:
        read(content)
    return raised.value.diagnostics


def caches(machine):
    return {level: fact.value / 1024 for level, fact in machine.devices[0].type.cache_bytes.items()}


def test_a_small_machine_as_recorded():
    (machine,) = read((DATA / "lstopo-2.9.0-vm.xml").read_bytes()).machines
    (cpu,) = machine.devices
    assert (machine.name, machine.cores, machine.memory_bytes) == ("vm", 2, 12845273088)
    assert (cpu.type.kind, cpu.count, cpu.type.cores, cpu.type.model) == ("cpu", 1, 2, "AMD EPYC")
    expected = {"name": "AMD EPYC", "vendor": "AuthenticAMD", "family": "26", "model": "2", "physical_cores": "2"}
    assert expected.items() <= cpu.type.identity.items()
    assert caches(machine) == {"l1d": 96, "l2": 2048, "l3": 32768}


def test_gpus_with_nvlink_on_two_sockets():
    machine = machine_of("power8gpudistances.xml")
    cpu, gpu = machine.devices
    assert (machine.name, machine.cores) == ("drac-12.grenoble.grid5000.fr", 16)
    assert (cpu.type.identity["physical_cores"], cpu.type.identity["packages"]) == ("8", "2")
    assert machine.labels == {"numa-nodes": "2"}
    assert (gpu.type.kind, gpu.count, gpu.type.identity["name"]) == ("gpu", 4, "Tesla P100-SXM2-16GB")
    assert gpu.type.identity["pci"] == "10de:15f9"
    assert gpu.type.memory_bytes.value == 16671616 * 1024
    one, other, pcie = machine.topology
    for level, members in ((one, ("0", "1")), (other, ("2", "3"))):
        assert (level.name, level.kind, level.members) == ("nvlink", "full", members)
        assert level.bandwidth_bytes_per_s.value == 40e9
    assert (pcie.kind, pcie.members, pcie.group, pcie.between.name) == ("switch", ("0", "1", "2", "3"), 2, "host")
    assert pcie.bandwidth_bytes_per_s.value == pytest.approx(15.753846e9)


def test_accelerators_behind_two_pcie_switches():
    machine = machine_of("32intel64-2p8co2t+8ve.xml")
    _, accelerators = machine.devices
    assert (accelerators.type.kind, accelerators.count) == ("other", 8)
    assert accelerators.type.identity["name"] == "PCI device 1bcf:001c"
    (pcie,) = machine.topology
    assert (pcie.name, pcie.group, len(pcie.members), pcie.between.name) == ("pcie", 4, 8, "host")


def test_gpus_of_several_makers_and_what_is_only_a_screen():
    inventory = read((HWLOC / "32em64t-2n8c2t-pci-normalio.xml").read_bytes())
    (machine,) = inventory.machines
    found = [(device.type.identity["name"], device.count) for device in machine.devices[1:]]
    assert found == [
        ("Tesla M2075 Dual-Slot Computing Processor Module", 2),
        ("Tesla K40m", 1),
        ("AMD Radeon R9 200 / HD 7900 Series", 1),
    ]
    memory = [device.type.memory_bytes for device in machine.devices[1:]]
    assert (memory[0], memory[1].value) == (None, 11796032 * 1024)
    assert any("MGA G200eW" in sentence and "screen" in sentence for sentence in inventory.left_out)
    assert any("sda" in sentence for sentence in inventory.left_out)
    assert all(level.bandwidth_bytes_per_s is None for level in machine.topology), "no link speed is stated"


def test_memory_on_the_package_is_a_tier():
    machine = machine_of("8intel64-fakeKNL-A2A-hybrid.rootattachednumas.xml")
    (tier,) = machine.memory_tiers
    assert (tier.kind, tier.bytes.value / 2**30) == ("hbm", pytest.approx(8.0, abs=0.01))
    assert machine.memory_bytes / 2**30 == pytest.approx(47.9, abs=0.01)


def test_the_first_version_of_the_format():
    machine = machine_of("8em64t-2p2ca2co-nonodesets.v1.xml")
    (cpu,) = machine.devices
    assert (machine.name, machine.cores, machine.memory_bytes) == ("bonobo001", 8, 33738452992)
    assert cpu.type.model == "Intel(R) Xeon(R) CPU E5420 @ 2.50GHz"
    assert caches(machine) == {"l1d": 256, "l2": 24576}


NODE = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="{version}">
  <object type="Machine" os_index="0" cpuset="0x3" allowed_cpuset="{allowed}" gp_index="1">
    <info name="HostName" value="n1"/>
    <object type="Package" os_index="0" gp_index="2" nodeset="0x1">
      <info name="CPUModel" value="Some  CPU"/>
      <object type="NUMANode" os_index="0" gp_index="3" local_memory="1073741824"/>
      {inside}
      <object type="Core" os_index="0" gp_index="4"><object type="PU" os_index="0" gp_index="5"/></object>
      <object type="Core" os_index="1" gp_index="6"><object type="PU" os_index="1" gp_index="7"/></object>
    </object>
    {beside}
  </object>
  {after}
</topology>
"""


def node(inside="", beside="", after="", version="2.0", allowed="0x00000003"):
    return NODE.format(inside=inside, beside=beside, after=after, version=version, allowed=allowed)


def test_processors_that_are_not_allowed_are_not_counted():
    (machine,) = read(node(allowed="0x00000002")).machines
    assert machine.cores == 1
    (machine,) = read(node(allowed="0xf...f")).machines
    assert machine.cores == 2


@pytest.mark.parametrize(
    ("allowed", "cores"),
    [
        ("0x00000001,,0x00000002", 1),
        ("0xf...f,0x00000001", 1),
        ("0xf...f,,0x00000001", 1),
        ("0x000x1", 2),
        ("0xf...f0x1", 2),
        ("0x123456789", 2),
        (",".join(["0x1"] * 5000), 2),
        ("nonsense", 2),
    ],
)
def test_a_set_of_processors_is_read_as_hwloc_writes_it_or_not_at_all(allowed, cores):
    assert read(node(allowed=allowed)).machines[0].cores == cores


@given(st.text(alphabet="0xf1.,", max_size=24))
def test_any_set_of_processors_is_read_or_passed_over(allowed):
    assert len(read(node(allowed=allowed)).machines) == 1


def test_far_more_devices_than_a_machine_has_are_not_connected():
    cards = "".join('<object type="PCIDev" pci_type="0302 [10de:1db1] [10de:1db1] a1"/>' for _ in range(2000))
    begun = time.process_time()
    inventory = read(node(inside=cards))
    assert time.process_time() - begun < 5
    assert inventory.machines[0].devices[1].count == 2000
    assert inventory.left_out == ("n1: how its 2000 devices are connected, which are too many",)


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [('subtype="HBM"', "hbm"), ('subtype="MCDRAM"', "hbm"), ('subtype="CXL-DRAM"', "cxl"), ('subtype="DRAM"', None)],
)
def test_kinds_of_memory(attributes, kind):
    text = node(
        f'<object type="NUMANode" os_index="1" gp_index="9" {attributes} local_memory="2147483648"/>',
        after='<memattr name="Bandwidth"><memattr_value target_obj_gp_index="9" value="1024"/></memattr>'
        '<memattr name="Latency"><memattr_value target_obj_gp_index="9" value="250"/></memattr>',
    )
    (machine,) = read(text).machines
    if kind is None:
        assert (machine.memory_tiers, machine.memory_bytes) == ((), 3 * 2**30)
        return
    (tier,) = machine.memory_tiers
    assert (tier.kind, tier.bytes.value, machine.memory_bytes) == (kind, 2**31, 2**30)
    assert tier.read_bytes_per_s.value == 2**30
    assert tier.latency_s.value == pytest.approx(250e-9)


def test_memory_of_no_known_kind_is_left_out_and_said():
    text = node('<object type="NUMANode" os_index="1" gp_index="9" subtype="NVM" local_memory="2147483648"/>')
    inventory = read(text)
    assert inventory.machines[0].memory_bytes == 2**30
    assert "2 GiB of NVM" in inventory.left_out[0]


def gpu(number, speed="31.5", name="NVIDIA H100", osdev_type="5"):
    return (
        f'<object type="PCIDev" gp_index="{100 + number}" pci_type="0302 [10de:2330] [0000:0000] a1" '
        f'pci_link_speed="{speed}"><object type="OSDev" gp_index="{200 + number}" name="cuda{number}" '
        f'osdev_type="{osdev_type}"><info name="GPUModel" value="{name}"/></object></object>'
    )


def bridge(inside, number=50):
    kind = 'bridge_type="1-1"' if number >= 60 else 'bridge_type="0-1"'
    return f'<object type="Bridge" gp_index="{number}" {kind}>{inside}</object>'


def test_devices_of_unequal_types_keep_their_places():
    text = node(beside=bridge(gpu(0) + gpu(1, name="NVIDIA A100") + gpu(2)))
    (machine,) = read(text).machines
    assert [(found.type.model, found.count) for found in machine.devices[1:]] == [
        ("NVIDIA H100", 2),
        ("NVIDIA A100", 1),
    ]


@pytest.mark.parametrize("osdev_type", ["5", "12"])
def test_switched_links_are_one_switch_with_all_that_a_device_has(osdev_type):
    matrix = "0 0 25000 25000 0 0 25000 25000 25000 25000 0 0 25000 25000 0 0"
    after = (
        '<distances2hetero nbobjs="4" name="NVLinkBandwidth">'
        "<indexes>OSDev:200 OSDev:201 PCIDev:300 PCIDev:301</indexes>"
        f"<u64values>{matrix[:20]}</u64values><u64values>{matrix[20:]}</u64values></distances2hetero>"
    )
    text = node(
        beside=bridge(gpu(0, osdev_type=osdev_type) + gpu(1, osdev_type=osdev_type)), after=after, version="3.0"
    )
    nvlink = read(text).machines[0].topology[0]
    assert (nvlink.name, nvlink.kind, nvlink.members) == ("nvlink", "switch", ("0", "1"))
    assert nvlink.bandwidth_bytes_per_s.value == 50e9


@pytest.mark.parametrize(
    ("beside", "inside", "name"),
    [
        (bridge(bridge(gpu(0) + gpu(1), 60)), "", "pcie"),
        (bridge(gpu(0) + gpu(1)), "", "host"),
        (bridge(gpu(0), 50) + bridge(gpu(1), 51), "", "numa"),  # each apart
        ("", bridge(gpu(0), 50) + bridge(gpu(1), 51), "host"),
    ],
)
def test_the_level_at_which_devices_meet_over_pcie(beside, inside, name):
    (level,) = read(node(inside, beside)).machines[0].topology
    assert (level.kind, level.name) == ("switch", name)
    assert level.bandwidth_bytes_per_s.value == 31.5e9


def test_links_of_unequal_speed_have_no_common_bandwidth():
    (level,) = read(node(beside=bridge(gpu(0) + gpu(1, speed="15.75")))).machines[0].topology
    assert level.bandwidth_bytes_per_s is None


def test_nvme_disks_are_a_tier():
    disk = '<object type="OSDev" name="nvme{0}n1" osdev_type="0"><info name="Size" value="{1}"/></object>'
    text = node(beside=bridge(disk.format(0, "1048576") + disk.format(1, "1048576KiB")))
    (tier,) = read(text).machines[0].memory_tiers
    assert (tier.kind, tier.bytes.value) == ("nvme", 2 * 2**30)


def test_several_files_are_several_machines():
    texts = {"a.xml": node().encode(), "b.xml": node().replace("n1", "n2").encode(), "c.xml": node().encode()}
    assert [machine.name for machine in Importer().read(texts, {}).machines] == ["n1", "n2", "n1-2"]


@pytest.mark.skipif(shutil.which("lstopo") is None, reason="lstopo is not installed")
def test_this_machine_as_lstopo_sees_it():
    done = subprocess.run(["lstopo", "--of", "xml"], capture_output=True, check=True, timeout=30)
    (machine,) = read(done.stdout).machines
    counted = subprocess.run(["hwloc-calc", "-N", "pu", "all"], capture_output=True, check=True, timeout=30)
    assert machine.cores == int(counted.stdout)
    assert machine.devices[0].type.kind == "cpu"


ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "a"}">' for n in range(10))
BOMB = f"<!DOCTYPE topology [{ENTITIES}]><topology>&e9;</topology>"


@pytest.mark.parametrize(
    ("content", "summary"),
    [
        ("", "is empty"),
        ("<topology/>", "there is no machine in it"),
        ("<html><object type='Machine'/></html>", "its root is <html>"),
        ("<topology><object type='Machine'>", "no well-formed XML"),
        ("name,cpu\na,4\n", "no well-formed XML"),
        (BOMB, "entities of its own"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><topology>&x;</topology>', "entities of its own"),
        ("<topology>" + "<object>" * 200_000, "nested more than 128 levels"),
        ("<topology>" + "<object/>" * 400_000 + "</topology>", "more than 300,000 elements"),
        ("<topology>" + " " * (13 * 2**20), "at most 12 MiB are read"),
        ("\0\1\2", "no well-formed XML"),
    ],
    ids=["empty", "nothing", "html", "cut", "csv", "bomb", "external", "deep", "many", "large", "binary"],
)
def test_what_is_no_topology_is_refused_soon(content, summary):
    begun = time.process_time()
    (found,) = mistakes_of(content)
    assert summary in found.summary
    assert found.where.file == "node.xml"
    assert time.process_time() - begun < 5


def test_options_are_refused():
    with pytest.raises(InputError, match="unknown option `x`"):
        Importer().read({"a.xml": node().encode()}, {"x": "1"})


REAL = (HWLOC / "power8gpudistances.xml").read_text()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, len(REAL) - 1),
    st.sampled_from([("[0-9]+", "-1"), ('value="[^"]*"', 'value=""'), ('type="[^"]*"', 'type="X"'), ("<[^>]*/>", "")]),
)
def test_a_file_with_a_slip_is_read_or_refused(at, change):
    pattern, other = change
    with contextlib.suppress(InputError):
        assert read(REAL[:at] + re.sub(pattern, other, REAL[at:], count=3)).machines
