"""The figures of a whole plan beside those of another: goals, what all that runs takes and reaches, how much runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aios.records.differences import ValueChange
from aios.records.metrics import Metric, find_metric
from aios.records.plan import Decision, Plan

__all__ = ["figures"]

_ALWAYS = ("power", "cost", "carbon")
"""Metrics that are told even where nobody asks for them."""


def figures(before: Plan, after: Plan) -> tuple[ValueChange, ...]:
    """Return the figures of two plans side by side, None where one is unknown or its plan was not found.

    A metric of several intents is their sum, or the worst of them, as the vocabulary says (``total``); a sum of which a
    part is unknown, is unknown. Metrics are those of goals and requirements, and power, cost and carbon.
    """
    return (*_goals(before, after), *_metrics(before, after), *_counts(before, after))


def _goals(before: Plan, after: Plan) -> Iterator[ValueChange]:
    earlier, later = ({item.goal: item for item in plan.objective} for plan in (before, after))
    for goal in (*later, *(name for name in earlier if name not in later)):
        old, new = earlier.get(goal), later.get(goal)
        unit = new.unit if new else old.unit if old else ""
        yield ValueChange(metric=goal, before=old and old.value, after=new and new.value, unit=unit)


def _metrics(before: Plan, after: Plan) -> Iterator[ValueChange]:
    goals = {item.goal for plan in (before, after) for item in plan.objective}
    required = {claim.metric for plan in (before, after) for claim in plan.claims if claim.clause is not None}
    known = {name for plan in (before, after) for decision in plan.decisions for name in decision.estimates}
    wanted = {name for goal in goals for name in goal.split() if find_metric(name)} | required | {*_ALWAYS}
    for name in sorted(wanted & known):
        found = find_metric(name)
        if found is None or f"minimize {name}" in goals or f"maximize {name}" in goals:
            continue  # told as a goal
        old, new = (_total(found, plan.decisions) for plan in (before, after))
        if old is not None or new is not None:
            yield ValueChange(
                metric=f"{name}{_of_several(found, before, after)}", before=old, after=new, unit=found.unit
            )


def _of_several(metric: Metric, before: Plan, after: Plan) -> str:
    """Say how values of several intents are put together."""
    if max(len(plan.decisions) for plan in (before, after)) < 2:
        return ""
    return " (sum)" if metric.total == "sum" else " (worst)"


def _total(metric: Metric, decisions: tuple[Decision, ...]) -> float | None:
    values = [item.estimates[metric.name].value for item in decisions if metric.name in item.estimates]
    if not values or metric.total == "none":
        return None
    if metric.total == "sum":
        return sum(values) if len(values) == len(decisions) else None
    return max(values) if metric.total == "max" else min(values)


def _counts(before: Plan, after: Plan) -> Iterator[ValueChange]:
    old, new = _counted(before), _counted(after)
    for name in {**old, **new}:
        if old.get(name) or new.get(name):
            yield ValueChange(metric=name, before=old.get(name), after=new.get(name), unit="")


def _counted(plan: Plan) -> Mapping[str, float]:
    """Return how many intents run, in how many replicas, how many are refused, what is in use; nothing of no plan."""
    if not plan.is_found:
        return {}
    placements = [item for decision in plan.decisions for item in decision.placement]
    return {
        "intents": len(plan.decisions),
        "replicas": sum(decision.replicas for decision in plan.decisions),
        "refused": sum(item.count for item in plan.refused),
        "nodes used": len({item.node for item in placements}),
        "devices used": len({(item.node, device) for item in placements for device in item.devices}),
    }
