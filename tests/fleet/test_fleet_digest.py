"""Equal fleets have one digest, however they are written down; different ones do not share it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.fleet import compile_fleet
from aios.records.document import parse
from aios.records.fleet import DeviceType, Partition
from aios.records.fleet import Fact as F

HALF = Partition(name="half", compute_share=F(value=0.5, unit="1"), memory_bytes=F(value=1e9, unit="B"), most=2)
CATALOGUE = {
    "gpu": DeviceType(name="gpu", kind="gpu", partitions=(HALF,)),
    "npu": DeviceType(name="npu", kind="npu"),
    "host": DeviceType(name="host", kind="cpu", cores=64),
}

SPEC = {
    "nodes": [
        {
            "name": "a",
            "count": 2,
            "devices": [
                {"type": "npu", "count": 2},
                {"type": "gpu"},
                {"type": "gpu", "partitions": ["half", "half"]},
                {"type": "host"},
                {"type": "mine"},
            ],
            "labels": {"rack": "r1", "zone": "z"},
            "taints": ["x=y:NoSchedule", "z:NoExecute"],
            "topology": [{"kind": "pcie"}, {"kind": "switch", "name": "ub"}],
        },
        {"name": "b", "cpu": 8, "labels": {"zone": "z", "rack": "r2"}, "region": "north"},
        {"name": "c9", "devices": [{"type": "other"}, {"type": "npu"}], "region": "north"},
        {"name": "c10", "labels": {"rack": "r1"}},
    ],
    "devices": [
        {"name": "mine", "kind": "npu", "tdp": "3 W", "peak": {"int8": "4 TOPS", "fp16": "1 TFLOPS"}},
        {"name": "other", "kind": "gpu", "identity": {"a": "1", "b": "2"}},
    ],
    "links": [
        {"between": ["a", "b"], "bandwidth": "1 GB/s"},
        {"between": ["b", "c9"], "bandwidth": "2 GB/s"},
        {"between": ["b", "c10"], "bandwidth": "2 GB/s"},
    ],
    "regions": {"north": {"carbon": ["30 g/kWh", "40 g/kWh"]}, "south": {"carbon": "7 g/kWh"}},
}

UNORDERED = {"nodes", "devices", "links", "taints", "topology", "between"}
"""Lists whose order says nothing (here: the ids of the devices are mentioned nowhere)."""


def shuffled(draw, value, key=""):
    if isinstance(value, dict):
        order = draw(st.permutations(list(value)))
        return {name: shuffled(draw, value[name], name) for name in order}
    if isinstance(value, list):
        items = [shuffled(draw, item) for item in value]
        return draw(st.permutations(items)) if key in UNORDERED else items
    return value


def digest(*specs: dict, file: str = "fleet.yaml", name: str = "lab") -> str:
    head = {"apiVersion": "aios/v1", "kind": "Fleet", "metadata": {"name": name}}
    text = "\n---\n".join(json.dumps(head | {"spec": spec}) for spec in specs)
    return compile_fleet(parse(text.encode(), file), CATALOGUE, file).digest


ONCE = digest(SPEC)


@given(st.data())
def test_neither_order_nor_place_nor_name_changes_the_digest(data):
    assert digest(shuffled(data.draw, SPEC), file="other.yaml", name="other") == ONCE


@given(st.permutations(SPEC["nodes"]), st.integers(1, 3))
def test_several_documents_are_the_same_as_one(nodes, cut):
    first = {"nodes": nodes[:cut], "devices": SPEC["devices"]}
    rest = {**SPEC, "nodes": nodes[cut:], "devices": []}
    assert digest(first, rest) == digest(rest, first) == ONCE


def test_the_order_of_devices_counts_where_something_refers_to_single_ones():
    def fleet_digest(first: str, second: str, **more: object) -> str:
        return digest({"nodes": [{"name": "a", "devices": [{"type": first}, {"type": second}], **more}]})

    assert fleet_digest("gpu", "npu") == fleet_digest("npu", "gpu")
    assert fleet_digest("gpu", "host", address="local") == fleet_digest("host", "gpu", address="local")
    for mention in (
        {"used": {"devices": {"0": 0.5}}},
        {"address": "local"},
        {"topology": {"kind": "full", "members": ["0"]}},
    ):
        assert fleet_digest("gpu", "npu", **mention) != fleet_digest("npu", "gpu", **mention)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("nodes", 0, "count"), 3),
        (("nodes", 0, "devices", 0, "count"), 3),
        (("nodes", 0, "devices", 2, "partitions"), ["half"]),
        (("nodes", 0, "labels", "rack"), "r2"),
        (("nodes", 0, "taints"), ["z:NoExecute"]),
        (("nodes", 0, "topology", 1, "kind"), "full"),
        (("nodes", 1, "cpu"), 9),
        (("nodes", 1, "region"), "south"),
        (("nodes", 1, "address"), "local"),
        (("nodes", 1, "price"), "3 USD/h"),
        (("nodes", 1, "used"), {"cpu": 1}),
        (("nodes", 1, "hosts"), "b7"),
        (("nodes", 1, "memory_tiers"), [{"kind": "nvme", "capacity": "1 TB"}]),
        (("devices", 0, "tdp"), "4 W"),
        (("devices", 0, "tdp"), {"value": "3 W", "ref": "sheet"}),
        (("devices", 0, "peak", "int8"), "5 TOPS"),
        (("links", 0, "bandwidth"), "3 GB/s"),
        (("links", 0, "interconnect"), "ethernet-10g"),
        (("regions", "north", "carbon"), "30 g/kWh"),
        (("topology",), {"kind": "switch"}),
    ],
)
def test_whatever_is_changed_changes_the_digest(where, value):
    spec = json.loads(json.dumps(SPEC))
    at = spec
    for step in where[:-1]:
        at = at[step]
    at[where[-1]] = value
    assert digest(spec) != ONCE
