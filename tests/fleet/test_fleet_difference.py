"""What changed between two fleets, in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.fleet import compile_fleet
from aios.fleet.comparing.difference import difference
from aios.records.document import parse

OLD = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: lab}
spec:
  nodes:
    - {name: t4, count: 387, hosts: "gpu[001-387]", cpu: 104, memory: 512 GiB, devices: [{type: my-gpu, count: 2}]}
    - {name: edge, cpu: 4, memory: 4 GiB, devices: [{type: my-npu}], labels: {rack: r1}, used: {cpu: 1}}
    - {name: spare, cpu: 8}
    - name: box
      cpu: 64
      devices: [{type: my-gpu, count: 4}]
      topology: {kind: ring, name: loop, bandwidth: 50 GB/s}
      price: 2 USD/h
      region: eu
      carbon: 300 g/kWh
      taints: ["a=b:NoSchedule"]
      memory_tiers: [{kind: nvme, capacity: 1 TB, read: 7 GB/s}]
  links:
    - {between: [edge, t4], bandwidth: 10 Gbit/s}
  disconnected: true
  devices:
    - {name: my-gpu, kind: gpu, tdp: 70 W, peak: {int8: 130 TOPS}}
    - {name: my-npu, kind: npu, tdp: {value: 3 W, trust: vendor claim, ref: a talk}}
"""


def fleet(text):
    return compile_fleet(parse(text.encode(), "fleet.yaml"), {}, "fleet.yaml")


def told(*replacements):
    text = OLD
    for before, after in replacements:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return [change.text for change in difference(fleet(OLD), fleet(text))]


def test_order_comments_and_names_of_files_are_no_change():
    lines = OLD.splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if "name: t4" in line)
    moved = [*lines[:start], *lines[start + 1 : start + 3], lines[start], *lines[start + 3 :]]
    again = compile_fleet(parse(b"# moved\n" + "".join(moved).encode(), "b.yaml"), {}, "b.yaml")
    assert difference(fleet(OLD), again) == ()


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("tdp: 70 W", "tdp: 72 W", "device type my-gpu: tdp 70 W -> 72 W"),
        ("tdp: 70 W, ", "", "device type my-gpu: tdp 70 W -> unstated"),
        ("tdp: 70 W", "tdp: 70 W, idle: 9 W", "device type my-gpu: idle unstated -> 9 W"),
        ("tdp: 70 W", "tdp: 70.0001 W", "device type my-gpu: tdp 70.0 W -> 70.0001 W"),
        ("int8: 130 TOPS", "int8: 0.1 POPS", "device type my-gpu: peak int8 130 TOP/s -> 100 TOP/s"),
        (
            "ref: a talk",
            "ref: a page",
            "device type my-npu: source of tdp vendor claim, a talk -> vendor claim, a page",
        ),
        ("cpu: 104", "cpu: 96", "node class t4: cores 104 -> 96"),
        ("memory: 4 GiB", "memory: 8 GiB", "node edge: memory 4 GiB -> 8 GiB"),
        ("count: 4}", "count: 8}", "node box: devices my-gpu 4 -> 8"),
        ("{rack: r1}", "{rack: r2}", "node edge: label rack r1 -> r2"),
        ("{rack: r1}", "{rack: r1, row: a}", "node edge: label row unstated -> a"),
        ("used: {cpu: 1}", "used: {cpu: 2}", "node edge: cores taken 1 -> 2"),
        ("price: 2 USD/h", "price: 3 USD/h", "node box: price 2 USD/h -> 3 USD/h"),
        ("region: eu", "region: us", "node box: region eu -> us"),
        ("carbon: 300", "carbon: 200", "node box: carbon 300 gCO2/kWh -> 200 gCO2/kWh"),
        ("a=b:NoSchedule", "a=b:NoExecute", "node box: taint a=b:NoSchedule set -> not set"),
        ("read: 7 GB/s", "read: 5 GB/s", "node box: memory tier nvme read 7 GB/s -> 5 GB/s"),
        ("bandwidth: 50 GB/s", "bandwidth: 25 GB/s", "node box: topology loop, bandwidth 50 GB/s -> 25 GB/s"),
        ("kind: ring, name: loop", "kind: full, name: loop", "node box: topology loop, kind ring -> full"),
        ("10 Gbit/s", "20 Gbit/s", "link edge - t4: bandwidth 1.25 GB/s -> 2.5 GB/s"),
        ("[edge, t4]", "[spare, t4]", "link spare - t4: added"),
        ("    - {name: spare, cpu: 8}\n", "", "node spare: removed"),
        ("- {name: spare, cpu: 8}", "- {name: spare, cpu: 8}\n    - {name: new, cpu: 2}", "node new: added"),
        ("name: spare,", "name: reserve,", "node spare: now called reserve"),
    ],
)
def test_one_change_is_one_sentence(before, after, text):
    assert text in told((before, after))
    assert len(told((before, after))) == (2 if "taint" in text or text.startswith("link spare") else 1)


