"""``gres.conf`` -> which devices nodes have, and how these are linked with each other.

Source: Slurm, gres.conf manual.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from aios.records.errors import BadValue
from aios.records.hosts import host_count
from aios.spi.texts import Remarks
from aios_plugins.slurm.configured import names
from aios_plugins.slurm.gres import MOST_DEVICES
from aios_plugins.slurm.lines import File, Line

__all__ = ["Entry", "GresConf"]


@dataclass(frozen=True)
class Entry:
    """Devices of one line.

    links: number of connections with each device of the node, -1 for itself · named: the line names its nodes
    """

    name: str
    type: str | None
    count: int
    links: tuple[int, ...] = ()
    named: bool = False


@dataclass
class GresConf:
    """The lines of all files. everywhere: that name no node · detects: devices are found by slurmd."""

    by_node: dict[str, list[Entry]] = field(default_factory=dict)
    everywhere: list[Entry] = field(default_factory=list)
    detects: bool = False

    def of(self, node: str) -> Sequence[Entry]:
        """Return the entries that count for a node."""
        return (*self.everywhere, *self.by_node.get(node, ()))

    def read(self, file: File, left_out: Remarks) -> None:
        """Add a file's lines; mistakes are noted in it."""
        for line in file.lines:
            if line.include is not None:
                left_out.add(f"`Include {line.include[:100]}` ({file.name}:{line.number}): gres.conf is read alone")
                continue
            if line.pairs.get("autodetect", "off").lower() != "off":
                self.detects = True
            if "name" not in line.pairs:
                continue
            named = "nodename" in line.pairs
            type_ = line.pairs.get("type") or None
            entry = Entry(line.pairs["name"].lower(), type_, _count(file, line), _links(file, line), named)
            if not named:
                self.everywhere.append(entry)
            for node in names(file, line, "nodename") if named else ():
                self.by_node.setdefault(node, []).append(entry)


def _count(file: File, line: Line) -> int:
    stated = line.pairs.get("count")
    files = line.pairs.get("file") or line.pairs.get("multiplefiles")
    if stated is not None:
        found = re.fullmatch(r"([0-9]{1,9})([KMGT]?)", stated, re.IGNORECASE)
        if found is None:
            file.wrong(line, "count", f"`Count`: `{stated[:40]}` is no number", "write a whole number")
            return 0
        return int(found[1]) * int(1024 ** " KMGT".index(found[2].upper() or " "))
    if files is None or "multiplefiles" in line.pairs:
        return 1
    try:
        count = host_count(files)
        if count > MOST_DEVICES:
            raise BadValue(f"it stands for {count} devices, more than any machine has")
        return count
    except BadValue as error:
        file.wrong(line, "file", f"`File`: {error.summary}", error.remedy)
        return 0


def _links(file: File, line: Line) -> tuple[int, ...]:
    text = line.pairs.get("links")
    if text is None:
        return ()
    if not re.fullmatch(r"-?[0-9]{1,3}(,-?[0-9]{1,3}){0,255}", text):
        file.wrong(line, "links", f"`Links`: `{text[:40]}` is no list of numbers", "write it as `-1,4,4,4`")
        return ()
    return tuple(int(number) for number in text.split(","))
