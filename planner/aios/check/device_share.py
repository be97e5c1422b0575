"""Replicas on a device take no more than all of it. Twin of the solver's device share clause."""

from __future__ import annotations

from collections.abc import Iterator

from aios.check.site import Site, capacity_row
from aios.records.selection import LedgerRow

__all__ = ["rows"]

_ROUNDING = 1e-6
"""Part of a device that sums of shares may be off by: three thirds are one device, however they are rounded."""


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per device in use."""
    for machine, node, device, id_ in site.used_devices():
        used = site.taken(lambda standing: standing.share, machine, (device, id_))
        free = node.free_share(id_)
        text = f"{machine} has {'one' if free == 1 else f'{free:g} of'} {device} {id_}"
        row = capacity_row(node, f"{machine}/{device}/{id_}/share", text, used, free)
        yield row.model_copy(update={"holds": used <= free + _ROUNDING})
