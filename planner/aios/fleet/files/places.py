"""Places in written documents, to say where a mistake stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, NamedTuple

from aios.records.base import Span
from aios.records.document import Document
from aios.records.errors import Diagnostic

__all__ = ["Place", "did_you_mean"]


class Place(NamedTuple):
    """A value in a document. ``place / "nodes" / 3`` is a value inside of it."""

    document: Document
    path: tuple[str | int, ...] = ()

    def __truediv__(self, step: str | int) -> Place:
        return Place(self.document, (*self.path, step))

    def item(self, index: int) -> Place:
        """Return an item of this list; the value itself where a single one was written without its list."""
        value: Any = self.document.data
        for step in self.path:
            value = value[step]
        return self / index if isinstance(value, list) else self

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
