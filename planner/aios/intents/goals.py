"""Goals as they are written: a sentence such as ``minimize power within 2 %``."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from aios.records.errors import BadValue
from aios.records.forms import nearest
from aios.records.intent import Goal
from aios.records.metrics import PLAN_METRICS, Metric, find_metric, metric_names
from aios.records.units import Dimension, parse_quantity

__all__ = ["DEFAULT_GOAL", "PlanGoal", "WrittenGoal", "read_goal"]

DEFAULT_GOAL = "minimize power"
"""What an intent without ``goal`` asks for."""

_GOAL = re.compile(r"(\S+)\s+(\S+)(?:\s+within\s+(.+))?")


def read_goal(value: Any, find: Callable[[str], Metric | None] = find_metric) -> Goal:
    """Return the goal of a sentence such as ``minimize power within 2 %``; raises BadValue. find: metrics by name"""
    match = _GOAL.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise BadValue(
            f"`{value}` is no goal" if isinstance(value, str) else "a goal is a sentence",
            "write `minimize METRIC` or `maximize METRIC`, and `within 2 %` after it to leave room for the next goal",
        )
    direction, name, within = match[1].lower(), match[2], match[3]
    if direction not in ("minimize", "maximize"):
        near = nearest(direction, ("minimize", "maximize")) or "minimize"
        raise BadValue(f"a goal begins with `minimize` or `maximize`, not `{match[1]}`", f"write `{near} {name}`")
    metric = find(name)
    if metric is None:
        raise _unknown_metric(name, metric_names() if find is find_metric else (*metric_names(), *PLAN_METRICS))
    wanted = "minimize" if metric.better == "lower" else "maximize"
    if direction != wanted:
        raise BadValue(f"`{name}` is the better the {metric.better} it is", f"write `{wanted} {name}`")
    tolerance = 0.0 if within is None else parse_quantity(within, Dimension.FRACTION)
    if not 0 <= tolerance < 1:
        raise BadValue(f"`within {within}` is not between 0 % and 100 %", "write a share such as `within 2 %`")
    return Goal(direction=wanted, metric=name, tolerance=tolerance)


def _unknown_metric(name: str, known: Sequence[str]) -> BadValue:
    below = [other for other in known if other.startswith(f"{name}.")]
    near = nearest(name, known)
    meant = " or ".join(f"`{other}`" for other in below) or (f"`{near}`" if near else "")
    question = f"did you mean {meant}? " if meant else ""
    return BadValue(f"unknown metric `{name}`", f"{question}known: {', '.join(f'`{other}`' for other in known)}")


def read_plan_goal(value: Any) -> Goal:
    """Return the goal of a sentence about a whole plan, such as ``maximize accelerator.allocated``; raises BadValue."""
    return read_goal(value, lambda name: PLAN_METRICS.get(name) or find_metric(name))


def _goal_schema(*examples: str) -> Any:
    return WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*(minimize|maximize)\s+[a-z][a-z0-9_.]*(\s+within\s+\S.*)?$",
            "description": "`minimize` or `maximize` and a metric; `within 2 %` leaves room for the next goal.",
            "examples": list(examples),
        }
    )


WrittenGoal: TypeAlias = Annotated[
    Goal,
    PlainValidator(read_goal),
    _goal_schema(DEFAULT_GOAL, "minimize latency.p99 within 5 %", "maximize accuracy.top1"),
]
PlanGoal: TypeAlias = Annotated[
    Goal, PlainValidator(read_plan_goal), _goal_schema("maximize accelerator.allocated", "minimize power within 2 %")
]
