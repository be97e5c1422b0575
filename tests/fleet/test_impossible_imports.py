"""What no hardware has is left out of an import, with machine and line; what is written, aios can read.

The machines are invented.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.catalogue import root
from aios.fleet import compile_fleet, load_catalogue
from aios.fleet.imports.assemble import assemble
from aios.fleet.imports.checking import checked_text
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.fleet import DeviceType, Fact, Interconnect, Link, MemoryTier, PowerMode, Topology, Used
from aios.spi.importer import Inventory, Machine
from aios.spi.probe import Found
from aios.workflow.importing import find_importer, import_inventory

CATALOGUE = load_catalogue(root() / "hardware")
GIB = 2.0**30


def device(name="Tesla T4", kind="gpu", **facts):
    return DeviceType(name="as-read", kind=kind, identity={"name": name}, **facts)


def machine(name="n1", *devices, **more):
    found = tuple(item if isinstance(item, Found) else Found(type=item) for item in devices)
    return Machine(name=name, **{"cores": 8, "memory_bytes": 64 * GIB, "devices": found, "line": 7, **more})


def read(*machines, origin="list.csv", **more):
    assembled = assemble(Inventory(machines=machines, **more), CATALOGUE, {}, origin)
    text = checked_text(assembled, CATALOGUE)
    assert compile_fleet(parse(text.encode(), "made.yaml"), CATALOGUE, "made.yaml").digest == assembled.fleet.digest
    return assembled


def watts(value):
    return Fact(value=value, unit="W")


def rate(value):
    return Fact(value=value, unit="B/s")


def size(value):
    return Fact(value=value, unit="B")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"memory_bytes": 9e8 * GIB}, "`memory` of 858 PiB is impossible: the largest machines hold"),
        ({"memory_bytes": -4096.0}, "`memory` of -4 KiB is impossible: it must be more than zero"),
        ({"cores": 0}, "`cores` of 0 is impossible"),
        ({"cores": 10**9}, "`cores` of 1000000000 is impossible"),
        ({"price_usd_per_h": -1.0}, "`price` of -1 USD/h is impossible: it must be zero or more"),
        ({"price_usd_per_h": 3e6}, "`price` of 3000000 USD/h is impossible"),
        ({"taints": ("down", "a=b:NoSchedule")}, "`down` is no taint"),
    ],
)
def test_what_no_machine_has_is_left_out_and_the_machine_stays(said, told):
    result = read(machine(**said))
    (node,) = result.fleet.nodes
    (sentence,) = result.left_out
    assert sentence.startswith(f"machine `n1` (list.csv:7): {told}")
    (field,) = said
    left = {"cores": node.cores, "memory_bytes": node.memory_bytes, "taints": node.taints}
    assert left.get(field, node.price_usd_per_h) == (("a=b:NoSchedule",) if field == "taints" else None)
    assert node.cores == 8 or field == "cores"


@pytest.mark.parametrize(
    ("facts", "told", "left"),
    [
        ({"memory_bytes": size(2.0**60)}, "`memory` of 1 EiB of `X1` is impossible", ()),
        ({"memory_bandwidth_bytes_per_s": rate(1e17)}, "`bandwidth` of 100 PB/s of `X1` is impossible", ()),
        ({"frequency_hz": Fact(value=-5.0, unit="Hz")}, "`frequency` of -5 Hz of `X1` is impossible", ()),
        ({"tdp_w": watts(0.0), "idle_w": watts(9.0)}, "`tdp` of 0 W of `X1` is impossible", ("idle_w",)),
        (
            {"tdp_w": watts(70.0), "idle_w": watts(80.0)},
            "`idle` of `X1` is left out: `idle` (80 W) is more than `tdp` (70 W)",
            ("tdp_w",),
        ),
        (
            {"cap_low_w": watts(90.0), "cap_high_w": watts(60.0)},
            "`power_cap.low` of `X1` is left out: `power_cap` begins at 90 W and ends at 60 W",
            ("cap_high_w",),
        ),
        ({"peak_ops_per_s": {"fp16": Fact(value=1e20, unit="FLOP/s")}}, "`fp16` of 100 EFLOP/s of `X1`", ()),
        ({"interconnects": (Interconnect(kind="x", bandwidth_bytes_per_s=rate(0.0)),)}, "`bandwidth` of 0 B/s", ()),
        ({"power_modes": (PowerMode(name="m", cap_w=watts(2e5)),)}, "`cap` of 200 kW of `X1` is impossible", ()),
        ({"cores": -2}, "`cores` of -2 of `X1` is impossible", ()),
    ],
)
def test_what_no_device_has_is_left_out(facts, told, left):
    result = read(machine("n1", device("X1", **facts)))
    assert result.left_out[0].startswith(f"machine `n1` (list.csv:7): {told}")
    assert len(result.left_out) == 1
    stated = result.fleet.types["X1"].model_fields_set & {name for name, value in result.fleet.types["X1"] if value}
    assert stated - {"name", "kind", "identity"} == set(left)


def test_memory_tiers_keep_what_is_possible():
    tiers = (
        MemoryTier(
            name="nvme", kind="nvme", bytes=size(1e12), read_bytes_per_s=rate(7e15), write_bytes_per_s=rate(1e9)
        ),
        MemoryTier(name="cxl", kind="cxl", bytes=size(-1.0)),
    )
    result = read(machine(memory_tiers=tiers))
    (tier,) = result.fleet.nodes[0].memory_tiers
    assert (tier.name, tier.read_bytes_per_s, tier.write_bytes_per_s) == ("nvme", None, rate(1e9))
    assert [text.partition(": ")[2].partition(" is impossible")[0] for text in result.left_out] == [
        "`read` of 7 PB/s of memory tier `nvme`",
        "`capacity` of -1 B of memory tier `cxl`",
    ]


def test_connections_keep_what_is_possible():
    fast = {"bandwidth_bytes_per_s": rate(1e9)}
    inner = Topology(name="rack", kind="switch", bandwidth_bytes_per_s=rate(1e15), members=("a", "b", "c"))
    result = read(
        *(machine(name) for name in "abc"),
        links=(Link(ends=("a", "b"), bandwidth_bytes_per_s=rate(-1.0)), Link(ends=("b", "c"), **fast)),
        topology=(inner,),
    )
    assert [link.ends for link in result.fleet.links] == [("b", "c")]
    assert result.fleet.topology[0].bandwidth_bytes_per_s is None
    assert [text.partition(" is impossible")[0] for text in result.left_out] == [
        "`bandwidth` of 1 PB/s of `rack`",
        "`bandwidth` of -1 B/s of the link a - b",
    ]


def test_no_more_is_taken_than_is_there():
    used = Used(cores=9.0, memory_bytes=65 * GIB, devices={"0": 0.5, "3": 1.0})
    result = read(machine("n1", device(), used=used), machine("n2", device(), used=used, line=8))
    (node,) = result.fleet.nodes
    assert node.used == Used(cores=8.0, memory_bytes=64 * GIB, devices={"0": 0.5})
    assert [text for text in result.left_out if "n2" in text] == [
        "machine `n2` (list.csv:8): 9 cores are taken of 8: all of them are",
        "machine `n2` (list.csv:8): 69793218560 bytes are taken of 68719476736: all of them are",
        "machine `n2` (list.csv:8): device `3` is taken, which it does not have",
    ]


def test_a_number_of_devices_that_no_machine_has():
    result = read(machine("n1", Found(type=device(), count=10**9), Found(type=device("X1"), count=2)))
    assert [(slot.type, len(slot.ids)) for slot in result.fleet.nodes[0].devices] == [("X1", 2)]
    assert result.left_out == (
        "machine `n1` (list.csv:7): 1000000000 of `Tesla T4` are impossible: a machine has 1 to 10,000",
    )
    many = [
        machine(f"n{index}", Found(type=device(), count=10_000), cores=index + 1, line=index) for index in range(101)
    ]
    with pytest.raises(InputError, match=r"list\.csv describes more than 1,000,000 devices") as refused:
        read(*many)
    assert str(refused.value.diagnostics[0].where) == "list.csv:100:1"


def test_what_contradicts_the_catalogue_is_the_catalogues():
    result = read(machine("n1", device(price_usd_per_h=Fact(value=1.0, unit="USD/h"), idle_w=watts(80.0))))
    known = result.fleet.types["nvidia-t4"]
    assert known.price_usd_per_h.value == 1
    assert known.idle_w == CATALOGUE["nvidia-t4"].idle_w
    assert [note for note in result.notes if "which stands: `idle` (80 W) is more than `tdp` (70 W)" in note]
    both = read(machine("n1", device(cap_low_w=watts(500.0), cap_high_w=watts(600.0))))
    assert (both.fleet.types["nvidia-t4"].cap_low_w, both.fleet.types["nvidia-t4"].cap_high_w) == (
        watts(500.0),
        watts(600.0),
    )


def test_a_card_that_cannot_be_cut_so_is_taken_as_a_whole():
    cut = Found(type=device("nvidia-a100-sxm4-80gb"), partitions=("3g.40gb",) * 3)
    result = read(machine("n1", cut))
    (row,) = result.unmatched
    assert row.why == "one nvidia-a100-sxm4-80gb holds at most 2 of `3g.40gb`, not 3"
    assert [result.fleet.nodes[0].free_share(id_) for slot in result.fleet.nodes[0].devices for id_ in slot.ids] == [0]


@pytest.mark.parametrize("said", [{"name": "n\ud800"}, {"labels": {"rack": "\ud800"}}])
def test_half_a_character_is_a_mistake(said):
    with pytest.raises(InputError, match="has half a character in it") as refused:
        read(machine("n0"), machine(**said))
    assert str(refused.value.diagnostics[0].where) == "list.csv:7:1"


def test_of_several_files_the_line_says_nothing():
    result = read(machine(cores=0), origin="a.csv, b.csv")
    assert result.left_out[0].startswith("machine `n1`: `cores` of 0")


def test_what_remains_wrong_is_told_at_its_machine():
    ring = Topology(name="ring", kind="mesh", members=("0", "1"), shape=(3, 3))
    first, second = machine("n1", device()), machine("n2", Found(type=device(), count=2), topology=(ring,), line=9)
    with pytest.raises(InputError) as refused:
        read(first, second)
    (mistake,) = refused.value.diagnostics
    assert mistake.summary == "machine `n2` of list.csv: 3 x 3 has 9 places, but there are 2 devices"
    assert str(mistake.where) == "list.csv:9:1"


def test_an_import_of_what_cannot_be_is_a_fleet_that_is_read(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text("name,cpu,memory_gib,gpu_model,gpus\nn1,8,900000000,Tesla T4,2\nn2,8,64,Tesla T4,2\n")
    imported = import_inventory(find_importer("inventory"), [str(file)], {}, {}, None, bytes)
    first, second = compile_fleet(parse(imported.text.encode(), "made.yaml"), CATALOGUE, "made.yaml").nodes
    assert (first.name, first.memory_bytes, second.memory_bytes) == ("n1", None, 64 * GIB)
    assert imported.assembled.left_out[0].startswith(f"machine `n1` ({file}:2): `memory` of 858 PiB is impossible")


NUMBERS = st.sampled_from([-1.0, 0.0, 1e-9, 1.0, 70.0, 80.0, 1e6, 64 * GIB, 1e13, 1e17, 1e30])
TEXTS = st.sampled_from(["n", "a,b", "a b", "é[", "\x00", "yes", "№", "x" * 300, "0", '"\\'])


def stated(unit):
    return st.builds(lambda value: Fact(value=value, unit=unit), NUMBERS)


def facts(unit):
    return st.none() | stated(unit)


def some(unit):
    return st.dictionaries(st.sampled_from(["fp16", "bf16"]), stated(unit))


DEVICES = st.builds(
    DeviceType,
    name=st.just("x"),
    kind=st.sampled_from(["cpu", "gpu", "npu"]),
    identity=st.builds(
        lambda name, text: {"name": name, "note": text},
        st.sampled_from(["Tesla T4", "nvidia-a100-sxm4-80gb", "NVIDIA Jetson AGX Orin 64GB", "X1"]) | TEXTS,
        TEXTS,
    ),
    memory_bytes=facts("B"),
    memory_bandwidth_bytes_per_s=facts("B/s"),
    peak_ops_per_s=some("FLOP/s"),
    sparse_peak_ops_per_s=some("FLOP/s"),
    frequency_hz=facts("Hz"),
    tdp_w=facts("W"),
    idle_w=facts("W"),
    cap_low_w=facts("W"),
    cap_high_w=facts("W"),
    price_usd_per_h=facts("USD/h"),
    cores=st.sampled_from([None, -1, 0, 28, 10**7]),
    interconnects=st.lists(
        st.builds(Interconnect, kind=st.sampled_from(["pcie4-x16", "x"]), bandwidth_bytes_per_s=stated("B/s")),
        max_size=2,
    ).map(tuple),
    power_modes=st.lists(
        st.builds(PowerMode, name=st.sampled_from(["low", "full"]), cap_w=stated("W")), max_size=2
    ).map(tuple),
)
MACHINES = st.builds(
    Machine,
    name=TEXTS | st.from_regex(r"n[0-9]{1,2}", fullmatch=True),
    cores=st.sampled_from([None, -1, 0, 8, 10**9]),
    memory_bytes=st.none() | NUMBERS,
    price_usd_per_h=st.none() | NUMBERS,
    region=st.none() | TEXTS,
    labels=st.dictionaries(TEXTS, TEXTS, max_size=2),
    taints=st.lists(st.sampled_from(["a=b:NoSchedule", "down", ""]), max_size=2).map(tuple),
    memory_tiers=st.lists(
        st.builds(
            MemoryTier,
            name=st.just("nvme"),
            kind=st.just("nvme"),
            bytes=stated("B"),
            read_bytes_per_s=facts("B/s"),
            latency_s=facts("s"),
        ),
        max_size=1,
    ).map(tuple),
    devices=st.lists(
        st.builds(
            Found,
            type=DEVICES,
            count=st.sampled_from([-1, 0, 1, 2, 10**9]),
            partitions=st.sampled_from([(), ("1g.10gb",) * 7, ("1g.10gb",) * 9, ("9g",)]),
            used=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 7.0]), max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    used=st.none() | st.builds(Used, cores=NUMBERS, memory_bytes=NUMBERS, devices=st.just({"0": 2.0, "9": 0.5})),
    line=st.none() | st.integers(1, 9),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(MACHINES, min_size=1, max_size=3, unique_by=lambda one: one.name))
def test_whatever_is_read_can_be_written_and_read_back(machines):
    result = read(*machines)
    assert sum(node.count for node in result.fleet.nodes) == len(machines)
