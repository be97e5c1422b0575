"""Every intent stands where it may. Twin of the rules by which candidates leave nodes and device types out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aios.check.site import Site
from aios.records.base import Span
from aios.records.fleet import Node
from aios.records.intent import Intent
from aios.records.selection import Clause, LedgerRow, Placement
from aios.records.where import Where

__all__ = ["rows", "stated", "tolerates"]

_KEEPS_AWAY = (":NoSchedule", ":NoExecute")


def rows(site: Site) -> Iterator[LedgerRow]:
    """Yield one row per rule of where an intent may stand: on how many machines it is broken."""
    for intent in site.intents:
        placed = site.selection.placement.get(intent.name, ())
        for field, allowed in intent.placement.where.wanted:
            broken = sum(words.isdisjoint(allowed) for words in _stated(site, intent, field, placed))
            clause = Clause(
                id=f"{intent.name}/where/{field}",
                intent=intent.name,
                text=f"{intent.name} stands where {field} is {' or '.join(allowed)}",
                where=_written(intent, field),
            )
            yield LedgerRow(clause=clause, value=float(broken), slack=float(-broken), holds=broken == 0)


def tolerates(where: Where, node: Node) -> bool:
    """Say whether no taint keeps new work away from a node that is not tolerated."""
    keeping_away = [taint for taint in node.taints if taint.endswith(_KEEPS_AWAY)]
    return all(_met(where, taint) for taint in keeping_away)


def _met(where: Where, taint: str) -> bool:
    key_and_value, effect = taint.rsplit(":", 1)
    key = key_and_value.split("=", 1)[0]
    named = {key, key_and_value, f"{key}:{effect}", taint}
    return any(tolerated in named for tolerated in where.tolerate)


def _stated(site: Site, intent: Intent, field: str, placed: Sequence[Placement]) -> Iterator[frozenset[str]]:
    """Yield what each machine states of a field; nothing where there is no such machine."""
    for part in placed:
        node = site.machines.get(part.node)
        yield frozenset() if node is None else frozenset(_words(site, intent, field, node))


def _words(site: Site, intent: Intent, field: str, node: Node) -> Iterator[str]:
    if field == "vendors":
        priced = site.chosen(intent)
        device = site.fleet.types.get(priced.candidate.device) if priced else None
        made = (device.vendor or "").casefold() if device else ""
        yield from (vendor for vendor in intent.placement.where.vendors if vendor.casefold() == made)
    else:
        yield from stated(node, field)


def stated(node: Node, field: str) -> tuple[str, ...]:
    """Return what a node states of a field of ``where``, but for its devices' makers."""
    if field == "residency":
        return node.jurisdiction
    word = node.region if field == "regions" else node.labels.get(field.removeprefix("labels."))
    return () if word is None else (word,)


def _written(intent: Intent, field: str) -> Span:
    found = (intent.spans.get(f"spec.where.{field}{number}") for number in ("", "[0]"))
    return next((span for span in found if span is not None), intent.where)
