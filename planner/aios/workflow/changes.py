"""Changes to what files say, as they are written on a command line: ``nodes.t4.count=3``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from aios.records.amended import Written, written
from aios.records.base import Span
from aios.records.errors import Diagnostic, InputError

__all__ = ["Change", "read_changes"]

_STEP = re.compile(r'\.?(?:"(?P<quoted>[^"]*)"|(?P<name>[^.\[\]"=]+))|\[(?P<index>\d{1,6})\]')
_HINT = "write a path and a value, such as `nodes.NAME.count=3` or `intents.NAME.load.rate=40/s`"


class Change(NamedTuple):
    """A value and where it belongs.

    written: the path as it was written · path: its steps, where a name that holds dots is still in pieces ·
    columns: where each step begins, 0-based · value: what is to stand there; None: nothing
    """

    written: str
    path: tuple[str | int, ...]
    columns: tuple[int, ...]
    value: Written

    def mistake(self, step: int, summary: str, remedy: str | None = None) -> Diagnostic:
        """Return a diagnostic that points at a step of the path."""
        return _at(self.value.where, self.value.text, self.columns[step], summary, remedy)


def read_changes(options: Sequence[str], called: str = "--set") -> tuple[Change, ...]:
    """Return the changes that options state, in order. Raises InputError with every mistake in them.

    called: the option, which messages count: ``--set 2``
    """
    found: dict[tuple[str | int, ...], Change] = {}
    problems: list[Diagnostic] = []
    for number, text in enumerate(options, start=1):
        try:
            change = _change(text, f"{called} {number}")
        except InputError as error:
            problems += error.diagnostics
            continue
        earlier = found.setdefault(change.path, change)
        if earlier is not change:
            summary = f"`{change.written}` is changed twice"
            problems.append(change.mistake(0, summary, f"keep this one or {earlier.value.where}"))
    if problems:
        raise InputError(*problems)
    return tuple(found.values())


def _change(text: str, where: str) -> Change:
    path, equals, value = text.partition("=")
    steps: list[str | int] = []
    columns: list[int] = []
    at, end = len(path) - len(path.lstrip()), len(path.rstrip())
    while at < end and (match := _STEP.match(path, at, end)):
        name = match["name"] if match["quoted"] is None else match["quoted"]
        steps.append(int(match["index"]) if name is None else name)
        columns.append(at + (path[at] == "."))
        at = match.end()
    if at < end or not steps or not equals:
        raise InputError(_at(where, text, min(at, len(text)), f"`{text[:80]}` is no change", _HINT))
    if not value.strip():
        summary = f"`{path.strip()}` is given no value"
        raise InputError(_at(where, text, columns[0], summary, "write one; `null` takes away what stands there"))
    found = written(text, len(path) + 1, where)
    return Change(path.strip(), tuple(steps), tuple(columns), found)


def _at(where: str, text: str, column: int, summary: str, remedy: str | None) -> Diagnostic:
    place = Span(file=where, line=1, column=column + 1)
    return Diagnostic(summary=summary, where=place, line_text=text, remedy=remedy)
