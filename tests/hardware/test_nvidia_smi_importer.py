"""What nvidia-smi prints, imported: recorded logs, matrices and link lists."""

import contextlib
import time
from pathlib import Path

import pytest

from aios import catalogue
from aios.fleet import load_catalogue
from aios.fleet.imports.assemble import assemble
from aios.records.errors import InputError
from aios_plugins.nvidia import Importer

DATA = Path(__file__).parent / "data"
CATALOGUE = load_catalogue(catalogue.root() / "hardware")
MIG_LIST = """\
GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-00000000-0000-0000-0000-000000000000)
  MIG 1g.20gb     Device  0: (UUID: MIG-00000000-0000-0000-0000-000000000001)
  MIG 1g.20gb     Device  1: (UUID: MIG-00000000-0000-0000-0000-000000000002)
"""

GPU = """
<gpu id="{bus}">
  <product_name>{name}</product_name><product_architecture>{architecture}</product_architecture>
  <pci><pci_gpu_link_info>
    <pcie_gen><max_link_gen>4</max_link_gen></pcie_gen><link_widths><max_link_width>16x</max_link_width></link_widths>
  </pci_gpu_link_info></pci>
  <fb_memory_usage><total>16160 MiB</total><used>{used} MiB</used></fb_memory_usage>
  <utilization><gpu_util>{load} %</gpu_util></utilization><processes>{processes}</processes>
</gpu>"""


def read(*names, **options):
    return Importer().read({name: (DATA / name).read_bytes() for name in names}, options)


def log(*gpus):
    """A log in the form of nvidia-smi's, with invented figures."""
    body = "".join(
        GPU.format(**{"bus": f"{n}", "architecture": "Volta", "used": 0, "load": 0, "processes": "", **gpu})
        for n, gpu in enumerate(gpus)
    )
    head = '<?xml version="1.0" ?><!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">'
    return f"{head}<nvidia_smi_log><driver_version>535.1</driver_version>{body}</nvidia_smi_log>".encode()


def refused(texts, **options):
    with pytest.raises(InputError) as caught:
        Importer().read(texts, options)
    return caught.value.diagnostics


def test_a_log_with_its_doctype_is_read_without_fetching_it():
    (machine,) = read("nvidia-smi-t4.xml").machines
    (found,) = machine.devices
    assert (machine.name, found.count, found.type.identity["name"]) == ("nvidia-smi-t4", 1, "Tesla T4")
    assert found.type.memory_bytes.value == 15360 * 2**20
    assert (found.type.cap_low_w.value, found.type.cap_high_w.value, found.type.tdp_w.value) == (60, 70, 70)
    assert found.type.tdp_w.ref == "nvidia-smi, driver 515.105.01, default power limit"


def test_mig_instances_come_from_the_list_beside_the_log():
    log_file = (DATA / "nvidia-smi-a100-mig-devices.xml").read_bytes()
    inventory = Importer().read({"a.xml": log_file, "a-list.txt": MIG_LIST.encode()}, {})
    (found,) = inventory.machines[0].devices
    assert (found.partitions, found.used, inventory.left_out) == (("1g.20gb", "1g.20gb"), (), ())
    assert (found.type.tdp_w.value, found.type.cap_low_w.value) == (500, 100)


def test_a_gpu_in_mig_mode_whose_instances_are_not_told_counts_as_taken_and_says_so():
    inventory = read("nvidia-smi-a100-mig-devices.xml")
    (found,) = inventory.machines[0].devices
    assert (found.partitions, found.used) == ((), (1.0,))
    assert "nvidia-smi -L" in inventory.left_out[0]


def test_memory_and_processes_are_taken_and_a_busy_moment_is_not():
    gpus = [
        {"name": "Tesla V100-SXM2-16GB", "used": 10},
        {"name": "Tesla V100-SXM2-16GB", "used": 8080, "load": 20, "processes": "<process_info/>"},
        {"name": "Tesla V100-SXM2-16GB", "used": 0, "load": 97, "processes": "<process_info/>"},
        {"name": "Tesla V100-SXM2-16GB", "used": 0, "load": 1},
        {"name": "Tesla V100-SXM2-16GB", "used": 90, "processes": "<process_info><type>G</type></process_info>"},
    ]
    inventory = Importer().read({"n.xml": log(*gpus)}, {})
    assert inventory.machines[0].devices[0].used == (0.0, 0.5, 0.01, 0.0, 0.0)
    assert "n: busy at that moment, which counts for nothing: GPU 1 20 %, GPU 2 97 %, GPU 3 1 %" in inventory.notes


def test_two_moments_of_one_machine_give_one_machine():
    moments = [log({"name": "Tesla T4", "load": load}) for load in (0, 1, 100)]
    machines = [Importer().read({"n.xml": moment}, {}).machines for moment in moments]
    assert machines[0] == machines[1] == machines[2]


