"""Replicas on a device take no more memory than it has. Twin of the solver's device memory clause."""

from __future__ import annotations

from collections.abc import Iterator

from aios.check.site import Site, capacity_row
from aios.records.selection import LedgerRow
from aios.records.units import Dimension, format_quantity

__all__ = ["rows"]


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per device in use."""
    for machine, node, device, id_ in site.used_devices():
        used = site.taken(lambda standing: standing.demand.device_memory_bytes, machine, (device, id_))
        type_ = site.fleet.types.get(device)
        fact = None if type_ is None else type_.memory_bytes
        has = "unknown" if fact is None else format_quantity(fact.value, Dimension.BYTES)
        text = f"{device} {id_} of {machine} has {has} of memory"
        yield capacity_row(node, f"{machine}/{device}/{id_}/memory", text, used, None if fact is None else fact.value)
