"""Choosing and placing by trying everything: what solver and checker are compared with on small instances."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterator, Mapping, Sequence

from aios.records.candidate import Priced
from aios.records.fleet import Fleet, Node, Used
from aios.records.intent import Goal, Intent
from aios.records.metrics import metric
from aios.records.selection import Placement

Slot = tuple[Node, str, tuple[str, ...]]


def slots_of(fleet: Fleet, priced: Priced) -> list[Slot]:
    """Return where a part of the option may stand: node, instance, ids of devices, the freest of a machine first."""
    wide = priced.candidate.devices
    found: list[Slot] = []
    for n in fleet.nodes:
        if n.name in priced.candidate.nodes:
            ids = [device for slot in n.devices if slot.type == priced.candidate.device for device in slot.ids]
            ids.sort(key=n.free_share, reverse=True)
            blocks = [tuple(ids[k * wide : (k + 1) * wide]) for k in range(len(ids) // wide)]
            found += [(n, instance, block) for instance in n.instances() for block in blocks]
    return found


def spreads(replicas: int, places: int) -> Iterator[tuple[int, ...]]:
    """Yield every way to put so many replicas on so many places, first places fullest first."""
    if places == 0:
        if replicas == 0:
            yield ()
        return
    for here in range(replicas, -1, -1):
        for rest in spreads(replicas - here, places - 1):
            yield (here, *rest)


def fits(
    fleet: Fleet,
    placed: Sequence[tuple[Priced, Sequence[Slot], Sequence[int]]],
    kept: Container[str] | None = None,
) -> bool:
    """Say whether every capacity holds, or (kept) those whose clause ids are given."""
    used: dict[tuple[str, ...], float] = {}
    capacity: dict[tuple[str, ...], float] = {}

    def take(clause: str, where: tuple[str, ...], amount: float, most: float | None) -> None:
        if most is not None and (kept is None or clause in kept):
            used[clause, *where] = used.get((clause, *where), 0) + amount
            capacity[clause, *where] = most

    for priced, slots, counts in placed:
        kind, demand = priced.candidate.device, priced.demand
        fact = fleet.types[kind].memory_bytes
        for (n, instance, block), count in zip(slots, counts, strict=True):
            of = f"capacity/{n.name}"
            share = "cores" if fleet.types[kind].kind == "cpu" and n.cores is not None else f"{kind}/share"
            used_of = n.used or Used()
            cores = None if n.cores is None else int(n.cores - used_of.cores)
            dram = None if n.memory_bytes is None else n.memory_bytes - used_of.memory_bytes
            take(f"{of}/cores", (instance,), count * demand.cores, cores)
            take(f"{of}/memory", (instance,), count * demand.node_memory_bytes, dram)
            for held in n.memory_tiers:
                amount = count * demand.tier_bytes.get(held.name, 0.0)
                take(f"{of}/{held.name}/memory", (instance,), amount, held.bytes.value)
            most = None if fact is None else fact.value
            for device in block:
                free = 1 - (used_of.devices.get(device, 0) if share != "cores" else used_of.cores / n.cores)
                take(f"{of}/{share}", (instance, device), count * demand.share, free + 1e-9)
                take(f"{of}/{kind}/memory", (instance, device), count * demand.device_memory_bytes, most)
    return all(used[key] <= capacity[key] for key in used)


def placements(
    fleet: Fleet, chosen: Sequence[Priced], kept: Container[str] | None = None
) -> Iterator[list[tuple[Placement, ...]]]:
    """Yield every placement of these options that fits, the first in order first."""
    slots = [slots_of(fleet, priced) for priced in chosen]
    ways = [list(spreads(p.candidate.parts, len(s))) for p, s in zip(chosen, slots, strict=True)]
    for counts in itertools.product(*ways):
        if fits(fleet, list(zip(chosen, slots, counts, strict=True)), kept):
            yield [
                tuple(
                    Placement(node=i, devices=d, share=p.demand.share, replicas=n)
                    for (_, i, d), n in zip(s, c, strict=True)
                    if n
                )
                for p, s, c in zip(chosen, slots, counts, strict=True)
            ]


def allowed(priced: Priced, of: Intent, skip: str | None = None) -> bool:
    for bound in of.require:
        found = priced.estimates.get(bound.metric)
        if found is None:
            return False
        if bound.metric == skip:
            continue
        lower = metric(bound.metric).relation == "<="
        value = found.value if of.risk == "expected" else found.high if lower else found.low
        if not (value <= bound.bound * (1 + 1e-12) if lower else value >= bound.bound * (1 - 1e-12)):
            return False
    return True


def plans(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    skip: tuple[str, str] = ("", ""),
    kept: Container[str] | None = None,
) -> Iterator[tuple[Priced, ...]]:
    """Yield every choice that keeps all bounds (but the skipped (intent, metric)) and can be placed."""
    rows = [[p for p in options[i.name] if allowed(p, i, skip[1] if skip[0] == i.name else None)] for i in intents]
    for chosen in itertools.product(*rows):
        if next(placements(fleet, chosen, kept), None) is not None:
            yield chosen


def best_plans(
    intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]], fleet: Fleet
) -> list[tuple[Priced, ...]]:
    """Return every plan that is best in the goals' order, by trying all of them. ``intents`` by priority, then name."""
    left = list(plans(intents, options, fleet))
    for priority in sorted({i.priority for i in intents}, reverse=True):
        for position in range(max(len(i.goal) for i in intents if i.priority == priority)):
            wishes = [
                (k, i.goal[position])
                for k, i in enumerate(intents)
                if i.priority == priority and len(i.goal) > position
            ]
            left = _best_at(left, wishes) if left else left
    return left


def _best_at(left: list[tuple[Priced, ...]], wishes: list[tuple[int, Goal]]) -> list[tuple[Priced, ...]]:
    def known(plan: tuple[Priced, ...]) -> list[bool]:
        return [g.metric in plan[k].estimates for k, g in wishes]

    fewest = min((sum(not k for k in known(plan)), [not k for k in known(plan)]) for plan in left)[1]
    left = [plan for plan in left if [not k for k in known(plan)] == fewest]
    kinds = sorted({(g.metric, g.direction) for _, g in wishes})

    def cost(plan: tuple[Priced, ...], kind: tuple[str, str]) -> float:
        sign = 1 if kind[1] == "minimize" else -1
        members = [k for k, g in wishes if (g.metric, g.direction) == kind and kind[0] in plan[k].estimates]
        return sign * math.fsum(plan[k].estimates[kind[0]].value for k in members)

    alone = {kind: min(cost(plan, kind) for plan in left) for kind in kinds}
    if len(kinds) == 1:
        tolerance = min(g.tolerance for _, g in wishes)
        limit = alone[kinds[0]] + tolerance * abs(alone[kinds[0]])
        return [plan for plan in left if cost(plan, kinds[0]) <= limit + 1e-9]
    short = {
        id(plan): sum((cost(plan, kind) - alone[kind]) / (abs(alone[kind]) or 1.0) for kind in kinds) for plan in left
    }
    least = min(short.values())
    return [plan for plan in left if short[id(plan)] <= least + 1e-9]
