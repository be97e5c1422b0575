"""Values of a configuration, whatever name a publisher gives them, and everything that is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aios.records.base import Span
from aios.records.errors import Diagnostic

__all__ = ["Fields", "Mistakes"]

_MOST = 10**12
"""A size above this is a slip of the pen; a model of 10^15 parameters has none."""


class Mistakes:
    """What is wrong with one configuration file."""

    def __init__(self, file: str, text: str) -> None:
        """``text``: of the file, to find places in; may be empty."""
        self._file, self._text = file, text
        self.found: list[Diagnostic] = []

    def add(self, summary: str, key: str | None = None, remedy: str | None = None) -> None:
        """Note a mistake at the line of ``key``."""
        line, column, line_text = self._place(key)
        where = Span(file=self._file, line=line, column=column)
        self.found.append(Diagnostic(summary=summary, where=where, line_text=line_text, remedy=remedy))

    def _place(self, key: str | None) -> tuple[int, int, str | None]:
        found = re.search(rf'"{re.escape(key)}"\s*:', self._text) if key else None
        if found is None:
            return 1, 1, None
        start = self._text.rfind("\n", 0, found.start()) + 1
        end = self._text.find("\n", start)
        line_text = self._text[start : end if end >= 0 else None]
        short = line_text if len(line_text) <= 200 else None
        return self._text.count("\n", 0, start) + 1, found.start() - start + 1, short


class Fields:
    """One section of a configuration. Every reader takes the first of several names that is present and not null."""

    def __init__(self, data: Mapping[str, Any], mistakes: Mistakes) -> None:
        """``mistakes`` gets what is wrong; reading goes on with the default."""
        self.data = data
        self.mistakes = mistakes

    def integer(self, *names: str, default: int = 0, least: int = 0) -> int:
        """Return a whole number from ``least`` to 10^12."""
        name, value = self._first(names)
        if name is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.mistakes.add(f"{name} is {_shown(value)}, not a whole number", name)
            return default
        if not least <= value <= _MOST:
            self.mistakes.add(f"{name} is {_shown(value)}; it must be from {least} to {_MOST:,}", name)
            return default
        return value

    def needed(self, *names: str) -> int:
        """Return a whole number from 1; its absence is a mistake."""
        if self._first(names)[0] is None:
            self.mistakes.add(f"{names[0]} is missing", remedy=f"state {' or '.join(names[:3])}")
            return 1
        return self.integer(*names, default=1, least=1)

    def number(self, *names: str) -> float | None:
        """Return a number of at most 10^12, None where it is absent or none."""
        name, value = self._first(names)
        if name is None or isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not abs(value) <= _MOST:  # nor is NaN
            self.mistakes.add(f"{name} is {_shown(value)}; it must be a number of at most {_MOST:,}", name)
            return None
        return float(value)

    def flag(self, *names: str, default: bool = False) -> bool:
        """Return a truth value."""
        name, value = self._first(names)
        return default if name is None else bool(value)

    def word(self, *names: str) -> str:
        """Return a text, empty where it is absent or none."""
        value = self._first(names)[1]
        return value if isinstance(value, str) else ""

    def listed(self, *names: str) -> list[Any]:
        """Return a list, empty where it is absent or none."""
        value = self._first(names)[1]
        return value if isinstance(value, list) else []

    def integers(self, *names: str) -> list[int]:
        """Return a list of whole numbers, empty where it is absent; anything else in it is a mistake."""
        items = self.listed(*names)
        if any(isinstance(item, bool) or not isinstance(item, int) or abs(item) > _MOST for item in items):
            self.mistakes.add(f"{names[0]} is no list of whole numbers", names[0])
            return []
        return items

    def sections(self, name: str) -> list[Fields]:
        """Return the mappings in a list; anything else in it is left out."""
        return [Fields(item, self.mistakes) for item in self.listed(name) if isinstance(item, dict)]

    def section(self, *names: str) -> Fields | None:
        """Return a mapping inside, None where it is absent or none."""
        value = self._first(names)[1]
        return Fields(value, self.mistakes) if isinstance(value, dict) else None

    def has(self, *names: str) -> bool:
        """Whether any of these is present and not null."""
        return self._first(names)[0] is not None

    def _first(self, names: tuple[str, ...]) -> tuple[str | None, Any]:
        return next(((name, self.data[name]) for name in names if self.data.get(name) is not None), (None, None))


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a number of many digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
