"""JSON: lists of objects, ``ansible-inventory --list``, Ansible's facts -> Table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from aios.records.errors import InputError
from aios.spi.texts import Mistakes
from aios_plugins.inventory.rows import MOST_ROWS, Row, Table, flat, names_in

__all__ = ["read_objects"]

_BLANK = re.compile(r"[ \t\n]*")


def read_objects(file: str, text: str) -> Table:
    """Return the machines of a JSON file; raises InputError."""
    try:
        scanner = _Scanner(file, text)
        return scanner.table()
    except RecursionError:
        mistakes = Mistakes(file, text)
        mistakes.add(f"{file} is nested too deeply", 1)
        raise InputError(*mistakes.told()) from None


class _Scanner:
    """Walks through the top of a JSON text, so that the place of each object is known."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.decoder = json.JSONDecoder(parse_int=_integer)
        self.line_at = (0, 1)  # an offset and its line, for the next one

    def table(self) -> Table:
        at = self.blank(0)
        rows = list(self.rows_of_list(at)) if self.text[at] == "[" else self.rows_of_object(at)
        if not rows:
            self.wrong("there is no machine in this file", at, "give a list of objects, one for each machine")
        if len(rows) > MOST_ROWS:
            self.wrong(f"there are more than {MOST_ROWS:,} machines", at, "split the file")
        return Table(self.file, self.text, names_in(rows), rows)

    def blank(self, at: int) -> int:
        found = _BLANK.match(self.text, at)
        return found.end() if found else at

    def line(self, at: int) -> int:
        """Return the line of an offset; quick for offsets that grow."""
        before, line = self.line_at if self.line_at[0] <= at else (0, 1)
        self.line_at = (at, line + self.text.count("\n", before, at))
        return self.line_at[1]

    def wrong(self, summary: str, at: int, remedy: str | None = None) -> NoReturn:
        mistakes = Mistakes(self.file, self.text)
        line = self.text.count("\n", 0, at) + 1
        mistakes.add(summary, line, at - self.text.rfind("\n", 0, at), remedy=remedy)
        raise InputError(*mistakes.told())

    def value(self, at: int) -> tuple[Any, int]:
        """Return the value at an offset and the offset behind it."""
        try:
            value, end = self.decoder.raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            self.wrong(f"this is no well-formed JSON: {error.msg}", error.pos)
        return value, self.blank(end)

    def expect(self, mark: str, at: int) -> int:
        if self.text[at : at + 1] != mark:
            self.wrong(f"this is no well-formed JSON: `{mark}` is missing", at)
        return self.blank(at + 1)

    def items(self, at: int) -> Iterator[tuple[Any, int]]:
        """Yield the values of the list at an offset, each with its own; the end of the text is checked."""
        at = self.expect("[", at)
        while self.text[at : at + 1] != "]":
            start = at
            value, at = self.value(at)
            yield value, start
            if self.text[at : at + 1] == "]":
                break
            at = self.expect(",", at)
        if self.blank(at + 1) != len(self.text):
            self.wrong("there is more behind the end of the list", self.blank(at + 1), "give one list")

    def rows_of_list(self, at: int) -> Iterator[Row]:
        for count, (value, start) in enumerate(self.items(at)):
            if not isinstance(value, dict):
                self.wrong("a machine is an object, `{...}`", start, 'write it like `{"name": "n1", "cpu": 32}`')
            if count >= MOST_ROWS:
                self.wrong(f"there are more than {MOST_ROWS:,} machines", start, "split the file")
            yield Row(self.line(start), dict(flat(_facts(value))))

    def rows_of_object(self, at: int) -> list[Row]:
        """Return the machines of an Ansible inventory, of one machine's facts, or of the one list in an object."""
        value, end = self.value(at)
        if end != len(self.text):
            self.wrong("there is more behind the end of the object", end, "give a list, `[{...}, {...}]`")
        variables = value.get("_meta", {}).get("hostvars") if isinstance(value.get("_meta"), dict) else None
        if isinstance(variables, dict):
            hosts = dict.fromkeys([*variables, *_grouped(value)])
            return [self.host(name, variables.get(name), at) for name in list(hosts)[: MOST_ROWS + 1]]
        lists = [(key, item) for key, item in value.items() if isinstance(item, list)]
        if len(lists) == 1 and all(isinstance(item, dict) for item in lists[0][1]) and lists[0][1]:
            start = self.text.find("[", self.text.find(json.dumps(lists[0][0])))
            return [Row(self.line(start), dict(flat(_facts(item)))) for item in lists[0][1][: MOST_ROWS + 1]]
        named = value and all(isinstance(item, dict) for item in value.values())
        if named and "ansible_facts" not in value:
            return [self.host(name, item, at) for name, item in list(value.items())[: MOST_ROWS + 1]]
        return [Row(self.line(at), dict(flat(_facts(value))))]

    def host(self, name: str, variables: Any, at: int) -> Row:
        """Return a machine that is filed under its name."""
        found = re.compile(rf"{re.escape(json.dumps(name))}\s*:\s*\{{").search(self.text, at)
        cells = dict(flat(_facts(variables))) if isinstance(variables, dict) else {}
        return Row(self.line(found.start()) if found else self.line(at), cells, name)


def _facts(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object with Ansible's facts, if it holds any, beside its other cells and under their usual names."""
    facts = value.get("ansible_facts")
    if not isinstance(facts, dict):
        return value
    named = {key if key.startswith("ansible_") else f"ansible_{key}": item for key, item in facts.items()}
    return {**named, **{key: item for key, item in value.items() if key != "ansible_facts"}}


def _grouped(value: dict[str, Any]) -> Iterator[str]:
    """Yield the hosts of all groups of an Ansible inventory."""
    for group in value.values():
        hosts = group.get("hosts") if isinstance(group, dict) else None
        for name in hosts if isinstance(hosts, list | dict) else ():
            if isinstance(name, str):
                yield name


def _integer(text: str) -> int | float:
    """Return a whole number; one that is longer than any quantity becomes infinite and is refused later."""
    return int(text) if len(text) < 400 else float("inf")
