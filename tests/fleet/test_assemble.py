"""What an importer read becomes a fleet: nothing is dropped, equal machines are one class, order does not matter.

The machines are invented; their shapes are those of public cluster traces.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.fleet import compile_fleet, fleet_text, load_catalogue
from aios.fleet.imports.assemble import assemble
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.fleet import DeviceType, Fact, Link, MemoryTier, Topology, Used
from aios.records.hosts import expand
from aios.spi.importer import Inventory, Machine
from aios.spi.probe import Found

GIB = 2**30
ENTRIES = {
    "acme-t4": "kind: gpu\nvendor: Acme\nmemory: 16 GB\ntdp: 70 W\npeak: {int8: 130 TOPS}\nmatch: {name: [Tesla T4]}\n",
    "acme-v1-16gb": "kind: gpu\nmemory: 16 GB\n",
    "acme-v1-sxm-32gb": "kind: gpu\nmemory: 32 GB\n",
    "acme-v1-pcie-32gb": "kind: gpu\nmemory: 32 GB\n",
    "acme-a1": "kind: gpu\nmemory: 40 GB\npeak: {fp16: 312 TFLOPS}\npartitions:\n"
    "  - {name: 3g.20gb, compute: 0.42, memory: 20 GB, most: 2}\n",
    "acme-x86": "kind: cpu\ncores: 28\ntdp: 205 W\nmatch: {name: [Acme X86 CPU]}\n",
    "acme-board-8gb": "kind: cpu\ncores: 4\nmemory: 8 GiB\ntdp: 12 W\nmatch: {name: [Acme Board]}\n",
}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hardware")
    (folder / "acme").mkdir()
    for name, text in ENTRIES.items():
        (folder / "acme" / f"{name}.yaml").write_text(f"name: {name}\n{text}")
    return load_catalogue(folder)


def found(written, count=1, kind="gpu", **more):
    facts = {key: more.pop(key) for key in list(more) if key not in ("partitions", "used")}
    return Found(type=DeviceType(name="as-read", kind=kind, identity={"name": written}, **facts), count=count, **more)


def machine(name, *devices, **more):
    return Machine(name=name, **{"cores": 96, "memory_bytes": 512.0 * GIB, "devices": devices, **more})


def put(catalogue, *machines, aliases=None, **more):
    return assemble(Inventory(machines=machines, **more), catalogue, aliases or {}, "list.csv")


def read_back(assembled, catalogue):
    """The fleet that its own text describes."""
    text = fleet_text(assembled.fleet, catalogue)
    return compile_fleet(parse(text.encode(), "fleet.yaml"), catalogue, "fleet.yaml")


def test_equal_machines_are_one_class_that_knows_their_names(catalogue):
    machines = [
        machine(f"n{number}", found("Tesla T4", 2), labels={"host": f"n{number}", "rack": "r1"}) for number in range(12)
    ]
    result = put(catalogue, *reversed(machines), machine("login", cores=8))
    first, second = result.fleet.nodes
    assert (first.name, first.count, first.hosts, first.cores) == ("login", 1, None, 8)
    assert (second.name, second.count, second.hosts) == ("t4-2x-96c", 12, "n[0-11]")
    assert second.labels == {"rack": "r1"}
    assert [(slot.type, slot.ids) for slot in second.devices] == [("acme-t4", ("0", "1"))]
    assert [(row.written, row.type, row.machines, row.devices) for row in result.matched] == [
        ("Tesla T4", "acme-t4", 12, 24)
    ]
    assert result.unmatched == ()
    assert read_back(result, catalogue).digest == result.fleet.digest


def test_what_does_not_match_is_kept_and_listed(catalogue):
    result = put(
        catalogue,
        machine("a", found("G2", 8)),
        machine("b", found("v1-32GB", 4), found("Tesla T4")),
        machine("c", found("acme-t5")),
        machine("d", found("Tesla T4", memory_bytes=Fact(value=80e9, unit="B"))),
    )
    rows = {row.written: row for row in result.unmatched}
    assert [row.written for row in result.unmatched] == ["G2", "v1-32GB", "Tesla T4", "acme-t5"]
    assert rows["G2"].candidates == ()
    assert rows["v1-32GB"].candidates == ("acme-v1-pcie-32gb", "acme-v1-sxm-32gb")
    assert rows["acme-t5"].nearest[0] == "acme-t4"
    assert rows["Tesla T4"].candidates == ("acme-t4",)
    types = result.fleet.types
    assert {name: types[name].kind for name in ("G2", "v1-32GB", "acme-t5", "Tesla-T4")} == dict.fromkeys(
        ("G2", "v1-32GB", "acme-t5", "Tesla-T4"), "gpu"
    )
    assert types["Tesla-T4"].memory_bytes.value == 80e9
    assert sum(len(slot.ids) for node in result.fleet.nodes for slot in node.devices) == 15
    assert read_back(result, catalogue).digest == result.fleet.digest


def test_an_own_type_never_goes_by_the_name_of_another_one(catalogue):
    big = found("acme-t4", memory_bytes=Fact(value=80e9, unit="B"))
    bigger = found("acme-t4", memory_bytes=Fact(value=90e9, unit="B"))
    result = put(catalogue, machine("a", big), machine("b", bigger), machine("c", found("acme-t4")))
    assert sorted(result.fleet.types) == ["acme-t4", "unmatched-acme-t4", "unmatched-acme-t4-2"]


def test_an_alias_decides(catalogue):
    aliases = {"v1-32GB": "acme-v1-sxm-32gb", "g2 ": "acme-t4", "absent": "acme-t4"}
    result = put(catalogue, machine("a", found("V1-32gb"), found("G2")), aliases=aliases)
    assert result.unmatched == ()
    assert sorted(result.fleet.types) == ["acme-t4", "acme-v1-sxm-32gb"]
    assert [note for note in result.notes if "`absent`" in note]
    with pytest.raises(InputError, match="no device type `acme-t9`") as refused:
        put(catalogue, machine("a"), aliases={"x": "acme-t9"})
    assert "acme-t4" in refused.value.diagnostics[0].remedy


def test_what_a_description_states_otherwise_holds(catalogue):
    capped = found("Tesla T4", tdp_w=Fact(value=50.0, unit="W"), memory_bytes=Fact(value=15360 * 2**20, unit="B"))
    result = put(catalogue, machine("a", capped), machine("b", found("Tesla T4", tdp_w=Fact(value=71.0, unit="W"))))
    lowered, usual = (result.fleet.types[node.devices[0].type] for node in result.fleet.nodes)
    assert (lowered.tdp_w.value, lowered.memory_bytes.value, lowered.peak_ops_per_s["int8"].value) == (50, 16e9, 130e12)
    assert usual.tdp_w.value == 70
    assert len({lowered.name, usual.name}) == 2
    assert any("tdp is 50 W as described; the catalogue says 70 W" in note for note in result.notes)
    assert read_back(result, catalogue).digest == result.fleet.digest


def test_parts_become_devices(catalogue):
    cut = found("A1", 2, partitions=("3g.20gb", "3g.20gb"), used=(0.0, 0.5))
    result = put(catalogue, machine("a", cut, found("Tesla T4")))
    (node,) = result.fleet.nodes
    slots = {slot.type: slot.ids for slot in node.devices}
    assert slots == {"acme-a1:3g.20gb": ("0.0", "0.1", "1.0", "1.1"), "acme-t4": ("2",)}
    assert result.fleet.types["acme-a1:3g.20gb"].peak_ops_per_s["fp16"].value == pytest.approx(0.42 * 312e12)
    assert node.used.devices == {"1.0": 0.5, "1.1": 0.5}
    assert read_back(result, catalogue).digest == result.fleet.digest


def test_parts_that_nobody_knows_are_said(catalogue):
    result = put(catalogue, machine("a", found("A1", partitions=("9g.90gb",))))
    (row,) = result.unmatched
    assert "9g.90gb" in row.why
    assert result.fleet.types[row.type].peak_ops_per_s == {}


@pytest.mark.parametrize(("written", "used"), [("A1", ()), ("Nobody's NPU", (0.0, 0.5))])
def test_nothing_can_be_given_to_a_device_whose_parts_nobody_knows(catalogue, written, used):
    machine_ = machine("a", found(written, 2, kind="npu", partitions=("9g.90gb",), used=used), found("Tesla T4"))
    (node,) = put(catalogue, machine_).fleet.nodes
    assert [node.free_share(id_) for id_ in ("0", "1", "2")] == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(("gibibytes", "type_"), [(8, "acme-board-8gb"), (7.6, "acme-board-8gb"), (4, "Acme-Board")])
def test_a_board_with_other_memory_is_another_board(catalogue, gibibytes, type_):
    result = put(catalogue, machine("a", found("Acme Board", kind="cpu"), memory_bytes=gibibytes * GIB))
    assert list(result.fleet.types) == [type_]
    told = [(row.why, row.candidates) for row in result.unmatched]
    assert told == ([] if gibibytes > 4 else [("none that is called so has 4 GiB of memory", ("acme-board-8gb",))])


def test_a_board_whose_memory_is_not_told_is_what_it_is_called(catalogue):
    result = put(catalogue, machine("a", found("Acme Board", kind="cpu"), memory_bytes=None))
    assert list(result.fleet.types) == ["acme-board-8gb"]


def test_processors_are_counted_by_their_cores(catalogue):
    result = put(
        catalogue,
        machine("a", found("Acme(R) X86 CPU @ 2.70GHz", kind="cpu", cores=56), cores=None),
        machine(
            "b",
            Found(
                type=DeviceType(
                    name="x", kind="cpu", cores=112, identity={"name": "Acme X86 CPU", "physical_cores": "56"}
                )
            ),
        ),
        machine("c", found("Acme X86", kind="cpu")),
    )
    first, second, third = result.fleet.nodes
    assert (first.devices[0].type, first.devices[0].ids, first.cores) == ("acme-x86", ("cpu0", "cpu1"), 56)
    assert (second.devices[0].ids, second.cores) == (("cpu0", "cpu1"), 96)
    assert third.devices[0].ids == ("cpu0",)


def test_some_cores_of_a_processor_are_its_share(catalogue):
    result = put(catalogue, machine("vm", found("Acme X86", kind="cpu", cores=7), cores=None))
    device = result.fleet.types["acme-x86-7-cores"]
    assert (device.cores, device.tdp_w.value, device.tdp_w.source) == (
        7,
        pytest.approx(205 * 7 / 28, rel=1e-3),
        "assumed",
    )
    assert "7 of 28 cores" in device.tdp_w.ref
    assert result.unmatched == ()
    assert read_back(result, catalogue).digest == result.fleet.digest


def test_connected_machines_stand_alone_and_keep_their_links(catalogue):
    fast = Fact(value=1e9, unit="B/s")
    result = put(
        catalogue,
        *(machine(name, found("Tesla T4")) for name in ("a", "b", "c", "d")),
        links=(Link(ends=("b", "a/0"), bandwidth_bytes_per_s=fast),),
    )
    assert [(node.name, node.count) for node in result.fleet.nodes] == [("a", 1), ("b", 1), ("t4-1x-96c", 2)]
    assert [link.ends for link in result.fleet.links] == [("a/0", "b")]


def test_everything_that_is_said_of_a_machine_is_kept(catalogue):
    said = machine(
        "Big Box №1",
        found("Tesla T4", 3, used=(0.25,)),
        taints=("a=b:NoSchedule",),
        region="eu",
        topology=(
            Topology(name="nvlink", kind="full", members=("0", "1")),
            Topology(name="pcie", kind="switch", members=("0", "1", "2")),
        ),
        used=Used(cores=4.0, memory_bytes=1.0 * GIB),
        price_usd_per_h=3.5,
    )
    result = put(catalogue, said)
    (node,) = result.fleet.nodes
    assert (node.name, node.taints, node.region) == ("Big-Box-1", ("a=b:NoSchedule",), "eu")
    assert [(item.name, item.members) for item in node.topology] == [("nvlink", ("0", "1")), ("pcie", ())]
    assert node.used == Used(cores=4.0, memory_bytes=1.0 * GIB, devices={"0": 0.25})
    assert node.price_usd_per_h == Fact(value=3.5, unit="USD/h")
    assert "`Big Box №1`" in result.notes[0]
    assert read_back(result, catalogue).digest == result.fleet.digest


def test_machines_of_one_name_are_a_mistake_with_their_lines(catalogue):
    with pytest.raises(InputError) as refused:
        put(catalogue, machine("a", line=2), machine("a", line=3), machine("b", line=4), machine("a", line=5))
    assert [str(item.where) for item in refused.value.diagnostics] == ["list.csv:3:1", "list.csv:5:1"]
    with pytest.raises(InputError, match="no machine"):
        put(catalogue)


def test_classes_that_look_alike_are_told_apart(catalogue):
    def pair(start, *devices, **more):
        return [machine(f"n{start}", *devices, **more), machine(f"n{start + 1}", *devices, **more)]

    machines = [
        *pair(1, found("Tesla T4"), memory_bytes=64.0 * GIB),
        *pair(3, found("Tesla T4"), memory_bytes=128.0 * GIB),
        *pair(5, found("Tesla T4"), memory_bytes=128.0 * GIB, region="eu"),
        *pair(7, cores=None),
    ]
    names = [node.name for node in put(catalogue, *machines).fleet.nodes]
    assert sorted(names) == ["cpu", "t4-1x-96c-128g", "t4-1x-96c-128g-a", "t4-1x-96c-64g"]


def test_a_name_that_no_host_list_holds_loses_no_other_name(catalogue):
    result = put(catalogue, *(machine(name, found("Tesla T4"), line=4) for name in ("a1", "a,b", "a2", "a b")))
    assert [(node.name, node.count, node.hosts) for node in result.fleet.nodes] == [
        ("a-b", 1, None),
        ("a-b-a", 1, None),
        ("t4-1x-96c", 2, "a[1-2]"),
    ]
    assert [note for note in result.notes if "host list" in note] == [
        "machine `a b` is called `a-b` here: its own name fits into no host list",
        "machine `a,b` is called `a-b-a` here: its own name fits into no host list",
    ]


def test_many_names_of_which_nothing_can_be_kept_are_told_apart(catalogue):
    nodes = put(catalogue, *(machine("№ " * length + "№", cores=None) for length in range(1, 801))).fleet.nodes
    assert len({node.name for node in nodes}) == len(nodes) == 800
    assert {"machine", "machine-a", "machine-zz", "machine-aaa"} < {node.name for node in nodes}


def test_equal_machines_are_one_class_in_whatever_order_they_are_described(catalogue):
    tiers = [
        MemoryTier(name=name, kind="nvme", bytes=Fact(value=1e12, unit="B")) for name in ("nvme-1", "nvme-2", "nvme-3")
    ]
    orders = ((0, 1, 2), (2, 0, 1), (1, 2, 0))
    machines = [
        machine(
            f"n{number}",
            labels={key: key for key in (("x", "y", "z")[index] for index in order)},
            taints=tuple(f"t{index}:NoSchedule" for index in order),
            memory_tiers=tuple(tiers[index] for index in order),
        )
        for number, order in enumerate(orders)
    ]
    (node,) = put(catalogue, *machines).fleet.nodes
    assert (node.count, node.taints) == (3, ("t0:NoSchedule", "t1:NoSchedule", "t2:NoSchedule"))


def test_a_class_is_not_called_like_a_machine(catalogue):
    twins = [machine("a", cores=4), machine("b", cores=4)]
    result = put(catalogue, *twins, machine("cpu-4c", cores=5), machine("cpu-4c-1", cores=6))
    instances = [name for node in result.fleet.nodes for name in node.instances()]
    assert len(set(instances)) == len(instances) == 4


NAMES = st.sampled_from(["Tesla T4", "G2", "V1", "A1", "acme-v1-16gb", "weiß/nicht", "T4" * 80, "-", "gpu"])
MACHINES = st.lists(
    st.builds(
        lambda name, devices, cores, rack: machine(name, *devices, cores=cores, labels={"rack": rack}),
        st.from_regex(r"n[0-9]{1,2}|[a-c ,\[é]{1,2}", fullmatch=True),
        st.lists(st.builds(found, NAMES, st.integers(1, 3)), max_size=3),
        st.sampled_from([None, 8, 96]),
        st.sampled_from(["1", "2"]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda item: item.name,
)


@settings(max_examples=60, deadline=None)
@given(MACHINES, st.randoms())
def test_nothing_is_lost_and_order_does_not_matter(catalogue, machines, random):
    result = put(catalogue, *machines)
    nodes = result.fleet.nodes
    assert sum(node.count for node in nodes) == len(machines)
    devices = sum(item.count for one in machines for item in one.devices)
    assert sum(node.count * len(slot.ids) for node in nodes for slot in node.devices) == devices
    assert sum(row.devices for row in (*result.matched, *result.unmatched)) == devices
    assert all(node.hosts is None or len(expand(node.hosts)) == node.count for node in nodes)
    shuffled = list(machines)
    random.shuffle(shuffled)
    assert put(catalogue, *shuffled).fleet == result.fleet
    assert read_back(result, catalogue).digest == result.fleet.digest
