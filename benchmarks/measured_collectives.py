"""Measured times of collective operations, and the machines that they were measured on, for ``collectives.py``."""

import csv
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aios.cost.courses import Course, courses_of, transfer
from aios.cost.routing import Network
from aios.fleet import compile_fleet, load_catalogue
from aios.fleet.interconnects import load_interconnects
from aios.fleet.topology.fabric import fabric_of
from aios.records.document import parse
from aios.records.fabric import InterconnectType
from aios.records.fleet import DeviceType

HARDWARE = Path(__file__).resolve().parents[1] / "hardware"
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


# ---- the machines that the tables were measured on, as their owners would write them into a fleet file

NVSWITCH = {
    "a100_sxm": ("nvlink3", "nvidia-a100-sxm4-80gb"), "a100_dgx": ("nvlink3", "nvidia-a100-sxm4-80gb"),
    "h100_sxm": ("nvlink4", "nvidia-h100-sxm5-80gb"), "h100_dgx": ("nvlink4", "nvidia-h100-sxm5-80gb"),
    "h200_sxm": ("nvlink4", "nvidia-h200-sxm-141gb"), "b200_sxm": ("nvlink5", "nvidia-b200-sxm-180gb"),
    "b300_sxm": ("nvlink5", "nvidia-b300-sxm-270gb"), "gb200": ("nvlink5", "nvidia-gb200-186gb"),
    "gb300": ("nvlink5", "nvidia-gb300-279gb"),
}  # fmt: skip
BRIDGED = {
    "a100_pairwise_nvlink": ("nvlink3", "nvidia-a100-pcie-80gb"),
    "h100_pairwise_nvlink": ("nvlink4", "nvidia-h100-pcie-80gb"),
}
PCIE = {
    "l40s": ("nvidia-l40s", "interconnect: upi, links: 3"),
    "rtx_pro_6000_server": ("nvidia-rtx-pro-6000-blackwell-server", "interconnect: xgmi-socket, links: 4"),
    "b60": ("intel-arc-pro-b60", ""),
}
# The profiles do not say what joined their machines; these fit the rates seen.
NETWORK = {
    "a100_dgx": "{kind: switch, interconnect: ethernet-100g}",
    "a100_pairwise_nvlink": "{kind: switch, interconnect: ethernet-100g}",
    "h100_dgx": "{kind: switch, interconnect: infiniband-ndr}",
}
FLEET = """
apiVersion: aios/v1
kind: Fleet
metadata: {name: measured}
spec:
  nodes: [{name: n, count: MACHINES, devices: [{type: TYPE, count: CARDS}], topology: INSIDE}]
"""


def machine(system: str) -> tuple[str, int, str]:
    """Return type and number of the cards of one machine, and how they are connected."""
    if system in NVSWITCH:
        return NVSWITCH[system][1], 8, "{kind: nvswitch}"
    if system in BRIDGED:  # pairs of cards with a bridge; PCIe joins the pairs
        return BRIDGED[system][1], 4, "[{kind: nvlink, group: 2}, {kind: pcie}]"
    card, sockets = PCIE[system]
    if not sockets:
        return card, 4, "{kind: pcie}"
    between = f"{{kind: switch, name: numa, group: 2, between: {{kind: switch, name: host, {sockets}}}}}"
    return card, 8, f"{{kind: pcie, group: 2, between: {between}}}"  # two pairs below each of two processors


def fleet_text(system: str, machines: int) -> str:
    card, count, inside = machine(system)
    words = {"MACHINES": str(machines), "TYPE": card, "CARDS": str(count), "INSIDE": inside}
    text = FLEET
    for word, stands_for in words.items():
        text = text.replace(word, stands_for)
    return text + (f"  topology: {NETWORK[system]}\n" if machines > 1 else "")


@cache
def known() -> tuple[dict[str, DeviceType], dict[str, InterconnectType]]:
    return dict(load_catalogue(HARDWARE)), dict(load_interconnects(HARDWARE / "interconnects.yaml"))


@cache
def network(system: str, machines: int) -> Network:
    types, kinds = known()
    documents = parse(fleet_text(system, machines).encode(), "measured.yaml")
    return Network(fabric_of(compile_fleet(documents, types, "measured.yaml"), kinds))


def devices(machines: int, per_node: int) -> tuple[str, ...]:
    names = [f"n-{number}" for number in range(machines)] if machines > 1 else ["n"]
    return tuple(f"{name}/{number}" for name in names for number in range(per_node))


@cache
def courses(system: str, operation: str, count: int, per_node: int) -> tuple[Course, ...]:
    machines = count // per_node
    chosen = devices(machines, per_node)
    if operation == "send-recv":
        return (transfer(network(system, machines), *chosen),)
    return tuple(courses_of(network(system, machines), chosen, operation))  # type: ignore[arg-type]  # of OPERATIONS


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
