"""The room's one act: audit."""

from __future__ import annotations

from collections.abc import Sequence

from aios.check import assignment, cores, device_memory, device_share, node_memory, objective, requirement, tier_memory
from aios.check.site import Site
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.selection import Ledger, Selection

__all__ = ["audit"]


def audit(intents: Sequence[Intent], selection: Selection, fleet: Fleet) -> Ledger:
    """Recompute every clause and every goal of a selection.

    Rows are in a fixed order: what each intent runs as and where, its requirements, the capacities of every machine and
    device that is used, and last whether the objective says what the choice adds up to. ``row.clause.text`` says what
    must hold, ``row.value`` what was found. A selection without a choice (infeasible, unknown) has an empty ledger.
    """
    if selection.status in ("infeasible", "unknown"):
        return Ledger(rows=(), objective=())
    site = Site(intents, selection, fleet)
    values = objective.recompute(intents, selection)
    kinds = (assignment, requirement, cores, node_memory, device_share, device_memory, tier_memory)
    rows = [row for kind in kinds for row in kind.rows(site)]
    return Ledger(rows=(*rows, *objective.rows(selection, values)), objective=tuple(values))
