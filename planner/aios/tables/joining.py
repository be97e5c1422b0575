"""Columns of one table beside those of another, by what their rows agree in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from aios.tables.cells import allowed, parts_of
from aios.tables.form import Join
from aios.tables.lines import RawTable, header_of, read_rows

__all__ = ["Beside", "joined"]

Beside = Callable[[str], Path | None]
"""Pattern of a path -> the other table that is called like this, if there is one."""


def joined(table: RawTable, joins: Iterable[Join], beside: Beside) -> RawTable:
    """Return a table with the columns that it takes over from others; what is lacking there is lacking here.

    Its own columns stay as they are. Raises InputError where another table cannot be read.
    """
    for join in joins:
        path = beside(join.table)
        if path is not None and all(column in table.columns for column in join.on):
            table = _with(table, join, path)
    return table


def _with(table: RawTable, join: Join, path: Path) -> RawTable:
    keys = {column for there in join.on.values() for column in there.columns}
    header = header_of(path, path.name)
    new = [column for column in join.columns if column in header and column not in table.columns]
    if not keys <= set(header) or not new:
        return table
    other = read_rows(path, path.name, {*keys, *new, *join.where})
    if not len(other):
        return table
    counted = allowed(other, join.where)
    place_of: dict[tuple[str, ...], int] = {}
    for place, key in enumerate(zip(*(parts_of(other, there).tolist() for there in join.on.values()), strict=True)):
        if counted[place]:
            place_of.setdefault(key, place)
    places = [place_of.get(key) for key in zip(*(table.columns[column] for column in join.on), strict=True)]
    columns = {
        name: ["" if place is None else other.columns[name][place] for place in places]
        for name in new
        if name in other.columns
    }
    return replace(table, columns={**table.columns, **columns})
