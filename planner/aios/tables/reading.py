"""A measured table to observations, by the forms that fit it."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import Diagnostic
from aios.records.observation import BELOW_ZERO, FROM_ONE, NUMBERS, Observations
from aios.tables.cells import Notes, allowed, is_precision, numbers_of, parts_of, tell_of, words_of
from aios.tables.form import MetricSource, NumberSource, TableForm, WordSource
from aios.tables.joining import Beside, joined
from aios.tables.lines import RawTable, header_of, pivoted, read_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Texts
    from aios.tables.cells import Mask

__all__ = ["Counts", "Identify", "Reading", "fitting", "is_meant", "read_table"]

Identify = Callable[[str], str | None]
"""What a table calls a device -> its name in the catalogue."""


class Counts(NamedTuple):
    """What became of the lines of a table (of a long one made wide: of its configurations).

    lines: below the header · read: that some metric is read from · filtered: that no metric's conditions let through ·
    empty: that no measured number stands in · unreadable: whose cells cannot be read, or cannot be true
    """

    lines: int = 0
    read: int = 0
    filtered: int = 0
    empty: int = 0
    unreadable: int = 0


_NONE = Counts()


@dataclass(frozen=True)
class Reading:
    """What a table holds.

    table: its name · observations: one for each metric, in the order of the forms; parallel to ``forms`` · notes: cells
    and rows that could not be read · unknown: devices that no catalogue entry is called like · reason: why nothing was
    read, if so · source, licence: as its comments say ·
    counts: what became of its lines
    """

    table: str
    observations: tuple[Observations, ...] = ()
    forms: tuple[TableForm, ...] = ()
    notes: tuple[Diagnostic, ...] = ()
    unknown: tuple[str, ...] = ()
    reason: str | None = None
    source: str | None = None
    licence: str | None = None
    counts: Counts = _NONE


class _Fit(NamedTuple):
    forms: tuple[TableForm, ...]
    reason: str | None = None


def read_table(
    path: Path,
    forms: Sequence[TableForm],
    identify: Identify,
    name: str | None = None,
    beside: Beside = lambda _: None,
) -> Reading:
    """Return what the forms that fit a file read in it; a reason where none does.

    forms: the first that are meant for this path are taken; where none is, those with the most columns among which the
    file has all · identify: device -> catalogue name · name: of the table, for people; the path without one · beside:
    tables that columns may be taken over from. Raises InputError for what is no table at all.
    """
    name = str(path) if name is None else name
    header = header_of(path, name)
    fit = fitting(name, header, forms)
    if fit.reason is not None:
        return Reading(name, reason=fit.reason)
    pivots = any(form.pivot is not None for form in fit.forms)
    used = {column for form in fit.forms for column in form.used()}
    table = read_rows(path, name, set(header) if pivots else used)
    if not len(table):
        shape = f"none of its {len(table.odd):,} rows has {len(header)} cells, as many as the header"
        return Reading(name, reason=shape if table.odd else "it has no rows")
    notes = Notes(path, name)
    for line in table.odd:
        notes.add("", f"this row has not {len(header)} cells, as many as the header", line, "")
    found: list[tuple[Observations, TableForm]] = []
    unknown: dict[str, None] = {}
    lines: set[int] = set()
    let_through: set[int] = set()
    called = {device: known for form in reversed(fit.forms) for device, known in form.devices.items()}
    for form in fit.forms:
        shaped = table if form.pivot is None else pivoted(table, form.pivot)
        wide = _Wide(joined(shaped, form.joins, beside), form, called, identify, notes)
        observed = [wide.observed(metric) for metric in form.metrics]
        found += [(item, form) for item in observed if item is not None and len(item)]
        unknown |= wide.unknown
        lines |= set(shaped.lines)
        let_through |= wide.let_through
    return Reading(
        table=name,
        observations=tuple(item for item, _ in found),
        forms=tuple(form for _, form in found),
        notes=(*notes.told(), *_unmeasured(name, header, fit.forms)),
        unknown=tuple(unknown),
        reason=None if found else "none of its rows meets the conditions of its form, or none holds a number",
        source=table.source,
        licence=table.licence,
        counts=_counts(lines, table.odd, let_through, [item for item, _ in found], notes),
    )


def _unmeasured(name: str, header: Sequence[str], forms: Sequence[TableForm]) -> list[Diagnostic]:
    """Return what is not read, as the header does not name its column, or names it twice."""
    found = []
    wide = [(form, metric) for form in forms if form.pivot is None for metric in form.metrics]
    for form, metric in wide:
        lacks = [column for column in metric.number.columns if header.count(column) != 1]
        if lacks:
            twice = all(column in header for column in lacks)
            trouble = f"{_columns(lacks)} {'twice' if twice else 'not'} in its header"
            found.append(
                Diagnostic(summary=f"{name}: {trouble}: {metric.metric} of the form `{form.name}` is not read")
            )
    return found


def _counts(
    lines: set[int], odd: Sequence[int], let_through: set[int], found: Sequence[Observations], notes: Notes
) -> Counts:
    read = {int(line) for rows in found for line in rows.lines}
    unreadable = (lines & notes.lines()) - read
    empty = (lines & let_through) - read - unreadable
    left = len(lines) - len(read) - len(unreadable) - len(empty)
    return Counts(len(lines) + len(odd), len(read), left, len(empty), len(unreadable) + len(odd))


def fitting(name: str, header: Sequence[str], forms: Sequence[TableForm]) -> _Fit:
    """Return the forms by which a table with this header is read."""
    if not header:
        return _Fit((), "it is empty")
    meant = [form for form in forms if any(is_meant(name, pattern) for pattern in form.files)]
    whole = [form for form in meant or forms if not _lacks(form, header)]
    if meant and not whole:
        lacks = _lacks(meant[0], header)
        return _Fit((), f"{_columns(lacks)} of the form `{meant[0].name}` {'is' if len(lacks) == 1 else 'are'} missing")
    if not whole:
        return _Fit((), _nearest(header, forms))
    if meant:
        return _Fit(tuple(whole))
    best = max(whole, key=lambda form: len(form.needed()))
    return _Fit(tuple(form for form in whole if form.files == best.files))


def is_meant(name: str, pattern: str) -> bool:
    """Say whether a pattern of paths is about the table of this name."""
    bare = name.removesuffix(".gz")
    return fnmatch.fnmatch(bare, pattern) or fnmatch.fnmatch(bare, f"*/{pattern}")


def _lacks(form: TableForm, header: Sequence[str]) -> list[str]:
    lacks = [column for column in form.needed() if header.count(column) != 1]
    if form.pivot is None and not lacks:
        own = [[column for column in metric.number.columns if column not in header] for metric in form.metrics]
        lacks = min(own, key=len)
    return lacks


def _columns(names: Sequence[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names)
    return f"column {listed}" if len(names) == 1 else f"columns {listed}"


def _nearest(header: Sequence[str], forms: Sequence[TableForm]) -> str:
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        return f"{_columns(doubled)} stand{'s' if len(doubled) == 1 else ''} in its header twice"
    near = [(len(_lacks(form, header)) / max(len(form.needed()), 1), form) for form in forms]
    near = [item for item in near if item[0] <= 0.5]
    if not near:
        return "no form knows its columns"
    form = min(near, key=lambda item: item[0])[1]
    return f"no form fits; of the nearest, `{form.name}`, it lacks {_columns(_lacks(form, header))}"


class _Wide:
    """A table as one form sees it; what its metrics share is read once."""

    def __init__(
        self, table: RawTable, form: TableForm, called: Mapping[str, str | None], identify: Identify, notes: Notes
    ) -> None:
        """``called``: devices as all forms of the table name them; what this form says comes first."""
        self.table, self.form, self.called, self.identify, self.notes = table, form, called, identify, notes
        self.unknown: dict[str, None] = {}
        self.let_through: set[int] = set()
        self.rows = allowed(table, form.where)
        self.words = self._words(form.words)
        self.numbers = self._numbers(form.numbers, self.rows)

    def observed(self, metric: MetricSource) -> Observations | None:
        """Return the values of one measured column with all that is known of its rows; None without the column."""
        import numpy as np

        if any(column not in self.table.columns for column in metric.number.columns):
            return None
        words = {**self.words, **self._words(metric.words)}
        rows = self.rows & allowed(self.table, metric.where)
        for _, through in words.values():
            rows &= through
        numbers = {**self.numbers, **self._numbers(metric.numbers, rows)}
        self.let_through |= {self.table.lines[place] for place in np.flatnonzero(rows)}
        rows &= self._possible(rows, words, numbers, metric)
        signed = metric.metric in ("fits", "accuracy_change")
        values = numbers_of(self.table, metric.number, self.notes, rows, above_zero=not signed)
        chosen = np.flatnonzero(rows & np.isfinite(values))
        arrays = {role: column[chosen] for role, (column, _) in words.items()}
        return Observations(
            table=self.table.file,
            predictor=metric.predictor,
            metric=metric.metric,
            unit=metric.unit,
            words=arrays,
            numbers={role: column[chosen] for role, column in numbers.items()},
            types=self._types(arrays.get("device"), len(chosen)),
            families=self._families(arrays.get("model"), chosen),
            lines=np.array(self.table.lines, dtype=np.int64)[chosen],
            values=values[chosen],
        )

    def _possible(
        self, rows: Mask, words: Mapping[str, tuple[Texts, Mask]], numbers: Mapping[str, Floats], metric: MetricSource
    ) -> Mask:
        """Return which rows can be true; of the others it is told what cannot."""
        import numpy as np

        possible = np.ones(len(rows), dtype=bool)
        counts = {**self.form.numbers, **metric.numbers}
        for role, column in numbers.items():
            below = column <= 0 if role in FROM_ONE else column < 0
            if role not in BELOW_ZERO and below.any():
                wrong = f"cannot be: {NUMBERS[role][1]}"
                tell_of(rows & below, counts[role].column or metric.number.column or "", wrong, self.table, self.notes)
                possible &= ~below
        said = {**self.form.words, **metric.words}
        for role in ("precision", "kv_precision"):
            if role in words and said[role].columns:
                written, places = np.unique(words[role][0], return_inverse=True)
                odd = ~np.array([is_precision(str(word)) for word in written])[places]
                tell_of(rows & odd, said[role].columns[0], "names no known precision", self.table, self.notes)
                possible &= ~odd
        return possible

    def _words(self, sources: Mapping[str, WordSource]) -> dict[str, tuple[Texts, Mask]]:
        return {role: words_of(self.table, source) for role, source in sources.items() if self._has(source)}

    def _numbers(self, sources: Mapping[str, NumberSource], rows: Mask) -> dict[str, Floats]:
        table, notes = self.table, self.notes
        return {role: numbers_of(table, source, notes, rows) for role, source in sources.items() if self._has(source)}

    def _has(self, source: WordSource | NumberSource) -> bool:
        return all(column in self.table.columns for column in source.columns)

    def _types(self, devices: Texts | None, rows: int) -> Texts:
        import numpy as np

        if devices is None:
            return np.full(rows, "")
        written, places = np.unique(devices, return_inverse=True)
        known = [self._type(str(name)) for name in written]
        return np.array(known or [""])[places]

    def _type(self, device: str) -> str:
        if device in self.form.devices:
            return self.form.devices[device] or ""
        found = self.identify(device) if device else None
        if found is None and device and device not in self.called:
            self.unknown[device] = None
        return found or self.called.get(device) or ""

    def _families(self, models: Texts | None, chosen: npt.NDArray[np.int64]) -> Texts:
        import numpy as np

        whole = np.full(len(chosen), "") if models is None else models
        source = self.form.family
        if source is None or not self._has(source):
            return np.char.lower(whole)
        return np.char.lower(parts_of(self.table, source)[chosen])
