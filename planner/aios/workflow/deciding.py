"""Rows of a report with what deciding by predictions costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aios.records.fleet import DeviceType
from aios.records.observation import Level

if TYPE_CHECKING:
    from aios.fidelity import Decisions, Predictions
    from aios.fidelity.configuring import Column, Configurations
    from aios.tables.form import Choice
    from aios.workflow.measuredtables import MeasuredTables

__all__ = ["UNDECIDED", "Row", "nothing_to_choose", "rounded", "with_decisions"]

UNDECIDED: Mapping[str, Any] = dict.fromkeys(
    ("intents", "undecided", "loose", "impossible", "promised", "feasible_share", "regret_median", "regret_p90")
)
"""Figures of a metric that is no goal of any choice."""
_DERIVED = "derived"
"""In place of a predictor's name where a metric follows from others."""

Judged = Mapping[tuple[str, Level], Mapping[str, Sequence["Predictions"]]]


@dataclass(frozen=True)
class Row:
    """One metric of one table at one level. figures: as in the JSON · reasons: why rows are not predicted -> count"""

    table: str
    predictor: str
    metric: str
    level: Level
    figures: Mapping[str, Any]
    reasons: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what the JSON report says of it."""
        head = {"table": self.table, "metric": self.metric, "level": self.level, "predictor": self.predictor}
        return {**head, **self.figures, "unpredicted": dict(self.reasons)}


def with_decisions(rows: Sequence[Row], tables: MeasuredTables, judged: Judged, seed: int) -> list[Row]:
    """Return the rows with what deciding costs, at the metrics that are goals.

    A goal that follows from others has a row of its own; of rows of one metric by several predictors the first is it.
    """
    from aios.fidelity import configurations

    found: dict[tuple[str, str, Level], dict[str, Any]] = {}
    more: list[Row] = []
    for (table, level), predicted in judged.items():
        choices = _choices(tables, table)
        if not choices:
            continue
        known = configurations(predicted)
        for goal, column, got in _decided(known, choices, tables.types, seed):
            if goal in predicted:
                found[table, goal, level] = got
            else:
                more.append(Row(table, _DERIVED, goal, level, {**_scored(column), **got}))
    told = [_with(row, found.pop((row.table, row.metric, row.level), None)) for row in rows]
    return told + more


def _choices(tables: MeasuredTables, table: str) -> list[Choice]:
    forms = {form.name: form for item in tables.readings if item.table == table for form in item.forms}
    return [choice for form in forms.values() for choice in form.choices]


def nothing_to_choose(rows: Sequence[Row], tables: MeasuredTables) -> dict[str, tuple[str, ...]]:
    """Return table -> why choices that its forms state decide nothing."""
    decided = {(row.table, row.metric) for row in rows if row.figures["intents"] is not None}
    found: dict[str, dict[str, None]] = {}
    for table in dict.fromkeys(row.table for row in rows):
        for choice in _choices(tables, table):
            limits = " or ".join(choice.bound + choice.first)
            for goal in (goal for goal in choice.goal if (table, goal) not in decided):
                why = (
                    f"{goal} within {', '.join(choice.within)}: too few rows agree in these of which {goal} and "
                    f"{limits} are known to choose among them"
                )
                found.setdefault(table, {})[why] = None
    return {table: tuple(reasons) for table, reasons in found.items()}


def _decided(
    known: Configurations, choices: Sequence[Choice], types: Mapping[str, DeviceType], seed: int
) -> Iterator[tuple[str, Column, dict[str, Any]]]:
    """Yield each goal with its column and figures; of choices with the same goal the first that decides something."""
    from aios.fidelity import decisions, derived

    told: set[str] = set()
    for choice in choices:
        names = dict.fromkeys((*choice.bound, *choice.first, *choice.goal))
        columns = {name: column for name in names if (column := derived(known, name, types, choice.within)) is not None}
        for goal in choice.goal:
            if goal in told or goal not in columns:
                continue
            bounds, first = (
                [(name, columns[name]) for name in limited if name in columns and name != goal]
                for limited in (choice.bound, choice.first)
            )
            got = decisions(known, choice.within, bounds, (goal, columns[goal]), seed, first)
            if got is not None:
                told.add(goal)
                references = {"expected": _figures(got.expected), "roofline": _figures(got.roofline)}
                yield goal, columns[goal], {**_figures(got.pessimistic), "references": references}


def _figures(item: Decisions) -> dict[str, Any]:
    return {name: rounded(number) for name, number in item._asdict().items()}


def _scored(column: Column) -> dict[str, Any]:
    """Return the errors of a metric that follows from others."""
    import numpy as np

    from aios.fidelity import score

    seen = np.isfinite(column.measured) & np.isfinite(column.value)
    own = column.take(seen)
    result = score(own.measured, own.value, own.low, own.high)
    figures: dict[str, Any] = {name: rounded(number) for name, number in result._asdict().items()}
    return {**figures, "suspicious": 0}


def _with(row: Row, got: Mapping[str, Any] | None) -> Row:
    if got is None:
        return row
    known = row.figures["references"]
    references = {**known, **{name: {**known.get(name, {}), **own} for name, own in got["references"].items()}}
    return replace(row, figures={**row.figures, **got, "references": references})


def rounded(number: float | None) -> float | int | None:
    """Return a figure as a report holds it."""
    return number if number is None or isinstance(number, int) else float(f"{number:.5g}")
