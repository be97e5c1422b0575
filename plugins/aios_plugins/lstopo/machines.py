"""hwloc's XML -> Inventory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType, Fact, MemoryKind, MemoryTier
from aios.spi.importer import Inventory, Machine
from aios.spi.probe import Found
from aios_plugins.lstopo.accelerators import MOST_CONNECTED, connections, devices_of, find_accelerators
from aios_plugins.lstopo.objects import Object, Topology, is_memory, read_topology

__all__ = ["read_machines"]

# hwloc's subtype (of hwloc 3: MemoryTier) of a NUMA node -> the kind of its memory; without one it is DRAM.
_KINDS: dict[str, MemoryKind] = {"HBM": "hbm", "MCDRAM": "hbm", "CXL-DRAM": "cxl", "CXL-HBM": "cxl", "CXL": "cxl"}
_PLAIN = ("", "DRAM")
_CPUSET = re.compile(r"(0xf\.\.\.f(,|$))?(0x[0-9a-f]{1,8})?(,(0x[0-9a-f]{1,8})?){0,4096}")
_MIB = 2**20


def read_machines(texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
    """Return the machines of all files; raises InputError with the mistakes of each."""
    if options:
        raise InputError(Diagnostic(summary=f"unknown option `{next(iter(options))}`", remedy="lstopo takes none"))
    reading = _Reading()
    mistakes: list[Diagnostic] = []
    for file, content in texts.items():
        try:
            topology = read_topology(content, file)
        except InputError as error:
            mistakes += error.diagnostics
            continue
        for machine in topology.machines:
            reading.machine(machine, topology, file)
    if mistakes:
        raise InputError(*mistakes)
    return Inventory(machines=tuple(reading.machines), notes=tuple(reading.notes), left_out=tuple(reading.left_out))


class _Reading:
    """What has been read so far."""

    def __init__(self) -> None:
        self.machines: list[Machine] = []
        self.notes: list[str] = []
        self.left_out: list[str] = []

    def machine(self, machine: Object, topology: Topology, file: str) -> None:
        """Read a machine."""
        stem = PurePosixPath(file).name.removesuffix(".xml")
        name = _slug(machine.infos.get("HostName", "")) or _slug(stem) or "machine"
        taken = {other.name for other in self.machines}
        number, free = 1, name
        while free in taken:
            number, free = number + 1, f"{name}-{number + 1}"
        parts = list(machine.below())
        threads = self._threads(machine, parts)
        accelerators, left_out = find_accelerators(machine)
        self.left_out += [f"{free}: {sentence}" for sentence in left_out]
        if len(accelerators) > MOST_CONNECTED:
            self.left_out.append(f"{free}: how its {len(accelerators)} devices are connected, which are too many")
        found, ids = devices_of(accelerators)
        memory, tiers = self._memory([machine, *parts], topology, free)
        self._disks(parts, free, tiers)
        processors = _processors(machine, parts, threads)
        nodes = [part for part in parts if part.type == "NUMANode" and is_memory(part)]
        self.machines.append(
            Machine(
                name=free,
                cores=threads or None,
                memory_bytes=memory,
                memory_tiers=tuple(tiers),
                devices=(*([Found(type=processors)] if processors else []), *found),
                labels={"numa-nodes": str(len(nodes))} if len(nodes) > 1 else {},
                topology=connections(accelerators, ids, topology.distances),
                line=machine.line,
            )
        )

    def _threads(self, machine: Object, parts: Sequence[Object]) -> int:
        """Return how many hardware threads may be used."""
        allowed = _members(machine.attributes.get("allowed_cpuset"))
        online = _members(machine.attributes.get("online_cpuset"))
        count = 0
        for part in parts:
            index = part.number("os_index")
            if part.type == "PU" and all(
                chosen is None or index is None or chosen >> int(index) & 1 for chosen in (allowed, online)
            ):
                count += 1
        return count

    def _memory(
        self, objects: Sequence[Object], topology: Topology, name: str
    ) -> tuple[float | None, list[MemoryTier]]:
        """Return the bytes of DRAM, and a tier for each further kind of memory, all its NUMA nodes together."""
        dram = 0.0
        kinds: dict[MemoryKind, list[Object]] = {}
        for found in filter(is_memory, objects):
            size = found.number("local_memory") or 0.0
            kind = found.infos.get("MemoryTier") or found.subtype
            if kind in _PLAIN:
                dram += size
            elif kind in _KINDS:
                kinds.setdefault(_KINDS[kind], []).append(found)
            else:
                what = f"{size / 2**30:.4g} GiB of {kind} (NUMA node {found.attributes.get('os_index', '?')})"
                self.left_out.append(f"{name}: {what} are neither DRAM nor memory that a tier can be made of")
        if not dram and kinds:
            self.notes.append(f"{name}: all its memory is of a further tier; it has no DRAM")
        return dram or None, [_tier(kind, nodes, topology) for kind, nodes in kinds.items()]

    def _disks(self, parts: Sequence[Object], name: str, tiers: list[MemoryTier]) -> None:
        """Add the NVMe disks as a tier; say of other memory and disks that they are left out."""
        size, others = 0.0, []
        for part in parts:
            label = part.attributes.get("name", "")
            if part.type != "OSDev" or part.above[-1].attributes.get("type") == "OSDev":
                continue
            if re.fullmatch(r"nvme\d+n\d+", label) and (bytes_ := part.kibibytes("Size")):
                size += bytes_
            elif re.fullmatch(r"(sd[a-z]+|vd[a-z]+|pmem\d+|dax\d+\.\d+|mem\d+)", label):
                others.append(f"{label} ({part.subtype})" if part.subtype else label)
        if size:
            fact = Fact(value=size, unit="B", source="declared", ref="hwloc")
            tiers.append(MemoryTier(name="nvme", kind="nvme", bytes=fact))
        if others:
            self.left_out.append(f"{name}: disks and memory devices of no known kind: {', '.join(others[:12])}")


def _tier(kind: MemoryKind, nodes: Sequence[Object], topology: Topology) -> MemoryTier:
    """Return the tier that NUMA nodes of one kind make. hwloc's memory attributes are in MiB/s and ns."""
    rates = {
        name: [topology.attributes.get(name, {}).get(node.attributes.get("gp_index", "")) for node in nodes]
        for name in ("Bandwidth", "ReadBandwidth", "WriteBandwidth", "Latency", "ReadLatency")
    }

    def total(*names: str) -> Fact | None:
        for name in names:
            values = [value for value in rates[name] if value]
            if len(values) == len(nodes):
                return Fact(value=sum(values) * _MIB, unit="B/s", source="declared", ref=f"hwloc, {name} of its nodes")
        return None

    latencies = [value for name in ("Latency", "ReadLatency") for value in rates[name] if value]
    size = sum(node.number("local_memory") or 0.0 for node in nodes)
    return MemoryTier(
        name=kind,
        kind=kind,
        bytes=Fact(value=size, unit="B", source="declared", ref="hwloc"),
        read_bytes_per_s=total("ReadBandwidth", "Bandwidth"),
        write_bytes_per_s=total("WriteBandwidth", "Bandwidth"),
        latency_s=Fact(value=max(latencies) * 1e-9, unit="s", source="declared", ref="hwloc") if latencies else None,
    )


