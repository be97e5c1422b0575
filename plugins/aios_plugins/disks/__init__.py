"""The probe of this machine's disks, above all of the one under the working folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, NamedTuple

from aios.records.fleet import Fact, MemoryTier
from aios.spi.probe import Discovery
from aios_plugins.disks.blocks import Disk, disk_below, read_disks
from aios_plugins.disks.measure import Rates, measure_disk
from aios_plugins.disks.mounts import Mount, mount_of

__all__ = ["Probe", "room_bytes"]

_STEPS = 8


class _Space(NamedTuple):
    """Of a file system, in bytes. free: that this user may write."""

    size: float
    free: float


class Probe:
    """Finds disks; an NVMe disk or SSD that holds the working folder becomes a memory tier."""

    name: ClassVar[str] = "disks"
    api_version: ClassVar[int] = 1

    def __init__(self, root: Path = Path("/"), folder: Path | None = None) -> None:
        """``root`` stands before /proc and /sys · ``folder``: the working folder, else the current one."""
        self._root = root
        self._folder = folder

    def discover(self, measure: bool) -> Discovery:
        """Return the disks; ``measure`` adds what the working folder's disk reads (under a second)."""
        disks = read_disks(self._root)
        seen = [_described(disk) for disk in disks]
        try:
            folder = self._folder or Path.cwd()
        except OSError:
            return Discovery(seen=tuple(seen), missing=("the working folder does not exist any more",))
        mount = mount_of(folder, self._root)
        disk = disk_below(mount, self._root) if mount else None
        space = _space(self._root / folder.relative_to(folder.anchor))
        seen += _placed(folder, mount, disk, space)
        rates, problem = (
            measure_disk(folder, space.free if space else None) if measure else (None, "nobody asked for it")
        )
        if rates is not None:
            seen.append(f"sequential read in {folder}: {rates.read / 1e9:.4g} GB/s (measured: {rates.how})")
        missing = [] if rates else [f"disk bandwidth was not measured: {problem}"]
        if not disks:
            missing.append("no disk is visible in /sys/block")
        tier = _tier(disk, mount, space, rates)
        if tier is None and disk is not None:
            missing.append(f"{disk.name} is no memory tier: {_why_none(disk, space)}")
        return Discovery(memory_tiers=(tier,) if tier else (), seen=tuple(seen), missing=tuple(missing))


def _tier(disk: Disk | None, mount: Mount | None, space: _Space | None, rates: Rates | None) -> MemoryTier | None:
    room = room_bytes(space.size, space.free) if space else 0.0
    if disk is None or mount is None or not room or disk.kind not in {"nvme", "ssd"}:
        return None
    ref = f"free on the file system at {mount.where}, in whole {_STEPS}ths of it"
    return MemoryTier(
        name=disk.kind,
        kind=disk.kind,
        bytes=Fact(value=room, unit="B", source="measured", ref=ref),
        read_bytes_per_s=rates and Fact(value=rates.read, unit="B/s", source="measured", ref=rates.how),
        write_bytes_per_s=rates and Fact(value=rates.write, unit="B/s", source="measured", ref=rates.how),
    )


def room_bytes(size: float, free: float) -> float:
    """Return what a tier may hold on a file system: what is free, in whole eighths of its size, rounded down.

    To the byte it would be another machine, with another digest, each time that somebody writes a file.
    """
    return free // (size / _STEPS) * (size / _STEPS) if size else 0.0


def _why_none(disk: Disk, space: _Space | None) -> str:
    if disk.kind in {"nvme", "ssd"}:
        return "its file system is nearly full" if space else "nobody says how much of it is free"
    if disk.kind is None:
        return "the system does not say of what kind it is"
    virtual = ", which says little of a virtual disk" if disk.virtual else ""
    return f"the system reports a rotating disk{virtual}; if it is flash, name it under `memory_tiers`"


def _described(disk: Disk) -> str:
    kind = {"nvme": "NVMe", "ssd": "SSD", "hdd": "rotating"}.get(disk.kind or "", "of unknown kind")
    words = [f"{disk.size_bytes / 2**30:.1f} GiB", kind, disk.virtual and "virtual", disk.model]
    return f"disk {disk.name}: {', '.join(word for word in words if word)} (/sys/block)"


def _placed(folder: Path, mount: Mount | None, disk: Disk | None, space: _Space | None) -> list[str]:
    if mount is None:
        return []
    on = f"on disk {disk.name}" if disk else "on no disk of this machine that is visible"
    size = f", {space.free / 2**30:.1f} of {space.size / 2**30:.1f} GiB free" if space else ""
    return [f"working folder {folder}: {on} ({mount.kind} at {mount.where}{size})"]


def _space(folder: Path) -> _Space | None:
    try:
        told = os.statvfs(folder)
    except (OSError, AttributeError):  # not there, or not on this system
        return None
    return _Space(float(told.f_blocks * told.f_frsize), float(told.f_bavail * told.f_frsize))
