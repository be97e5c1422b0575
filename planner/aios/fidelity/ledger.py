"""Error tables of the ledger: how far predictions were from what was then measured, group by group."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    """Errors of one group. correction: ``none`` where predictions were made without any; ``with`` one, and ``without``
    it, of the same entries · n: entries · median, p90: of |predicted / measured - 1| · bias: median of predicted /
    measured - 1 · coverage: share of measured values inside their predicted 90 % interval"""

    group: Mapping[str, str]
    correction: str
    n: int
    median: float
    p90: float
    bias: float
    coverage: float

    @property
    def label(self) -> str:
        """Its group in one text, to find it again in an older report."""
        return " ".join((*self.group.values(), self.correction))


def error_rows(entries: Iterable[LedgerEntry], by: Sequence[str]) -> tuple[ErrorRow, ...]:
    """Return rows for each group of entries: predictions that were made with a correction are counted twice, with it
    and without it, apart from those that never had one.

    by: names of ``GROUPINGS``. Raises KeyError for another. An entry whose measured value is not positive has no
    relative error and is left out.
    """
    readers = {name: GROUPINGS[name] for name in by}
    groups: dict[tuple[tuple[str, ...], str], list[_Told]] = {}
    for entry in entries:
        if entry.measured.value > 0:
            group = tuple(read(entry) for read in readers.values())
            for correction, ends in _predictions(entry):
                groups.setdefault((group, correction), []).append(_Told(*ends, entry.measured.value))
    return tuple(
        _row(dict(zip(readers, group, strict=True)), correction, groups[group, correction])
        for group, correction in sorted(groups)
    )


class _Told(NamedTuple):
    low: float
    value: float
    high: float
    measured: float


def _predictions(entry: LedgerEntry) -> Iterator[tuple[str, tuple[float, float, float]]]:
    yield "none" if entry.correction is None else "with", (entry.low, entry.predicted, entry.high)
    if entry.without is not None:
        yield "without", entry.without


def _row(group: Mapping[str, str], correction: str, entries: Sequence[_Told]) -> ErrorRow:
    signed = [entry.value / entry.measured - 1 for entry in entries]
    inside = [entry.low <= entry.measured <= entry.high for entry in entries]
    errors = sorted(map(abs, signed))
    return ErrorRow(
        group, correction, len(entries), _quantile(errors, 0.5), _quantile(errors, 0.9), _quantile(sorted(signed), 0.5),
        sum(inside) / len(inside),
    )  # fmt: skip


def _quantile(ordered: Sequence[float], q: float) -> float:
    """Return a quantile, between neighbours in proportion."""
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
