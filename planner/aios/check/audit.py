"""The room's one act: audit."""

from __future__ import annotations

from collections.abc import Sequence

from aios.check import (
    admission,
    assignment,
    budget,
    companions,
    cores,
    device_memory,
    device_share,
    moves,
    node_memory,
    pipeline,
    power_cap,
    requirement,
    spread,
    survive,
    tier_memory,
    where,
)
from aios.check import demands as stated
from aios.check import objective as goals
from aios.check.site import Site
from aios.records.current import MOVES, Moving
from aios.records.demanded import Demanded
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.joins import NOTHING_KNOWN, Joins
from aios.records.objective import Objective
from aios.records.selection import Ledger, Selection

__all__ = ["audit"]

NOTHING = Moving()
"""Nothing stood before."""


def audit(
    intents: Sequence[Intent],
    selection: Selection,
    fleet: Fleet,
    demands: Sequence[Demanded] = (),
    objective: Objective | None = None,
    moving: Moving = NOTHING,
    joins: Joins = NOTHING_KNOWN,
) -> Ledger:
    """Recompute every clause and every goal of a selection. moving: what stood before, and what of it must stay ·
    joins: between machines, as the choice was told of them

    Rows are in a fixed order: what each intent runs as and where, its requirements, the capacities of every machine and
    device that is used, and last whether the objective says what the choice adds up to. ``row.clause.text`` says what
    must hold, ``row.value`` what was found. A selection without a choice (infeasible, unknown) has an empty ledger.
    """
    if selection.status in ("infeasible", "unknown"):
        return Ledger(rows=(), objective=())
    if objective is not None and any(goal.metric == MOVES for goal in objective.goal):
        selection = moves.counted(selection, moving)
    names = {demand.name for demand in demands}
    models = {name: parts for name, parts in selection.placement.items() if name not in names}
    running = [intent for intent in intents if intent.name not in selection.refused]
    site = Site(running, selection.model_copy(update={"placement": models}), fleet)
    values = (
        *admission.goals(intents, selection, objective, list(stated.goals(demands, selection, objective))),
        *goals.recompute(running, selection, objective.goal if objective else ()),
    )
    kinds = (
        *(assignment, where, requirement, spread, survive, companions),
        *(cores, node_memory, device_share, device_memory, tier_memory, power_cap),
    )
    rows = [*admission.rows(intents, selection), *(row for kind in kinds for row in kind.rows(site))]
    rows += pipeline.rows(site, joins)
    rows += budget.rows(site, objective.budget if objective else ())
    rows += moves.rows(selection, moving)
    own = stated.rows(demands, selection, fleet, objective)
    return Ledger(rows=(*rows, *own, *goals.rows(selection, values)), objective=values)
