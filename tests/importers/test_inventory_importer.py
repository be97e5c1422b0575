"""Lists of machines, as tables, JSON and Ansible's inventories, become machines."""

import json
import time
from pathlib import Path

import pytest
from importer_texts import Texts, by_name

from aios_plugins.inventory import Importer

DATA = Path(__file__).parent / "data" / "inventory"
TEXTS = Texts(Importer, "nodes.csv")
read, mistakes_of = TEXTS.read, TEXTS.mistakes_of


def machines(text, **options):
    return by_name(read(text, **options))


def devices(machine):
    return [(found.type.identity["name"], found.type.kind, found.count) for found in machine.devices]


def places(diagnostics):
    return [(found.where.line, found.where.column) for found in diagnostics if found.where]


def test_a_public_kind_of_node_list_needs_no_option():
    inventory = read((DATA / "invented-openb.csv").read_bytes())
    found = {machine.name: machine for machine in inventory.machines}
    assert len(found) == 8
    assert (found["n-0000"].cores, found["n-0000"].memory_bytes, found["n-0000"].devices) == (32, 256 * 2**30, ())
    assert devices(found["n-0003"]) == [("T4", "gpu", 2)]
    assert found["n-0007"].line == 11
    assert inventory.notes == (
        "nodes.csv: columns read: name = `sn`, cpu = `cpu_milli` (milli), memory = `memory_mib` (MiB), count = `gpu`, "
        "device = `model`",
    )
    assert not inventory.left_out


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("start", ["", "\ufeff", "# a comment\n\n"])
def test_separators_byte_order_marks_and_line_ends_are_found_out(separator, start):
    rows = ["Host Name,vCPUs,Memory (GiB),GPU Model,GPU Count,Rack", "a,96,768,A100,8,r1", "", "b,4,16.5,,0,r2"]
    text = start + "\r\n".join(rows).replace(",", separator)
    found = machines(text)
    assert (found["a"].cores, found["a"].memory_bytes, found["a"].labels) == (96, 768 * 2**30, {"rack": "r1"})
    assert devices(found["a"]) == [("A100", "gpu", 8)]
    assert (found["b"].memory_bytes, found["b"].devices) == (16.5 * 2**30, ())


@pytest.mark.parametrize(
    ("header", "cell", "expected"),
    [
        ("memory_mib", "1024", 2**30),
        ("memory_mb", "1024", 1.024e9),
        ("mem_gb", "16", 16e9),
        ("RAM [GiB]", "16", 2**34),
        ("MemoryGiB", "16", 2**34),
        ("total_memory_bytes", "4096", 4096),
        ("ansible_memtotal_mb", "1024", 2**30),
        ("memory", "16 GiB", 2**34),
        ("memory", "16Gi", 2**34),
        ("memory_mib", "16 GB", 16e9),
    ],
)
def test_the_unit_of_memory_is_in_the_name_or_in_the_cell(header, cell, expected):
    assert machines(f"name,{header}\na,{cell}\n")["a"].memory_bytes == pytest.approx(expected)


def test_memory_without_any_unit_is_one_mistake_and_an_option_mends_it():
    text = "name,ram\na,64\nb,128\n"
    (found,) = mistakes_of(text)
    assert "unit of column `ram` is not stated" in found.summary
    assert (found.where.line, found.where.column) == (1, 6)
    assert "--option memory=ram:GiB" in found.remedy
    assert machines(text, memory="ram:GiB")["b"].memory_bytes == 128 * 2**30


