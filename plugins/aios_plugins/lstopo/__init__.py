"""Reads what hwloc's ``lstopo`` writes as XML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from aios.spi.importer import Inventory

__all__ = ["Importer"]


class Importer:
    """The importer for hwloc's XML, of versions 1 to 3; each file is a machine."""

    name: ClassVar[str] = "lstopo"
    api_version: ClassVar[int] = 1
    title: ClassVar[str] = "XML of hwloc's lstopo: cores, caches, memory, NUMA nodes, PCI devices"
    example: ClassVar[str] = "lstopo --of xml > node7.xml"
    options: ClassVar[Mapping[str, str]] = {}

    def read(self, texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
        """Return the machines that ``texts`` describe; raises InputError for a file that is none of hwloc's."""
        from aios_plugins.lstopo.machines import read_machines

        return read_machines(texts, options)
