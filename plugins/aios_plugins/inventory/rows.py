"""Lists of machines, however they are written, as rows of named cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aios.records.errors import InputError
from aios.spi.texts import Mistakes

__all__ = ["MOST_ROWS", "Row", "Table", "read_table"]

MOST_ROWS = 100_000
"""Most machines of one list; each takes about 1 KiB."""
_SEPARATORS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Row:
    """One machine. line: where it begins, from 1 · name: what it is filed under, if that is no cell of its own."""

    line: int
    cells: Mapping[str, Any]
    name: str | None = None


@dataclass
class Table:
    """A list of machines.

    columns: names in order of appearance · header_line: of a CSV table, else 0 · left_out: one sentence each for what
    stands beside the machines
    """

    file: str
    text: str
    columns: tuple[str, ...] = ()
    rows: list[Row] = field(default_factory=list)
    header_line: int = 0
    separator: str = ","
    left_out: tuple[str, ...] = ()

    def place(self, row: Row, column: str) -> tuple[int, int]:
        """Return line and column of a cell; the row's beginning where a cell before it goes on on the next line."""
        if self.header_line:
            line = self.text.split("\n", row.line)[row.line - 1]
            return row.line, _start(line, self.separator, self.columns.index(column))
        lines = self.text.split("\n")
        for number in range(row.line, min(row.line + 200, len(lines) + 1)):
            at = lines[number - 1].find(f'"{column.rpartition(".")[2]}"')
            if at >= 0:
                return number, at + 1
        return row.line, 1

    def header_place(self, column: str) -> tuple[int, int]:
        """Return line and column of a column's name."""
        if self.header_line:
            line = self.text.split("\n", self.header_line)[self.header_line - 1]
            return self.header_line, _start(line, self.separator, self.columns.index(column))
        return self.place(self.rows[0], column)


def read_table(file: str, text: str) -> Table:
    """Return the machines of a file, which is JSON if it begins like JSON, else CSV; raises InputError."""
    if text.lstrip()[:1] in ("[", "{"):
        from aios_plugins.inventory.objects import read_objects

        return read_objects(file, text)
    return _read_csv(file, text)


def _read_csv(file: str, text: str) -> Table:
    mistakes = Mistakes(file, text)
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), None)
    if first is None:
        mistakes.add(
            f"{file} has no header", 1, remedy="begin with a line of column names, such as `name,cpu,memory_gib`"
        )
        raise InputError(*mistakes.told())
    separator = max(_SEPARATORS, key=lambda mark: len(_starts(lines[first], mark)))
    reader = csv.reader(
        (f"{line}\n" for line in lines[first:]), delimiter=separator, strict=True, skipinitialspace=True
    )
    table = Table(file, text, header_line=first + 1, separator=separator)
    try:
        table.columns = tuple(name.strip() for name in next(reader))
        _check_header(table, mistakes)
        width, before = len(table.columns), reader.line_num
        for cells in reader:
            line, before = first + before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != width:
                remedy = "fill in what is missing; quote cells that hold the separator"
                mistakes.add(f"the row has {len(cells)} cells, but there are {width} columns", line, remedy=remedy)
            elif len(table.rows) >= MOST_ROWS:
                mistakes.add(f"there are more than {MOST_ROWS:,} rows", line, remedy="split the file")
                break
            else:
                table.rows.append(Row(line, dict(zip(table.columns, map(str.strip, cells), strict=True))))
    except csv.Error as error:
        mistakes.add(
            f"this is no well-formed CSV: {error}",
            first + reader.line_num,
            remedy='write a quote inside a cell as `""`',
        )
    mistakes.raise_any()
    return table


def _check_header(table: Table, mistakes: Mistakes) -> None:
    starts = _starts(table.text.split("\n", table.header_line)[table.header_line - 1], table.separator)
    seen: set[str] = set()
    for at, name in enumerate(table.columns):
        column = starts[at] if at < len(starts) else 1
        if not name:
            mistakes.add(f"column {at + 1} has no name", table.header_line, column, remedy="give it one")
        elif name in seen:
            remedy = "rename one of them"
            mistakes.add(f"there are two columns called `{name}`", table.header_line, column, remedy=remedy)
        seen.add(name)
    mistakes.raise_any()


def _start(line: str, separator: str, cell: int) -> int:
    """Return the column, from 1, at which a cell begins; 1 where it stands on a further line."""
    starts = _starts(line, separator)
    return starts[cell] if cell < len(starts) else 1


def _starts(line: str, separator: str) -> list[int]:
    """Return the column, from 1, at which each cell of a line begins."""
    starts, quoted = [1], False
    for at, mark in enumerate(line, start=1):
        if mark == '"':
            quoted = not quoted
        elif mark == separator and not quoted:
            starts.append(at + 1)
    return starts


def names_in(rows: list[Row]) -> tuple[str, ...]:
    """Return the names of all cells, in order of appearance."""
    return tuple(dict.fromkeys(name for row in rows for name in row.cells))


def flat(cells: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the cells of an object; what stands in objects inside it is called ``outer.inner``, three deep."""
    for key, value in cells.items():
        name = re.sub(r"\s+", " ", f"{prefix}{key}")
        if isinstance(value, dict) and value and depth < 3:
            yield from flat(value, f"{name}.", depth + 1)
        else:
            yield name, value
