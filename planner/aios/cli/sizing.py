"""size, in words."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.cli.candidates import columns_of, option_table
from aios.cli.exits import Exit
from aios.cli.output import emit, metric_text, save_text
from aios.cli.planning import conflict_of
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.words import Ink, counted, further, table
from aios.records.candidate import label_of
from aios.records.fleet import Node
from aios.records.plan import Decision
from aios.records.selection import ObjectiveValue
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.workflow.shapes import Sought
    from aios.workflow.sizing import Impossible, Sizing

__all__ = ["size"]

_SHOWN = 5
"""Other fleets, and reasons, that are told."""


def size(setting: Setting, sought: Sought, *, out: Path | None, json: bool, json_into: Path | None) -> int:
    """Choose a fleet, print it, save it if asked to."""
    from dataclasses import replace

    from aios.workflow.sizing import size as work

    one_thread()
    with Progress("size", quiet=json) as progress:
        found = work(replace(setting, tell=progress.doing), sought)
    if out is not None and found.fleet is not None:
        save_text(out, _text(found, out))
    words = "" if json else "\n\n".join(block for block in _blocks(found, sought, setting, out) if block)
    emit(words, _document(found, sought), json=json, json_into=json_into)
    return {"infeasible": Exit.INFEASIBLE, "unknown": Exit.WORLD}.get(found.status, Exit.DONE)


def _text(found: Sizing, out: Path) -> str:
    """Return the fleet as a file; the intents too where a service is split, so that it is planned as it was sized."""
    from aios.fleet import fleet_text
    from aios.workflow.splitting import intents_text

    assert found.fleet is not None
    assert found.planned is not None
    fleet = fleet_text(found.fleet, found.shapes.entries)
    if not _is_split(found):
        return fleet
    intents = intents_text(found.given, found.groups, found.planned.considered.given.intents, out.parent)
    return fleet if intents is None else f"{fleet}---\n{intents}"


def _is_split(found: Sizing) -> bool:
    return any(group.share < 1 for group in found.groups)


def _blocks(found: Sizing, sought: Sought, setting: Setting, out: Path | None) -> Iterator[str]:
    ink = Ink(sys.stdout)
    offers, left_out = found.shapes.offers, found.shapes.left_out
    head = f"{ink('shapes', 'dim')} {found.shapes.fleet.origin}: {counted(len(offers), 'machine')} to choose from"
    if left_out:
        types = dict.fromkeys(f"{item.shape}: {item.reason}" for item in left_out)
        head += f"; {len(left_out)} left out ({next(iter(types))}{', …' if len(types) > 1 else ''})"
    yield head
    if found.uncounted:
        yield f"{ink('note', 'yellow')} {counted(found.uncounted, 'way')} to run of unknown {sought.minimize} left out"
    if found.impossible:
        yield from (_impossible(item, found, ink) for item in found.impossible)
    elif found.fleet is None:
        yield _nothing(found, sought, ink)
    else:
        yield _fleet(found, sought, ink)
        yield _decisions(found, ink)
        yield _objective(found, ink)
        yield _others(found, ink)
        yield _next(found, setting, out)


def _impossible(item: Impossible, found: Sizing, ink: Ink) -> str:
    head = f"{ink('infeasible', 'red', 'bold')}: nothing that may be bought serves {item.name}"
    if item.nearest is not None and item.intent is not None:
        near = option_table([item.nearest], item.intent, ink, types=found.shapes.fleet.types)
        return f"{head}; the nearest miss:\n{near}"
    rows = [f"  {row.what}: {row.reason}" for row in item.rejections[:_SHOWN]]
    more = len(item.rejections) - _SHOWN
    if not rows:
        return f"{head}: one copy takes more than each of them has"
    return "\n".join([f"{head}; left out:", *rows, *([f"  … and {more} more"] if more > 0 else [])])


def _nothing(found: Sizing, sought: Sought, ink: Ink) -> str:
    if found.status == "unknown":
        limit = "the limit came before any fleet was found that holds everything"
        return f"{ink('unknown', 'yellow', 'bold')}: {limit}{further(found.given.setting, 'size')}"
    if found.planned is not None:
        head = f"not even all of them together do, of each {sought.machines} at most (--max-nodes):"
        return f"{head}\n{conflict_of(found.planned, ink)}"
    most = counted(sought.machines, "machine")
    why = f"each intent runs on some machine, but all together not on {most}"
    remedy = "allow more with --max-nodes, offer larger shapes, or relax rules and budgets"
    return f"{ink('infeasible', 'red', 'bold')}: {why}\nremedy: {remedy}"


def _fleet(found: Sizing, sought: Sought, ink: Ink) -> str:
    assert found.fleet is not None
    rows = [_machine(node) for node in found.fleet.nodes]
    lines = [table(["FLEET", "COUNT", "DEVICES", "CORES", "MEMORY", "EACH", "TOGETHER", "SOURCE"], rows, ink)]
    prices = [node.price_usd_per_h for node in found.fleet.nodes]
    if sought.minimize != "cost" and all(prices):
        total = sum(price.value * node.count for price, node in zip(prices, found.fleet.nodes, strict=True) if price)
        lines.append(f"rent: {total:.4g} USD/h")
    return "\n".join(lines)


def _machine(node: Node) -> list[str]:
    price = node.price_usd_per_h
    devices = " + ".join(f"{len(slot.ids)} × {slot.type}" for slot in node.devices)
    memory = "?" if node.memory_bytes is None else metric_text("memory", node.memory_bytes)
    each, together = ("?", "?") if price is None else (_usd(price.value), _usd(price.value * node.count))
    source = "unknown" if price is None else price.source + (f", {price.ref}" if price.ref else "")
    return [node.name, str(node.count), devices, str(node.cores or "?"), memory, each, together, source]


def _usd(value: float) -> str:
    return f"{value:.6g} USD/h"


def _decisions(found: Sizing, ink: Ink) -> str:
    """Return what stands on the fleet: each intent, or group of a split one, with what it is expected to do."""
    assert found.planned is not None
    given = found.planned.considered.given
    intents = {intent.name: intent for intent in given.intents}
    shares = {group.name: group.share for group in found.groups}
    rows = []
    for decision in found.planned.plan.decisions:
        intent = intents.get(decision.intent)
        load = f"{100 * shares[decision.intent]:.4g} %" if intent is not None else "-"
        expected = [
            f"{name} {metric_text(name, decision.estimates[name].value)}"
            for name in (columns_of(intent) if intent is not None else ())
            if name in decision.estimates
        ]
        where = list(dict.fromkeys(place.node for place in decision.placement))
        more = f" and {len(where) - _SHOWN} more" if len(where) > _SHOWN else ""
        rows.append(
            [
                decision.intent,
                load,
                decision.model or "-",
                _on(decision),
                str(decision.replicas),
                ", ".join(where[:_SHOWN]) + more,
                "; ".join(expected) or "-",
            ]
        )
    lines = [table(["INTENT", "LOAD", "MODEL", "RUNS ON", "R", "WHERE", "EXPECTED"], rows, ink)]
    lines += [
        f"{ink('refused', 'yellow')} {item.intent}: no room is bought for {counted(item.count, 'copy', 'copies')}"
        for item in found.planned.plan.refused
    ]
    return "\n".join(lines)


def _on(decision: Decision) -> str:
    if not decision.model:
        return decision.device or "its cores"
    wide = f"{decision.devices * decision.machines} × " if decision.devices * decision.machines > 1 else ""
    return f"{wide}{decision.device} in {label_of(decision, ' ')}"


def _objective(found: Sizing, ink: Ink) -> str:
    assert found.objective is not None
    assert found.planned is not None
    lines = []
    own = found.objective.model_copy(update={"goal": f"{found.objective.goal} of the fleet"})
    for item in (own, *found.planned.plan.objective):
        proof = "proved optimal" if item.gap == 0 else f"bound {item.bound:.4g} {item.unit}, gap {item.gap:.2%}"
        which = "objective" if item is own else "then"
        lines.append(f"{ink(which, 'dim')} {item.goal}: {_amount(item, item.value)}, {proof}")
    lines += [f"{ink('note', 'yellow')} {note}" for note in found.notes]
    lines.append(ink(f"{found.status}: searched for {found.seconds:.2f} s; the checker agrees", "dim"))
    return "\n".join(lines)


def _amount(item: ObjectiveValue, value: float) -> str:
    return f"{100 * value:.4g} %" if item.unit == "1" else f"{value:.6g} {item.unit}"


def _others(found: Sizing, ink: Ink) -> str:
    """Return what else would do: equally good fleets, and the best of one shape alone."""
    lines = []
    for machines in found.equal[:_SHOWN]:
        told = " + ".join(f"{count} × {name}" for name, count in machines.items())
        lines.append(f"or {told} for the same")
    objective = found.objective
    assert objective is not None
    equal = [dict(machines) for machines in found.equal]
    others = [item for item in found.alternatives if {item.shape: item.machines} not in equal]
    for item in others[:_SHOWN]:
        more = (item.value - objective.value) / objective.value if objective.value else 0.0
        proof = "" if item.value == item.bound else f", no less than {item.bound:.6g} proved"
        lines.append(f"or {item.machines} × {item.shape} for {item.value:.6g} {objective.unit} ({more:+.1%}{proof})")
    if len(others) > _SHOWN:
        lines.append(ink(f"… and {len(others) - _SHOWN} more (--json lists them)", "dim"))
    return "\n".join(lines)


def _next(found: Sizing, setting: Setting, out: Path | None) -> str:
    if out is None:
        return "next: write the fleet down with -o fleet.yaml, and plan on it"
    if not _is_split(found):
        return f"next: {shlex.join(['aios', 'plan', *setting.paths, '--fleet', str(out)])}"
    if "kind: Intent" in out.read_text(encoding="utf-8"):
        return f"next: {shlex.join(['aios', 'plan', str(out)])}, which holds the groups as intents of their own"
    return "next: write each group of a split service as an intent with its share of the load, and plan them"


def _document(found: Sizing, sought: Sought) -> dict[str, Any]:
    """Return everything that the words say, and what they leave out."""
    nodes = found.fleet.nodes if found.fleet is not None else ()
    plan = found.planned.plan if found.planned is not None else None
    return {
        "status": found.status,
        "minimize": sought.minimize,
        "objective": found.objective,
        "fleet": [_node_json(node) for node in nodes],
        "decisions": plan.decisions if plan else [],
        "groups": [group._asdict() for group in found.groups],
        "goals": plan.objective if plan else [],
        "equal": found.equal,
        "alternatives": [item._asdict() for item in found.alternatives],
        "impossible": [
            {
                "intent": item.name,
                "nearest": item.nearest,
                "rejections": item.rejections,
            }
            for item in found.impossible
        ],
        "shapes": [
            {"name": offer.node.name, "most": offer.node.count, "figure": offer.figure} for offer in found.shapes.offers
        ],
        "conflict": plan.conflict if plan else None,
        "left_out": [item._asdict() for item in found.shapes.left_out],
        "uncounted": found.uncounted,
        "notes": found.notes,
    }


def _node_json(node: Node) -> dict[str, Any]:
    price = node.price_usd_per_h
    return {
        "shape": node.name,
        "count": node.count,
        "devices": {slot.type: len(slot.ids) for slot in node.devices},
        "cores": node.cores,
        "memory_bytes": node.memory_bytes,
        "price_usd_per_h": price,
        "together_usd_per_h": None if price is None else float(f"{price.value * node.count:.12g}"),
    }
