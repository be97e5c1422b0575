"""NUMA nodes: their processors and memory, and memory that is attached over CXL, from /sys/devices and /sys/bus."""

from __future__ import annotations

import re
from pathlib import Path

from aios.records.base import Record
from aios.records.fleet import Fact, MemoryTier
from aios_plugins.cpu.lists import numbers

__all__ = ["NumaNode", "cxl_tiers", "read_numa"]


class NumaNode(Record):
    """One NUMA node.

    cpus: its processors · memory_bytes: in all · distances: to every node, in order, 10 to itself · cxl: its memory is
    attached over CXL, as the system says · read_bytes_per_s, write_bytes_per_s, latency_s: from the processors next to
    it, as the firmware's table (ACPI HMAT) says
    """

    number: int
    cpus: tuple[int, ...] = ()
    memory_bytes: float | None = None
    distances: tuple[int, ...] = ()
    cxl: bool = False
    read_bytes_per_s: float | None = None
    write_bytes_per_s: float | None = None
    latency_s: float | None = None


def read_numa(root: Path = Path("/")) -> tuple[NumaNode, ...]:
    """Return the NUMA nodes that have processors or memory; ``root`` stands before /sys. Never raises."""
    folders = [
        (int(folder.name[4:]), folder)
        for folder in (root / "sys/devices/system/node").glob("node*")
        if re.fullmatch(r"node\d{1,5}", folder.name)
    ]
    cxl = _cxl_nodes(root)
    nodes = [_node(number, folder, number in cxl) for number, folder in sorted(folders)]
    return tuple(node for node in nodes if node.cpus or node.memory_bytes)


def cxl_tiers(nodes: tuple[NumaNode, ...]) -> tuple[MemoryTier, ...]:
    """Return the nodes without processors whose memory is attached over CXL as tiers, ``cxl0``, ``cxl1``..."""
    found = [node for node in nodes if node.cxl and not node.cpus and node.memory_bytes]
    return tuple(
        MemoryTier(
            name=f"cxl{index}" if len(found) > 1 else "cxl",
            kind="cxl",
            bytes=Fact(
                value=node.memory_bytes or 0.0, unit="B", source="measured", ref=f"NUMA node {node.number}, sysfs"
            ),
            read_bytes_per_s=_told(node.read_bytes_per_s, "B/s"),
            write_bytes_per_s=_told(node.write_bytes_per_s, "B/s"),
            latency_s=_told(node.latency_s, "s"),
        )
        for index, node in enumerate(found)
    )


def _told(value: float | None, unit: str) -> Fact | None:
    return None if value is None else Fact(value=value, unit=unit, source="declared", ref="the firmware's HMAT table")


def _node(number: int, folder: Path, cxl: bool) -> NumaNode:
    memory = re.search(r"MemTotal:\s+(\d{1,15}) kB", _text(folder / "meminfo"))
    near = folder / "access0/initiators"
    rates = [_number(near / name) for name in ("read_bandwidth", "write_bandwidth", "read_latency")]
    return NumaNode(
        number=number,
        cpus=numbers(_text(folder / "cpulist")),
        memory_bytes=float(memory[1]) * 1024 if memory and int(memory[1]) else None,
        distances=tuple(int(word) for word in _text(folder / "distance").split() if re.fullmatch(r"\d{1,3}", word)),
        cxl=cxl,
        read_bytes_per_s=rates[0] and rates[0] * 1e6,  # the kernel's table is in MB/s and ns
        write_bytes_per_s=rates[1] and rates[1] * 1e6,
        latency_s=rates[2] and round(rates[2] * 1e-9, 12),
    )


def _cxl_nodes(root: Path) -> set[int]:
    """Return the NUMA nodes of CXL memory: those that the dax devices of a CXL region are, or would be, part of.

    Such a device stands below ``dax_region0``, a device of the CXL bus; others are persistent memory or HBM.
    """
    found = set()
    for device in (root / "sys/bus/dax/devices").glob("dax*"):
        of_cxl = re.search(r"/dax_region\d+/", str(device.resolve()))
        if of_cxl and (node := _number(device / "target_node")) is not None:
            found.add(int(node))
    return found


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if re.fullmatch(r"\d{1,15}", text) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
