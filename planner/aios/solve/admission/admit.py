"""The act: admit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet
from aios.records.objective import Objective
from aios.records.selection import Conflict, ObjectiveValue, Placement
from aios.solve.admission.conflict import conflict_of
from aios.solve.admission.policies import divide
from aios.solve.admission.stock import Stocked, Taken, stocked
from aios.solve.admission.worth import worth_of
from aios.solve.cpsat import Engine
from aios.solve.packing import Packing, Short, pack
from aios.solve.packing.relaxed import Known, Relaxed, relax
from aios.solve.packing.units import normal

__all__ = ["Admitted", "admit"]


class Admitted(NamedTuple):
    """placement: demand -> where its copies stand · refused: demand -> how many copies do not, where any"""

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    placement: Mapping[str, tuple[Placement, ...]] = {}
    refused: Mapping[str, int] = {}
    rows: tuple[ObjectiveValue, ...] = ()
    conflict: Conflict | None = None


def admit(
    demands: Sequence[Demanded],
    sites: Mapping[str, Sequence[Site]],
    objective: Objective | None,
    fleet: Fleet,
    taken: Mapping[str, Taken],
    engine: Engine,
) -> Admitted:
    """Place the copies of stated demands on what is free of a fleet.

    All that is required stands, and of the rest what is worth most: by the objective's goals, else by priority. Equal
    answers whatever the order of the arguments. sites: demand -> where it may stand · taken: machine -> what services
    take of it. ``infeasible`` is proved, and comes with the conflict, where nothing is taken by services; with them
    there is only ``unknown``, since they might stand elsewhere.
    """
    worth = worth_of(demands, objective)
    posed = stocked(demands, sites, worth.of, fleet, taken)
    policy = objective.policy if objective and any(not demand.required for demand in demands) else None
    divided = None if policy is None or policy == "model-aware" else divide(posed, policy, engine, alone=not taken)
    if divided is not None:
        placement, refused = _placed(posed, divided.packing, divided.copies)
        status: Literal["optimal", "feasible"] = "optimal" if divided.proved and not taken else "feasible"
        return Admitted(status, placement, refused, divided.rows)
    answer = pack(posed.problem, engine)
    if isinstance(answer, Short):
        if not answer.proved or taken:
            return Admitted("unknown")
        return Admitted("infeasible", conflict=conflict_of(posed, engine))
    placement, refused = _placed(posed, answer, {})
    bound = max(answer.value, _most(demands, sites, worth.of, fleet)) if taken and refused else answer.bound
    rows = worth.rows(answer.value, bound, demands, refused)
    proved = all(row.gap == 0 for row in rows) and not (taken and refused)
    return Admitted("optimal" if proved else "feasible", placement, refused, tuple(rows))


def _most(
    demands: Sequence[Demanded], sites: Mapping[str, Sequence[Site]], worth: Mapping[str, int], fleet: Fleet
) -> int:
    """Return a value that no packing exceeds, wherever services stand: that of the fleet without them."""
    free = stocked(demands, sites, worth, fleet, {})
    relaxed = relax(normal(free.problem).problem, Known.nothing(), loosest=False)
    return relaxed.bound if isinstance(relaxed, Relaxed) else sum(worth.get(d.name, 0) * d.copies for d in demands)


def _placed(
    posed: Stocked, packing: Packing, copies: Mapping[str, int]
) -> tuple[dict[str, tuple[Placement, ...]], dict[str, int]]:
    """Give what stands to the demands that are alike, in the order of their names.

    copies: demand -> how many of its copies may stand, where that is not all of them
    """
    admitted = {item.name: copies.get(item.name, item.copies) for own in posed.alike for item in own}
    waiting = [[(item, admitted[item.name]) for item in reversed(own) if admitted[item.name]] for own in posed.alike]
    stands: dict[str, Counter[tuple[str, tuple[str, ...]]]] = {}
    for standing in sorted(packing.standing):
        stock = posed.stocks[standing.nodes]
        machine = stock.machines[standing.instance]
        ids: tuple[str, ...] = ()
        if standing.devices:
            own = machine.devices[stock.groups[standing.group]]
            ids = tuple(own[position] for position in standing.devices)
        demand, left = waiting[standing.kind].pop()
        if left > 1:
            waiting[standing.kind].append((demand, left - 1))
        stands.setdefault(demand.name, Counter())[machine.name, ids] += 1
    missing = {demand.name: left for own in waiting for demand, left in own}
    gone = {item.name: item.copies - admitted[item.name] for own in posed.alike for item in own}
    refused = {name: number + missing.get(name, 0) for name, number in gone.items() if number + missing.get(name, 0)}
    shares = {item.name: item.accelerators.share if item.accelerators else 0.0 for own in posed.alike for item in own}
    return {
        name: tuple(
            Placement(node=node, devices=ids, share=shares[name] if ids else 0.0, replicas=copies)
            for (node, ids), copies in sorted(stands.get(name, {}).items())
        )
        for name in sorted(shares)
    }, dict(sorted(refused.items()))
