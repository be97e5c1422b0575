"""The act: admit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from aios.records.current import DAY_S, Moving
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet
from aios.records.objective import Objective
from aios.records.selection import Clause, Conflict, ObjectiveValue, Placement
from aios.solve.admission.conflict import conflict_of
from aios.solve.admission.keeping import Kept, kept
from aios.solve.admission.policies import divide
from aios.solve.admission.stock import Stocked, Taken, stocked
from aios.solve.admission.worth import Worth, worth_of
from aios.solve.cpsat import Engine
from aios.solve.packing import Packing, Short, pack
from aios.solve.packing.relaxed import Known, Relaxed, relax
from aios.solve.packing.units import normal
from aios.solve.problem import NOTHING

__all__ = ["Admitted", "admit"]

RESTART_S = 10.0
"""Seconds without a copy that moves, where nobody says what state it holds: it is begun anew."""


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
    moving: Moving = NOTHING,
) -> Admitted:
    """Place the copies of stated demands on what is free of a fleet.

    All that is required stands, and of the rest what is worth most: by the objective's goals, else by priority. Equal
    answers whatever the order of the arguments. sites: demand -> where it may stand · taken: machine -> what services
    take of it. ``infeasible`` is proved, and comes with the conflict, where nothing is taken by services; with them
    there is only ``unknown``, since they might stand elsewhere. moving: what stands already, which stays unless more
    is won by moving it than that disrupts
    """
    worth = worth_of(demands, objective)
    beside = kept(demands, sites, fleet, taken, moving) if any(d.name in moving.standing for d in demands) else None
    if beside is not None and beside.staying and not beside.refused:
        value = sum(worth.of.get(demand.name, 0) * demand.copies for demand in demands if not demand.required)
        return Admitted("optimal", _stood(beside, demands), {}, tuple(worth.rows(value, value, demands, {})))
    posed = stocked(demands, sites, worth.of, fleet, taken)
    policy = objective.policy if objective and any(not demand.required for demand in demands) else None
    divided = None if policy is None or policy == "model-aware" else divide(posed, policy, engine, alone=not taken)
    if divided is not None:
        placement, refused = _placed(posed, divided.packing, divided.copies)
        status: Literal["optimal", "feasible"] = "optimal" if divided.proved and not taken else "feasible"
        named = worth_of(demands, objective).named(demands, refused, proved=divided.proved and policy != "priority")
        own = {row.goal for row in divided.rows}
        both = (*divided.rows, *(row for row in named if row.goal not in own))
        return Admitted("feasible" if any(row.gap for row in both) else status, placement, refused, both)
    answer = pack(posed.problem, engine)
    if beside is not None and (isinstance(answer, Short) or not _pays(beside, answer, worth, demands, moving)):
        optional = {demand.name for demand in demands if not demand.required}
        if set(beside.refused) <= optional:
            value = _value(beside, worth, demands)
            most = value if isinstance(answer, Short) else max(value, answer.bound)
            rows = worth.rows(value, most, demands, beside.refused)
            proved = all(row.gap == 0 for row in rows) and not (taken and beside.refused)
            status = "optimal" if proved else "feasible"
            return Admitted(status, _stood(beside, demands), dict(sorted(beside.refused.items())), tuple(rows))
    if beside is not None and moving.binds:
        return Admitted("infeasible", conflict=_in_the_way(beside, demands, moving))
    if isinstance(answer, Short):
        if not answer.proved or taken:
            return Admitted("unknown")
        return Admitted("infeasible", conflict=conflict_of(posed, engine))
    placement, refused = _placed(posed, answer, {})
    bound = max(answer.value, _most(demands, sites, worth.of, fleet)) if taken and refused else answer.bound
    told = worth.rows(answer.value, bound, demands, refused)
    proved = all(row.gap == 0 for row in told) and not (taken and refused)
    return Admitted("optimal" if proved else "feasible", placement, refused, tuple(told))


def _most(
    demands: Sequence[Demanded], sites: Mapping[str, Sequence[Site]], worth: Mapping[str, int], fleet: Fleet
) -> int:
    """Return a value that no packing exceeds, wherever services stand: that of the fleet without them."""
    free = stocked(demands, sites, worth, fleet, {})
    relaxed = relax(normal(free.problem).problem, Known.nothing(), loosest=False)
    return relaxed.bound if isinstance(relaxed, Relaxed) else sum(worth.get(d.name, 0) * d.copies for d in demands)


def _in_the_way(beside: Kept, demands: Sequence[Demanded], moving: Moving) -> Conflict:
    """Say that what must stay leaves no room for what must stand."""
    missing = [demand for demand in demands if demand.required and demand.name in beside.refused]
    stays = [
        Clause(id=f"{name}/stays", intent=name, text=f"{name} stays as it is (--freeze)")
        for name in sorted(moving.frozen)
    ]
    if moving.most is not None:
        stays.append(Clause(id="moves", intent=None, text=f"moves <= {moving.most} (--max-moves)"))
    texts = [(item, f"{item.copies} copies of {item.name} stand") for item in missing]
    rows = [Clause(id=f"{d.name}/copies", intent=d.name, text=text, where=d.where) for d, text in texts]
    note = "Copies were placed one after the other beside all that stands: moving only some of it was not tried."
    return Conflict(clauses=(*stays, *rows), relaxations=(), notes=(note,))


def _value(beside: Kept, worth: Worth, demands: Sequence[Demanded]) -> int:
    """Return what the copies that stand beside those that stay are worth."""
    optional = [demand for demand in demands if not demand.required]
    return sum(worth.of[item.name] * (item.copies - beside.refused.get(item.name, 0)) for item in optional)


def _pays(beside: Kept, answer: Packing, worth: Worth, demands: Sequence[Demanded], moving: Moving) -> bool:
    """Say whether packing all anew wins more, as a share, than it disrupts, as a share of a day of all that stands."""
    if any(demand.required and demand.name in beside.refused for demand in demands):
        return True
    if moving.binds:
        return False
    gained = answer.value - _value(beside, worth, demands)
    return gained > RESTART_S / DAY_S * answer.value


def _stood(beside: Kept, demands: Sequence[Demanded]) -> dict[str, tuple[Placement, ...]]:
    shares = {item.name: item.accelerators.share if item.accelerators else 0.0 for item in demands}
    return {
        name: tuple(
            Placement(node=node, devices=ids, share=shares[name] if ids else 0.0, replicas=copies)
            for (node, ids), copies in sorted(beside.stands[name].items())
        )
        for name in sorted(shares)
    }


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
