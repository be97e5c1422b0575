"""Words for what changes from one plan to another: values, shares, proofs."""

from __future__ import annotations

from aios.cli.output import metric_text
from aios.cli.words import counted
from aios.records.differences import ValueChange
from aios.records.metrics import PLAN_METRICS, find_metric
from aios.records.selection import ObjectiveValue

__all__ = ["changed_by", "head_of", "proof_of", "value_text"]

_MOST_NAMES = 2
"""Intents that are named at the head of a row."""
_UNKNOWN = "-"
"""Stands where one of two plans has no value."""
_NUMBERS = {*PLAN_METRICS, "fair-share", "max-min"}
"""What goals may speak of whose values are plain numbers, neither shares nor quantities with a unit."""


def head_of(name: str) -> str:
    """Return a goal or figure as the head of a row: of a goal of several intents the first names, of one that balances
    unlike goals only that it does."""
    whose, colon, goal = name.partition(": ")
    if "shortfall from the best alone" in name:
        return "balance of unlike goals (shortfall)"
    names = whose.split(", ")
    if not colon or len(names) <= _MOST_NAMES:
        return name
    return f"{', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more: {goal}"


def value_text(name: str, value: float | None, unit: str) -> str:
    """Return a value as people read it. name: of a metric, a goal that names one, or a count, which has no unit"""
    if value is None:
        return _UNKNOWN
    if ": minimize unknown " in name:
        return counted(round(value), "intent")
    if _plain(name, unit):
        return f"{value:,.7g}"
    metric = next((found for word in reversed(name.split()) if (found := find_metric(word))), None)
    if metric is not None and metric.unit == unit:
        return metric_text(metric.name, value)
    return f"{100 * value:.4g} %" if unit == "1" else f"{value:.4g} {unit}"


def changed_by(row: ValueChange) -> str:
    """Return by how much a value changes: counts by a number, shares in points, everything else by its own share."""
    old, new = row.before, row.after
    if old is None or new is None or old == new:
        return ""
    if _plain(row.metric, row.unit):
        return f"{new - old:+,.7g}"
    if row.unit == "1":
        return f"{100 * (new - old):+.3g} points"
    if not old:
        return ""
    share = 100 * (new - old) / abs(old)
    return f"{share:+.3g} %" if abs(share) < 1000 else f"x {new / old:.3g}"


def _plain(name: str, unit: str) -> bool:
    return not unit or not _NUMBERS.isdisjoint(name.split())


def proof_of(item: ObjectiveValue | None) -> str:
    """Say how good the value of a goal is known to be."""
    if item is None:
        return _UNKNOWN
    return "optimal" if item.gap == 0 else f"gap {item.gap:.2%}"