def test_more_machines_and_which():
    assert told(('count: 387, hosts: "gpu[001-387]"', 'count: 390, hosts: "gpu[001-390]"')) == [
        "node class t4: 387 -> 390 machines",
        "node class t4: now with gpu[388-390]",
    ]


def test_what_only_looks_the_same_is_said():
    spelled = [f"gpu{number:03}" for number in range(1, 388)]
    (change,) = told(("gpu[001-387]", ",".join(spelled)))
    assert change.startswith("node class t4: spelling of hosts gpu[001-387] -> gpu001,gpu002,")
    assert told(("gpu[001-387]", "gpu[002-387],gpu001"))[0].startswith("node class t4: order of hosts ")
    one, two = (
        fleet(OLD.replace("name: my-npu, kind: npu,", f"name: my-npu, kind: npu, features: {features},"))
        for features in ('["a, b"]', "[a, b]")
    )
    assert [change.text for change in difference(one, two)] == ["device type my-npu: features a, b -> a b"]


def test_two_connections_of_one_kind_are_told_apart():
    one, two = (
        fleet(OLD.replace("kind: npu,", f"kind: npu, interconnects: [{{kind: x, bandwidth: {width}}}, {same}],"))
        for same in ["{kind: x, bandwidth: 5 GB/s}"]
        for width in ("1 GB/s", "2 GB/s")
    )
    assert [change.text for change in difference(one, two)] == ["device type my-npu: interconnect x 1 GB/s -> 2 GB/s"]


def test_a_class_that_is_split_or_merged_is_no_new_machine():
    whole = '- {name: t4, count: 387, hosts: "gpu[001-387]"'
    rest = ", cpu: 104, memory: 512 GiB, devices: [{type: my-gpu, count: 2}]}\n    "
    parts = f'- {{name: t4, count: 200, hosts: "gpu[001-200]"{rest}- {{name: t4-b, count: 187, hosts: "gpu[201-387]"'
    assert told((whole, parts)) == ["node t4 (387): now t4 (200) + t4-b (187)"]
    back = difference(fleet(OLD.replace(whole, parts)), fleet(OLD))
    assert [change.text for change in back] == ["nodes t4 (200) + t4-b (187): now t4 (387)"]
    assert back[0].what == "merged"


def test_added_devices_are_said():
    added = "- {name: spare, cpu: 8}\n    - {name: new, count: 3, devices: [{type: my-gpu, count: 2}, {type: my-npu}]}"
    assert told(("- {name: spare, cpu: 8}", added)) == [
        "node class new: added, 3 machines, each with 2 x my-gpu, 1 x my-npu"
    ]


NODES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(1, 3), st.sampled_from([2, 4]), st.sampled_from(["one", "two"])),
    min_size=1,
    max_size=4,
    unique_by=lambda item: item[0],
)


def drawn(nodes, tdp):
    lines = [
        f"    - {{name: {name}, count: {count}, cpu: {cores}, devices: [{{type: {type_}}}]}}\n"
        for name, count, cores, type_ in nodes
    ]
    types = f"  devices: [{{name: one, kind: gpu, tdp: {tdp} W}}, {{name: two, kind: gpu}}]\n"
    return fleet("apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: x}\nspec:\n  nodes:\n" + "".join(lines) + types)


@settings(deadline=None, max_examples=60)
@given(NODES, NODES, st.sampled_from([1, 2]))
def test_whatever_differs_is_said_and_nothing_else(before, after, tdp):
    old, new = drawn(before, 1), drawn(after, tdp)
    changes = difference(old, new)
    assert (changes == ()) == (old.digest == new.digest)
    assert len({change.text for change in changes}) == len(changes)
    assert bool(difference(new, old)) == bool(changes)
