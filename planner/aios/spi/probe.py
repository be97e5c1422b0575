"""What finds hardware: the probe protocol."""

from __future__ import annotations

from typing import ClassVar, Protocol

from aios.records.base import Record
from aios.records.fleet import DeviceType, MemoryTier, Topology

__all__ = ["Discovery", "Found", "Probe"]


class Found(Record):
    """Devices of one type on a machine.

    count: how many; a cpu counts once, all its cores together · partitions: the parts that each of them is cut into, by
    name; empty when whole · used: share taken of each, in order; empty when nothing is known to be taken
    """

    type: DeviceType
    count: int = 1
    partitions: tuple[str, ...] = ()
    used: tuple[float, ...] = ()


class Discovery(Record):
    """What a probe found on this machine, and what it looked for in vain.

    cores, memory_bytes, memory_tiers: of the node, where this probe knows them · topology: of the devices that it
    found, by their ids · seen, missing: one sentence each, for people
    """

    devices: tuple[Found, ...] = ()
    cores: int | None = None
    memory_bytes: float | None = None
    memory_tiers: tuple[MemoryTier, ...] = ()
    topology: tuple[Topology, ...] = ()
    seen: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Probe(Protocol):
    """Looks at this machine. Never raises because hardware or a driver is absent: that is ``missing``."""

    name: ClassVar[str]
    api_version: ClassVar[int]

    def discover(self, measure: bool) -> Discovery:
        """Return what is there. ``measure``: also run short measurements (memory bandwidth), about a second in all."""
