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
        text = f"{machine} has {'unknown' if node.cores is None else node.cores} cores"
        yield capacity_row(node, f"{machine}/cores", text, used, node.cores)
