"""A machine has one real name, and no two machines share it."""

import pytest

from aios.fleet import compile_fleet
from aios.records.document import parse
from aios.records.errors import InputError

HEAD = "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: f}\nspec:\n  nodes:\n"


def fleet(*nodes):
    text = HEAD + "".join(f"    - {node}\n" for node in nodes)
    return compile_fleet(parse(text.encode(), "fleet.yaml"), {}, "fleet.yaml")


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (['{name: a, hosts: "x1,x1", cpu: 2}'], "machine `x1` is named twice"),
        (['{name: a, hosts: "x[1-3]"}', '{name: b, hosts: "y,x2"}'], "machine `x2` is named twice: `a` has it too"),
    ],
)
def test_a_machine_that_is_named_twice_is_refused_where_it_stands(nodes, said):
    with pytest.raises(InputError) as caught:
        fleet(*nodes)
    (mistake,) = caught.value.diagnostics
    assert (mistake.summary, mistake.remedy) == (said, "name each machine once")
    assert mistake.where.line == 5 + len(nodes)


def test_different_machines_may_have_names_that_are_alike():
    found = fleet('{name: a, hosts: "x[1-3]"}', '{name: b, hosts: "x[01-03]"}')
    assert [node.count for node in found.nodes] == [3, 3]
