"""Rows of lists -> Inventory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from aios.records.errors import BadValue, InputError
from aios.records.fleet import DeviceKind, DeviceType, Fact
from aios.records.units import Dimension, parse_quantity
from aios.spi.importer import Inventory, Machine
from aios.spi.probe import Found
from aios.spi.texts import Mistakes, text_of
from aios_plugins.inventory.columns import Column, Columns, choose_columns
from aios_plugins.inventory.rows import Row, Table, read_table

__all__ = ["read_machines"]

_MOST_DEVICES = 4096  # of one machine
_MOST_CORES = 1_000_000
_NOTHING = ("", "-", "n/a", "na", "none", "null", "nan")
# `8x A100`, `A100*8`, `A100 x8`; not the names `RX 7900 XTX`, `MLU370-X8`: an `x` inside a name is no count.
_TIMES = re.compile(r"(\d{1,6}) ?[xX×*] ?(?![tT][xX]?\b)(\S.*)|(\S.*?)(?:(?<![mM][lL][uU]\d{3}) x ?| ?[×*] ?)(\d{1,6})")


def read_machines(texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
    """Return the machines of all files; raises InputError with the mistakes of each."""
    machines: list[Machine] = []
    notes: list[str] = []
    left_out: list[str] = []
    told: list[Any] = []
    for file, content in texts.items():
        try:
            reading = _Reading(read_table(file, text_of(content, file)), options)
            machines += reading.machines()
            notes += reading.notes
            left_out += reading.left_out
        except InputError as error:
            told += error.diagnostics
    if told:
        raise InputError(*told)
    return Inventory(machines=tuple(machines), notes=tuple(dict.fromkeys(notes)), left_out=tuple(left_out))


class _Reading:
    """One file."""

    def __init__(self, table: Table, options: Mapping[str, str]) -> None:
        self.table = table
        self.mistakes = Mistakes(table.file, table.text)
        named = any(row.name is not None for row in table.rows)
        line = table.header_line or (table.rows[0].line if table.rows else 1)
        self.columns: Columns = choose_columns(table.columns, options, named, self.mistakes, line)
        self.notes: list[str] = []
        self.left_out: list[str] = []
        by_role = self.columns.by_role.items()
        self.read = [*(column.name for role, column in by_role if role != "name"), *self.columns.labels.values()]
        self.known: dict[tuple[str, ...], dict[str, Any]] = {}
        self.found: dict[tuple[Any, ...], tuple[Found, ...]] = {}
        self.rounded: set[str] = set()
        self.counts_name_models = False

    def machines(self) -> list[Machine]:
        """Return a machine per row; raises InputError with every mistake."""
        self.mistakes.raise_any()
        self._check_units()
        lines: dict[str, int] = {}
        made: list[Machine] = []
        for row in self.table.rows:
            machine = self._machine(row)
            if machine.name in lines:
                self._twice(row, machine.name, lines[machine.name])
            elif machine.name:
                lines[machine.name] = row.line
            made.append(machine)
        if not made:
            self.mistakes.add("there is no machine in this file", self.table.header_line or 1)
        self.mistakes.raise_any()
        self._tell()
        return made

    def _tell(self) -> None:
        self.notes.append(f"{self.table.file}: {self.columns.sentence(self.counts_name_models)}")
        if self.rounded:
            shown = ", ".join(sorted(self.rounded)[:5])
            self.notes.append(f"{self.table.file}: parts of cores are not counted ({shown})")
        self.left_out += self.table.left_out
        unused = self.columns.unused
        if unused:
            shown = ", ".join(f"`{name}`" for name in unused[:10])
            more = f" and {len(unused) - 10} more" if len(unused) > 10 else ""
            self.left_out.append(f"{self.table.file}: columns that are not used: {shown}{more}")

    def _check_units(self) -> None:
        """Refuse a column of sizes that has numbers without any unit, once and not for each row."""
        for role, example in (("memory", "GiB"), ("device_memory", "GiB"), ("price", "USD/h")):
            column = self.columns.by_role.get(role)
            if column is None or column.unit is not None:
                continue
            bare = next((row for row in self.table.rows if _is_bare(row.cells.get(column.name))), None)
            if bare is not None:
                self.mistakes.add(
                    f"the unit of column `{column.name}` is not stated, and its cells have none",
                    *self.table.header_place(column.name),
                    reason=f"{bare.cells[column.name]} on line {bare.line} could mean anything",
                    remedy=f"say it: --option {role}={column.name}:{example}, or rename the column",
                )
        self.mistakes.raise_any()

    def _machine(self, row: Row) -> Machine:
        return Machine(name=self._name(row), line=row.line, **self._alike(row))

    def _alike(self, row: Row) -> dict[str, Any]:
        """Return what a row says beside its name; rows that say the same share it, because lists repeat themselves."""
        key = tuple(str(row.cells.get(name)) for name in self.read)
        if key not in self.known:
            mistakes = self.mistakes.count
            fields = self._fields(row)
            if self.mistakes.count != mistakes:
                return fields
            self.known[key] = fields
        return self.known[key]

    def _fields(self, row: Row) -> dict[str, Any]:
        labels = {
            label: text
            for label, column in self.columns.labels.items()
            if (text := _text(row.cells.get(column))).lower() not in _NOTHING
        }
        region = self.columns.by_role.get("region")
        return {
            "cores": self._cores(row),
            "memory_bytes": self._quantity(row, "memory", Dimension.BYTES),
            "devices": (*self._processors(row), *self._devices(row)),
            "labels": labels,
            "region": (_text(row.cells.get(region.name)) or None) if region else None,
            "price_usd_per_h": self._quantity(row, "price", Dimension.COST_RATE),
        }

    def _wrong(self, row: Row, column: Column, summary: str, remedy: str | None = None) -> None:
        at = (row.line, 1) if self.mistakes.full else self.table.place(row, column.name)
        self.mistakes.add(f"`{column.name}`: {summary}", *at, remedy=remedy)

    def _twice(self, row: Row, name: str, line: int) -> None:
        column = self.columns.by_role.get("name")
        at = self.table.place(row, column.name) if column and not self.mistakes.full else (row.line, 1)
        reason = f"the other stands on line {line}"
        self.mistakes.add(f"there are two machines called `{name}`", *at, reason=reason, remedy="rename or delete one")

    def _name(self, row: Row) -> str:
        column = self.columns.by_role.get("name")
        name = row.name or (_text(row.cells.get(column.name)) if column else "")
        if not name and column is not None:
            self._wrong(row, column, "the machine has no name", "give it one, or delete the row")
        return name

    def _quantity(self, row: Row, role: str, dimension: Dimension) -> float | None:
        column = self.columns.by_role.get(role)
        written = _text(row.cells.get(column.name)) if column else ""
        if column is None or written.lower() in _NOTHING:
            return None
        unit = column.unit or ""
        written = re.sub(r"(?<=[KMGTP]i)$", "B", written)  # `64Gi`, as Kubernetes writes
        try:
            number = parse_quantity(f"{written} {unit}" if _is_bare(written) else written, dimension)
        except BadValue as error:
            self._wrong(row, column, error.summary, error.remedy)
            return None
        if number < 0 or (number == 0 and role != "price"):
            self._wrong(row, column, f"`{written}` is {'negative' if number else 'zero'}")
            return None
        return number

    def _cores(self, row: Row) -> int | None:
        column = self.columns.by_role.get("cpu")
        written = _text(row.cells.get(column.name)) if column else ""
        if column is None or written.lower() in _NOTHING:
            return None
        found = re.fullmatch(r"([+-]?\d{1,12}(?:\.\d{1,9})?)(m| ?v?cpus?| ?cores?)?", written, re.IGNORECASE)
        number = float(found[1]) if found else 0.0
        if found is None or number <= 0:
            wrong = "is no number of cores" if found is None else "is not more than zero"
            self._wrong(row, column, f"`{written[:40]}` {wrong}", "write a number, such as `32`")
            return None
        cores = number / 1000 if found[2] == "m" or column.unit else number
        if cores < 1:
            self._wrong(row, column, f"{cores:g} is less than one core", "leave machines out that have none")
            return None
        if cores > _MOST_CORES:
            remedy = f"give its unit: --option cpu={column.name}:milli"
            self._wrong(row, column, f"{cores:g} cores are more than any machine has", remedy)
            return None
        if cores != int(cores):
            self.rounded.add(f"{cores:g}")
        return int(cores)

    def _processors(self, row: Row) -> tuple[Found, ...]:
        """Return the processors, if their model is stated; Ansible lists number, maker and model of every thread."""
        column = self.columns.by_role.get("cpu_model")
        value = row.cells.get(column.name) if column else None
        if isinstance(value, list):
            value = max((item for item in value if isinstance(item, str)), key=len, default="")
        model = " ".join(_text(value).split())
        if model.lower() in _NOTHING:
            return ()
        return self._kept("cpu", model, 1, None)

    def _devices(self, row: Row) -> tuple[Found, ...]:
        counting, naming = self.columns.by_role.get("count"), self.columns.by_role.get("device")
        memory = self._quantity(row, "device_memory", Dimension.BYTES)
        kind = self.columns.kind
        count = self._count(row, counting) if counting else None
        if isinstance(count, tuple):  # models stand where a number was expected
            self.counts_name_models |= bool(count)
            return tuple(item for name, number in count for item in self._kept(kind, name, number, memory))
        models = self._models(row, naming) if naming else []
        if count == 0 or (count is None and not models):
            return ()
        if count is None or sum(number for _, number in models) == count:
            if counting is not None and count is None and len(models) == 1:
                self._wrong(row, counting, f"how many {models[0][0]} are there?", "write a number")
                return ()
            return tuple(item for name, number in models for item in self._kept(kind, name, number, memory))
        if len(models) > 1:
            total = sum(number for _, number in models)
            said = f"it names {total} devices, but `{cast(Column, counting).name}` says {count}"
            self._wrong(row, cast(Column, naming), said, "make them agree")
            return ()
        name = models[0][0] if models else cast(Column, counting).name
        return self._kept(kind, name, count, memory)

    def _count(self, row: Row, column: Column) -> int | tuple[tuple[str, int], ...] | None:
        """Return the number of devices; their models where those stand in its place; None for an empty cell."""
        value = row.cells.get(column.name)
        if isinstance(value, list):
            return tuple(self._models(row, column))
        written = _text(value)
        if written.lower() in _NOTHING:
            return None
        if re.fullmatch(r"\d{1,6}(\.0{1,6})?", written) and float(written) <= _MOST_DEVICES:
            return int(float(written))
        if re.search(r"[A-Za-z]", written) and not isinstance(value, bool | dict):
            return tuple(self._models(row, column))
        self._wrong(
            row, column, f"`{written[:40]}` is no number of devices", f"write a number from 0 to {_MOST_DEVICES}"
        )
        return 0

    def _models(self, row: Row, column: Column) -> list[tuple[str, int]]:
        """Return the models of a cell, each with how many: ``2x T4 + L4``, ``T4 x2``, a list of names or of objects."""
        value = row.cells.get(column.name)
        items = value if isinstance(value, list) else re.split(r"\s*[+;]\s*", _text(value))
        counts: dict[str, int] = {}
        for item in items:
            said, each = _of_object(item) if isinstance(item, dict) else (item, "")
            written = " ".join(_text(said).split())
            if written.lower() in _NOTHING:
                if item and isinstance(item, dict):
                    self._wrong(row, column, "a device without its model", 'write it like `{"model": "T4"}`')
                continue
            found = _TIMES.fullmatch(written)
            name, number = (found[2] or found[3], int(found[1] or found[4])) if found else (written, 1)
            if each:
                name, number = written, int(each) if re.fullmatch(r"[0-9]{1,6}", each) else 0
            if not 1 <= number <= _MOST_DEVICES:
                self._wrong(row, column, f"{each or number} devices of one machine", f"write from 1 to {_MOST_DEVICES}")
                continue
            counts[name] = counts.get(name, 0) + number
        return list(counts.items())

    def _kept(self, kind: str, name: str, count: int, memory: float | None) -> tuple[Found, ...]:
        """Return devices; equal ones are one record, however many machines have them."""
        key = (kind, name, count, memory)
        if key not in self.found:
            fact = None if memory is None else Fact(value=memory, unit="B", source="declared", ref="inventory")
            safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "device"
            device = DeviceType(name=safe, kind=cast(DeviceKind, kind), memory_bytes=fact, identity={"name": name})
            self.found[key] = (Found(type=device, count=count),)
        return self.found[key]


def _of_object(item: dict[str, Any]) -> tuple[Any, str]:
    """Return model and number of devices that an object in a list describes; the number empty if it states none."""
    said = next((item[key] for key in ("model", "name", "type", "product") if item.get(key)), "")
    each = next((item[key] for key in ("count", "number", "num", "quantity") if item.get(key) is not None), None)
    return said, _text(each)


def _text(value: Any) -> str:
    """Return a cell as text; whole numbers without a point, nothing for nothing."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value.strip() if isinstance(value, str) else str(value)


def _is_bare(value: Any) -> bool:
    """Say whether a cell is a number without a unit."""
    return bool(re.fullmatch(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?", _text(value)))
