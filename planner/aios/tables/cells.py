"""Cells to words and numbers; every distinct cell is read once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aios.records.base import Span
from aios.records.errors import Diagnostic
from aios.tables.form import Condition, NumberSource, WordSource
from aios.tables.lines import RawTable, line_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Texts

    Mask = npt.NDArray[np.bool_]

__all__ = ["Notes", "allowed", "is_precision", "numbers_of", "parts_of", "tell_of", "words_of"]

_UNSTATED = frozenset({"", "-", "--", "n/a", "na", "nan", "none", "null", "?"})
"""What people write into a cell for which they have no number; compared without case."""


_MOST = 1e30
"""Nothing that is measured, and no size of what it is measured on, is larger than this in SI units."""

_PRECISION_WORDS = re.compile(
    r"\b(float|double|half|int|integer|bits?|binary|ternary|mixed|amp|awq|gptq|quanti[sz]ed|dynamic|static|ptq|qat|unset|"
    r"none|auto|default|base)\b"
)
"""Words of precisions that state no bits."""
_BITS: Mapping[str, frozenset[int]] = {
    **dict.fromkeys(("fp", "f", "float"), frozenset({4, 6, 8, 16, 32, 64})),
    **dict.fromkeys(("bf", "bfloat"), frozenset({16})),
    **dict.fromkeys(("tf",), frozenset({32})),
    **dict.fromkeys(("nf", "nvfp"), frozenset({4})),
    **dict.fromkeys(("mxfp",), frozenset({4, 6, 8})),
    **dict.fromkeys(("int", "uint", "i", "u", "q", "iq", "tq", "w", "a"), frozenset({*range(1, 9), 16, 32, 64})),
}
"""How the name of a number format begins -> the bits that such formats have."""
_FORMAT = re.compile(r"(?<![a-z])([a-z]+)(\d+)")


class Notes:
    """What could not be read, told once for each column and kind of trouble."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        self._found: dict[tuple[str, str], tuple[int, str, set[int]]] = {}

    def add(self, column: str, trouble: str, line: int, cell: str) -> None:
        """Remember a cell; of each kind of trouble the first is shown."""
        first = self._found.setdefault((column, trouble), (line, cell, set()))
        first[2].add(line)

    def lines(self) -> set[int]:
        """Return the lines that have some trouble."""
        return set().union(*(lines for _, _, lines in self._found.values()))

    def told(self) -> tuple[Diagnostic, ...]:
        """Return one diagnostic for each column and kind of trouble, at the first cell that has it."""
        return tuple(
            self._told(column, trouble, line, cell, len(lines))
            for (column, trouble), (line, cell, lines) in self._found.items()
        )

    def _told(self, column: str, trouble: str, line: int, cell: str, rows: int) -> Diagnostic:
        text = line_of(self._path, line)
        count = f"; so in {rows:,} rows" if rows > 1 else ""
        return Diagnostic(
            summary=f"`{cell[:40]}` in column `{column}` {trouble}{count}" if column else f"{trouble}{count}",
            where=Span(file=self._name, line=line, column=text.find(cell) + 1 if cell in text else 1),
            line_text=text if len(text) < 400 else None,
        )


def words_of(table: RawTable, source: WordSource) -> tuple[Texts, Mask]:
    """Return a word for each row, and which rows have one that the form lets through."""
    import numpy as np

    if not source.columns:
        return np.full(len(table), source.value), np.ones(len(table), dtype=bool)
    columns = [table.columns[column] for column in source.columns]
    rows = list(zip(*columns, strict=True)) if len(columns) > 1 else [(cell,) for cell in columns[0]]
    known = {cells: _word(" ".join(cell for cell in cells if cell), source) for cells in set(rows)}
    words = np.array([known[cells][0] for cells in rows])
    return words, np.array([known[cells][1] for cells in rows])


def is_precision(word: str) -> bool:
    """Say whether a word names formats of numbers: ``fp16``, ``w8a16``, ``Q4_K_M``, but not ``fp99``; empty is none."""
    lower = word.lower()
    known = [int(bits) in _BITS[kind] for kind, bits in _FORMAT.findall(lower) if kind in _BITS]
    bare = _PRECISION_WORDS.search(re.sub(r"[^a-z]", " ", lower))
    return not word or (all(known) if known else bare is not None)


