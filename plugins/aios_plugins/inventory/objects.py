"""JSON: lists of objects, ``ansible-inventory --list``, Ansible's facts -> Table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aios.records.errors import InputError
from aios.spi.jsontext import JsonText
from aios.spi.texts import Mistakes
from aios_plugins.inventory.rows import MOST_ROWS, Row, Table, flat, names_in

__all__ = ["read_objects"]

_DEEPEST_GROUP = 8


def read_objects(file: str, text: str) -> Table:
    """Return the machines of a JSON file; raises InputError."""
    reading = _Reading(file, text)
    rows = reading.rows()
    if len(rows) > MOST_ROWS:
        raise reading.too_many(0)
    return Table(file, text, names_in(rows), rows, left_out=tuple(reading.left_out))


class _Reading:
    """One file. left_out: what stands in it beside the machines."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.reader = JsonText(text, Mistakes(file, text), constant=float)  # NaN is Python's for what is not there
        self.left_out: list[str] = []

    def rows(self) -> list[Row]:
        start = self.reader.at
        found = list(self.listed()) if self.reader.mark() == "[" else self.of_object()
        if not found:
            raise self.wrong("there is no machine in this file", start, "give a list of objects, one for each machine")
        return found

    def wrong(self, summary: str, at: int, remedy: str | None = None) -> InputError:
        return self.reader.wrong(summary, at, remedy)

    def too_many(self, at: int) -> InputError:
        return self.wrong(f"there are more than {MOST_ROWS:,} machines", at, "split the file")

    def end(self, remedy: str) -> None:
        if self.reader.mark():
            raise self.wrong("there is more behind the end of the machines", self.reader.at, remedy)

    def listed(self) -> Iterator[Row]:
        """Yield the machines of the list that the text is."""
        yield from self.items()
        self.end("give one list")

    def items(self) -> Iterator[Row]:
        """Yield the machines of the list that comes next."""
        for count, start in enumerate(self.reader.items()):
            value = self.reader.value()
            if not isinstance(value, dict):
                raise self.wrong("a machine is an object, `{...}`", start, 'write it like `{"name": "n1", "cpu": 32}`')
            if count >= MOST_ROWS:
                raise self.too_many(start)
            yield Row(self.reader.line(start), dict(flat(_facts(value))))

    def of_object(self) -> list[Row]:
        """Return the machines of an Ansible inventory, of one machine's facts, or of the one list in an object."""
        start = self.reader.at
        value = self.reader.value()
        self.end("give a list, `[{...}, {...}]`")
        if _is_inventory(value):
            return self.inventory(value, start)
        lists = [(key, item) for key, item in value.items() if isinstance(item, list)]
        if len(lists) == 1 and lists[0][1] and all(isinstance(item, dict) for item in lists[0][1]):
            return self.only_list(lists[0][0], value, start)
        named = value and all(isinstance(item, dict) for item in value.values())
        if named and "ansible_facts" not in value:
            return [self.host(name, self.reader.value(), line) for name, line in self.below(start)]
        return [Row(self.reader.line(start), dict(flat(_facts(value))))]

    def only_list(self, name: str, value: Mapping[str, Any], start: int) -> list[Row]:
        """Return the machines of the one list in an object; what stands beside it is told."""
        rows: list[Row] = []
        for key, _ in self.below(start):
            if key == name:
                rows = list(self.items())
            else:
                self.reader.value()
        self.leave_out(f"what stands beside the list `{name}` is not used", [key for key in value if key != name])
        return rows

    def inventory(self, value: Mapping[str, Any], start: int) -> list[Row]:
        """Return the hosts of an Ansible inventory: those with variables, then those that only groups name."""
        rows: dict[str, Row] = {}
        variables = value.get("_meta", {}).get("hostvars") if isinstance(value.get("_meta"), dict) else None
        if isinstance(variables, dict):
            for name, line in self.below(start, "_meta", "hostvars"):
                rows[name] = self.host(name, self.reader.value(), line)
        unused: list[str] = []
        for key, line in self.below(start):
            group = self.reader.value()
            if key != "_meta":
                for name, cells in _hosts(key, group, unused):
                    if name not in rows:
                        rows[name] = self.host(name, cells, line)
        self.leave_out("variables of groups are not used", unused)
        return list(rows.values())

    def below(self, start: int, *path: str) -> Iterator[tuple[str, int]]:
        """Yield name and line of each member of the object at ``path`` below the one at ``start``.

        Its value comes next, for the caller to take.
        """
        self.reader.at = start
        yield from self._members(path)

    def _members(self, path: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        for key, at in self.reader.members():
            if not path:
                yield key, self.reader.line(at)
            elif key == path[0]:
                yield from self._members(path[1:])
            else:
                self.reader.value()

    def leave_out(self, what: str, names: list[str]) -> None:
        if names:
            shown = ", ".join(f"`{name[:60]}`" for name in names[:10])
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            self.left_out.append(f"{self.file}: {what}: {shown}{more}")

    @staticmethod
    def host(name: str, variables: Any, line: int) -> Row:
        """Return a machine that is filed under its name."""
        return Row(line, dict(flat(_facts(variables))) if isinstance(variables, dict) else {}, name)


def _facts(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object with Ansible's facts, if it holds any, beside its other cells and under their usual names."""
    facts = value.get("ansible_facts")
    if not isinstance(facts, dict):
        return value
    named = {key if key.startswith("ansible_") else f"ansible_{key}": item for key, item in facts.items()}
    return {**named, **{key: item for key, item in value.items() if key != "ansible_facts"}}


def _is_inventory(value: Mapping[str, Any]) -> bool:
    """Say whether an object is an Ansible inventory: groups with hosts, or hosts with their variables."""
    meta = value.get("_meta")
    return (isinstance(meta, dict) and isinstance(meta.get("hostvars"), dict)) or any(
        isinstance(group, dict) and isinstance(group.get(key), kinds)
        for group in value.values()
        for key, kinds in (("hosts", list | dict), ("children", dict))
    )


def _hosts(name: str, group: Any, unused: list[str], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the hosts of a group with their variables; groups with variables of their own join ``unused``."""
    if isinstance(group, list):  # the oldest form
        group = {"hosts": group}
    if not isinstance(group, dict) or depth > _DEEPEST_GROUP:
        return
    if group.get("vars"):
        unused.append(name)
    hosts = group.get("hosts")
    for host in hosts if isinstance(hosts, list | dict) else ():
        if isinstance(host, str):
            yield host, hosts[host] if isinstance(hosts, dict) else None
    children = group.get("children")
    for key, child in children.items() if isinstance(children, dict) else ():
        yield from _hosts(key, child, unused, depth + 1)
