"""Kubernetes' own description of its nodes becomes machines with accelerators, parts and what is taken."""

import contextlib
import json
import time
import tracemalloc
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from importer_texts import Texts, accelerators, by_name

from aios.catalogue import root
from aios.fleet import compile_fleet, fleet_text, load_catalogue
from aios.fleet.imports.assemble import assemble
from aios.records.document import parse
from aios.records.errors import InputError
from aios.spi.cutting import Cut
from aios_plugins.kubernetes import Importer

DATA = Path(__file__).parent / "data" / "kubernetes"
GIB = 2**30
TEXTS = Texts(Importer, "nodes.json")
read_text, mistakes_of = TEXTS.read, TEXTS.mistakes_of
BALANCED = Cut(8, ("3g.40gb", "2g.20gb", "1g.10gb", "1g.10gb"))
KEYS = st.sampled_from(
    ["kind", "metadata", "name", "status", "allocatable", "labels", "spec", "taints", "cpu", "items"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def read(*names, **options):
    return Importer().read({name: (DATA / name).read_bytes() for name in names}, options)


def node(name="n", amounts=None, labels=None, **more):
    status = {"allocatable": {"cpu": "8", "memory": "16Gi", **(amounts or {})}}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels or {}},
        "status": status,
        **more,
    }


def listed(*objects):
    return json.dumps({"apiVersion": "v1", "items": objects, "kind": "List"}, indent=2)


@pytest.fixture(scope="module")
def makers():
    return by_name(read("makers.json"))


class TestRecorded:
    def test_a_bare_list_of_nodes(self):
        inventory = read("microk8s-nodes.json")
        (machine,) = inventory.machines
        assert (machine.name, machine.cores, machine.line) == ("repldev-marc", 8, 2)
        assert machine.memory_bytes == 30770604 * 1024  # allocatable, not the capacity of 30873004Ki
        assert machine.labels == {}
        assert machine.taints == ()
        assert machine.devices[0].type.identity["name"] == "x86_64"
        assert any("the rest is the system's own: repldev-marc" in note for note in inventory.notes)

    def test_seven_parts_of_one_gpu_are_one_gpu(self):
        machines = by_name(read("nvidia-mig-single.yaml"))
        assert accelerators(machines["whole"]) == [("A100-SXM4-40GB", 1, ())]
        assert accelerators(machines["cut"]) == [("A100-SXM4-40GB", 1, ("1g.5gb",) * 7)]
        whole, cut = (machine.devices[1].type for machine in machines.values())
        assert whole.memory_bytes.value == 40536 * 2**20
        assert cut.memory_bytes is None  # the label states that of a part
        assert machines["whole"].taints == ("nvidia.com/gpu=present:NoSchedule",)
        assert machines["whole"].region == "us-central1"
        assert machines["whole"].cores == 11  # of 11900m
        assert machines["whole"].labels["topology.kubernetes.io/zone"] == "us-central1-a"

    def test_lines_are_those_of_the_nodes(self):
        text = (DATA / "nvidia-mig-single.yaml").read_text().split("\n")
        for machine in read("nvidia-mig-single.yaml").machines:
            assert text[machine.line - 1] == "- apiVersion: v1"
            assert f"name: {machine.name}" in "".join(text[machine.line : machine.line + 4])

    def test_json_and_yaml_say_the_same(self):
        data = yaml.safe_load((DATA / "nvidia-mig-single.yaml").read_bytes())
        of_yaml = read("nvidia-mig-single.yaml")
        of_json = read_text(json.dumps(data))
        lineless = [machine.model_copy(update={"line": None}) for machine in of_yaml.machines]
        assert lineless == [machine.model_copy(update={"line": None}) for machine in of_json.machines]
        one_by_one = "---\n".join(yaml.safe_dump(item) for item in data["items"])
        assert [machine.name for machine in read_text(one_by_one, "nodes.yaml").machines] == ["whole", "cut"]
        concatenated = "\n".join(json.dumps(item, indent=4) for item in data["items"])
        assert read_text(concatenated).machines[0].line == 1
        assert read_text(concatenated).machines[1].name == "cut"


