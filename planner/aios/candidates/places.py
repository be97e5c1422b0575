"""Whom the rules of an intent keep out, and which of them no node or device of the fleet answers to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from aios.candidates.rejections import Rejections
from aios.records.fleet import DeviceType, Fleet, Node
from aios.records.forms import nearest
from aios.records.where import NODE, REGION, Barred, PlacementRules, barred, barred_type

__all__ = ["admits", "admitted", "check_places"]

_MOST_NAMED = 8
"""Nodes that are named one by one among those that one rule keeps out; the others are counted."""


def admitted(nodes: Sequence[Node], rules: PlacementRules, rejections: Rejections) -> list[Node]:
    """Return the nodes that no rule and no taint keeps out; note the rejection of the others."""
    found: list[Node] = []
    kept_out: dict[str, list[tuple[Node, Barred]]] = {}
    for node in nodes:
        why = barred(rules, node)
        if why is None:
            found.append(node)
        else:
            kept_out.setdefault(why.clause, []).append((node, why))
    for clause, rows in kept_out.items():
        for node, why in rows[:_MOST_NAMED]:
            rejections.add(f"node {node.name}", clause, why.reason, resolvable=why.remedy)
        if len(rows) > _MOST_NAMED:
            node, why = rows[_MOST_NAMED]
            what = f"{len(rows) - _MOST_NAMED} more nodes"
            rejections.add(what, clause, f"such as this: {why.reason}", resolvable=why.remedy)
    return found


def admits(device: DeviceType, rules: PlacementRules, rejections: Rejections) -> bool:
    """Say whether a type of device may be used; note its rejection if not."""
    why = barred_type(rules.where, device)
    if why is not None:
        rejections.add(f"device {device.name}", why.clause, why.reason, resolvable=why.remedy)
    return why is None


class _Asked(NamedTuple):
    """What a rule asks for. field: of the intent · name: as written · known: names that the fleet has · what: kind"""

    field: str
    name: str
    known: Collection[str]
    what: str


def check_places(rules: PlacementRules, fleet: Fleet, rejections: Rejections) -> None:
    """Note everything that rules name and that nothing in the fleet has: what depends on it stands nowhere."""
    for asked in _asked(rules, fleet):
        if asked.name not in asked.known:
            near = nearest(asked.name, sorted(asked.known))
            has = ", ".join(sorted(asked.known)) or "none"
            remedy = f"did you mean `{near}`?" if near else None
            reason = f"fleet {fleet.name} has no {asked.what} {asked.name}; it has: {has}"
            rejections.add(f"{asked.what} {asked.name}", f"{asked.field}: {asked.name}", reason, "intent", remedy)


def _asked(rules: PlacementRules, fleet: Fleet) -> Iterator[_Asked]:
    where = rules.where
    keys = {key for node in fleet.nodes for key in node.labels}
    for key, values in where.labels.items():
        yield _Asked("where.labels", key, keys, "label")
        known = {node.labels[key] for node in fleet.nodes if key in node.labels}
        yield from (_Asked(f"where.labels.{key}", value, known, f"value of {key}") for value in values if known)
    regions = {node.region for node in fleet.nodes if node.region is not None}
    yield from (_Asked("where.regions", name, regions, "region") for name in where.regions)
    laws = {name for node in fleet.nodes for name in node.jurisdiction}
    yield from (_Asked("where.residency", name, laws, "jurisdiction") for name in where.residency)
    vendors = {device.vendor for device in fleet.types.values() if device.vendor is not None}
    folded = {vendor.casefold() for vendor in vendors}
    yield from (
        _Asked("where.vendors", name, vendors, "maker") for name in where.vendors if name.casefold() not in folded
    )
    for over in rules.domains:
        if over not in (NODE, REGION):
            yield _Asked("failure domain", over, keys, "label")
