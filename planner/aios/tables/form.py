"""Forms, ready to read with: columns, patterns and factors to SI units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Choice", "Condition", "Join", "MetricSource", "NumberSource", "Pivot", "TableForm", "WordSource"]


class WordSource(NamedTuple):
    """Where a word comes from; see ``written.WordForm``. columns: none where ``value`` is the same for all rows."""

    columns: tuple[str, ...]
    value: str = ""
    pattern: re.Pattern[str] | None = None
    values: Mapping[str, str] = {}
    only: bool = False
    default: str = ""
    optional: bool = False


class NumberSource(NamedTuple):
    """Where a number comes from; see ``written.NumberForm``. factor: to the SI unit."""

    column: str | None
    factor: float
    value: float | None = None
    pattern: re.Pattern[str] | None = None
    values: Mapping[str, float] = {}
    times: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    minus: str | None = None
    default: float | None = None
    optional: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are needed."""
        single = tuple(column for column in (self.column, self.minus) if column is not None)
        return (*single, *self.times, *self.over)


class Condition(NamedTuple):
    """What a cell must be for its row to be read."""

    only: frozenset[str] | None = None
    none_of: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    stated: bool | None = None

    def holds(self, cell: str) -> bool:
        """Say whether a cell meets it."""
        if self.only is not None and cell not in self.only:
            return False
        if cell in self.none_of or (self.pattern is not None and not self.pattern.search(cell)):
            return False
        return self.stated is None or bool(cell) == self.stated


class MetricSource(NamedTuple):
    """A measured column. unit: SI · words, numbers, where: its own, in place of the form's."""

    metric: str
    unit: str
    predictor: str
    number: NumberSource
    words: Mapping[str, WordSource]
    numbers: Mapping[str, NumberSource]
    where: Mapping[str, Condition]


@dataclass(frozen=True)
class Pivot:
    """How a long table is made wide."""

    index: tuple[str, ...]
    name: str
    value: str


class Choice(NamedTuple):
    """Rows among which a planner would choose; see ``written.ChoiceForm``."""

    within: tuple[str, ...]
    bound: tuple[str, ...]
    goal: tuple[str, ...]
    first: tuple[str, ...] = ()


class Join(NamedTuple):
    """Columns of another table; see ``written.JoinForm``. on: column here -> where its equal stands there"""

    table: str
    on: Mapping[str, WordSource]
    where: Mapping[str, Condition]
    columns: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TableForm:
    """What the columns of a kind of table mean.

    file: that it stands in · files: patterns of paths that it is meant for · columns: needed beside those used ·
    family: None for the model's whole name · devices: what the table calls a device -> catalogue name or None,
    for other forms of the same table too where these do not know it
    """

    name: str
    file: str
    files: tuple[str, ...]
    columns: tuple[str, ...]
    where: Mapping[str, Condition]
    pivot: Pivot | None
    words: Mapping[str, WordSource]
    numbers: Mapping[str, NumberSource]
    family: WordSource | None
    devices: Mapping[str, str | None]
    metrics: tuple[MetricSource, ...]
    choices: tuple[Choice, ...]
    joins: tuple[Join, ...] = ()

    def needed(self) -> tuple[str, ...]:
        """Return the columns that a file must have for this form to fit, in no more than one metric's favour."""
        if self.pivot is not None:
            return tuple(dict.fromkeys((*self.pivot.index, self.pivot.name, self.pivot.value, *self.columns)))
        taken_over = {column for join in self.joins for column in join.columns}
        return tuple(column for column in dict.fromkeys((*self.columns, *self._shared())) if column not in taken_over)

    def used(self) -> frozenset[str]:
        """Return all columns that are read where they stand."""
        own = {column for metric in self.metrics for column in _columns_of(metric)}
        shared = {column for source in self._sources() for column in source.columns}
        return frozenset((*self.needed(), *own, *shared))

    def _shared(self) -> Iterator[str]:
        yield from self.where
        for join in self.joins:
            yield from join.on
        for source in self._sources():
            if not source.optional:
                yield from source.columns

    def _sources(self) -> Iterator[WordSource | NumberSource]:
        yield from self.words.values()
        yield from self.numbers.values()
        if self.family is not None:
            yield self.family


def _columns_of(metric: MetricSource) -> Iterator[str]:
    yield from metric.number.columns
    yield from metric.where
    for word in metric.words.values():
        yield from word.columns
    for number in metric.numbers.values():
        yield from number.columns
