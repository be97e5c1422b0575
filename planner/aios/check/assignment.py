"""Every intent runs in exactly one way: its replicas stand on devices that exist and that it may use.

Twin of the solver's assignment clause and of its variables.
"""

from __future__ import annotations

from collections.abc import Iterator

from aios.check.site import Site
from aios.check.where import tolerates
from aios.records.candidate import Priced
from aios.records.intent import Intent
from aios.records.selection import Clause, LedgerRow, Placement

__all__ = ["rows"]


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield per intent: that it runs, that all its replicas stand somewhere, and that each may stand there."""
    for intent in site.intents:
        priced = site.chosen(intent)
        yield _row(intent, "runs", f"{intent.name} runs", priced is not None and priced.candidate.intent == intent.name)
        if priced is not None:
            yield from _placed(site, intent, priced)
    wanted = {intent.name for intent in site.intents}
    for name in sorted({*site.selection.chosen, *site.selection.placement} - wanted):
        clause = Clause(id=f"{name}/asked", intent=name, text=f"{name} is an intent")
        yield LedgerRow(clause=clause, value=None, slack=None, holds=False)


def _placed(site: Site, intent: Intent, priced: Priced) -> Iterator[LedgerRow]:
    parts = site.selection.placement.get(intent.name, ())
    replicas = priced.candidate.parts
    standing = sum(part.replicas for part in parts)
    clause = Clause(
        id=f"{intent.name}/replicas", intent=intent.name, text=f"{replicas} {_parts(priced)} stand", where=intent.where
    )
    holds = standing == replicas and all(part.replicas > 0 for part in parts)
    yield LedgerRow(clause=clause, value=float(standing), slack=float(standing - replicas), holds=holds)
    for part in parts:
        what = f"{part.node}/{','.join(part.devices)}"
        yield _row(intent, f"on/{what}", _allowed_text(priced, part), _allowed(site, intent, priced, part))


def _allowed(site: Site, intent: Intent, priced: Priced, part: Placement) -> bool:
    """As many devices as a part takes, each once, of the candidate's type, on a machine of a node that the candidate
    may use and that no taint keeps it away from, at its own share."""
    node = site.machines.get(part.node)
    if node is None or node.name not in priced.candidate.nodes:
        return False
    if not len(part.devices) == len(set(part.devices)) == priced.candidate.devices:
        return False
    if not tolerates(intent.placement.where, node):
        return False
    ids = {id_ for slot in node.devices if slot.type == priced.candidate.device for id_ in slot.ids}
    return set(part.devices) <= ids and part.share == priced.demand.share


def _parts(priced: Priced) -> str:
    return "replicas" if priced.candidate.machines == 1 else "parts of replicas"


def _allowed_text(priced: Priced, part: Placement) -> str:
    device = priced.candidate.device
    return f"{part.node} is there, may be used, has {device} {','.join(part.devices)}; share {priced.demand.share:g}"


def _row(intent: Intent, what: str, text: str, holds: bool) -> LedgerRow:
    clause = Clause(id=f"{intent.name}/{what}", intent=intent.name, text=text, where=intent.where)
    return LedgerRow(clause=clause, value=None, slack=None, holds=holds)