@pytest.mark.parametrize(
    ("header", "cell", "expected"),
    [("cpu", "32", 32), ("cores", "32.0", 32), ("cpu_milli", "3500", 3), ("cpu", "7910m", 7), ("vcpu", "8 vCPU", 8)],
)
def test_cores_are_whole(header, cell, expected):
    assert machines(f"name,{header}\na,{cell}\n")["a"].cores == expected


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("gpu,gpu_model", "2,T4", [("T4", "gpu", 2)]),
        ("gpu_model", "T4", [("T4", "gpu", 1)]),
        ("gpu", "2x T4 + L4", [("T4", "gpu", 2), ("L4", "gpu", 1)]),
        ("gpus", "A100 x8", [("A100", "gpu", 8)]),
        ("gpu", "none", []),
        ("gpu", "A100*8", [("A100", "gpu", 8)]),
        ("gpu", "8X H100", [("H100", "gpu", 8)]),
        ("device", "cambricon-mlu370-x8", [("cambricon-mlu370-x8", "other", 1)]),
        ("device", "mlu370-x4", [("mlu370-x4", "other", 1)]),
        ("device", "2x mlu370-x8", [("mlu370-x8", "other", 2)]),
        ("device", "MLU370 x8", [("MLU370 x8", "other", 1)]),
        ("gpu", "RX 7900 XTX", [("RX 7900 XTX", "gpu", 1)]),
        ("gpu", "7900xtx", [("7900xtx", "gpu", 1)]),
        ("gpu", "4xt4", [("t4", "gpu", 4)]),
        ("gpus", "4", [("gpus", "gpu", 4)]),
        ("num_npu,npu_type", "8,Ascend 910B", [("Ascend 910B", "npu", 8)]),
        ("accelerator_count,accelerator", "2,MLU370", [("MLU370", "other", 2)]),
        ("gpu,model", "0,", []),
        ("model", "PowerEdge R750", []),
        ("gpu,model,gpu_model", "1,PowerEdge R750,T4", [("T4", "gpu", 1)]),
        ("gpu,count", "T4,2", [("T4", "gpu", 2)]),
        ("gpu_model,count", "T4,2", [("T4", "gpu", 2)]),
        ("npu,qty", "Ascend 910B,8", [("Ascend 910B", "npu", 8)]),
        ("gpu,model,count", "4,T4,1", [("T4", "gpu", 4)]),
        ("gpu,gpu_model,count", "4,T4,1", [("T4", "gpu", 4)]),
        ("model,count", "PowerEdge R750,2", []),
    ],
)
def test_accelerators_are_counted_and_named(header, row, expected):
    assert devices(machines(f"name,{header}\na,{row}\n")["a"]) == expected


def test_memory_of_an_accelerator_goes_with_it():
    (found,) = machines("name,gpu,gpu_model,gpu_memory_gib\na,2,V100,32\n")["a"].devices
    assert found.type.memory_bytes.value == 32 * 2**30


def test_options_say_which_column_is_what():
    text = "id;where;p;what;n;c;m\nx;eu-1;3.5;Chip A;4;16000;64\n"
    options = {
        "name": "id",
        "region": "where",
        "price": "p:USD/h",
        "device": "what",
        "count": "n",
        "cpu": "c:milli",
        "memory": "m:GiB",
        "kind": "npu",
        "label__zone": "where",
        "rack": "id",
    }
    machine = machines(text, **options)["x"]
    assert (machine.region, machine.price_usd_per_h, machine.cores, machine.memory_bytes) == ("eu-1", 3.5, 16, 2**36)
    assert devices(machine) == [("Chip A", "npu", 4)]
    assert machine.labels == {"zone": "eu-1", "rack": "x"}


def test_what_is_not_used_is_said():
    inventory = read("name,cpu,colour,asset\na,4,red,17\n")
    assert inventory.left_out == ("nodes.csv: columns that are not used: `colour`, `asset`",)


@pytest.mark.parametrize(
    ("option", "value", "summary", "remedy"),
    [
        ("memory", "rum:GiB", "there is no column `rum:GiB`, which `memory` names", "did you mean"),
        ("memory", "ram:GHz", "`memory` cannot have the unit `GHz`", "known: "),
        ("memroy", "ram", "unknown option `memroy`", "did you mean `memory`?"),
        ("kind", "gpus", "`kind` cannot be `gpus`", "gpu, npu"),
    ],
)
def test_options_that_do_not_fit_are_mistakes(option, value, summary, remedy):
    (found,) = mistakes_of("name,ram\na,1 GiB\n", **{option: value})
    assert found.summary == summary
    assert remedy in found.remedy


BAD = """\
name,cpu,memory_gb,gpu,gpu_model
a,eight,64,1,T4
b,8,-3,1,T4
c,0,64,-1,T4
a,8,64,1,T4
,8,64,1,T4
d,8,5 apples,two,
e,8,64,,T4
f,8,64,3,T4+L4
"""


