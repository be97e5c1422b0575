"""Stated demands of a plan, in words: what stands where, what is refused, and how full the fleet is of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aios.cli.words import Ink, counted, table
from aios.records.demanded import Demanded
from aios.records.plan import Decision

if TYPE_CHECKING:
    from aios.workflow.planning import Planned

__all__ = ["demand_words", "nowhere"]

_SHOWN = 12
"""Rows of demands that take the same, unless all are asked for."""


def demand_words(planned: Planned, ink: Ink, every: bool) -> str:
    """Return tables of the demands that take the same and of the devices; nothing where no demand is stated."""
    demands = planned.considered.given.demands
    if not demands:
        return ""
    decisions = {decision.intent: decision for decision in planned.plan.decisions}
    refused = {item.intent: item.count for item in planned.plan.refused}
    alike: dict[tuple[str, bool, int], list[Demanded]] = defaultdict(list)
    for demand in demands:
        alike[demand.takes, demand.required, demand.priority].append(demand)
    nodes = {name: node.name for node in planned.considered.given.fleet.nodes for name in node.instances()}
    rows = [_row(own, decisions, refused, nodes) for own in alike.values()]
    order = sorted(range(len(rows)), key=lambda index: -sum(item.copies for item in list(alike.values())[index]))
    shown = [rows[index] for index in (order if every else order[:_SHOWN])]
    copies, lost = sum(demand.copies for demand in demands), sum(refused.get(demand.name, 0) for demand in demands)
    head = f"{ink('demands', 'bold')}: {counted(len(demands), 'intent')}, {counted(copies, 'copy', 'copies')}: "
    lines = [f"{head}{copies - lost:,} stand, {lost:,} refused"]
    lines.append(table(["INTENT", "TAKES", "COPIES", "STAND", "REFUSED", "ON"], shown, ink))
    if len(shown) < len(rows):
        lines.append(ink(f"… and {counted(len(rows) - len(shown), 'more kind')} (--all lists them)", "dim"))
    lines += [ink(f"left out: {reason}", "dim") for reason in nowhere(planned)]
    lines += (f"note: {what} taken to be enough: the fleet does not say it" for what in _unknown(planned, decisions))
    devices = [] if planned.schedule is not None else list(_devices(planned))
    if devices:
        lines.append(table(["DEVICE", "THERE", "FREE", "TAKEN", "SHARE", "MACHINES USING IT"], devices, ink))
    return "\n".join(lines)


def nowhere(planned: Planned) -> Iterator[str]:
    """Yield why demands have no place at all in the fleet, whatever room there is."""
    considered = planned.considered
    without = {
        f"{demand.name} on every node" for demand in considered.given.demands if not considered.sites[demand.name]
    }
    for row in considered.rejections:
        if row.what in without:
            yield f"{row.what}: {row.reason}" + (f"; {row.resolvable}" if row.resolvable else "")


def _row(
    own: list[Demanded], decisions: dict[str, Decision], refused: dict[str, int], nodes: dict[str, str]
) -> list[str]:
    copies = sum(item.copies for item in own)
    lost = sum(refused.get(item.name, 0) for item in own)
    on: Counter[str] = Counter()
    for item in own:
        for part in decisions[item.name].placement:
            on[nodes[part.node]] += part.replicas
    first, more = own[0].name, f" and {len(own) - 1:,} alike" if len(own) > 1 else ""
    where = ", ".join(f"{node} {count:,}" for node, count in on.most_common(3))
    left = f" and {len(on) - 3} more" if len(on) > 3 else ""
    optional = "" if own[0].required else " (optional)"
    numbers = [f"{number:,}" for number in (copies, copies - lost, lost)]
    return [f"{first}{more}", f"{own[0].takes}{optional}", *numbers, where + left]


def _unknown(planned: Planned, decisions: dict[str, Decision]) -> Iterator[str]:
    """Yield of which nodes that demands stand on nobody knows the cores or memory that they take."""
    nodes = {name: node for node in planned.considered.given.fleet.nodes for name in node.instances()}
    found: dict[str, set[str]] = {"cores": set(), "memory": set()}
    for demand in planned.considered.given.demands:
        for part in decisions[demand.name].placement:
            node = nodes[part.node]
            if demand.cores and node.cores is None:
                found["cores"].add(node.name)
            if demand.memory_bytes and node.memory_bytes is None:
                found["memory"].add(node.name)
    for what, names in found.items():
        if names:
            yield f"{what} of {', '.join(sorted(names))}"


def _devices(planned: Planned) -> Iterator[list[str]]:
    """Yield a row per device type that demands may take: how many there are, what of them is free, and what all that
    is planned takes of that."""
    fleet = planned.considered.given.fleet
    there: Counter[str] = Counter()
    free: dict[str, float] = defaultdict(float)
    types: dict[str, dict[str, str]] = {}
    for node in fleet.nodes:
        own = {id_: slot.type for slot in node.devices for id_ in slot.ids}
        for id_, name in own.items():
            there[name] += node.count
            free[name] += node.free_share(id_) * node.count
        types.update(dict.fromkeys(node.instances(), own))
    taken: dict[str, float] = defaultdict(float)
    used: dict[str, set[str]] = defaultdict(set)
    for decision in planned.plan.decisions:
        for part in decision.placement:
            for id_ in part.devices:
                name = types[part.node][id_]
                taken[name] += part.share * part.replicas
                used[name].add(part.node)
    for name in sorted(there):
        if fleet.types[name].kind != "cpu":
            share = f"{100 * taken[name] / free[name]:.4g} %" if free[name] else "-"
            amounts = (f"{there[name]:,}", f"{free[name]:,.6g}", f"{taken[name]:,.6g}")
            yield [name, *amounts, share, f"{len(used[name]):,}"]
