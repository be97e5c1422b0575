"""Where everything stands, and what of each budget that takes, in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from aios.cli.output import metric_text
from aios.cli.words import Ink, table

if TYPE_CHECKING:
    from aios.workflow.planning import Planned

__all__ = ["budget_words", "machine_words"]

_NODES = 12
"""Nodes that are told unless all are asked for."""
_HELD = 4
"""Intents of a node that are named."""


def machine_words(planned: Planned, ink: Ink, every: bool) -> str:
    """Return a table of nodes with all that stands there, where services and demands share a fleet."""
    given = planned.considered.given
    if not given.demands or not given.intents:
        return ""
    node_of = {name: node.name for node in given.fleet.nodes for name in node.instances()}
    holds: dict[str, Counter[str]] = defaultdict(Counter)
    used: dict[str, set[str]] = defaultdict(set)
    for decision in planned.plan.decisions:
        for part in decision.placement:
            holds[node_of[part.node]][decision.intent] += part.replicas
            used[node_of[part.node]].add(part.node)
    services = {intent.name for intent in given.intents}
    rows = []
    for node in given.fleet.nodes:
        own = sorted(holds[node.name].items(), key=lambda item: (item[0] not in services, -item[1], item[0]))
        named = ", ".join(f"{name} {count:,}" for name, count in own[:_HELD])
        left = f" and {len(own) - _HELD} more" if len(own) > _HELD else ""
        rows.append([node.name, f"{node.count:,}", f"{len(used[node.name]):,}", f"{named}{left}" or "-"])
    shown = rows if every else rows[:_NODES]
    lines = [table(["NODE", "MACHINES", "IN USE", "HOLDS"], shown, ink)]
    if len(shown) < len(rows):
        lines.append(ink(f"… and {len(rows) - len(shown):,} more nodes (--all lists them)", "dim"))
    return "\n".join(lines)


def budget_words(planned: Planned, ink: Ink) -> str:
    """Return a line for each budget: what the plan takes of it at most, and where it is written."""
    lines = []
    for row in planned.ledger.rows:
        clause = row.clause
        if clause.id.startswith("budget/") and clause.bound is not None and row.value is not None:
            name = str(clause.metric)
            where = f" ({clause.where})" if clause.where else ""
            taken, most = metric_text(name, row.value), metric_text(name, clause.bound)
            lines.append(f"{ink('budget', 'dim')} {name}: up to {taken} of {most}{where}")
    return "\n".join(lines)