def test_all_bad_cells_are_told_with_line_and_column():
    found = mistakes_of(BAD)
    assert places(found) == [(2, 3), (3, 5), (4, 3), (4, 8), (5, 1), (6, 1), (7, 5), (8, 8), (9, 10)]
    assert "`eight` is no number of cores" in found[0].summary
    assert "negative" in found[1].summary
    assert found[4].reason == "the other stands on line 2"
    assert "no name" in found[5].summary
    assert "how many T4" in found[7].summary
    assert found[8].line_text == "f,8,64,3,T4+L4"


def test_of_very_many_mistakes_the_first_fifty_are_told_soon():
    begun = time.process_time()
    found = mistakes_of("name,cpu\n" + "".join(f"n{i},x\n" for i in range(20_000)))
    assert time.process_time() - begun < 5
    assert len(found) == 51
    assert found[-1].summary == "and 19950 more mistakes in nodes.csv"


@pytest.mark.parametrize(
    ("text", "summary", "place"),
    [
        ("a,b\n1,2\n", "no column says what the machines are called", (1, 1)),
        ("name,name\nx,1\n", "there are two columns called `name`", (1, 6)),
        ("name,,cpu\nx,,1\n", "column 2 has no name", (1, 6)),
        ("name,cpu\nx\n", "the row has 1 cells, but there are 2 columns", (2, 1)),
        ("name,cpu\nx,4,5\n", "the row has 3 cells, but there are 2 columns", (2, 1)),
        ('name,cpu\n"x,4\n', "no well-formed CSV", (3, 1)),
        ("# only a comment\n", "has no header", (1, 1)),
        ("name,cpu\n", "there is no machine in this file", (1, 1)),
    ],
)
def test_a_table_that_is_none_is_refused(text, summary, place):
    (found,) = mistakes_of(text)
    assert summary in found.summary
    assert (found.where.line, found.where.column) == place


def test_quoted_cells_may_hold_separators_and_line_ends():
    found = machines('name,cpu,rack\n"a",4,"r1, left"\n"b",8,"r\n2"\nc,16,r3\n')
    assert found["a"].labels == {"rack": "r1, left"}
    assert (found["b"].line, found["c"].line) == (3, 5)


def test_a_mistake_behind_a_quoted_line_end_is_told():
    (found,) = mistakes_of('name,cpu,memory_gib\n"a\nb",8,x\n')
    assert "`memory_gib`" in found.summary
    assert (found.where.line, found.where.column) == (2, 1)


# JSON


def test_a_key_that_stands_twice_is_a_mistake_wherever_it_stands():
    text = '{"n1": {"cpu": 8, "gpu": "T4"},\n "n1": {"cpu": 16, "gpu": "A10"},\n "n2": {"cpu": 1, "cpu": 2}}'
    found = mistakes_of(text)
    assert places(found) == [(2, 2), (3, 19)]
    assert (found[0].summary, found[0].reason) == ("`n1` stands twice in one object", "the other one is on line 1")
    assert places(mistakes_of('[{"name": "a"},\n {"name": "b", "x": {"y": 1, "y": 2}}]')) == [(2, 30)]


def test_what_stands_beside_the_list_is_left_out_and_said():
    inventory = read('{"nodes": [{"name": "a"}, {"name": "b"}], "gateway": {"name": "gw", "cpu": 2}}')
    assert [machine.name for machine in inventory.machines] == ["a", "b"]
    assert inventory.left_out == ("nodes.csv: what stands beside the list `nodes` is not used: `gateway`",)


def test_groups_of_ansible_hold_hosts_with_and_without_variables():
    text = """{
      "all": {"vars": {"dns": "x"}, "children": {
        "gpu": {"hosts": {"g1": {"cpu": 64}, "g2": {"cpu": 32}}},
        "web": {"hosts": ["w1"], "vars": {"cpu": 8}}
      }},
      "old": ["o1", "g1"]
    }"""
    inventory = read(text)
    assert {machine.name: machine.cores for machine in inventory.machines} == {
        "g1": 64, "g2": 32, "w1": None, "o1": None,
    }  # fmt: skip
    assert inventory.left_out == ("nodes.csv: variables of groups are not used: `all`, `web`",)


def test_hosts_have_the_lines_on_which_they_stand():
    text = '{"n2": {"hosts": ["n2", "n3"]},\n "_meta": {"hostvars": {\n "n1": {"n2": {}},\n "n2": {"cpu": "x"}}}}'
    (found,) = mistakes_of(text)
    assert found.where.line == 4
    lines = {machine.name: machine.line for machine in read(text.replace('"x"', "4")).machines}
    assert lines == {"n1": 3, "n2": 4, "n3": 1}


