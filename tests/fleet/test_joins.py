"""The way between the hosts of two machines, as links and topologies of a fleet file state it."""

from __future__ import annotations

from aios.catalogue import root
from aios.fleet import compile_fleet, load_catalogue
from aios.fleet.topology.fabric import fabric_of
from aios.records.document import parse
from aios.records.joins import NOTHING_KNOWN, Join, Joins

FLEET = """apiVersion: aios/v1
kind: Fleet
metadata: {name: f}
spec:
  nodes:
    - {name: a, devices: [{type: some-npu}], labels: {rack: r1}}
    - {name: b, count: 2, devices: [{type: some-npu, count: 2}], labels: {rack: r1}}
    - {name: c, devices: [{type: some-npu}], labels: {rack: r2}}
  devices: [{name: some-npu, kind: npu}]
"""


def joins(below):
    fleet = compile_fleet(parse((FLEET + below).encode(), "f.yaml"), load_catalogue(root() / "hardware"), "f.yaml")
    machines = [name for node in fleet.nodes for name in node.instances()]
    return Joins(fabric_of(fleet, {}, machines), machines)


def test_links_one_after_the_other():
    found = joins(
        "  links:\n"
        "    - {between: [a, b], bandwidth: 100 MB/s, latency: 1 ms}\n"
        "    - {between: [a, c], bandwidth: 10 MB/s, latency: 2 ms}\n"
    )
    assert found.between("a", "b-1") == Join(1e8, 0.001)
    assert found.between("b-0", "c") == found.between("c", "b-0") == Join(1e7, 0.003)
    assert found.between("b-0", "b-1") == Join(1e8, 0.002), "by way of a"
    assert found.between("a", "nowhere") is None


def test_a_topology_of_racks():
    """To the rack's switch and from it: 2 x 5 us; over the spine 2 x 10 us more."""
    found = joins(
        "  topology:\n"
        "    kind: switch\n    by: rack\n    bandwidth: 1 GB/s\n    latency: 5 us\n"
        "    between: {kind: switch, bandwidth: 500 MB/s, latency: 10 us}\n"
    )
    near, far = found.between("a", "b-0"), found.between("a", "c")
    assert (near.bandwidth, round(near.latency, 9)) == (1e9, 10e-6)
    assert (far.bandwidth, round(far.latency, 9)) == (5e8, 30e-6)


def test_time_is_of_every_message_and_of_all_bytes():
    assert Join(bandwidth=10.0, latency=0.5).seconds(3, 20.0) == 3 * 0.5 + 2.0
    assert NOTHING_KNOWN.between("a", "b") is None
