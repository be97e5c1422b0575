"""Reads what this process may use: processors, memory and caches, from /proc, /sys and its control groups."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

from aios.records.base import Record
from aios_plugins.cpu.lists import numbers
from aios_plugins.cpu.numa import NumaNode, read_numa

__all__ = ["Frequency", "Host", "read_caches", "read_host", "read_nominal_frequency"]

_SIZE = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


class Host(Record):
    """What this process may use.

    online: processors of the machine · allowed: those that its affinity mask and its control group leave · quota: CPUs'
    worth of time that its control group leaves, if limited · siblings: allowed processor -> the hardware threads of its
    core, where told · memory_bytes: DRAM of the machine, of the NUMA nodes that it may use; without CXL memory ·
    memory_limit_bytes: of its control group, if limited · available_bytes: that is free now or can be freed · numa:
    nodes · numa_allowed: those whose memory it may use, where told
    """

    online: int
    allowed: tuple[int, ...]
    quota: float | None = None
    siblings: Mapping[int, tuple[int, ...]] = {}
    memory_bytes: float | None = None
    memory_limit_bytes: float | None = None
    available_bytes: float | None = None
    numa: tuple[NumaNode, ...] = ()
    numa_allowed: tuple[int, ...] | None = None

    @property
    def cores(self) -> int:
        """Whole processors that this process may keep busy at once; at least one."""
        limit = len(self.allowed) if self.quota is None else min(len(self.allowed), int(self.quota))
        return max(1, limit)

    @property
    def usable_memory_bytes(self) -> float | None:
        """Memory that this process may use."""
        known = [size for size in (self.memory_bytes, self.memory_limit_bytes) if size is not None]
        return min(known) if known else None

    @property
    def threads_per_core(self) -> int | None:
        """Hardware threads of a core that this process may use; the most where cores differ; None if not told."""
        allowed = set(self.allowed)
        return max((len(allowed & set(threads)) for threads in self.siblings.values()), default=None)


class Frequency(Record):
    """A core's clock. hz: rate · how: where it was read, in words."""

    hz: float
    how: str


def read_host(root: Path = Path("/")) -> Host:
    """Return what this process may use; ``root`` stands before /proc and /sys. Never raises."""
    online = len(numbers(_text(root / "sys/devices/system/cpu/online"))) or os.cpu_count() or 1
    groups = list(_control_groups(root))
    quotas = [quota for folder in groups if (quota := _quota(folder)) is not None]
    limits = [limit for folder in groups if (limit := _memory_limit(folder)) is not None]
    status = _text(root / "proc/self/status")
    numa, numa_allowed = read_numa(root), _listed(status, "Mems_allowed_list")
    total = _dram(root, numa, numa_allowed)
    allowed = _allowed(status, groups, online)
    return Host(
        online=online,
        allowed=allowed,
        quota=min(quotas, default=None),
        siblings=_siblings(allowed, root),
        memory_bytes=total,
        memory_limit_bytes=min((limit for limit in limits if total is None or limit < total), default=None),
        available_bytes=_meminfo(root, "MemAvailable"),
        numa=numa,
        numa_allowed=numa_allowed,
    )


def read_caches(allowed: Set[int], root: Path = Path("/")) -> dict[str, float]:
    """Return cache level (``l1d``, ``l2``...) -> bytes in all that the processors ``allowed`` reach; {} if not told."""
    seen: dict[tuple[str, str], float] = {}
    for processor in sorted(allowed):
        for folder in sorted((root / f"sys/devices/system/cpu/cpu{processor}/cache").glob("index*")):
            level, kind = _text(folder / "level"), _text(folder / "type")
            size = re.fullmatch(r"(\d+)([KMG]?)", _text(folder / "size"))
            if level and size and kind != "Instruction":
                name = f"l{level}d" if kind == "Data" else f"l{level}"
                shared = _text(folder / "shared_cpu_list") or str(processor)
                seen[name, shared] = float(int(size[1]) * _SIZE[size[2]])
    totals: dict[str, float] = {}
    for (name, _), bytes_ in seen.items():
        totals[name] = totals.get(name, 0.0) + bytes_
    return totals