class TestMakers:
    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("nv-mixed", [("NVIDIA-H20", 7, ()), ("NVIDIA-H20", 1, ("3g.48gb", "1g.24gb", "1g.12gb", "1g.12gb"))]),
            ("nv-shared", [("Tesla-T4", 2, ())]),
            ("nv-shared-alike", [("NVIDIA-A10G", 4, ())]),
            ("hami", [("Tesla V100-PCIE-32GB", 2, ())]),  # a third one is not healthy
            ("hami-json", [("NVIDIA GeForce RTX 3090", 1, ()), ("NVIDIA L4", 1, ())]),
            ("volcano", [("Tesla T4", 2, ())]),
            ("ascend-b3", [("Ascend910B3", 8, ())]),
            ("ascend-a3", [("Ascend910C", 16, ())]),
            ("ascend-parts", [("Ascend310P", 3, ()), ("Ascend310P", 2, ("vir04", "vir02"))]),
            ("ascend-hami", [("Ascend910B4-1", 8, ())]),
            ("mlu", [("MLU370-X8", 4, ())]),
            ("mlu-typed", [("MLU370", 2, ())]),
            ("amd", [("AMD_Instinct_MI300X_OAM", 8, ())]),
            ("amd-old", [("AMD_Instinct_MI210", 4, ())]),
            ("amd-cut", [("AMD_Instinct_MI300X_OAM", 8, ("cpx_nps4",) * 8)]),
            ("intel", [("Data Center GPU Flex_170", 2, ())]),
            ("gaudi", [("HL-205", 8, ())]),
            ("dcu", [("K100_AI", 8, ())]),
            ("inferentia", [("inf2", 6, ())]),
            ("tpu", [("tpu-v5-lite-podslice", 8, ())]),
            ("fpga", [("Alveo u250", 2, ())]),
            ("qaic", [("Cloud AI 100 pro", 4, ())]),
            ("metax", [("MXC500", 8, ())]),
            ("gke", [("nvidia-tesla-t4", 1, ())]),
            ("bare", [("nvidia.com/gpu on p4d.24xlarge", 8, ())]),
        ],
    )
    def test_what_a_node_has(self, makers, name, found):
        assert accelerators(makers[name]) == found

    def test_memory_is_read_with_its_unit(self, makers):
        def memory(name):
            return makers[name].devices[1].type.memory_bytes.value

        assert memory("amd") == 192 * GIB
        assert memory("amd-old") == 64 * GIB
        assert memory("dcu") == 64 * GIB
        assert memory("hami") == 32768 * 2**20
        assert memory("nv-mixed") == 97871 * 2**20

    def test_a_slice_of_one_node_is_a_mesh(self, makers):
        (topology,) = makers["tpu"].topology
        assert (topology.kind, topology.shape, topology.interconnect) == ("mesh", (2, 4), "ici")
        assert makers["tpu-of-many"].topology == ()

    def test_a_whole_pod_is_closed_to_rings(self):
        labels = {"cloud.google.com/gke-tpu-topology": "4x4x4"}
        (machine,) = read_text(listed(node(amounts={"google.com/tpu": "64"}, labels=labels))).machines
        assert [(topology.kind, topology.shape) for topology in machine.topology] == [("torus", (4, 4, 4))]

    def test_nothing_is_dropped_silently(self):
        left_out = " ".join(read("makers.json").left_out)
        for resource in ("rdma/hca_shared_devices_a", "devices.kubevirt.io/kvm"):
            assert f"`{resource}` is no accelerator that is known here: bare" in left_out

    def test_places_whose_devices_nobody_counts_are_left_out(self):
        inventory = read_text(listed(node(amounts={"volcano.sh/vgpu-number": "20", "tencent.com/vcuda-core": "100"})))
        assert accelerators(inventory.machines[0]) == []
        assert "nothing says on how many: n" in inventory.left_out[0]

    def test_the_fleet_reads_back(self):
        loaded = load_catalogue(root() / "hardware")
        assembled = assemble(read("makers.json", "pods.json"), loaded, {}, "makers.json")
        text = fleet_text(assembled.fleet, loaded)
        again = compile_fleet(parse(text.encode(), "fleet.yaml"), loaded, "fleet.yaml")
        assert again.digest == assembled.fleet.digest
        matched = {row.written: row.type for row in assembled.matched}
        assert matched["Ascend910B3"] == "huawei-ascend-910b3"
        assert matched["AMD_Instinct_MI300X_OAM"] == "amd-instinct-mi300x"
        assert matched["Data Center GPU Flex_170"] == "intel-data-center-gpu-flex-170"
        assert {row.written for row in assembled.unmatched} >= {"nvidia.com/gpu on p4d.24xlarge", "MLU370"}


