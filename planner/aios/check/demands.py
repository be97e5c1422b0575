"""Stated demands: every copy stands or is refused as it may be, where it may, and nothing holds more than it has.

Twin of the admission of demands. What services take is counted beside the demands, since both stand on the same
machines. There is one row per node and resource, of its fullest machine.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.check.where import stated as stated_by
from aios.check.where import tolerates
from aios.records.demanded import Demanded
from aios.records.fleet import Fleet, Node
from aios.records.intent import Goal
from aios.records.objective import Objective
from aios.records.selection import Clause, LedgerRow, ObjectiveValue, Placement, Selection

__all__ = ["goals", "rows"]

_ROUNDING, _RELATIVE_ROUNDING = 1e-6, 1e-9
"""Part of a device, core or byte that sums may be off by, and of an amount that is large: three thirds are one device,
however they are rounded."""


class _Use(NamedTuple):
    """What stands on one machine. cores, memory: so far, in a list of one each · shares: device id -> sum of shares"""

    cores: list[float]
    memory: list[float]
    shares: dict[str, float]


def rows(
    demands: Sequence[Demanded], selection: Selection, fleet: Fleet, objective: Objective | None = None
) -> Iterator[LedgerRow]:
    """Yield per demand that its copies are accounted for and stand where they may, then the room on every node."""
    if not demands:
        return
    machines = {name: node for node in fleet.nodes for name in node.instances()}
    devices = {node.name: {id_: slot.type for slot in node.devices for id_ in slot.ids} for node in fleet.nodes}
    for demand in demands:
        parts = selection.placement.get(demand.name, ())
        refused = selection.refused.get(demand.name, 0)
        standing = _standing(demand, selection)
        complete = standing + refused == demand.copies and refused >= 0 and not (demand.required and refused)
        text = f"{demand.copies} copies of {demand.name} stand" + ("" if demand.required else " or are refused")
        yield _row(demand, "copies", text, float(standing), complete)
        wrong = next((part for part in parts if not _allowed(demand, part, machines, devices, fleet)), None)
        where = "" if wrong is None else f": not {wrong.node} {','.join(wrong.devices)}"
        yield _row(demand, "placement", f"{demand.name} stands where it may{where}", None, wrong is None)
    if objective is not None and objective.policy == "fair-share":
        yield _fair(demands, selection, objective)
    if selection.chosen:
        yield _unshared(demands, selection)
    yield from _room(_uses(demands, selection), machines, fleet)


def _unshared(demands: Sequence[Demanded], selection: Selection) -> LedgerRow:
    """No device holds both a service and a copy: nobody says what memory of it a copy takes."""
    of_copies, of_services = (
        {(part.node, id_) for name in names for part in selection.placement.get(name, ()) for id_ in part.devices}
        for names in ([demand.name for demand in demands], selection.chosen)
    )
    shared = sorted(of_copies & of_services)
    where = f": not {shared[0][0]} {shared[0][1]}" if shared else ""
    clause = Clause(id="demands/unshared", intent=None, text=f"no device is of a service and of a demand{where}")
    return LedgerRow(clause=clause, value=float(len(shared)), slack=None, holds=not shared)


def _fair(demands: Sequence[Demanded], selection: Selection, objective: Objective) -> LedgerRow:
    """Copies are whole parts of one common level times their weights; only that nobody gets nothing goes above it."""
    own = [(_standing(item, selection), max(item.priority, 1)) for item in demands if not item.required]
    level = max((copies / weight for copies, weight in own if copies > 1), default=0.0)
    holds = all(copies + 1 > level * weight - _ROUNDING for copies, weight in own)
    clause = Clause(id="policy/fair-share", intent=None, text="copies are as the weights are", where=objective.where)
    return LedgerRow(clause=clause, value=level, slack=None, holds=holds)


def _row(demand: Demanded, what: str, text: str, value: float | None, holds: bool) -> LedgerRow:
    clause = Clause(id=f"{demand.name}/{what}", intent=demand.name, text=text, where=demand.where)
    return LedgerRow(clause=clause, value=value, slack=None, holds=holds)


def _allowed(
    demand: Demanded,
    part: Placement,
    machines: Mapping[str, Node],
    devices: Mapping[str, Mapping[str, str]],
    fleet: Fleet,
) -> bool:
    """Say whether copies may stand on these devices of this machine, whatever else does."""
    node = machines.get(part.node)
    if node is None or part.replicas < 1 or not _named(demand.pin.node, demand.exclude.node, node.name):
        return False
    if not tolerates(demand.allowed, node) or not all(
        set(values) & set(stated_by(node, field)) for field, values in demand.allowed.wanted if field != "vendors"
    ):
        return False
    wanted = demand.accelerators
    if wanted is None:
        return not part.devices and part.share == 0
    types = {devices[node.name].get(id_) for id_ in part.devices}
    if len(set(part.devices)) != wanted.count or len(part.devices) != wanted.count or len(types) != 1:
        return False
    (name,) = types
    if name is None or part.share != wanted.share or not _named(demand.pin.device, demand.exclude.device, name):
        return False
    vendors = {vendor.casefold() for vendor in demand.allowed.vendors}
    if vendors and (fleet.types[name].vendor or "").casefold() not in vendors:
        return False
    return name in wanted.types if wanted.types else fleet.types[name].kind != "cpu"


def _named(pinned: Sequence[str], excluded: Sequence[str], name: str) -> bool:
    return (not pinned or name in pinned) and name not in excluded


def _uses(demands: Sequence[Demanded], selection: Selection) -> Mapping[str, _Use]:
    """Add up what demands and services take of each machine."""
    uses: dict[str, _Use] = defaultdict(lambda: _Use([0.0], [0.0], defaultdict(float)))
    for demand in demands:
        for part in selection.placement.get(demand.name, ()):
            _add(uses[part.node], part, demand.cores, demand.memory_bytes)
    for name, priced in selection.chosen.items():
        for part in selection.placement.get(name, ()):
            _add(uses[part.node], part, priced.demand.cores, priced.demand.node_memory_bytes)
    return uses


def _add(use: _Use, part: Placement, cores: float, memory_bytes: float) -> None:
    use.cores[0] += cores * part.replicas
    use.memory[0] += memory_bytes * part.replicas
    for id_ in part.devices:
        use.shares[id_] += part.share * part.replicas


def _room(uses: Mapping[str, _Use], machines: Mapping[str, Node], fleet: Fleet) -> Iterator[LedgerRow]:
    by_node: dict[str, list[_Use]] = defaultdict(list)
    for name, use in uses.items():
        if name in machines:
            by_node[machines[name].name].append(use)
    for node in fleet.nodes:
        own = by_node.get(node.name, ())
        if not own:
            continue
        cores, memory = max(use.cores[0] for use in own), max(use.memory[0] for use in own)
        over = max((share - node.free_share(id_) for use in own for id_, share in use.shares.items()), default=-1.0)
        yield _capacity(node, "cores", cores, node.free_cores)
        yield _capacity(node, "memory", memory, node.free_memory_bytes)
        yield _capacity(node, "devices", 1.0 + over, 1.0)


def _capacity(node: Node, what: str, used: float, free: float | None) -> LedgerRow:
    whose = node.name if node.count == 1 else f"every {node.name}"
    clause = Clause(id=f"demands/{node.name}/{what}", intent=None, text=f"{whose} holds its {what}", where=node.where)
    slack = None if free is None else free - used
    return LedgerRow(
        clause=clause,
        value=used,
        slack=slack,
        holds=slack is None or slack >= -max(_ROUNDING, _RELATIVE_ROUNDING * used),
    )


def goals(demands: Sequence[Demanded], selection: Selection, objective: Objective | None) -> Iterator[ObjectiveValue]:
    """Yield the goals of admission, added up again; bounds are those that the selection states."""
    if not demands:
        return
    refusable = any(not demand.required for demand in demands)
    stated = {row.goal: row.bound for row in selection.objective}
    is_fair = refusable and objective is not None and objective.policy in ("fair-share", "max-min")
    if is_fair and objective is not None:
        yield _value(f"maximize {objective.policy}", min(_levels(demands, selection)), stated)
    admitted = Goal(direction="maximize", metric="admitted")
    written = objective.goal if objective else ()
    wanted = [goal for goal in written if goal.metric in ("accelerator.allocated", "admitted")]
    if refusable and objective and objective.policy == "priority":
        wanted = [admitted, *(goal for goal in wanted if goal.metric != "admitted")]
    elif refusable and not is_fair and all(goal.metric != "admitted" for goal in wanted):
        wanted.append(admitted)
    for goal in wanted:
        total = math.fsum(_standing(demand, selection) * _units(demand, goal.metric) for demand in demands)
        yield _value(str(goal), total, stated)


def _value(goal: str, value: float, stated: Mapping[str, float]) -> ObjectiveValue:
    bound = stated.get(goal, value)
    return ObjectiveValue(goal=goal, value=value, bound=bound, gap=(bound - value) / bound if bound else 0.0, unit="1")


def _levels(demands: Sequence[Demanded], selection: Selection) -> list[float]:
    """Return how many copies of each demand that may be refused stand, per weight."""
    return [_standing(item, selection) / max(item.priority, 1) for item in demands if not item.required]


def _standing(demand: Demanded, selection: Selection) -> int:
    return sum(part.replicas for part in selection.placement.get(demand.name, ()))


def _units(demand: Demanded, name: str) -> float:
    if name == "admitted":
        return 0.0 if demand.required else float(max(demand.priority, 1))
    return demand.accelerators.count * demand.accelerators.share if demand.accelerators else 0.0
