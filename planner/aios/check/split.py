"""Services whose load is split: their groups serve all of it, each its own share. Twin of the solver's split clause."""

from __future__ import annotations

import math
from collections.abc import Iterator

from aios.check.site import Site
from aios.records.intent import Intent, Part
from aios.records.selection import Clause, LedgerRow

__all__ = ["rows"]

_ROUNDING = 1e-9
"""Relative error of a share of a rate."""


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per service: the shares of its groups add up to all of its load."""
    services: dict[str, list[tuple[Intent, Part]]] = {}
    for intent in site.intents:
        if intent.part is not None:
            services.setdefault(intent.part.service, []).append((intent, intent.part))
    for service, members in sorted(services.items()):
        first, part = members[0]
        text = f"all {part.of} pieces of the load of {service} are served"
        clause = Clause(id=f"{service}/split", intent=service, text=text, where=first.where)
        served = sum(own.pieces for _, own in members)
        alike = {(own.of, own.rate_per_s) for _, own in members} == {(part.of, part.rate_per_s)}
        holds = served == part.of and alike and all(_serves(site, intent, own) for intent, own in members)
        yield LedgerRow(clause=clause, value=float(served), slack=float(served - part.of), holds=holds)


def _serves(site: Site, intent: Intent, part: Part) -> bool:
    """Say whether a group is what was chosen for just its pieces, at its share of the rate."""
    priced = site.chosen(intent)
    if priced is None or intent.load is None or priced.pieces != part.pieces or part.pieces < 1:
        return False
    return math.isclose(intent.load.rate_per_s, part.rate_per_s * part.pieces / part.of, rel_tol=_ROUNDING)