class TestTaken:
    def test_pods_take_what_they_request(self):
        machine = by_name(read("makers.json", "pods.json"))["nv-mixed"]
        # One init container alone takes 6 CPUs, more than 2.5 + 0.5 while running; 0.25 over it; 1 of another pod.
        assert machine.used.cores == 7.25
        assert machine.used.memory_bytes == 8.5 * GIB
        assert machine.devices[1].used == (1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        assert machine.devices[2].used == (0.25,)  # one of four parts

    def test_shared_devices_fill_up_one_after_the_other(self):
        machine = by_name(read("makers.json", "pods.json"))["nv-shared"]
        assert machine.devices[1].used == (1.0, 0.25)  # ten of sixteen places, eight on each

    def test_an_init_container_runs_beside_the_sidecars_before_it(self):
        init = [
            {"name": "mesh", "restartPolicy": "Always", "resources": {"requests": {"cpu": "2"}}},
            {"name": "fetch", "resources": {"requests": {"cpu": "3"}}},
        ]
        spec = {"nodeName": "n", "initContainers": init, "containers": [{"resources": {"requests": {"cpu": "1"}}}]}
        (machine,) = read_text(listed(node(), {"kind": "Pod", "spec": spec})).machines
        assert machine.used.cores == 5

    def test_pods_elsewhere_and_their_absence_are_told(self):
        assert "there are pods of nodes that are not described: gone" in read("makers.json", "pods.json").left_out
        assert any("there are no pods in it" in note for note in read("makers.json").notes)

    def test_more_than_there_is_counts_as_all_of_it(self):
        spec = {"nodeName": "n", "containers": [{"resources": {"requests": {"cpu": "9", "memory": "20Gi"}}}]}
        (machine,) = read_text(listed(node(), {"kind": "Pod", "spec": spec})).machines
        assert (machine.used.cores, machine.used.memory_bytes) == (8, 16 * GIB)


class TestLabelsAndState:
    def test_own_labels_are_kept_and_the_cluster_s_are_not(self):
        labels = {
            "rack": "r1",
            "example.org/team": "vision",
            "failure-domain.beta.kubernetes.io/region": "eu",
            "feature.node.kubernetes.io/cpu-cpuid.AVX2": "true",
            "kubernetes.io/hostname": "n",
            "nvidia.com/gpu.clique": "c.1",
        }
        inventory = read_text(listed(node(labels=labels)))
        assert inventory.machines[0].labels == {
            "rack": "r1",
            "example.org/team": "vision",
            "topology.kubernetes.io/region": "eu",
            "nvidia.com/gpu.clique": "c.1",
        }
        assert inventory.machines[0].region == "eu"
        assert any("feature.node.kubernetes.io, kubernetes.io" in text for text in inventory.left_out)
        wanted = read_text(listed(node(labels=labels)), labels="kubernetes.io/hostname").machines[0].labels
        assert wanted["kubernetes.io/hostname"] == "n"
        assert len(read_text(listed(node(labels=labels)), labels="all").machines[0].labels) == len(labels)

    def test_features_and_model_of_the_processor(self):
        labels = {
            "feature.node.kubernetes.io/cpu-cpuid.AMXINT8": "true",
            "feature.node.kubernetes.io/cpu-cpuid.AVX512VNNI": "true",
            "feature.node.kubernetes.io/local-cpu.model": "Intel-Xeon-Platinum-8480",
        }
        cpu = read_text(listed(node(labels=labels))).machines[0].devices[0].type
        assert cpu.features == ("amx_int8", "avx512_vnni")
        assert cpu.identity["name"] == "Intel-Xeon-Platinum-8480"

    def test_nodes_on_which_nothing_is_scheduled(self):
        ready = {"type": "Ready", "status": "Unknown"}
        cordoned, lost = node("a", spec={"unschedulable": True}), node("b")
        lost["status"]["conditions"] = [ready]
        inventory = read_text(listed(cordoned, lost))
        machines = by_name(inventory)
        assert machines["a"].taints == ("node.kubernetes.io/unschedulable:NoSchedule",)
        assert machines["b"].taints == ("node.kubernetes.io/unreachable:NoSchedule",)
        assert "cordoned: nothing new is scheduled there: a" in inventory.notes
        assert "not reachable: b" in inventory.notes

    def test_levels_of_the_network_that_every_node_names(self):
        def at(name, leaf):
            prefix = "network.topology.nvidia.com"
            return node(name, labels={f"{prefix}/leaf": leaf, f"{prefix}/spine": "s1"})

        (topology,) = read_text(listed(at("a", "l1"), at("b", "l2"))).topology
        assert (topology.name, topology.by) == ("leaf", "network.topology.nvidia.com/leaf")
        assert (topology.between.name, topology.between.between.name) == ("spine", "root")
        assert read_text(listed(at("a", "l1"), node("b"))).topology == ()


class TestBadInput:
    def test_all_mistakes_at_once_with_their_places(self):
        text = listed(
            node("a", {"memory": "16GB", "nvidia.com/gpu": "many"}),
            {"kind": "Node", "metadata": {}},
            node("c", spec={"taints": [{"key": "x", "effect": "Never"}]}),
        )
        told = mistakes_of(text)
        assert [(item.summary, text.split("\n")[item.where.line - 1].strip()) for item in told] == [
            ("`memory`: `16GB` has a suffix that Kubernetes does not know", '"memory": "16GB",'),
            ("`nvidia.com/gpu`: `many` is no quantity", '"nvidia.com/gpu": "many"'),
            ("this Node does not say what it has", "{"),
            ("this Node has no name", '"metadata": {}'),
            ("this taint cannot be read", '"taints": ['),
        ]
        assert "did you mean `16G`?" in told[0].remedy

    def test_yaml_has_places_as_well(self):
        text = "kind: Node\nmetadata: {name: a}\nstatus:\n  capacity:\n    cpu: lots\n"
        (told,) = mistakes_of(text, "nodes.yaml")
        assert (told.where.line, told.where.column) == (5, 10)

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("", "empty"),
            ("[" * 200_000, "nested too deep"),
            ('{"items": [' + '{"a":' * 200_000, "nested too deep"),
            ('{"kind": "List", "items": [', "ends"),
            ('{"kind": "List", "items": [{"kind": "Node"},]}', "missing after the comma"),
            ('{"kind": "Node", "x": NaN}', "NaN"),
            ('{"kind": "Node", "metadata": {"name": "a", "name": "b"}}', "`name` stands twice"),
            ('{"kind": "List", "items": [{"kind": "Node"}], "items": []}', "`items` stands twice"),
            ('{"kind": "Node", "x": ' + "9" * 5000 + "}", "cannot be read"),
            ("{'kind': 'Node'}", "in quotes"),
            ("7", "mapping"),
            ("\x00\x01", "UTF-8"),
            ('{"kind": "PodList", "items": []}', "no Node"),
            ("[1, 2]", "no `kind`"),
            ("a: &a [x, x, x]\n" + "\n".join(f"b{i}: &b{i} [*a, *a]" for i in range(3)) + "\nkind: List\n", "no Node"),
        ],
    )
    def test_what_is_no_list_of_nodes(self, text, word):
        told = mistakes_of(text, "nodes.txt")
        assert word in " ".join(f"{item.summary} {item.reason or ''}" for item in told)

    def test_every_doubled_key_of_an_object_is_told_with_its_place(self):
        status = '"status": {"capacity": {"cpu": "1",\n "cpu": "2"}}'
        text = f'{{"kind": "List", "items": [{{"kind": "Node",\n {status},\n"kind": "Pod"}}]}}'
        told = mistakes_of(text)
        assert [(item.summary, item.where.line, item.where.column) for item in told] == [
            ("`cpu` stands twice in one object", 3, 2),
            ("`kind` stands twice in one object", 4, 1),
        ]

    @pytest.mark.parametrize(
        ("amounts", "size"),
        [
            ({"nvidia.com/gpu": "2"}, "1-0"),
            ({"nvidia.com/gpu": "2"}, "0c"),
            ({"nvidia.com/gpu": "2"}, "other_nps1"),
            ({"nvidia.com/gpu": "2"}, "0g.0gb"),
            ({f"nvidia.com/mig-{'1' * 5000}g.5gb": "1"}, ""),
            ({"huawei.com/Ascend910-0c": "2"}, ""),
            ({"nvidia.com/mig-7g.80gb": "4095", "nvidia.com/mig-1g.10gb": "4096"}, ""),
        ],
    )
    def test_parts_that_no_maker_cuts_stop_nobody(self, amounts, size):
        began = time.process_time()
        (machine,) = read_text(listed(node("n", amounts, {"cloud.google.com/gke-gpu-partition-size": size}))).machines
        assert accelerators(machine)
        assert time.process_time() - began < 5

    def test_a_bomb_of_aliases_ends_soon(self):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
        assert "aliases" in mistakes_of("\n".join(lines), "nodes.yaml")[0].summary

    def test_large_yaml_is_refused_with_the_way_out(self):
        (told,) = mistakes_of(b"# " + b"x" * (9 * 2**20), "nodes.yaml")
        assert "of YAML" in told.summary
        assert told.command == "kubectl get nodes,pods -A -o json > cluster.json"

    def test_unknown_options_are_refused(self):
        assert "unknown option" in mistakes_of(listed(node()), label="x")[0].summary

    def test_only_the_first_fifty_mistakes_are_told(self):
        told = mistakes_of(listed(*(node(f"n{i}", {"cpu": "x"}) for i in range(80))))
        assert len(told) == 51
        assert "30 more" in told[-1].summary

    @given(JSON)
    def test_any_json_is_read_or_refused(self, data):
        with contextlib.suppress(InputError):
            read_text(json.dumps([{"kind": "Node", "metadata": data, "status": data, "spec": data}]))

    def test_ten_megabytes_are_read_in_little_memory(self):
        machine = json.loads((DATA / "microk8s-nodes.json").read_text())[0]
        machine["status"]["images"] *= 20
        nodes = [machine | {"metadata": {"name": f"n{index}"}} for index in range(700)]
        content = json.dumps({"items": nodes, "kind": "List"}, indent=4).encode()
        assert len(content) > 7e6
        tracemalloc.start()
        began = time.process_time()
        inventory = read_text(content)
        took, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(inventory.machines) == 700
        assert took < 10  # some 0.7 s without tracing
        assert peak < 4 * len(content)