def _processors(machine: Object, parts: Sequence[Object], threads: int) -> DeviceType | None:
    """Return the processors as one device; None where none can be used."""
    if not threads:
        return None
    packages = [part for part in parts if part.type == "Package"]
    top = machine.infos
    infos = [package.infos for package in packages] or [top]
    names = dict.fromkeys(" ".join(info["CPUModel"].split()) for info in infos if info.get("CPUModel"))
    cores = sum(part.type == "Core" for part in parts)
    caches: dict[str, float] = {}
    for part in parts:
        if re.fullmatch(r"L[1-5]d?", part.type) and (size := part.number("cache_size")):
            caches[part.type.lower()] = caches.get(part.type.lower(), 0.0) + size
    name = " + ".join(names) or top.get("Architecture") or "cpu"
    identity = {
        "name": name,
        "vendor": infos[0].get("CPUVendor", ""),
        "family": infos[0].get("CPUFamilyNumber", ""),
        "model": infos[0].get("CPUModelNumber", ""),
        "stepping": infos[0].get("CPUStepping", ""),
        "board": top.get("PlatformBoardID", "") or top.get("DMIProductName", ""),
        "machine": top.get("Architecture", ""),
        "physical_cores": str(cores) if cores else "",
        "packages": str(len(packages)) if packages else "",
    }
    return DeviceType(
        name=_slug(name) or "cpu",
        kind="cpu",
        model=" + ".join(names) or None,
        cores=threads,
        cache_bytes={
            level: Fact(value=size, unit="B", source="declared", ref="hwloc") for level, size in sorted(caches.items())
        },
        identity={key: text for key, text in identity.items() if text},
    )


def _members(cpuset: str | None) -> int | None:
    """Return a set of processors (words of 32 bits, the highest first) as the bits of a number; None if unstated."""
    if not cpuset or not _CPUSET.fullmatch(cpuset):
        return None
    infinite = cpuset.startswith("0xf...f")
    words = cpuset.removeprefix("0xf...f").removeprefix(",").split(",")
    number = -1 if infinite else 0
    for word in words if words != [""] else []:
        number = number << 32 | int(word or "0", 16)
    return number


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:63]
