"""Error tables of the ledger: how far predictions were from what was then measured, group by group."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from aios.records.ledger import LedgerEntry

__all__ = ["GROUPINGS", "ErrorRow", "error_rows"]

GROUPINGS: Mapping[str, Callable[[LedgerEntry], str]] = {
    "model": lambda entry: entry.model,
    "device": lambda entry: entry.device,
    "executor": lambda entry: entry.executor,
    "metric": lambda entry: entry.metric,
    "source": lambda entry: entry.source,
    "precision": lambda entry: entry.precision,
    "by": lambda entry: entry.by,
}
"""What a table may be grouped by."""


class ErrorRow(NamedTuple):
    """Errors of one group. corrected: whether a correction was in the predictions · n: entries · median, p90: of
    |predicted / measured - 1| · bias: median of predicted / measured - 1 · coverage: share of measured values inside
    their predicted 90 % interval"""

    group: Mapping[str, str]
    corrected: bool
    n: int
    median: float
    p90: float
    bias: float
    coverage: float

    @property
    def label(self) -> str:
        """Its group in one text, to find it again in an older report."""
        return " ".join((*self.group.values(), "after" if self.corrected else "before"))


def error_rows(entries: Iterable[LedgerEntry], by: Sequence[str]) -> tuple[ErrorRow, ...]:
    """Return a row for each group of entries, predictions without and with a correction apart.

    by: names of ``GROUPINGS``. Raises KeyError for another. An entry whose measured value is not positive has no
    relative error and is left out.
    """
    readers = {name: GROUPINGS[name] for name in by}
    groups: dict[tuple[tuple[str, ...], bool], list[LedgerEntry]] = {}
    for entry in entries:
        if entry.measured.value > 0:
            key = (tuple(read(entry) for read in readers.values()), entry.correction is not None)
            groups.setdefault(key, []).append(entry)
    return tuple(
        _row(dict(zip(readers, group, strict=True)), corrected, groups[group, corrected])
        for group, corrected in sorted(groups)
    )


def _row(group: Mapping[str, str], corrected: bool, entries: Sequence[LedgerEntry]) -> ErrorRow:
    signed = [entry.predicted / entry.measured.value - 1 for entry in entries]
    inside = [entry.low <= entry.measured.value <= entry.high for entry in entries]
    errors = sorted(map(abs, signed))
    return ErrorRow(
        group, corrected, len(entries), _quantile(errors, 0.5), _quantile(errors, 0.9), _quantile(sorted(signed), 0.5),
        sum(inside) / len(inside),
    )  # fmt: skip


def _quantile(ordered: Sequence[float], q: float) -> float:
    """Return a quantile, between neighbours in proportion."""
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
