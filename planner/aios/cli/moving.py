"""Moves of a plan, in words: what leaves where it stood and why, and what stays although it could do better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

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
    known = "/" in moved.before  # else nothing that it could run as now
    ways = (
        _ways_apart(moved.before, decision.candidate) if known else ("", decision.device if decision.executor else "")
    )
    left, taken = Counter(moved.places) - Counter(after), Counter(after) - Counter(moved.places)
    saves = "-" if moved.saving is None or moved.goal is None else _amount(moved.goal, moved.saving)
    return [
        decision.intent,
        _placed(ways[0], tuple(left) or moved.places),
        _placed(ways[1], tuple(taken) or after),
        saves,
        _seconds(moved.disruption_s),
        moved.reason,
    ]


def _stayed(decision: Decision) -> list[str]:
    stayed = decision.stayed
    assert stayed is not None
    return [
        decision.intent,
        _ways_apart(decision.candidate, stayed.candidate)[1] or stayed.candidate,
        _amount(stayed.goal, stayed.saving),
        _amount(stayed.goal, stayed.price),
        _seconds(stayed.disruption_s),
        stayed.reason,
    ]


def _ways_apart(one: str, other: str) -> tuple[str, str]:
    """Return the words in which the names of two candidates of an intent differ, empty where they do not."""
    ours, theirs = one.split("/"), other.split("/")
    return " ".join(_without(ours, theirs)), " ".join(_without(theirs, ours))


def _without(words: Sequence[str], others: Sequence[str]) -> list[str]:
    return [word for word in words[1:] if word not in others]


def _placed(way: str, places: Sequence[str]) -> str:
    """Return a way to run and where: of many places the first two, without saying that each holds one replica."""
    first = ", ".join(place.removesuffix(" x 1") for place in places[:2]) + (", …" if len(places) > 2 else "")
    return f"{way} on {first}" if way else first


def _amount(goal: str, value: float) -> str:
    found = find_metric(goal.split()[1])
    return format_quantity(value, found.dimension) if found else f"{value:.4g}"


def _seconds(found: Disruption) -> str:
    low, value, high = (format_quantity(number, Dimension.TIME) for number in (found.low, found.value, found.high))
    return f"{value} ({low} .. {high}, {found.source})"
