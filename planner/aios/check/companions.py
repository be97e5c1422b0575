"""Which intents stand beside which. Twin of the solver's together and apart clauses."""

from __future__ import annotations

from collections.abc import Iterator

from aios.check.domains import counted
from aios.check.site import Site
from aios.records.intent import Intent
from aios.records.selection import Clause, LedgerRow
from aios.records.where import Companion, place_of

__all__ = ["rows"]


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per rule: in how many domains it is broken, and that every domain is known.

    A companion that is not planned restricts nothing.
    """
    planned = {intent.name for intent in site.intents}
    for intent in site.intents:
        for number, other in enumerate(intent.placement.together):
            if other.intent in planned:
                yield _together(site, intent, number, other)
        for number, other in enumerate(intent.placement.apart):
            if other.intent in planned:
                yield _apart(site, intent, number, other)


def _together(site: Site, intent: Intent, number: int, other: Companion) -> LedgerRow:
    own, theirs = counted(site, intent.name, other.by), counted(site, other.intent, other.by)
    alone = [domain for domain in own if domain is None or domain not in theirs]
    return _row(intent, "together", number, other, other.together(intent.name), len(alone))


def _apart(site: Site, intent: Intent, number: int, other: Companion) -> LedgerRow:
    own, theirs = counted(site, intent.name, other.by), counted(site, other.intent, other.by)
    if other.intent == intent.name:
        met = [domain for domain, parts in own.items() if domain is None or parts > 1]
    else:
        met = [domain for domain in own if domain is None or domain in theirs]
    return _row(intent, "apart", number, other, other.apart(intent.name), len(met))


def _row(intent: Intent, field: str, number: int, other: Companion, text: str, broken: int) -> LedgerRow:
    clause = Clause(
        id=f"{intent.name}/{field}/{other.intent}/{other.by}",
        intent=intent.name,
        text=text,
        where=place_of(intent.spans, intent.where, field, number, "with" if field == "together" else "from"),
    )
    return LedgerRow(clause=clause, value=float(broken), slack=float(-broken), holds=broken == 0)
