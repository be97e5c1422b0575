"""What is left of an intent after the worst losses sustains its load. Twin of the solver's survive clause.

The worst losses are those of the domains with most parts. A part that is lost is taken to end a replica of its own,
which is sure of replicas on one machine and the worst case of those that span several.
"""

from __future__ import annotations

from collections.abc import Iterator

from aios.check.domains import counted
from aios.check.site import Site
from aios.records.candidate import Priced
from aios.records.intent import Intent
from aios.records.selection import Clause, LedgerRow
from aios.records.where import place_of

__all__ = ["rows"]

_ROUNDING = 1e-9
"""Of a load: three thirds of it are all of it."""


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per intent that is to survive losses: the throughput that is left, or, without a load, replicas."""
    for intent in site.intents:
        survive, priced = intent.placement.survive, site.chosen(intent)
        if survive is None:
            continue
        clause = Clause(
            id=f"{intent.name}/survive",
            intent=intent.name,
            text=survive.text(intent.name),
            where=place_of(intent.spans, intent.where, "survive", key="losses"),
        )
        found = counted(site, intent.name, survive.of)
        lost = sum(sorted(found.values(), reverse=True)[: survive.losses])
        value, needed = _left(intent, priced, lost)
        holds = None not in found and value is not None and value >= needed * (1 - _ROUNDING)
        yield LedgerRow(clause=clause, value=value, slack=None if value is None else value - needed, holds=holds)


def _left(intent: Intent, priced: Priced | None, lost: int) -> tuple[float | None, float]:
    """Return what is left after so many replicas are lost, and what is needed."""
    if priced is None:
        return None, 1.0
    replicas = priced.candidate.replicas
    left = max(0, replicas - lost)
    if intent.load is None:
        return float(left), 1.0
    throughput = priced.estimates.get("throughput")
    if throughput is None:
        return None, intent.load.rate_per_s
    sustained = throughput.value if intent.risk == "expected" else throughput.low
    return sustained * left / replicas, intent.load.rate_per_s
