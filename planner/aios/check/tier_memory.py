"""What replicas keep in a memory tier is no more than it holds. Twin of the solver's tier memory clause."""

from __future__ import annotations

from collections.abc import Iterator

from aios.check.site import Site, Standing, capacity_row
from aios.records.fleet import MemoryTier, Node
from aios.records.selection import LedgerRow
from aios.records.units import Dimension, format_quantity

__all__ = ["rows"]


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per tier in use, of a machine or of one of its devices."""
    for machine, node in site.used_machines():
        used: dict[tuple[str, str], float] = {}  # (tier, the device it belongs to, or "" for the machine) -> bytes
        for standing in (item for item in site.on(machine) if not item.beside):
            for tier, size in standing.demand.tier_bytes.items():
                key = (tier, f"{standing.device}/{standing.id}" if _own(site, standing, tier) else "")
                used[key] = used.get(key, 0.0) + size * standing.replicas
        for (tier, device), size in sorted(used.items()):
            yield _row(site, node, machine, tier, device, size)


def _own(site: Site, standing: Standing, tier: str) -> bool:
    type_ = site.fleet.types.get(standing.device)
    return type_ is not None and any(item.name == tier for item in type_.memory_tiers)


def _row(site: Site, node: Node, machine: str, name: str, device: str, used: float) -> LedgerRow:
    of_device = site.fleet.types[device.rsplit("/", 1)[0]].memory_tiers if device else ()
    tiers: tuple[MemoryTier, ...] = of_device if device else node.memory_tiers
    tier = next((item for item in tiers if item.name == name), None)
    capacity = 0.0 if tier is None else tier.bytes.value  # a tier that is not there holds nothing
    text = f"{machine} has {format_quantity(capacity, Dimension.BYTES)} of {name}" + (f" on {device}" if device else "")
    what = "/".join(part for part in (machine, device, name, "memory") if part)
    return capacity_row(node, what, text, used, capacity)
