"""Places in written documents, to say where a mistake stands."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, NamedTuple

from aios.records.base import Span
from aios.records.document import Document
from aios.records.errors import Diagnostic

__all__ = ["Place", "did_you_mean", "known_names"]

_MOST_SHOWN = 8


class Place(NamedTuple):
    """A value in a document. ``place / "nodes" / 3`` is a value inside of it."""

    document: Document
    path: tuple[str | int, ...] = ()

    def __truediv__(self, step: str | int) -> Place:
        return Place(self.document, (*self.path, step))

    @property
    def written(self) -> Any:
        """What stands here, as it was written."""
        value: Any = self.document.data
        for step in self.path:
            value = value[step]
        return value

    def item(self, index: int) -> Place:
        """Return an item of this list; the value itself where a single one was written without its list."""
        return self / index if isinstance(self.written, list) else self

    @property
    def span(self) -> Span:
        """File, line and column."""
        return self.document.span(self.path)

    def mistake(self, summary: str, remedy: str | None = None, reason: str | None = None) -> Diagnostic:
        """Return a diagnostic that points here."""
        return self.document.diagnostic(self.path, summary, reason=reason, remedy=remedy)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return the question that names the nearest known names; None where nothing is near."""
    near = difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
    return f"did you mean {', '.join(f'`{item}`' for item in near)}?" if near else None


def known_names(names: Collection[str]) -> str | None:
    """Return the sentence that lists the first of the known names; None where there are none."""
    shown = ", ".join(f"`{name}`" for name in islice(names, _MOST_SHOWN))
    return f"known: {shown}{', ...' if len(names) > _MOST_SHOWN else ''}" if shown else None
