"""Replicas on a machine take no more DRAM than it has. Twin of the solver's node memory clause."""

from __future__ import annotations

from collections.abc import Iterator

from aios.check.site import Site, capacity_row
from aios.records.selection import LedgerRow
from aios.records.units import Dimension, format_quantity

__all__ = ["rows"]


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per machine in use."""
    for machine, node in site.used_machines():
        used = site.taken(lambda standing: standing.demand.node_memory_bytes, machine)
        free = node.free_memory_bytes
        has = "unknown" if free is None else format_quantity(free, Dimension.BYTES)
        text = f"{machine} has {has} of memory" + (" free" if node.used else "")
        yield capacity_row(node, f"{machine}/memory", text, used, free)
