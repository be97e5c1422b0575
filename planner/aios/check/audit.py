"""The room's one act: audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aios.check import (
    admission,
    assignment,
    budget,
    companions,
    cores,
    daily,
    device_memory,
    device_share,
    moves,
    node_memory,
    pipeline,
    power_cap,
    requirement,
    split,
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
from aios.records.selection import Ledger, LedgerRow, Selection

__all__ = ["audit", "fits_at_once"]

_TAKEN = (cores, node_memory, device_share, device_memory, tier_memory)
"""What machines and devices have only so much of."""
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
    kinds = (assignment, where, requirement, split, spread, survive, companions, daily)
    rows = [*admission.rows(intents, selection), *(row for kind in kinds for row in kind.rows(site))]
    rows += _capacities(site)
    rows += pipeline.rows(site, joins)
    rows += budget.rows(site, objective.budget if objective else ())
    rows += moves.rows(selection, moving)
    own = stated.rows(demands, selection, fleet, objective)
    return Ledger(rows=(*rows, *own, *goals.rows(selection, values)), objective=values)


def _capacities(site: Site) -> Iterator[LedgerRow]:
    """Yield the rows of everything that has a limit, at all times: once where nothing changes over the day."""
    hours = daily.hours_apart(site.selection)
    if len(hours) == 1:
        yield from (row for kind in (*_TAKEN, power_cap) for row in kind.rows(site))
        return
    changes = any(len(watts) > 1 for watts in _caps(site.fleet))
    for hour in range(daily.HOURS) if changes else hours:
        then = Site(site.intents, daily.at_hour(site.selection, hour), site.fleet)
        taken = (row for kind in _TAKEN for row in kind.rows(then)) if hour in hours else ()
        for row in (*taken, *power_cap.rows(then, hour)):
            told = {"id": f"{row.clause.id}@{hour:02}:00", "text": f"{row.clause.text}, at {hour:02}:00"}
            yield row.model_copy(update={"clause": row.clause.model_copy(update=told)})


def fits_at_once(intents: Sequence[Intent], selection: Selection, fleet: Fleet) -> bool:
    """Say whether all replicas have room at the same time, and not only by the hour."""
    if not any(part.hourly for placed in selection.placement.values() for part in placed):
        return True
    models = {name: selection.placement[name] for name in selection.chosen}
    site = Site(intents, selection.model_copy(update={"placement": models}), fleet)
    return all(row.holds for kind in _TAKEN for row in kind.rows(site))


def _caps(fleet: Fleet) -> list[tuple[float, ...]]:
    return [*(node.power_cap_w for node in fleet.nodes), *(cap.cap_w for cap in fleet.power_caps)]