def _word(cell: str, source: WordSource) -> tuple[str, bool]:
    if source.pattern is not None:
        match = source.pattern.search(cell)
        cell = (match[1] or "").strip() if match else ""
    through = cell in source.values or not source.only
    return source.values.get(cell, cell) or source.default, through


def parts_of(table: RawTable, source: WordSource) -> Texts:
    """Return for each row what the source finds in its one column, the whole cell where it finds nothing."""
    import numpy as np

    found, _ = words_of(table, source)
    return np.where(found == "", np.array(table.columns[source.columns[0]]), found)


def allowed(table: RawTable, where: Mapping[str, Condition]) -> Mask:
    """Return which rows meet all conditions; a column that is not there is empty."""
    import numpy as np

    rows = np.ones(len(table), dtype=bool)
    for column, condition in where.items():
        cells = table.columns.get(column)
        if cells is None:
            rows &= condition.holds("")
            continue
        known = {cell: condition.holds(cell) for cell in set(cells)}
        rows &= np.array([known[cell] for cell in cells])
    return rows


def numbers_of(table: RawTable, source: NumberSource, notes: Notes, rows: Mask, above_zero: bool = False) -> Floats:
    """Return a number (SI) for each row, NaN where none is stated or it cannot be read.

    rows: those whose troubles are told · above_zero: zero and less are no values
    """
    import numpy as np

    if source.column is None:
        return np.full(len(table), (source.value or 0.0) * source.factor)
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is told below
        found = _computed(table, source, source.column, notes, rows)
    found = _without(
        np.abs(found) > _MOST, found, "is larger than anything that is measured", table, source, notes, rows
    )
    if above_zero:
        wrong = "is nothing that can be measured: it is not above zero"
        found = _without(found <= 0, found, wrong, table, source, notes, rows)
    return found


def _computed(table: RawTable, source: NumberSource, column: str, notes: Notes, rows: Mask) -> Floats:
    import numpy as np

    found = _column(table, column, source, notes, rows)
    if source.minus is not None:
        found = found - _column(table, source.minus, source, notes, rows)
    plain = NumberSource(None, 1.0)
    for factor in source.times:
        found = found * _column(table, factor, plain, notes, rows)
    for name in source.over:
        divisor = _column(table, name, plain, notes, rows)
        found = found / np.where(divisor == 0, np.nan, divisor)
    if source.default is not None:
        found = np.where(np.isnan(found), source.default, found)
    return found * source.factor


def _without(
    wrong: Mask, found: Floats, trouble: str, table: RawTable, source: NumberSource, notes: Notes, rows: Mask
) -> Floats:
    """Return numbers with NaN in place of wrong ones, which are told."""
    import numpy as np

    if not wrong.any():
        return found
    tell_of(rows & wrong, source.column or "", trouble, table, notes)
    return np.where(wrong, np.nan, found)


def tell_of(places: Mask, column: str, trouble: str, table: RawTable, notes: Notes) -> None:
    """Note the cells of a column that have some trouble."""
    import numpy as np

    for place in np.flatnonzero(places):
        notes.add(column, trouble, table.lines[place], table.columns[column][place])


def _column(table: RawTable, column: str, source: NumberSource, notes: Notes, rows: Mask) -> Floats:
    import numpy as np

    cells = table.columns[column]
    known = {cell: _number(cell, source) for cell in set(cells)}
    bad = {cell for cell, value in known.items() if value is None}
    if bad:
        for place in np.flatnonzero(rows):
            if cells[place] in bad:
                notes.add(column, "is no number", table.lines[place], cells[place])
    plain = {cell: math.nan if value is None else value for cell, value in known.items()}
    return np.array([plain[cell] for cell in cells], dtype=np.float64)


def _number(cell: str, source: NumberSource) -> float | None:
    """Return the number in a cell, NaN where none is stated, None where it is something else."""
    if cell in source.values:
        return source.values[cell]
    if source.pattern is not None:
        match = source.pattern.search(cell)
        cell = (match[1] or "").strip() if match else ""
    if cell.lower() in _UNSTATED:
        return math.nan
    if cell in source.values:
        return source.values[cell]
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in cell else None
