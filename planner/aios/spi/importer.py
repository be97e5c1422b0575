"""What reads other people's descriptions of machines: the importer protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from aios.records.base import Record
from aios.records.fleet import Link, MemoryTier, Topology, Used
from aios.spi.probe import Found

__all__ = ["Importer", "Inventory", "Machine"]


class Machine(Record):
    """One machine as a description has it; what it does not say stays None or empty.

    devices: each with what the description calls it in ``type.identity`` (``name`` above all); they are matched to the
    device catalogue by the core, not here · line: where it stands in the file, from 1
    """

    name: str
    cores: int | None = None
    memory_bytes: float | None = None
    memory_tiers: tuple[MemoryTier, ...] = ()
    devices: tuple[Found, ...] = ()
    labels: Mapping[str, str] = {}
    taints: tuple[str, ...] = ()
    region: str | None = None
    topology: tuple[Topology, ...] = ()
    used: Used | None = None
    price_usd_per_h: float | None = None
    line: int | None = None


class Inventory(Record):
    """What a description says.

    name: of the fleet, if it has one · links: between machines, by name · notes: one sentence each for people, such as
    what was read as what · left_out: one sentence each for what stands there and could not be used, with its line
    """

    name: str | None = None
    machines: tuple[Machine, ...]
    links: tuple[Link, ...] = ()
    topology: tuple[Topology, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Importer(Protocol):
    """Reads one kind of description. A pure function of the text: no clock, no network, no other file.

    title: what it reads, in a few words · example: a command whose output, or a file that, it reads ·
    options: option -> what it means, one line each
    """

    name: ClassVar[str]
    api_version: ClassVar[int]
    title: ClassVar[str]
    example: ClassVar[str]
    options: ClassVar[Mapping[str, str]]

    def read(self, texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
        """Return what ``texts`` (file name -> content; more than one where a description spans files) say.

        Raises InputError with a Diagnostic for each mistake: file, line, column, reason, remedy. Hostile input (deep
        nesting, entity bombs, 50 MB) ends in an InputError too, soon and without much memory.
        """
        ...