def read_nominal_frequency(processor: int, root: Path = Path("/")) -> Frequency | None:
    """Return the clock that ``processor`` sustains, where the kernel tells it; None on most virtual machines."""
    folder = root / f"sys/devices/system/cpu/cpu{processor}"
    for name, unit, how in (
        ("cpufreq/base_frequency", 1e3, "base frequency from cpufreq"),
        ("acpi_cppc/nominal_freq", 1e6, "nominal frequency from ACPI CPPC"),
        ("cpufreq/cpuinfo_max_freq", 1e3, "largest frequency from cpufreq"),
    ):
        text = _text(folder / name)
        if re.fullmatch(r"[1-9]\d{0,9}", text):
            return Frequency(hz=int(text) * unit, how=how)
    return None


def _allowed(status: str, groups: Iterable[Path], online: int) -> tuple[int, ...]:
    """Return the processors that the affinity mask leaves, which the kernel keeps inside the control group's set."""
    allowed = _listed(status, "Cpus_allowed_list")
    if not allowed and hasattr(os, "sched_getaffinity"):
        allowed = tuple(sorted(os.sched_getaffinity(0)))
    allowed = allowed or tuple(range(online))
    for folder in groups:
        files = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
        group = next((found for name in files if (found := numbers(_text(folder / name)))), allowed)
        allowed = tuple(cpu for cpu in allowed if cpu in set(group)) or allowed
    return allowed


def _listed(status: str, key: str) -> tuple[int, ...] | None:
    match = re.search(rf"^{key}:\s*(\S+)$", status, re.MULTILINE)
    return (numbers(match[1]) or None) if match else None


def _siblings(allowed: Iterable[int], root: Path) -> dict[int, tuple[int, ...]]:
    base = root / "sys/devices/system/cpu"
    told = {cpu: numbers(_text(base / f"cpu{cpu}/topology/thread_siblings_list")) for cpu in allowed}
    return {cpu: threads for cpu, threads in told.items() if threads}


def _control_groups(root: Path) -> Iterator[Path]:
    """Yield the folders of the control groups that this process is in, each with its parents (versions 1 and 2)."""
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        mounts = [base] if not controllers else [base / name for name in (controllers, *controllers.split(","))]
        for mount in dict.fromkeys(mounts):
            folder = mount / path.lstrip("/")
            for place in (folder, *folder.parents):
                yield place
                if place == mount:
                    break


def _quota(folder: Path) -> float | None:
    version2 = re.fullmatch(r"(\d+) (\d+)", _text(folder / "cpu.max"))
    pair = version2 and (version2[1], version2[2])
    pair = pair or (_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))
    if all(re.fullmatch(r"[1-9]\d{0,15}", number) for number in pair):
        return int(pair[0]) / int(pair[1])
    return None


def _memory_limit(folder: Path) -> float | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        text = _text(folder / name)
        if re.fullmatch(r"[1-9]\d{0,20}", text):
            return float(text)
    return None


def _dram(root: Path, numa: Iterable[NumaNode], numa_allowed: Iterable[int] | None) -> float | None:
    """Return the DRAM that the process may use: all but that of CXL and of NUMA nodes that are closed to it."""
    total = _meminfo(root, "MemTotal")
    if total is None:
        try:
            total = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        except (AttributeError, ValueError, OSError):  # not on every system
            return None
    closed = [node for node in numa if node.cxl or (numa_allowed is not None and node.number not in numa_allowed)]
    rest = total - sum(node.memory_bytes or 0.0 for node in closed)
    return rest if rest > 0 else total


def _meminfo(root: Path, key: str) -> float | None:
    match = re.search(rf"^{key}:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    return float(match[1]) * 1024 if match else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
