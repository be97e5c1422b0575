"""Measured times of collective operations, and the machines that they were measured on, for ``collectives.py``."""

import csv
import re
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aios.cost.courses import Course, courses_of, transfer
from aios.cost.routing import Network
from aios.records.fabric import Edge, Fabric

BYTES = {"half": 2, "bfloat16": 2, "int8": 1}
OPERATIONS = {
    "all_reduce": "all-reduce",
    "all_gather": "all-gather",
    "reduce_scatter": "reduce-scatter",
    "alltoall": "all-to-all",
    "send_recv": "send-recv",
}


class Group(NamedTuple):
    """Measurements of one operation on one set of devices: sizes (bytes) and times (s), as arrays of one shape."""

    system: str
    operation: str
    library: str
    count: int
    per_node: int
    sums: bool  # in a type that switches can add up
    sizes: np.ndarray
    times: np.ndarray

    @property
    def like(self) -> tuple[str, str, int]:
        return self.system, self.operation, self.count


# ---- the machines that the tables were measured on, as their makers describe them


def switched(count: int, kind: str, bandwidth: float, node: str = "n") -> list[Edge]:
    return [Edge(f"{node}/{i}", f"{node}#{kind}", bandwidth, 0.0, kind) for i in range(count)]


def pcie_box(count: int, kind: str, lanes: float, host: str, socket: str, between: float) -> list[Edge]:
    """Pairs of cards, two pairs on the bridges of each of two processors."""
    edges = [Edge(f"n/{i}", f"n#pair{i // 2}", lanes, 0.0, kind) for i in range(count)]
    if count > 2:
        edges += [Edge(f"n#pair{i}", f"n#cpu{i // 2}", lanes, 0.0, host) for i in range((count + 1) // 2)]
    if count > 4:
        edges.append(Edge("n#cpu0", "n#cpu1", between, 0.0, socket))
    return edges


def bridged(count: int, link: float, kind: str, lanes: float, pcie: str) -> list[Edge]:
    """Pairs of cards with a bridge; PCIe joins the pairs."""
    edges = [Edge(f"n/{i}", f"n/{i + 1}", link, 0.0, kind) for i in range(0, count, 2)]
    return edges + ([Edge(f"n/{i}", "n#pcie", lanes, 0.0, pcie) for i in range(count)] if count > 2 else [])


def cluster(count: int, per_node: int, inner: Callable[[str], list[Edge]], card: Edge, uplink: float) -> list[Edge]:
    """Machines of ``per_node`` devices, each with a network card of its own, behind one uplink per machine."""
    edges: list[Edge] = []
    for node in range(count // per_node):
        name = f"n{node}"
        edges += inner(name) if per_node > 1 else []
        edges += [Edge(f"{name}/{i}", f"{name}#net", card.bandwidth, 0.0, card.interconnect) for i in range(per_node)]
        edges.append(Edge(f"{name}#net", "#spine", uplink, 0.0, f"{card.interconnect}"))
    return edges


def edges_of(system: str, count: int, per_node: int) -> list[Edge]:
    if system in NVSWITCH:
        kind, bandwidth = NVSWITCH[system]
        if count == per_node:
            return switched(count, kind, bandwidth)
        card, uplink = NETWORK[system]
        return cluster(count, per_node, lambda name: switched(per_node, kind, bandwidth, name), card, uplink)
    if system == "l40s":
        return pcie_box(count, "pcie4-x16", 31.5e9, "pcie4-host-bridge", "upi", 62.4e9)
    if system == "rtx_pro_6000_server":
        return pcie_box(count, "pcie5-x16", 63e9, "pcie5-host-bridge", "xgmi-socket", 256e9)
    if system == "b60":
        return switched(count, "pcie5-x8", 31.5e9)
    link, kind, lanes, pcie = BRIDGED[system]
    if count != per_node:
        card, uplink = NETWORK[system]
        return cluster(count, per_node, lambda _: [], card, uplink)
    return bridged(count, link, kind, lanes, pcie)


NVSWITCH = {
    "a100_sxm": ("nvlink3", 300e9), "a100_dgx": ("nvlink3", 300e9),
    "h100_sxm": ("nvlink4", 450e9), "h200_sxm": ("nvlink4", 450e9), "h100_dgx": ("nvlink4", 450e9),
    "b200_sxm": ("nvlink5", 900e9), "b300_sxm": ("nvlink5", 900e9),
    "gb200": ("nvlink5", 900e9), "gb300": ("nvlink5", 900e9),
}  # fmt: skip
BRIDGED = {
    "a100_pairwise_nvlink": (300e9, "nvlink3", 31.5e9, "pcie4-x16"),
    "h100_pairwise_nvlink": (300e9, "nvlink4", 63e9, "pcie5-x16"),
}
# The profiles do not say what joined their machines; these fit the rates seen.
NETWORK = {
    "a100_dgx": (Edge("", "", 12.5e9, 0.0, "ethernet-100g"), 50e9),
    "a100_pairwise_nvlink": (Edge("", "", 12.5e9, 0.0, "ethernet-100g"), 12.5e9),
    "h100_dgx": (Edge("", "", 50e9, 0.0, "infiniband-ndr"), 400e9),
}


@cache
def courses(system: str, operation: str, count: int, per_node: int) -> tuple[Course, ...]:
    edges = edges_of(system, count, per_node)
    ends = {end for edge in edges for end in edge[:2] if "/" in end}
    devices = tuple(sorted(ends, key=lambda name: [int(digits) for digits in re.findall(r"\d+", name)]))
    network = Network(Fabric(devices=devices, edges=tuple(edges)))
    assert len(devices) == count, (system, devices)
    if operation == "send-recv":
        return (transfer(network, *devices),)
    return tuple(courses_of(network, devices, operation))  # type: ignore[arg-type]  # names come from OPERATIONS


# ---- tables


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("# ")))


def aiconfigurator(path: Path) -> list[Group]:
    found = defaultdict(list)
    for row in table(path):
        operation, count = OPERATIONS[row["op"]], int(row["n_gpu"])
        size = int(row["message_size"]) * BYTES[row["dtype"]]
        if row["library"] == "oneccl" and operation == "all-gather":
            size *= count  # oneCCL's table counts what each rank gives; nccl's counts the result
        library = {"custom_allreduce": "custom"}.get(row["library"], row["library"])
        library = "oneccl" if row["system"] == "b60" else library
        key = (row["system"], operation, library, count, count, row["dtype"] != "int8")
        found[key].append((size, float(row["latency_ms"]) / 1e3))
    return [Group(*key, *np.array(points).T) for key, points in found.items()]


def vidur(path: Path) -> list[Group]:
    found = defaultdict(list)
    for row in table(path):
        count, per_node = int(row["n_gpu"]), int(row["devices_per_node"])
        key = (row["node"], OPERATIONS[row["op"]], "nccl", count, per_node, True)
        found[key].append((int(row["size"]), float(row["median_ms"]) / 1e3))
    return [Group(*key, *np.array(points).T) for key, points in found.items()]
