"""Power caps and jurisdictions in fleet files: read, written back, compared, and told where they are wrong."""

from __future__ import annotations

import pytest

from aios.fleet.comparing.difference import difference
from aios.fleet.files.compile import compile_fleet
from aios.fleet.writing.text import fleet_text
from aios.records.document import parse
from aios.records.errors import InputError

HEAD = "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: lab}\nspec:\n"
NODES = """\
  nodes:
    - {name: a, count: 2, cpu: 8, region: north, labels: {rack: r1}, power_cap: 1.2 kW}
    - {name: b, cpu: 8, region: south, jurisdiction: US, labels: {rack: r2}}
  regions: {north: {jurisdiction: [EU, FR]}, south: {jurisdiction: CH}}
"""


def read(text):
    return compile_fleet(parse((HEAD + text).encode(), "fleet.yaml"), {}, "fleet.yaml")


def mistakes(text):
    with pytest.raises(InputError) as caught:
        read(text)
    return [(item.where.line, item.summary, item.remedy) for item in caught.value.diagnostics]


def test_caps_of_machines_groups_and_the_fleet():
    hours = ", ".join(f"{hour + 1} kW" for hour in range(24))
    fleet = read(
        f"  power_cap: [{hours}]\n"
        "  power_caps: [{where: {rack: r1}, cap: 2 kW}, {by: rack, cap: 3 kW}, {by: region, cap: 4000 W}]\n" + NODES
    )
    assert [node.power_cap_w for node in fleet.nodes] == [(1200.0,), ()]
    assert fleet.power_caps[0].cap_w == tuple(1000.0 * (hour + 1) for hour in range(24))
    assert sorted((cap.whose, cap.cap_w[0]) for cap in fleet.power_caps[1:]) == [
        ("each rack", 3000.0),
        ("each region", 4000.0),
        ("rack=r1", 2000.0),
    ]
    assert [cap.where.line for cap in fleet.power_caps] == [5, 6, 6, 6]


def test_a_node_states_its_jurisdiction_before_its_region_does():
    assert [node.jurisdiction for node in read(NODES).nodes] == [("EU", "FR"), ("US",)]


def test_caps_change_the_digest_and_the_order_of_writing_does_not():
    caps = ["{by: rack, cap: 3 kW}", "{where: {rack: r1}, cap: 2 kW}"]
    one, other = (read(f"  power_caps: [{', '.join(order)}]\n{NODES}") for order in (caps, caps[::-1]))
    assert one.digest == other.digest != read(NODES).digest
    assert "power_caps" not in read(NODES).model_dump(mode="json")


def test_a_fleet_with_caps_reads_back_as_it_was():
    fleet = read("  power_cap: 9 kW\n  power_caps: [{by: rack, cap: 3 kW}, {where: {rack: r1}, cap: 2 kW}]\n" + NODES)
    back = compile_fleet(parse(fleet_text(fleet).encode(), "again.yaml"), {}, "again.yaml")
    assert back.digest == fleet.digest


def test_what_changed_is_told():
    old, new = (read(f"  power_cap: {watts} kW\n  power_caps: [{{by: rack, cap: 3 kW}}]\n{NODES}") for watts in (9, 8))
    assert [change.text for change in difference(old, new)] == ["power cap the fleet: power 9 kW -> 8 kW"]
    lower = read(NODES.replace("1.2 kW", "1 kW").replace("US", "CA"))
    assert [change.text for change in difference(read(NODES), lower)] == [
        "node class a: power cap 1.2 kW -> 1 kW",
        "node b: jurisdiction US -> CA",
    ]


@pytest.mark.parametrize(
    ("caps", "summary", "remedy"),
    [
        ("power_cap: 12 kg", "`spec.power_cap`: unknown unit 'kg' for a power", None),
        ("power_cap: 0 W", "`spec.power_cap`: `0 W` is zero; a power here must be more than zero", None),
        ("power_cap: [1 kW, 2 kW]", "`spec.power_cap`: 2 values of a power cap",
         "write one value, or 24: one per hour of the day"),
        ("power_caps: [{cap: 1 kW}]", "this says neither `by` nor `where`", None),
        ("power_caps: [{by: rack, where: {rack: r1}, cap: 1 kW}]", "`by` and `where` are both written", None),
        ("power_caps: [{by: rac, cap: 1 kW}]", "no node has a label `rac`", "did you mean `rack`?"),
        ("power_caps: [{where: {rak: r1}, cap: 1 kW}]", "no node has a label `rak`", "did you mean `rack`?"),
        ("power_caps: [{where: {rack: r7}, cap: 1 kW}]", "no node has `rack: r7`", "did you mean `r2`, `r1`?"),
        ("power_caps: [{by: rack, cap: 1 kW}, {by: rack, cap: 2 kW}]", "the power of each rack is capped twice", None),
    ],
)  # fmt: skip
def test_mistakes(caps, summary, remedy):
    ((line, told, what_to_do),) = mistakes(f"  {caps}\n{NODES}")
    assert (line, told) == (5, summary)
    assert remedy is None or what_to_do == remedy


def test_a_region_that_is_described_twice_has_one_jurisdiction():
    again = "---\n" + HEAD + "  nodes: [{name: c, cpu: 1}]\n  regions: {south: {jurisdiction: EU}}\n"
    assert [told for _, told, _ in mistakes(NODES + again)] == ["region `south` is described twice, and differently"]
