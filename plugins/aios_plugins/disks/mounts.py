"""Which file system a folder is on, from /proc/self/mountinfo."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from aios.records.base import Record

__all__ = ["Mount", "mount_of"]


class Mount(Record):
    """A mounted file system. device: ``major:minor`` · where: mount point · kind: such as ``ext4`` · source: what is
    mounted, ``/dev/sda2``"""

    device: str
    where: str
    kind: str
    source: str


def mount_of(folder: Path, root: Path = Path("/")) -> Mount | None:
    """Return the mount that ``folder`` is on; ``root`` stands before /proc. Never raises."""
    try:
        text = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    best: Mount | None = None
    for mount in filter(None, map(_mount, text.splitlines())):
        inside = PurePosixPath(folder).is_relative_to(mount.where)
        if inside and (best is None or len(mount.where) >= len(best.where)):  # a later mount covers an earlier one
            best = mount
    return best


def _mount(line: str) -> Mount | None:
    """Read a line, proc(5): ``36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue``."""
    fields, separator, rest = line.partition(" - ")
    words, after = fields.split(" "), rest.split(" ")
    if not separator or len(words) < 5 or len(after) < 2:
        return None
    return Mount(device=words[2], where=_plain(words[4]), kind=after[0], source=_plain(after[1]))


def _plain(written: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), written)
