"""A Slurm cluster as configured, or as it shows itself, becomes machines; a real one is asked where Slurm is there."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from importer_texts import Texts, accelerators, by_name

from aios.catalogue import root
from aios.fleet import compile_fleet, fleet_text, load_catalogue
from aios.fleet.imports.assemble import assemble
from aios.records.document import parse
from aios.records.errors import BadValue
from aios_plugins.slurm import Importer
from aios_plugins.slurm.gres import Gres, gres_list, indices, of_tres

DATA = Path(__file__).parent / "data" / "slurm"
MIB = 2**20
TEXTS = Texts(Importer, "slurm.conf")
read_text, mistakes_of = TEXTS.read, TEXTS.mistakes_of


def read(*names, **options):
    return Importer().read({name: (DATA / name).read_bytes() for name in names}, options)


def taken(machine):
    """Return what is taken, device by device."""
    return [found.used for found in machine.devices if found.type.kind != "cpu"]


def paper(machines):
    """Check the machines of the recorded cluster against what its configuration says."""
    assert set(machines) == {"gpu001", "gpu002", "big01", "cpu01"}
    assert {name: machine.cores for name, machine in machines.items()} == {
        "gpu001": 32,
        "gpu002": 32,
        "big01": 48,
        "cpu01": 16,
    }
    assert machines["gpu001"].memory_bytes == 128000 * MIB
    assert machines["gpu002"].memory_bytes == 128000 * MIB
    assert machines["big01"].memory_bytes == 256000 * MIB
    assert machines["cpu01"].memory_bytes == 64000 * MIB
    assert accelerators(machines["gpu001"]) == accelerators(machines["gpu002"]) == [("a100", 4, ())]
    assert accelerators(machines["big01"]) == [("mi250x", 2, ())]
    assert accelerators(machines["cpu01"]) == []
    assert machines["gpu001"].labels["partition"] == "train,all"
    assert machines["gpu001"].labels["features"] == "nvlink,ib"
    assert machines["cpu01"].labels["partition"] == "all"


def shown(inventory, detailed):
    """Check what a running cluster shows while two jobs run and one node is drained."""
    machines = by_name(inventory)
    paper(machines)
    assert {name: machine.used and machine.used.cores for name, machine in machines.items()} == {
        "gpu001": 8,
        "gpu002": None,
        "big01": 24,
        "cpu01": None,
    }
    assert machines["gpu001"].used.memory_bytes == 32000 * MIB
    assert taken(machines["gpu001"]) == ([(1.0, 1.0, 1.0, 0.0)] if detailed else [()])
    assert taken(machines["big01"]) == ([(1.0, 0.0)] if detailed else [()])
    assert taken(machines["gpu002"]) == [()]
    assert machines["cpu01"].taints == ("slurm/state=DRAIN:NoSchedule",)
    assert "no job is started there: DRAIN (new disk): cpu01" in inventory.notes
    assert any("which accelerators are taken is not told" in note for note in inventory.notes) is not detailed
    assert machines["gpu001"].devices[0].type.identity["physical_cores"] == "16"


class TestRecorded:
    @pytest.mark.parametrize(
        ("name", "detailed"),
        [("nodes.txt", False), ("nodes-oneline.txt", False), ("nodes-detailed.txt", True), ("nodes.json", True)],
    )
    def test_every_form_says_the_same(self, name, detailed):
        shown(read(name), detailed)

    def test_lines_are_those_of_the_nodes(self):
        for name in ("nodes.txt", "nodes-oneline.txt"):
            lines = (DATA / name).read_text().split("\n")
            for machine in read(name).machines:
                assert lines[machine.line - 1].startswith(f"NodeName={machine.name} ")

    def test_the_configuration_says_it_as_well(self):
        inventory = read("slurm.conf", "gres.conf", "topology.conf")
        paper(by_name(inventory))
        assert inventory.name == "paper"
        assert by_name(inventory)["gpu002"].labels["switch"] == "leaf1"
        (topology,) = inventory.topology
        assert (topology.name, topology.by, topology.between.name) == ("leaf", "switch", "level-2")
        assert topology.between.by is None

    def test_what_runs_and_how_it_is_connected_go_together(self):
        inventory = read("nodes-detailed.txt", "topology.conf")
        assert by_name(inventory)["big01"].labels["switch"] == "leaf2"
        assert by_name(inventory)["big01"].used.cores == 24
        assert len(inventory.topology) == 1

    def test_the_fleet_reads_back(self):
        loaded = load_catalogue(root() / "hardware")
        inventory = read("slurm.conf", "gres.conf", "topology.conf")
        assembled = assemble(inventory, loaded, {"a100": "nvidia-a100-sxm4-80gb"}, "slurm.conf")
        again = compile_fleet(parse(fleet_text(assembled.fleet, loaded).encode(), "f.yaml"), loaded, "f.yaml")
        assert again.digest == assembled.fleet.digest
        assert {node.hosts: node.count for node in again.nodes if node.hosts} == {"gpu[001-002]": 2}
        assert not assembled.unmatched


def _live():
    spec = importlib.util.spec_from_file_location("live_slurm", Path(__file__).parent / "slurm.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_running_slurm_shows_what_its_configuration_says():
    live = _live()
    if live.missing():
        pytest.skip(f"not installed: {', '.join(live.missing())} (Debian: slurmctld, slurmd, slurm-client, munge)")
    with live.Slurm() as slurm:
        slurm.occupy()
        detailed = slurm.ask("scontrol", "-d", "show", "nodes")
        for file, text in (
            ("nodes.txt", detailed),
            ("oneline.txt", slurm.ask("scontrol", "-d", "-o", "show", "nodes")),
        ):
            shown(read_text(text, file), detailed=True)
        configured = Importer().read(slurm.files(), {})
        folder = slurm.folder
    paper(by_name(configured))
    assert not folder.exists()


@pytest.fixture(scope="module")
def campus():
    return read("campus.conf", "campus-gres.conf")


class TestConfiguration:
    def test_defaults_hold_until_the_next(self, campus):
        machines = by_name(campus)
        assert len(machines) == 16 + 2 + 3 + 1 + 100
        assert machines["t1"].cores == 2 * 32 * 2
        assert machines["n100"].cores == 64
        assert machines["a01"].cores == 128 - 2 * 2  # two cores of two threads are kept from jobs
        assert machines["a01"].memory_bytes == (1031000 - 7000) * MIB

    def test_types_come_from_gres_conf_where_slurm_conf_only_counts(self, campus):
        machines = by_name(campus)
        assert accelerators(machines["a16"]) == [("nvidia_a100-sxm4-80gb", 4, ())]
        assert accelerators(machines["t2"]) == [("tesla_t4", 4, ())]
        assert accelerators(machines["m01"]) == [("nvidia_a100-sxm4-40gb", 4, ("1g.5gb",) * 7)]

    def test_links_of_gres_conf_are_a_topology(self, campus):
        machines = by_name(campus)
        (topology,) = machines["old1"].topology
        assert (topology.name, topology.kind) == ("nvlink", "full")
        assert machines["t1"].topology == ()

    def test_partitions_sets_and_states(self, campus):
        machines = by_name(campus)
        assert machines["a01"].labels["partition"] == "train,everything"
        assert machines["n001"].labels["partition"] == "cpu,everything"
        assert machines["old1"].taints == ("slurm/state=DOWN:NoSchedule",)
        assert machines["n007"].taints == ("slurm/state=DRAIN:NoSchedule",)
        assert machines["n008"].taints == ()
        assert "no job is started there: DRAIN (memory test): n007" in campus.notes

    def test_what_is_left_out_is_told(self, campus):
        left_out = "\n".join(campus.left_out)
        assert "`Include /etc/slurm/extra.conf` (campus.conf:7): that file is not given" in left_out
        assert "FUTURE are not there yet: soon[1-4]" in left_out
        assert "generic resource `nic`, which is no accelerator that is known here: a[01-16]" in left_out

    def test_the_processor_can_be_named(self):
        inventory = read("campus.conf", "campus-gres.conf", cpu="AMD EPYC 7543")
        assembled = assemble(inventory, load_catalogue(root() / "hardware"), {}, "campus.conf")
        node = next(node for node in assembled.fleet.nodes if node.hosts == "a[01-16]")
        assert node.devices[0].type == "amd-epyc-7543"
        assert node.devices[0].ids == ("cpu0", "cpu1")  # 64 cores in sockets of 32

    def test_included_files_stand_where_they_are_included(self):
        main = "NodeName=DEFAULT CPUs=4\nInclude nodes.conf\nNodeName=DEFAULT CPUs=8\nNodeName=b\n"
        files = {"nodes.conf": "NodeName=a RealMemory=10\n"}
        machines = by_name(read_text(main, files=files))
        assert {name: machine.cores for name, machine in machines.items()} == {"a": 4, "b": 8}

    def test_files_that_include_each_other_are_a_mistake(self):
        files = {"b.conf": "Include slurm.conf\nNodeName=b CPUs=1\n"}
        (told,) = mistakes_of("Include b.conf\nNodeName=a CPUs=1\n", files=files)
        assert "includes itself" in told.summary

    def test_trees_of_switches(self):
        nodes = "NodeName=n[1-8] CPUs=1\n"
        text = "\n".join(f"SwitchName=l{i} Nodes=n[{2 * i - 1}-{2 * i}]" for i in range(1, 5))
        text += "\nSwitchName=s1 Switches=l[1-2]\nSwitchName=s2 Switches=l[3-4]\nSwitchName=top Switches=s[1-2]\n"
        inventory = read_text(nodes, files={"topology.conf": text})
        (topology,) = inventory.topology
        assert (topology.by, topology.between.by, topology.between.between.by) == ("switch", "switch-2", None)
        assert by_name(inventory)["n6"].labels == {"switch": "l3", "switch-2": "s2", "switch-3": "top"}

    def test_a_tree_that_not_all_nodes_are_in_is_kept_as_labels(self):
        inventory = read_text("NodeName=n[1-3] CPUs=1\n", files={"topology.conf": "SwitchName=l Nodes=n[1-2],x1\n"})
        assert inventory.topology == ()
        assert by_name(inventory)["n1"].labels == {"switch": "l"}
        assert any("not described: x1" in text for text in inventory.left_out)

    def test_blocks_are_labels(self):
        inventory = read_text("NodeName=n[1-2] CPUs=1\n", files={"topology.conf": "BlockName=b1 Nodes=n[1-2]\n"})
        assert by_name(inventory)["n2"].labels == {"block": "b1"}

    def test_a_contradiction_between_the_files_is_told(self):
        conf = "NodeName=n1 CPUs=8 Sockets=2 CoresPerSocket=8 Gres=gpu:a40:4\n"
        inventory = read_text(conf, files={"gres.conf": "Name=gpu Type=a40 File=/dev/nvidia[0-1]\n"})
        assert "slurm.conf counts 4 gpu:a40, gres.conf 2: slurm.conf is taken: n1" in inventory.notes
        assert any(note.startswith("CPUs=8 is not what sockets") for note in inventory.notes)

    def test_features_name_the_gpu_where_nothing_else_does(self):
        conf = "NodeName=n1 CPUs=8 Gres=gpu:2 Feature=skylake,ib,a40\n"
        assembled = assemble(read_text(conf), load_catalogue(root() / "hardware"), {}, "slurm.conf")
        assert [row.type for row in assembled.matched] == ["nvidia-a40"]


class TestShown:
    def test_a_newer_slurm_s_json(self):
        machines = by_name(read("nodes-24.11.json"))
        assert (machines["h1"].cores, machines["h1"].memory_bytes) == (192, 2000000 * MIB)
        assert accelerators(machines["h1"]) == [("nvidia_h100_80gb_hbm3", 8, ())]
        assert taken(machines["h1"]) == [(0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0)]
        assert machines["h1"].taints == ("slurm/state=DRAIN:NoSchedule",)
        assert machines["g1"].devices[0].type.identity["machine"] == "aarch64"
        assert machines["g1"].cores == 72

    def test_what_accounting_counts_is_taken(self):
        text = (
            "NodeName=n1 Arch=x86_64 CoresPerSocket=12\n   CPUAlloc=2 CPUTot=24\n   Gres=gpu:2\n"
            "   RealMemory=95307 AllocMem=7100 Sockets=2\n   State=MIXED\n   Partitions=gpu\n"
            "   CfgTRES=cpu=24,mem=95307M,gres/gpu=2\n   AllocTRES=cpu=2,mem=7100M,gres/gpu=1\n"
        )
        machine = by_name(read_text(text, "nodes.txt"))["n1"]
        assert taken(machine) == [(1.0, 0.0)]

    def test_free_text_does_not_hide_fields_or_invent_them(self):
        line = (
            "NodeName=n1 Arch=x86_64 CPUAlloc=0 CPUTot=8 Gres=(null) OS=Linux 5.14 #1 SMP RealMemory=1000 AllocMem=0 "
            "State=DOWN*+DRAIN Partitions=a,b Reason=NHC: State=IDLE CPUTot=99 failed [root@2025-01-01T00:00:00]\n"
        )
        inventory = read_text(line, "nodes.txt")
        (machine,) = inventory.machines
        assert (machine.cores, machine.taints) == (8, ("slurm/state=DOWN:NoSchedule",))
        assert "no job is started there: DOWN (NHC: State=IDLE CPUTot=99 failed): n1" in inventory.notes

    def test_a_node_that_slurm_has_never_seen_has_no_memory(self):
        line = "NodeName=n1 CPUAlloc=0 CPUTot=8 RealMemory=1 AllocMem=0 State=UNKNOWN* Sockets=8 CoresPerSocket=1\n"
        (machine,) = read_text(line, "nodes.txt").machines
        assert machine.memory_bytes is None
        assert machine.devices == ()

    def test_sinfo_s_table_is_no_list_of_nodes(self):
        (told,) = mistakes_of('{"sinfo": []}', "nodes.json")
        assert told.command == "scontrol --json show nodes > nodes.json"


class TestGres:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("(null)", []),
            ("gpu:4", [Gres("gpu", None, 4)]),
            ("gpu", [Gres("gpu", None, 1)]),
            ("gpu:a100:8(S:0-1)", [Gres("gpu", "a100", 8)]),
            ("gpu:a100:3(IDX:0-1,5)", [Gres("gpu", "a100", 3, (0, 1, 5))]),
            ("gpu:a40:0(IDX:N/A),gpu:a100:1(IDX:2)", [Gres("gpu", "a40", 0), Gres("gpu", "a100", 1, (2,))]),
            ("gpu:a100:4(S:0-1)(IDX:1)", [Gres("gpu", "a100", 4, (1,))]),
            ("bandwidth:lustre:no_consume:4G", [Gres("bandwidth", "lustre", 4 * 2**30)]),
            ("gpu:1g.5gb:7", [Gres("gpu", "1g.5gb", 7)]),
        ],
    )
    def test_lists(self, text, found):
        assert gres_list(text) == found

    @pytest.mark.parametrize("text", ["gpu:a100:4:5:6", ":4", "gpu:a100:8(S:0-1", "gpu:99999", "gpu,,gpu"])
    def test_what_is_none(self, text):
        with pytest.raises(BadValue):
            gres_list(text)

    def test_indices_and_accounting(self):
        assert indices("0-2,5") == (0, 1, 2, 5)
        assert indices("N/A") == ()
        assert list(of_tres("cpu=8,gres/gpu=3,gres/gpu:a100=3")) == [Gres("gpu", None, 3), Gres("gpu", "a100", 3)]

    @given(
        st.lists(
            st.tuples(st.sampled_from(["gpu", "npu"]), st.sampled_from(["a", "b1"]), st.integers(0, 64)), min_size=1
        )
    )
    def test_what_is_written_is_read(self, items):
        text = ",".join(f"{name}:{type_}:{count}" for name, type_, count in items)
        assert gres_list(text) == [Gres(*item) for item in items]
