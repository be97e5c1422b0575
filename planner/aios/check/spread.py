"""No failure domain holds more of an intent's parts than it may. Twin of the solver's spread clause."""

from __future__ import annotations

from collections.abc import Iterator

from aios.check.domains import counted
from aios.check.site import Site
from aios.records.selection import Clause, LedgerRow
from aios.records.where import place_of

__all__ = ["rows"]

_ROUNDING = 1e-9
"""Of a number of replicas: 3 of 10 are within 30 %, however that is stored."""


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per rule: the fullest domain, and that the domain of every part is known."""
    for intent in site.intents:
        for number, spread in enumerate(intent.placement.spread):
            found = counted(site, intent.name, spread.over)
            fullest, total = max(found.values(), default=0), sum(found.values())
            key, most = "max", float(spread.most or 0)
            if spread.share is not None:
                key, most = "max_share", spread.share * total
            clause = Clause(
                id=f"{intent.name}/spread/{spread.over}",
                intent=intent.name,
                text=spread.text(intent.name),
                where=place_of(intent.spans, intent.where, "spread", number, key),
            )
            holds = None not in found and fullest <= most + _ROUNDING
            yield LedgerRow(clause=clause, value=float(fullest), slack=most - fullest, holds=holds)