def test_devices_in_objects_are_counted_and_none_is_dropped():
    text = '[{"name": "a", "gpus": [{"model": "T4", "count": 2}, {"model": "L4"}, {"model": "mlu370-x8", "num": 4}]}]'
    assert devices(machines(text)["a"]) == [("T4", "gpu", 2), ("L4", "gpu", 1), ("mlu370-x8", "gpu", 4)]
    (found,) = mistakes_of('[{"name": "a", "gpus": [{"uuid": "GPU-1"}]}]')
    assert found.summary == "`gpus`: a device without its model"
    (found,) = mistakes_of('[{"name": "a", "gpus": [{"model": "T4", "count": "many"}]}]')
    assert found.summary == "`gpus`: many devices of one machine"


def test_a_list_of_objects_is_read_with_objects_inside():
    text = """[
      {"name": "a", "cpu": 8, "resources": {"memory_gib": 32}, "gpus": ["A100", "A100"]},
      {"name": "b", "cpu": 4.0, "gpus": [{"model": "L4"}], "rack": 7}
    ]"""
    found = machines(text, memory="resources.memory_gib:GiB")
    assert (found["a"].cores, found["a"].memory_bytes, devices(found["a"])) == (8, 2**35, [("A100", "gpu", 2)])
    assert (found["b"].cores, found["b"].labels, devices(found["b"])) == (4, {"rack": "7"}, [("L4", "gpu", 1)])
    assert (found["a"].line, found["b"].line) == (2, 3)


@pytest.mark.parametrize("outer", ['{{"nodes": {0}}}', "{0}"])
def test_the_one_list_in_an_object_is_the_list(outer):
    found = machines(outer.format('[{"host": "a", "vcpus": 4}, {"host": "b", "vcpus": 8}]'))
    assert {name: machine.cores for name, machine in found.items()} == {"a": 4, "b": 8}


def test_an_ansible_inventory_is_read_and_no_host_is_dropped():
    inventory = read((DATA / "invented-ansible.json").read_bytes(), "inventory.json")
    found = {machine.name: machine for machine in inventory.machines}
    assert set(found) == {"gpu01.example.org", "gpu02.example.org", "login.example.org"}
    machine = found["gpu01.example.org"]
    assert (machine.cores, machine.memory_bytes, machine.labels) == (128, 515702 * 2**20, {"rack": "r7"})
    assert devices(machine) == [
        ("Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", "cpu", 1),
        ("A100-SXM4-80GB", "gpu", 4),
    ]
    assert machine.line == 4
    assert found["gpu02.example.org"].cores is None
    assert "`ansible_architecture`" in inventory.left_out[0]


@pytest.mark.parametrize("prefix", ["", "ansible_"])
def test_facts_of_one_host_are_a_machine(prefix):
    facts = {"hostname": "n1", "processor_vcpus": 4, "memtotal_mb": 2048}
    text = json.dumps({"ansible_facts": {prefix + name: value for name, value in facts.items()}, "changed": False})
    found = machines(text)["n1"]
    assert (found.cores, found.memory_bytes) == (4, 2**31)


@pytest.mark.parametrize(
    ("text", "summary", "place"),
    [
        ('[{"name": "a"},\n 5]', "a machine is an object", (2, 2)),
        ('[{"name": "a"},\n {"name" "b"}]', "no well-formed JSON", (2, 10)),
        ('[{"name": "a"}', "no well-formed JSON", (1, 15)),
        ('[{"name": "a"}] x', "more behind the end", (1, 17)),
        ("[]", "there is no machine", (1, 1)),
        ('[{"name": "a",\n "cpu": "x"}]', "`x` is no number of cores", (2, 2)),
        ('[{"name": "a", "cpu": true}]', "`True` is no number of cores", (1, 16)),
        ('[{"name": "a", "cpu": 1e999}]', "is no number of cores", (1, 16)),
        ('[{"name": "a", "cpu": NaN}]', None, None),
    ],
)
def test_json_that_is_no_list_of_machines_says_where(text, summary, place):
    if summary is None:
        assert machines(text)["a"].cores is None, "Python writes NaN for a number that is not there"
        return
    found = mistakes_of(text)[0]
    assert summary in found.summary
    assert (found.where.line, found.where.column) == place
