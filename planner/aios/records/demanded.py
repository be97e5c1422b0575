"""What a workload that is no model asks for: so many cores, so much memory, such devices."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import Field

from aios.records.base import Record, Span
from aios.records.intent import Constraints
from aios.records.units import Dimension, format_quantity
from aios.records.when import When
from aios.records.where import Where

__all__ = ["Accelerators", "Demanded", "Site"]


class Accelerators(Record):
    """Devices that one copy takes, all of one type on one node.

    count: how many · share: of each; below 1 only where ``count`` is 1 · types: any of which will do; empty for any
    """

    count: int = 1
    share: float = 1.0
    types: tuple[str, ...] = ()


class Demanded(Record):
    """Equal copies of a stated demand, each of which stands on one node.

    cores: CPU cores of the node · memory_bytes: of its DRAM · copies: that are wanted · required: whether all of them
    must stand; else as many as there is room for · priority: what one copy weighs among those that may be refused ·
    pin, exclude: nodes and device types by name · allowed: by what nodes state · duration_s: after which a copy ends;
    None: it stands all the time · when: a copy that ends may run
    """

    name: str
    labels: Mapping[str, str] = {}
    cores: float = 0.0
    memory_bytes: float = 0.0
    accelerators: Accelerators | None = None
    copies: int = 1
    required: bool = True
    priority: int = 0
    pin: Constraints = Constraints()
    exclude: Constraints = Constraints()
    allowed: Where = Field(default_factory=Where, exclude_if=lambda where: where == Where())
    duration_s: float | None = Field(default=None, exclude_if=lambda seconds: seconds is None)
    when: When | None = Field(default=None, exclude_if=lambda when: when is None)
    where: Span

    @property
    def takes(self) -> str:
        """What one copy takes, in words."""
        parts = []
        if self.cores:
            parts.append(f"{self.cores:g} {'core' if self.cores == 1 else 'cores'}")
        if self.memory_bytes:
            parts.append(format_quantity(self.memory_bytes, Dimension.BYTES))
        wanted = self.accelerators
        if wanted is not None:
            share = f"{wanted.share:g} of " if wanted.share < 1 else ""
            which = " or ".join(wanted.types) or ("accelerator" if wanted.count == 1 else "accelerators")
            parts.append(f"{share}{wanted.count} {which}")
        return ", ".join(parts) or "nothing"


class Site(NamedTuple):
    """A place that may hold a copy. node: name in the fleet · device: type of the devices that it takes, or empty"""

    node: str
    device: str = ""
