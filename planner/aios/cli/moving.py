"""Moves of a plan, in words: what leaves where it stood and why, and what stays although it could do better."""

from __future__ import annotations

from aios.cli.words import Ink, counted, table
from aios.records.metrics import find_metric
from aios.records.plan import Decision, Disruption, Plan
from aios.records.units import Dimension, format_quantity

__all__ = ["move_words"]

_SHOWN = 12
"""Rows of a table unless all are asked for."""


def move_words(plan: Plan, ink: Ink, every: bool) -> str:
    """Return the moves and what is not moved; nothing where neither is."""
    moved = [decision for decision in plan.decisions if decision.moved is not None]
    stayed = [decision for decision in plan.decisions if decision.stayed is not None]
    lines: list[str] = []
    if moved:
        rows = [_moved(decision) for decision in (moved if every else moved[:_SHOWN])]
        lines += [table(["MOVE", "FROM", "TO", "SAVES", "DISRUPTION", "WHY"], rows, ink)]
        lines += _left(len(moved) - len(rows), "move", ink)
    if stayed:
        rows = [_stayed(decision) for decision in (stayed if every else stayed[:_SHOWN])]
        lines += [table(["STAYS", "BETTER", "WOULD SAVE", "MOVING COSTS", "DISRUPTION", "WHY IT STAYS"], rows, ink)]
        lines += _left(len(stayed) - len(rows), "more that stays", ink)
    return "\n".join(lines)


def _left(number: int, what: str, ink: Ink) -> list[str]:
    return [ink(f"… and {counted(number, what)} (--all lists them)", "dim")] if number > 0 else []


def _moved(decision: Decision) -> list[str]:
    moved = decision.moved
    assert moved is not None
    after = [f"{part.node}[{','.join(part.devices)}] x {part.replicas}" for part in decision.placement]
    saves = "-" if moved.saving is None or moved.goal is None else _amount(moved.goal, moved.saving)
    return [
        decision.intent,
        _places(moved.before if moved.before != decision.candidate else "", moved.places),
        _places(decision.candidate if moved.before != decision.candidate else "", after),
        saves,
        _seconds(moved.disruption_s),
        moved.reason,
    ]


def _stayed(decision: Decision) -> list[str]:
    stayed = decision.stayed
    assert stayed is not None
    return [
        decision.intent,
        stayed.candidate,
        _amount(stayed.goal, stayed.saving),
        _amount(stayed.goal, stayed.price),
        _seconds(stayed.disruption_s),
        stayed.reason,
    ]


def _places(name: str, places: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(places[:2]) + (", …" if len(places) > 2 else "")
    return f"{name} on {shown}" if name else shown


def _amount(goal: str, value: float) -> str:
    found = find_metric(goal.split()[1])
    return format_quantity(value, found.dimension) if found else f"{value:.4g}"


def _seconds(found: Disruption) -> str:
    low, value, high = (format_quantity(number, Dimension.TIME) for number in (found.low, found.value, found.high))
    return f"{value} ({low} .. {high}, {found.source})"
