"""The probe of this machine's memory: how much this process may use, NUMA nodes, memory that is attached over CXL."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from aios.spi.probe import Discovery
from aios_plugins.cpu.host import Host, read_host
from aios_plugins.cpu.lists import written
from aios_plugins.cpu.numa import NumaNode, cxl_tiers

__all__ = ["Memory"]

_LOCAL_DISTANCE = 10  # ACPI SLIT: a node to itself


class Memory:
    """Finds DRAM, NUMA nodes and CXL memory; what the processors get out of DRAM is measured with them."""

    name: ClassVar[str] = "memory"
    api_version: ClassVar[int] = 1

    def __init__(self, root: Path = Path("/")) -> None:
        """``root`` stands before /proc and /sys."""
        self._root = root

    def discover(self, measure: bool) -> Discovery:  # noqa: ARG002 - the bandwidth is measured by the probe of the cpu
        """Return size and nodes of the memory, and CXL memory as tiers."""
        host = read_host(self._root)
        tiers = cxl_tiers(host.numa)
        return Discovery(
            memory_bytes=host.usable_memory_bytes,
            memory_tiers=tiers,
            seen=(*_size(host), *(_node(node, host) for node in host.numa if len(host.numa) > 1)),
            missing=tuple(
                f"NUMA node {node.number} has {_gib(node.memory_bytes)} of memory and no processor; the system does "
                "not say of what kind it is, so it is no tier: if it is CXL memory, name it under `memory_tiers`"
                for node in host.numa
                if node.memory_bytes and not node.cpus and not node.cxl
            ),
        )


def _size(host: Host) -> tuple[str, ...]:
    size = host.usable_memory_bytes
    if size is None:
        return ()
    limited = host.memory_limit_bytes is not None and size == host.memory_limit_bytes
    why = f"control group limit; the machine has {_gib(host.memory_bytes)}" if limited else "MemTotal in /proc/meminfo"
    now = f", {_gib(host.available_bytes)} available now" if host.available_bytes is not None else ""
    return (f"memory: {_gib(size)} for this process ({why}{now})",)


def _node(node: NumaNode, host: Host) -> str:
    cpus = f"processors {written(node.cpus)}" if node.cpus else "no processors"
    kind = " over CXL" if node.cxl else ""
    far = [distance for distance in node.distances if distance > _LOCAL_DISTANCE]
    distance = f", distance {min(far)} to {max(far)} to others" if far else ""
    closed = host.numa_allowed is not None and node.number not in host.numa_allowed
    shut = ", closed to this process" if closed else ""
    return f"NUMA node {node.number}: {_gib(node.memory_bytes)}{kind}, {cpus}{distance}{shut} (sysfs)"


def _gib(size: float | None) -> str:
    return "no memory" if size is None else f"{size / 2**30:.1f} GiB"