def test_a_log_and_a_matrix_together_say_what_joins_the_gpus():
    texts = {
        "dgx-1.xml": log(*[{"name": "Tesla V100-SXM2-32GB"}] * 8),
        "dgx-1.topo.txt": (DATA / "nvidia-smi-topo-8x-v100-sxm2.txt").read_bytes(),
    }
    (machine,) = Importer().read(texts, {}).machines
    assert (machine.name, machine.devices[0].count) == ("dgx-1", 8)
    nvlink = [level for level in machine.topology if level.name == "nvlink"]
    assert {level.bandwidth_bytes_per_s.value for level in nvlink} == {25e9, 50e9}  # NVLink 2
    numa = machine.topology[-1]
    assert numa.bandwidth_bytes_per_s.value == pytest.approx(31.51e9)  # PCIe 4.0 x16
    assert numa.interconnect == "pcie4-host-bridge"


def test_links_whose_rate_is_not_told_get_it_from_the_catalogue():
    topo = (DATA / "nvidia-smi-topo-8x-v100-sxm2.txt").read_bytes()
    inventory = Importer().read({"dgx-1.topo.txt": topo}, {"device": "Tesla V100-SXM2-32GB"})
    assert "nvidia-smi nvlink -s" in inventory.notes[-1]
    (node,) = assemble(inventory, CATALOGUE, {}, "dgx-1.topo.txt").fleet.nodes
    nvlink = [level for level in node.topology if level.name == "nvlink"]
    assert {(level.links, level.bandwidth_bytes_per_s.value, level.interconnect) for level in nvlink} == {
        (1, 25e9, "nvlink2"),  # six NVLinks of 25 GB/s are 150 GB/s
        (2, 50e9, "nvlink2"),
    }


def test_files_of_one_machine_share_its_name_and_nvlink_status_tells_rates():
    texts = {
        "out/n1.nvlink.txt": (DATA / "nvidia-smi-nvlink-4x-a100-nv12.txt").read_bytes(),
        "out/n1.topo.txt": (DATA / "nvidia-smi-topo-4x-a100-nv12.txt").read_bytes(),
        "out/n2-topo.txt": (DATA / "nvidia-smi-topo-2x-pcie.txt").read_bytes(),
    }
    first, second = Importer().read(texts, {"device": "L40S"}).machines
    assert (first.name, first.devices[0].type.identity["name"]) == ("n1", "NVIDIA A100-SXM4-80GB")
    nvlink = first.topology[0]
    assert (nvlink.kind, nvlink.bandwidth_bytes_per_s.value) == ("switch", 300e9)
    assert "12 links of 25 GB/s (nvidia-smi nvlink -s)" in nvlink.bandwidth_bytes_per_s.ref
    assert (second.name, second.devices[0].type.identity["name"], second.devices[0].count) == ("n2", "L40S", 2)


def test_what_follows_the_log_in_one_file_is_read_too():
    both = log(*[{"name": "A100-PCIE-40GB"}] * 2) + b"\n" + (DATA / "nvidia-smi-topo-2x-pcie.txt").read_bytes()
    (machine,) = Importer().read({"<stdin>": both}, {}).machines
    (numa,) = machine.topology
    assert (numa.name, numa.group, numa.between.name) == ("numa", 1, "host")  # one card on each processor


def test_ids_of_the_topology_are_those_that_the_devices_get():
    names = ["Tesla T4", "Tesla V100-SXM2-16GB", "Tesla V100-SXM2-16GB"]
    matrix = b"\tGPU0\tGPU1\tGPU2\tCPU Affinity\nGPU0\tX\tSYS\tSYS\t0\nGPU1\tSYS\tX\tNV2\t0\nGPU2\tSYS\tNV2\tX\t0\n"
    texts = {"n.xml": log(*({"name": name} for name in reversed(names))), "n.topo": matrix}
    machine = Importer().read(texts, {}).machines[0]
    assert [found.count for found in machine.devices] == [2, 1]  # the V100s come first: ids 0 and 1, the T4 is 2
    assert machine.topology[0].members == ("1", "2")  # rows GPU1 and GPU2: the second V100 and the T4


def test_a_matrix_of_another_machine_is_left_out_and_said():
    texts = {"n.xml": log({"name": "T4"}), "n.topo": (DATA / "nvidia-smi-topo-2x-pcie.txt").read_bytes()}
    inventory = Importer().read(texts, {})
    assert inventory.machines[0].topology == ()
    assert "the matrix has 2 GPUs, the log 1" in inventory.left_out[0]


