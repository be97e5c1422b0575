"""Block devices, from /sys/block and /sys/class/block."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from aios.records.base import Record
from aios_plugins.disks.mounts import Mount

__all__ = ["Disk", "disk_below", "read_disks"]

_NO_DISK = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd)\d+")
_SECTOR_BYTES = 512  # of /sys/block/*/size, whatever the disk's own sectors are
_DEEPEST = 8  # encryption on a volume on a RAID on a partition are four


class Disk(Record):
    """A disk. kind: as the system reports it, None where it does not · virtual: it is a hypervisor's"""

    name: str
    size_bytes: float
    kind: Literal["nvme", "ssd", "hdd"] | None = None
    model: str | None = None
    virtual: bool = False


def read_disks(root: Path = Path("/")) -> tuple[Disk, ...]:
    """Return the disks of this machine; ``root`` stands before /sys. Never raises."""
    folders = sorted((root / "sys/block").glob("*"))
    disks = [_disk(folder) for folder in folders if not _NO_DISK.fullmatch(folder.name)]
    return tuple(disk for disk in disks if disk.size_bytes)


def disk_below(mount: Mount, root: Path = Path("/")) -> Disk | None:
    """Return the disk that a file system is on, beneath partitions, volumes and encryption.

    None where there is none (network, memory, a container's layers), and where there are several of different kinds.
    """
    device = root / "sys/dev/block" / mount.device
    if not device.exists():  # btrfs and others have no device number of their own
        name = re.fullmatch(r"/dev/([\w.-]+)", mount.source)
        device = root / "sys/class/block" / (name[1] if name else "-")
    if not device.exists():
        return None
    found = {disk.name: disk for disk in _disks_below(device.resolve(), 0)}
    kinds = {disk.kind for disk in found.values()}
    return next(iter(found.values())) if len(kinds) == 1 else None


def _disks_below(folder: Path, depth: int) -> list[Disk]:
    if (folder / "partition").exists():
        folder = folder.parent
    parts = sorted((folder / "slaves").glob("*")) if depth < _DEEPEST else []
    if parts:
        return [disk for part in parts for disk in _disks_below(part.resolve(), depth + 1)]
    return [] if _NO_DISK.fullmatch(folder.name) else [_disk(folder)]


def _disk(folder: Path) -> Disk:
    size, model = _text(folder / "size"), _text(folder / "device/model")
    where = str(folder.resolve())
    return Disk(
        name=folder.name,
        size_bytes=float(size) * _SECTOR_BYTES if re.fullmatch(r"\d{1,15}", size) else 0.0,
        kind=_kind(folder),
        model=re.sub(r"\s+", " ", model) or None,
        virtual="/virtio" in where or "/vbd-" in where or bool(re.search(r"QEMU|Virtual|VMware|VBOX", model)),
    )


def _kind(folder: Path) -> Literal["nvme", "ssd", "hdd"] | None:
    if folder.name.startswith("nvme"):
        return "nvme"
    rotating = {"0": False, "1": True}.get(_text(folder / "queue/rotational"))
    return None if rotating is None else "hdd" if rotating else "ssd"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
