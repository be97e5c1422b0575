"""Equal fleets have one digest, however they are written down; different ones do not share it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.fleet import compile_fleet, fleet_text
from aios.fleet.comparing.difference import difference
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
            "topology": [
                {"kind": "pcie"},
                {"kind": "switch", "name": "ub"},
                {"kind": "switch", "name": "ub", "latency": "1 us"},
            ],
            "memory_tiers": [
                {"kind": "nvme", "capacity": "2 TB", "read": "7 GB/s"},
                {"kind": "cxl", "capacity": "64 GiB"},
                {"kind": "nvme", "name": "nvme-old", "capacity": "1 TB"},
            ],
            "used": {},
        },
        {"name": "b", "cpu": 8, "labels": {"zone": "z", "rack": "r2"}, "region": "north"},
        {"name": "c9", "devices": [{"type": "other"}, {"type": "npu"}], "region": "north"},
        {"name": "c10", "labels": {"rack": "r1"}},
        {
            "name": "d",
            "devices": [{"type": "mine", "count": 4}],
            "used": {"cpu": 1, "devices": {"1": "50 %", "0": "10 %"}},
            "topology": {"kind": "full", "members": ["0", "1", "2"]},
        },
    ],
    "devices": [
        {
            "name": "mine",
            "kind": "npu",
            "tdp": "30 W",
            "peak": {"int8": "4 TOPS", "fp16": "1 TFLOPS"},
            "features": ["sparse", "int4"],
            "memory_tiers": [{"kind": "sram", "capacity": "8 MB"}, {"kind": "lpddr", "capacity": "8 GB"}],
            "interconnects": [
                {"kind": "pcie3-x4", "bandwidth": "4 GB/s"},
                {"kind": "link", "bandwidth": "1 GB/s"},
                {"kind": "link", "bandwidth": "2 GB/s", "links": 2},
            ],
            "power_modes": [{"name": "low", "cap": "15 W"}, {"name": "full", "cap": "30 W"}],
            "partitions": [
                {"name": "quarter", "compute": "25 %", "memory": "2 GB", "most": 4},
                {"name": "half", "compute": "50 %", "memory": "4 GB", "most": 2},
            ],
        },
        {"name": "other", "kind": "gpu", "identity": {"a": "1", "b": "2"}},
    ],
    "links": [
        {"between": ["a", "b"], "bandwidth": "1 GB/s"},
        {"between": ["b", "c9"], "bandwidth": "2 GB/s"},
        {"between": ["b", "c10"], "bandwidth": "2 GB/s"},
    ],
    "topology": [
        {"kind": "switch", "name": "lan"},
        {"kind": "full", "name": "fast", "over": ["c9", "c10", "d"]},
    ],
    "regions": {"north": {"carbon": ["30 g/kWh", "40 g/kWh"]}, "south": {"carbon": "7 g/kWh"}},
}

UNORDERED = {
    *("nodes", "devices", "links", "taints", "topology", "between", "over", "members"),
    *("memory_tiers", "interconnects", "power_modes", "partitions", "features"),
}
"""Lists whose order says nothing (here: where there are devices of several types, their ids are mentioned nowhere)."""


def shuffled(draw, value, key=""):
    if isinstance(value, dict):
        order = draw(st.permutations(list(value)))
        return {name: shuffled(draw, value[name], name) for name in order}
    if isinstance(value, list):
        items = [shuffled(draw, item) for item in value]
        return draw(st.permutations(items)) if key in UNORDERED else items
    return value


def fleet(*specs: dict, file: str = "fleet.yaml", name: str = "lab"):
    head = {"apiVersion": "aios/v1", "kind": "Fleet", "metadata": {"name": name}}
    text = "\n---\n".join(json.dumps(head | {"spec": spec}) for spec in specs)
    return compile_fleet(parse(text.encode(), file), CATALOGUE, file)


def digest(*specs: dict, **more: str) -> str:
    return fleet(*specs, **more).digest


FIRST = fleet(SPEC)
ONCE = FIRST.digest


@settings(deadline=None)
@given(st.data())
def test_neither_order_nor_place_nor_name_changes_the_digest(data):
    assert digest(shuffled(data.draw, SPEC), file="other.yaml", name="other") == ONCE


@given(st.permutations(SPEC["nodes"]), st.integers(1, 3))
def test_several_documents_are_the_same_as_one(nodes, cut):
    first = {"nodes": nodes[:cut], "devices": SPEC["devices"], "topology": SPEC["topology"]}
    rest = {"nodes": nodes[cut:], "links": SPEC["links"], "regions": SPEC["regions"]}
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
        {"topology": {"kind": "ring"}},
        {"topology": {"kind": "full", "group": 1, "between": {"kind": "ring"}}},
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
        (("nodes", 4, "used", "devices", "0"), "20 %"),
        (("nodes", 4, "topology", "members"), ["0", "1", "3"]),
        (("nodes", 4, "topology", "kind"), "ring"),
        (("devices", 0, "tdp"), "40 W"),
        (("devices", 0, "tdp"), {"value": "30 W", "ref": "sheet"}),
        (("devices", 0, "features"), ["sparse"]),
        (("devices", 0, "interconnects", 1, "links"), 2),
        (("devices", 0, "peak", "int8"), "5 TOPS"),
        (("links", 0, "bandwidth"), "3 GB/s"),
        (("links", 0, "interconnect"), "ethernet-10g"),
        (("regions", "north", "carbon"), "30 g/kWh"),
        (("topology",), {"kind": "switch"}),
        (("topology", 1, "over"), ["c9", "d"]),
    ],
)
def test_whatever_is_changed_changes_the_digest(where, value):
    spec = json.loads(json.dumps(SPEC))
    at = spec
    for step in where[:-1]:
        at = at[step]
    at[where[-1]] = value
    other = fleet(spec)
    assert other.digest != ONCE
    assert difference(FIRST, other)


def test_nothing_taken_is_not_stated():
    for written in ({}, {"cpu": 0}, {"memory": "0 B"}, {"devices": {}}, {"devices": {"0": 0}}):
        nodes = [{"name": "a", "devices": [{"type": "gpu"}, {"type": "npu"}]}]
        assert digest({"nodes": [nodes[0] | {"used": written}]}) == digest({"nodes": nodes})


def test_what_is_said_twice_is_said_once():
    nodes = [{"name": "a", "taints": ["z:NoExecute"]}]
    assert digest({"nodes": [{"name": "a", "taints": ["z:NoExecute", "z:NoExecute"]}]}) == digest({"nodes": nodes})


def test_devices_that_alternate_in_a_ring_are_not_sorted():
    def ring(*types: str) -> dict:
        devices = [{"type": type_} for type_ in types]
        return {"nodes": [{"name": "a", "devices": devices, "topology": {"kind": "ring"}}]}

    alternating = fleet(ring("npu", "gpu", "npu", "gpu"))
    assert {slot.type: slot.ids for slot in alternating.nodes[0].devices} == {"gpu": ("1", "3"), "npu": ("0", "2")}
    assert alternating.digest != digest(ring("npu", "npu", "gpu", "gpu"))


def test_a_fleet_in_any_order_is_written_and_read_back_the_same():
    written = fleet_text(FIRST, CATALOGUE)
    assert compile_fleet(parse(written.encode(), "again.yaml"), CATALOGUE, "again.yaml").digest == ONCE
    assert fleet_text(fleet({**SPEC, "nodes": SPEC["nodes"][::-1]}), CATALOGUE) == written


PLACES = [
    *(("nodes", index, key) for index in range(5) for key in ("cpu", "labels", "taints", "used", "topology")),
    *(("nodes", 0, key) for key in ("memory_tiers", "count", "hosts")),
    *(("devices", 0, key) for key in ("features", "interconnects", "power_modes", "memory_tiers", "partitions", "tdp")),
    ("links",),
    ("topology",),
]
VALUES = {
    "cpu": [8, 9],
    "labels": [{}, {"rack": "r1"}, {"rack": "r1", "zone": "z"}],
    "taints": [[], ["z:NoExecute"], ["z:NoExecute", "x:NoSchedule"], ["x:NoSchedule", "z:NoExecute"]],
    "used": [{}, {"cpu": 1}, {"cpu": 0}],
    "topology": [{"kind": "switch"}, [{"kind": "switch"}, {"kind": "full"}], [{"kind": "full"}, {"kind": "switch"}]],
    "count": [1, 2],
    "hosts": ["a1,a2", "a[1-2]", "a2,a1", "a[1-3]"],
    "memory_tiers": [[], *([{"kind": kind, "capacity": "1 GB"} for kind in kinds] for kinds in (["sram"], ["cxl"]))],
    "features": [["a", "b"], ["b", "a"], ["a, b"], ["a", "b", "a"]],
    "interconnects": [
        [{"kind": "x", "bandwidth": width} for width in widths]
        for widths in (["1 GB/s"], ["1 GB/s", "2 GB/s"], ["2 GB/s", "1 GB/s"], ["3 GB/s", "1 GB/s"])
    ],
    "power_modes": [[], [{"name": "low", "cap": "15 W"}], [{"name": "low", "cap": "15 W", "peak_scale": "50 %"}]],
    "partitions": [[], [{"name": "half", "compute": "50 %", "memory": "4 GB", "most": 2}]],
    "tdp": ["30 W", "31 W", {"value": "30 W", "trust": "datasheet"}],
    "links": [[], [{"between": ["b", "c9"], "bandwidth": "2 GB/s"}], [{"between": ["c9", "b"], "bandwidth": "2 GB/s"}]],
}


def changed(place, value):
    """SPEC with another value at a place."""
    spec = json.loads(json.dumps(SPEC)) | {"disconnected": True}
    at = spec
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    if "hosts" in spec["nodes"][0]:
        spec["nodes"][0].pop("count", None)
    return spec


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_difference_is_said_exactly_where_digests_differ(data):
    place = data.draw(st.sampled_from(PLACES))
    values = st.sampled_from(VALUES[place[-1]])
    one, other = (fleet(shuffled(data.draw, changed(place, data.draw(values)))) for _ in range(2))
    assert (difference(one, other) == ()) == (one.digest == other.digest)
    assert (difference(other, one) == ()) == (one.digest == other.digest)