def test_gpus_without_a_matrix_are_noted():
    inventory = Importer().read({"n.xml": log({"name": "T4"}, {"name": "T4"})}, {})
    assert "nvidia-smi topo -m" in inventory.notes[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<gpu>", "no well-formed XML"),
        (b"<other/>", "no log of nvidia-smi"),
        (b"<nvidia_smi_log><attached_gpus>0</attached_gpus></nvidia_smi_log>", "shows no GPU"),
        (b"<nvidia_smi_log><gpu/></nvidia_smi_log>", "no <product_name>"),
        (b"\x7fELF\x00\x01", "not UTF-8"),
        (b"hello", "nothing that nvidia-smi prints"),
        (b'<!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><nvidia_smi_log>&b;</nvidia_smi_log>', "entities"),
        (b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><nvidia_smi_log>&a;</nvidia_smi_log>', "entities"),
        (b"<a>" * 200_000, "nested"),
        (b"<nvidia_smi_log>" + b" " * 17 * 2**20, "MiB"),
    ],
    ids=["empty", "cut", "other", "none", "unnamed", "binary", "text", "bomb", "file", "deep", "huge"],
)
def test_hostile_and_broken_files_end_in_a_sentence_with_a_place(content, words):
    (diagnostic,) = refused({"n.xml": content})
    assert words in diagnostic.summary
    assert diagnostic.where.file == "n.xml"


def test_mistakes_of_all_files_are_told_at_once():
    assert len(refused({"a.xml": b"<other/>", "b.xml": b"<other/>", "c.xml": log({"name": "T4"})})) == 2
    assert "two logs" in refused({"a.xml": log({"name": "T4"}), "x/a.xml": log({"name": "T4"})})[0].summary


TWO_GPUS = (DATA / "nvidia-smi-topo-2x-pcie.txt").read_bytes()


def test_a_file_that_names_another_machine_is_that_machine():
    texts = {"node7.xml": log(*[{"name": "Tesla T4"}] * 2), "node8.topo.txt": TWO_GPUS}
    seven, eight = Importer().read(texts, {}).machines
    assert (seven.name, seven.topology, eight.name, len(eight.topology)) == ("node7", (), "node8", 1)


@pytest.mark.parametrize("name", ["topo.txt", "nvidia-smi-topo-m.txt", "out/nvidia_smi.topo.txt", "matrix", "<stdin>"])
def test_a_file_that_names_no_machine_goes_with_the_only_log(name):
    (machine,) = Importer().read({"node7.xml": log(*[{"name": "Tesla T4"}] * 2), name: TWO_GPUS}, {}).machines
    assert (machine.name, len(machine.topology)) == ("node7", 1)


def test_whose_a_file_is_must_be_known():
    logs = {"a.xml": log({"name": "T4"}), "b.xml": log({"name": "T4"})}
    (told,) = refused({**logs, "topo.txt": TWO_GPUS})
    assert (told.where.file, "does not say which machine" in told.summary) == ("topo.txt", True)
    (told,) = refused({"all.xml": logs["a.xml"] + b"\n" + logs["b.xml"]})
    assert told.summary == "all.xml holds the logs of several machines"
    (told,) = refused(logs, name="n")
    assert "names one machine, but there are 2: a, b" in told.summary


def test_every_file_of_a_machine_is_read_or_left_out_and_said():
    status = b"GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-0)\n\t Link 0: 25 GB/s\n"
    texts = {
        "n.xml": (DATA / "nvidia-smi-a100-mig-devices.xml").read_bytes(),
        "n.list.txt": MIG_LIST.encode(),
        "n.nvlink.txt": status,
        "n.txt": b"remember to clean the fans",
        "n.topo.txt": TWO_GPUS,
        "n.topology.txt": TWO_GPUS,
    }
    inventory = Importer().read(texts, {})
    assert inventory.machines[0].devices[0].partitions == ("1g.20gb", "1g.20gb"), "the list counts beside the links"
    assert inventory.left_out[:2] == (
        "n.txt: nothing that nvidia-smi prints and that can be read here",
        "n.topology.txt: a further matrix of n, which is not used",
    )


@pytest.mark.parametrize(
    "text",
    [
        "GPU " + "1" * 5000 + ": T4\n",
        "\tGPU0\tGPU1\nGPU0\tX\tNV" + "9" * 5000 + "\nGPU1\tNV1\tX\n",
        "GPU 0: " + " " * 300_000 + "T4" + " " * 300_000,
        "GPU 0: T4\n" + "\n" * 300_000 + " MIG",
        "GPU0\n" * 100_000,
    ],
    ids=["number", "links", "blanks", "lines", "headings"],
)
def test_texts_made_to_stop_a_reader_do_not(text):
    begun = time.perf_counter()
    with contextlib.suppress(InputError):
        Importer().read({"n.txt": text.encode()}, {})
    assert time.perf_counter() - begun < 5
