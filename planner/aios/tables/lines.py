"""CSV files as columns of text, read line by line and within bounds."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import TextIO, TypeVar

from aios.records.base import Span
from aios.records.errors import Diagnostic, InputError
from aios.tables.form import Pivot

__all__ = ["MOST_ROWS", "RawTable", "header_of", "line_of", "pivoted", "read_rows"]

MOST_ROWS = 2_000_000
"""Most rows of a table that are read; the columns of more would not fit into the memory of a small machine."""
_MOST_LINE = 2**20
_MOST_TEXT = 2**31
"""Most characters of a line, and of a whole file once it is unpacked; nobody's measurements have more."""
_MOST_CELL = 200
"""Most characters of a cell that are kept: an array of words takes as much for every cell as for the longest."""
_REMEDY = "save it as UTF-8 text with a header line and commas between cells"

T = TypeVar("T")


@dataclass(frozen=True)
class RawTable:
    """Columns of text, all of one length.

    lines: that the rows end on · odd: lines left out, whose number of cells is not that of the header · source,
    licence: what the comment lines before the header say
    """

    file: str
    columns: dict[str, list[str]]
    lines: list[int]
    odd: tuple[int, ...] = ()
    source: str | None = None
    licence: str | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)


def header_of(path: Path, name: str) -> tuple[str, ...]:
    """Return the names of a file's columns, none for an empty file; raises InputError for what is no table."""
    return _within(path, name, lambda text: tuple(_Lines(text, name).header))


def read_rows(path: Path, name: str, wanted: Collection[str]) -> RawTable:
    """Return those columns of ``wanted`` that a file has; raises InputError for what is no table."""
    return _within(path, name, lambda text: _read(_Lines(text, name), name, wanted))


def line_of(path: Path, line: int) -> str:
    """Return the text of a line (from 1) of a file that was read before."""

    def find(text: TextIO) -> str:
        for number, found in enumerate(iter(lambda: text.readline(_MOST_LINE), ""), start=1):
            if number == line:
                return found.rstrip("\r\n")
        return ""

    return _within(path, str(path), find)


def _within(path: Path, name: str, work: Callable[[TextIO], T]) -> T:
    try:
        packed = path.suffix == ".gz"
        with (
            gzip.open(path) if packed else path.open("rb") as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text,
        ):
            return work(text)
    except UnicodeDecodeError as error:
        wrong = f"{name} is not UTF-8 text: byte 0x{error.object[error.start]:02x}"
        raise InputError(Diagnostic(summary=wrong, remedy=_REMEDY)) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(Diagnostic(summary=f"{name} cannot be unpacked: {error}", remedy="copy it again")) from None
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from None


class _Lines:
    """Rows of a file after its comments and header."""

    def __init__(self, text: TextIO, name: str) -> None:
        self.text, self.name, self.count, self.length = text, name, 0, 0
        self.comments: list[str] = []
        first = self._header()
        self.reader = csv.reader(self._after(first), delimiter=max(",;\t", key=first.count))
        self.header = [cell.strip() for cell in next(self.rows(), (0, []))[1]]

    def _header(self) -> str:
        for line in self._bounded():
            if not line.startswith(("# ", "#\n", "#\r")) and line.strip():
                return line
            self.comments = [*self.comments[-100:], line[1:].strip()]
        return ""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each row with the line that it ends on."""
        while True:
            try:
                row = next(self.reader)
            except StopIteration:
                return
            except csv.Error as error:
                where = Span(file=self.name, line=max(self.count, 1), column=1)
                wrong = f"this line is no row of a table: {error}"
                raise InputError(Diagnostic(summary=wrong, where=where, remedy=_REMEDY)) from None
            if row:
                yield self.count, row

    def _after(self, first: str) -> Iterator[str]:
        if first:
            yield first
            yield from self._bounded()

    def _bounded(self) -> Iterator[str]:
        while line := self.text.readline(_MOST_LINE):
            self.count += 1
            self.length += len(line)
            if len(line) >= _MOST_LINE or self.length > _MOST_TEXT or "\0" in line:
                where = Span(file=self.name, line=self.count, column=1)
                what = "holds a zero byte" if "\0" in line else "is longer than any line or table of measurements"
                raise InputError(Diagnostic(summary=f"line {self.count} {what}", where=where, remedy=_REMEDY))
            yield line


def _read(lines: _Lines, name: str, wanted: Collection[str]) -> RawTable:
    header = lines.header
    places = [place for place, column in enumerate(header) if column in wanted and header.count(column) == 1]
    take = itemgetter(*places, 0) if places else itemgetter(0, 0)  # at least two places: always a tuple
    width, kept, numbers, odd = len(header), [], [], []
    for line, row in lines.rows():
        if len(row) != width:
            odd.append(line)
            continue
        kept.append(take(row))
        numbers.append(line)
        if len(kept) > MOST_ROWS:
            where = Span(file=name, line=line, column=1)
            raise InputError(
                Diagnostic(summary=f"{name} has more than {MOST_ROWS:,} rows", where=where, remedy="split it")
            )
    columns = {header[place]: _tidied([row[index] for row in kept]) for index, place in enumerate(places)}
    said = " ".join(lines.comments)
    return RawTable(name, columns, numbers, tuple(odd), _said(said, "source"), _said(said, "licen[cs]e"))


def _tidied(cells: list[str]) -> list[str]:
    tidy = {cell: cell.strip()[:_MOST_CELL] for cell in set(cells)}
    return [tidy[cell] for cell in cells]


def _said(comments: str, key: str) -> str | None:
    match = re.search(rf"\b{key}:?\s+(.*?)(?=;|\s(?:units|note|split|format):|$)", comments, re.IGNORECASE)
    return match[1].strip()[:300] or None if match else None


def pivoted(table: RawTable, pivot: Pivot) -> RawTable:
    """Return a long table made wide: one row for each set of equal index cells, on the line where it begins.

    Columns other than the index, the name and the value have the cell of the first row; a number that a row lacks is
    empty, one that it has twice is its first.
    """
    index = list(zip(*(table.columns[column] for column in pivot.index), strict=True))
    row_of: dict[tuple[str, ...], int] = {}
    firsts: list[int] = []
    for place, key in enumerate(index):
        if key not in row_of:
            row_of[key] = len(firsts)
            firsts.append(place)
    kept = [column for column in table.columns if column not in (pivot.name, pivot.value)]
    columns = {column: [table.columns[column][place] for place in firsts] for column in kept}
    for key, name, value in zip(index, table.columns[pivot.name], table.columns[pivot.value], strict=True):
        if name not in columns:
            columns[name] = [""] * len(firsts)
        if name not in kept and not columns[name][row_of[key]]:
            columns[name][row_of[key]] = value
    return replace(table, columns=columns, lines=[table.lines[place] for place in firsts])
