"""Bounds as a test states them: ``power < 40 W``, ``latency.p99 <= 10 ms``, ``moves <= 3``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from aios.records.errors import BadValue
from aios.records.forms import nearest
from aios.records.metrics import PLAN_METRICS, find_metric, metric_names
from aios.records.units import Dimension, format_quantity, parse_quantity

__all__ = ["COUNTS", "Bound", "GoalBound", "MetricBound", "NumberBound", "PlanBound", "end_of"]

_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_WRITTEN = re.compile(r"\s*(?:([a-z][\w.]*)\s*)?(<=|>=|==|<|>)\s*(\S.*?)\s*")
COUNTS = ("moves", "replicas", "decisions", "refused", "nodes")
"""What of a whole plan is counted, beside its metrics."""


class Bound(NamedTuple):
    """A bound. name: of the metric or count, empty of a goal's value · value: SI, or as written where ``unit`` is not
    known · text: as written"""

    name: str
    relation: str
    value: float
    text: str

    def holds(self, seen: float) -> bool:
        """Say whether a value keeps it."""
        return _RELATIONS[self.relation](seen, self.value)

    def shown(self, seen: float) -> str:
        """Return a value as people read it."""
        metric = find_metric(self.name)
        return f"{seen:.6g}" if metric is None else format_quantity(seen, metric.dimension)


def end_of(relation: str) -> Literal["low", "value", "high"]:
    """Return the end of an interval that a bound must hold for: the one that speaks against it."""
    return "high" if relation.startswith("<") else "low" if relation.startswith(">") else "value"


def _read(value: Any, counts: tuple[str, ...]) -> Bound:
    match = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] is None:
        raise BadValue(f"`{str(value)[:80]}` is no bound", "write one such as `power < 40 W`")
    name = match[1]
    metric = find_metric(name)
    if metric is None and name not in counts:
        known = (*metric_names(), *counts)
        near = nearest(name, known)
        raise BadValue(
            f"unknown metric `{name}`", (f"did you mean `{near}`? " if near else "") + f"known: {', '.join(known)}"
        )
    number = parse_quantity(match[3], Dimension.COUNT if metric is None else metric.dimension)
    return Bound(name, match[2], number, value.strip())


def _metric_bound(value: Any) -> Bound:
    return _read(value, ())


def _plan_bound(value: Any) -> Bound:
    return _read(value, COUNTS)


def _goal_bound(value: Any) -> Bound:
    return _read(value, tuple(PLAN_METRICS))


def _number_bound(value: Any) -> Bound:
    if isinstance(value, int) and not isinstance(value, bool):
        return Bound("", "==", float(value), str(value))
    match = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] is not None:
        raise BadValue(f"`{str(value)[:80]}` is no bound on a number", "write a number, or a bound such as `'>= 2'`")
    return Bound("", match[2], parse_quantity(match[3], Dimension.COUNT), value.strip())


def _schema(text: str, *, number: bool = False) -> Any:
    written = {"type": "string", "examples": [text]}
    return WithJsonSchema({"anyOf": [{"type": "integer"}, written]} if number else written)


MetricBound: TypeAlias = Annotated[Bound, PlainValidator(_metric_bound), _schema("power < 40 W")]
PlanBound: TypeAlias = Annotated[Bound, PlainValidator(_plan_bound), _schema("power < 2 kW")]
GoalBound: TypeAlias = Annotated[Bound, PlainValidator(_goal_bound), _schema("power <= 3 W")]
NumberBound: TypeAlias = Annotated[Bound, PlainValidator(_number_bound), _schema(">= 2", number=True)]
