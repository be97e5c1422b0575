"""Replicas on a machine take no more CPU cores than it has. Twin of the solver's cores clause."""

from __future__ import annotations

from collections.abc import Iterator

from aios.check.site import Site, capacity_row
from aios.records.selection import LedgerRow

__all__ = ["rows"]


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per machine in use."""
    for machine, node in site.used_machines():
        used = site.taken(lambda standing: standing.demand.cores, machine)
        free = node.free_cores
        text = f"{machine} has {'unknown' if free is None else f'{free:g}'} cores" + (" free" if node.used else "")
        yield capacity_row(node, f"{machine}/cores", text, used, free)
