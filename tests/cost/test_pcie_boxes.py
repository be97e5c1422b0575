"""Boxes of PCIe cards as people write or import them, against what was measured in one.

Measured by ai-dynamo/aiconfigurator (Apache-2.0, commit 095f58a) with NCCL 2.27.3 on eight L40S; 512 MiB, seconds.
"""

import pytest

from aios import catalogue
from aios.cost import collective
from aios.fleet import compile_fleet, load_catalogue
from aios.fleet.imports.assemble import assemble
from aios.fleet.interconnects import load_interconnects
from aios.fleet.topology.fabric import fabric_of
from aios.records.document import parse
from aios_plugins.nvidia.importer import Importer

HARDWARE = catalogue.root() / "hardware"
TYPES = load_catalogue(HARDWARE)
KINDS = load_interconnects(HARDWARE / "interconnects.yaml")
SIZE = float(512 << 20)
MEASURED = [
    (2, "all-reduce", 0.0266), (2, "all-to-all", 0.0120), (4, "all-gather", 0.0853), (4, "all-to-all", 0.0879),
    (4, "reduce-scatter", 0.0684), (8, "all-gather", 0.3976), (8, "all-to-all", 0.2828),
    (8, "reduce-scatter", 0.2843), (8, "all-reduce", 0.7210),
]  # fmt: skip
PAIRS = "kind: pcie, group: 2, between: {kind: switch, name: numa, group: 2, between: {kind: switch, name: host"
STATED = f"topology: {{{PAIRS}, interconnect: upi, links: 3}}}}}}"


def box(topology="", cpu="", count=8):
    devices = f"[{{type: nvidia-l40s, count: {count}}}{cpu}]"
    text = f"""
apiVersion: aios/v1
kind: Fleet
metadata: {{name: f}}
spec: {{nodes: [{{name: n, devices: {devices}{", " if topology else ""}{topology}}}]}}
"""
    return fabric_of(compile_fleet(parse(text.encode(), "f.yaml"), TYPES, "f.yaml"), KINDS)


def imported():
    """What `nvidia-smi topo -m` prints of that box: pairs on switches, two pairs on each of two processors."""
    near = {0: " X ", 1: "PIX", 2: "NODE", 3: "NODE"}
    cells = [["SYS" if a // 4 != b // 4 else near[a ^ b] for b in range(8)] for a in range(8)]
    head = "\t".join(["", *(f"GPU{i}" for i in range(8)), "CPU Affinity", "NUMA Affinity"])
    rows = ["\t".join([f"GPU{a}", *row, "0-31", str(a // 4)]) for a, row in enumerate(cells)]
    inventory = Importer().read({"n.topo.txt": "\n".join([head, *rows, ""]).encode()}, {"device": "NVIDIA L40S"})
    return fabric_of(assemble(inventory, TYPES, {}, "n.topo.txt").fleet, KINDS)


def time(fabric, count, operation):
    devices = [device for device in fabric.devices if "cpu" not in device]
    return collective(fabric, devices[:count], operation, SIZE)


@pytest.mark.parametrize(("count", "operation", "measured"), MEASURED)
def test_a_box_that_its_owner_describes_is_predicted_as_calibrated(count, operation, measured):
    found = time(box(STATED), count, operation)
    assert found.low <= measured <= found.high
    assert found.value == pytest.approx(measured, rel=0.5)


@pytest.mark.parametrize(("count", "operation", "measured"), MEASURED)
def test_an_imported_box_is_the_same_box(count, operation, measured):
    found, stated = time(imported(), count, operation), time(box(STATED), count, operation)
    assert found.value == pytest.approx(stated.value, rel=1e-3)
    assert found.low <= measured <= found.high
    assert found.source == ("assumed" if count > 2 else stated.source)  # bridges and sockets: no tool tells their rates


@pytest.mark.parametrize(("count", "operation", "measured"), MEASURED)
def test_a_box_that_nobody_describes_has_an_interval_that_covers_what_it_may_be(count, operation, measured):
    fabric = box()
    found = time(fabric, count, operation)
    assert found.low <= measured <= found.high
    assert found.low <= time(box("topology: {kind: pcie}"), count, operation).value  # one switch
    assert found.source == "assumed"
    assert any("nobody states what PCIe joins its 8 cards by" in said for said in fabric.unknown)


def test_a_switch_that_is_stated_and_links_of_their_own_are_taken_as_they_are():
    assert time(box("topology: {kind: pcie}"), 8, "all-reduce").source == "calibrated"
    assert not [said for said in box("topology: {kind: pcie}").unknown if "cards by" in said]
    assert not [said for said in box(count=1).unknown if "cards by" in said]
    linked = box("topology: {kind: switch, name: fast, bandwidth: 100 GB/s, interconnect: nvlink4, latency: 1 us}")
    assert not [said for said in linked.unknown if "cards by" in said]
    assert {edge.interconnect for edge in linked.edges if edge.level == "host"} == {"pcie4-x16"}


@pytest.mark.parametrize(
    ("cpu", "kind", "rate"),
    [
        ("", "socket-link", 62.4e9),
        (", {type: intel-xeon-platinum-8380, count: 2}", "upi", 3 * 20.8e9),
        (", {type: amd-epyc-9554, count: 2}", "xgmi-socket", 4 * 64e9),
        (", {type: ampere-altra-q80-30, count: 2}", "socket-link", 62.4e9),
    ],
)
def test_what_is_above_the_switches_follows_from_cards_and_processors(cpu, kind, rate):
    fabric = box(f"topology: {{{PAIRS}}}}}}}", cpu)
    kinds = {
        edge.level: (edge.interconnect, edge.bandwidth, edge.assumed) for edge in fabric.edges if edge.interconnect
    }
    assert kinds["pcie"] == ("pcie4-x16", 31.5e9, False)
    assert kinds["numa"] == ("pcie4-host-bridge", 31.5e9, True)
    assert kinds["host"] == (kind, rate, True)


def test_the_default_host_of_pcie_groups_is_the_shared_host_bridge():
    fabric = box("topology: {kind: pcie, group: 2}")
    assert {edge.interconnect for edge in fabric.edges if edge.level == "host"} == {"pcie4-host-bridge"}
    stated = box("topology: {kind: pcie, group: 2, host: {bandwidth: 31.5 GB/s}}")
    assert time(fabric, 4, "all-reduce").value == time(stated, 4, "all-reduce").value
    assert (time(fabric, 4, "all-reduce").source, time(stated, 4, "all-reduce").source) == ("assumed", "calibrated")
    assert time(fabric, 2, "all-reduce").source == "calibrated"  # two cards of one switch: nothing is assumed
