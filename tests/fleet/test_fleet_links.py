"""Links between machines and devices; what is connected and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.fleet import compile_fleet
from aios.fleet.files.machinenames import MachineNames
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.fleet import DeviceType, Node

CATALOGUE = {"gpu": DeviceType(name="gpu", kind="gpu")}
NODES = "  nodes: [{name: a, devices: [{type: gpu, count: 2}]}, {name: b, count: 3}, {name: c}]\n"


def fleet(spec: str):
    text = f"apiVersion: aios/v1\nkind: Fleet\nmetadata: {{name: lab}}\nspec:\n{spec}"
    return compile_fleet(parse(text.encode(), "fleet.yaml"), CATALOGUE, "fleet.yaml")


def linked(*ends: str, more: str = ""):
    links = "".join(f"    - {{between: [{end}], bandwidth: 1 GB/s}}\n" for end in ends)
    return fleet(f"{NODES}  links:\n{links}{more}")


def mistakes(call, *arguments: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return [item.summary for item in caught.value.diagnostics]


def test_nodes_machines_and_devices_may_be_linked():
    result = linked("c, a", "b, a", "b-2, c", "a/1, a/0")
    assert [link.ends for link in result.links] == [("a", "b"), ("a", "c"), ("a/0", "a/1"), ("b-2", "c")]


@pytest.mark.parametrize(
    ("ends", "mistake"),
    [
        ("a, b-3", "there is no node `b-3`"),
        ("a, b-01", "there is no node `b-01`"),
        ("a, a-0", "there is no node `a-0`"),
        ("a/0, a/2", "node `a` has no device `2`"),
        ("a/0, z/0", "there is no node `z`"),
        ("a, a", "a link joins two different ends, not `a` to itself"),
        ("a/0, c", "`a/0` and `c` are not of one kind"),
        ("a/0, c/0", "node `c` has no device `0`"),
    ],
)
def test_a_link_to_nowhere(ends, mistake):
    assert mistake in mistakes(linked, ends, "a, b", "b, c")


def test_the_same_link_twice_is_a_contradiction_unless_it_is_of_another_kind():
    assert mistakes(linked, "a, b", "b, c", "b, a") == ["the link between `a` and `b` stands twice"]
    text = (
        f"{NODES}  links:\n    - {{between: [a, c], bandwidth: 1 GB/s, interconnect: ethernet-10g}}\n"
        "    - {between: [a, c], bandwidth: 25 GB/s, interconnect: infiniband-hdr}\n"
        "    - {between: [a, b], bandwidth: 1 GB/s}\n"
    )
    assert len(fleet(text).links) == 3


def test_machines_that_nothing_connects_are_named():
    assert mistakes(linked, "a, b") == ["`a`, `c` are not connected to each other"]
    assert linked("a, b", more="  disconnected: true\n").links


def test_links_between_devices_do_not_connect_machines_and_say_nothing_about_them():
    assert len(linked("a/0, a/1").nodes) == 3


def test_a_topology_over_some_connects_only_these():
    nodes = "  nodes: [{name: a}, {name: b}, {name: c}]\n"
    assert mistakes(fleet, f"{nodes}  topology: {{kind: switch, over: [a, b]}}\n") == [
        "`a`, `c` are not connected to each other"
    ]
    link = "  links: [{between: [c, b], bandwidth: 1 GB/s}]\n"
    assert fleet(f"{nodes}  topology: {{kind: switch, over: [a, b]}}\n{link}").topology


def test_groups_without_anything_between_them_are_not_connected():
    nodes = "  nodes: [{name: a, count: 32}]\n"
    assert mistakes(fleet, f"{nodes}  topology: {{kind: switch, name: rack, group: 8}}\n") == [
        "the 4 groups of `rack` are not connected to each other"
    ]
    between = "between: {kind: switch, group: 2, between: {kind: ring}}"
    assert fleet(f"{nodes}  topology: {{kind: switch, group: 8, {between}}}\n").topology
    assert fleet(f"{nodes}  topology: {{kind: switch, group: 32}}\n").topology


def test_where_no_connection_is_stated_nothing_is_wrong():
    assert fleet(NODES).links == ()


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "a-1", "a-1-0", "a-01", "b", "b-0", "a-2"]), st.integers(1, 3)), max_size=6
    )
)
def test_names_clash_exactly_when_two_machines_have_the_same(written):
    names = MachineNames()
    kept: list[Node] = []
    for name, count in written:
        node = Node(name=name, count=count)
        taken = {instance for other in kept for instance in other.instances()}
        clashes = (taken & set(node.instances())) or name in {other.name for other in kept}
        assert bool(names.add(node)) == bool(clashes)
        if not clashes:
            kept.append(node)
    machines = {instance: node.name for node in kept for instance in node.instances()}
    machines |= {node.name: node.name for node in kept}
    for name in {*machines, "a-0", "a-3", "a-1-1", "b-00", "-1", ""}:
        assert names.node_of(name) == machines.get(name)
