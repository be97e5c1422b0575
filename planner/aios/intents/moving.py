"""Intents that were renamed: the names that they had, and which of those cannot be meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aios.intents.reader import Path, value_at
from aios.intents.written import IntentMetadata
from aios.records.base import Span
from aios.records.document import Document
from aios.records.errors import Diagnostic

__all__ = ["former_names", "wrong_moves"]

_FROM: Path = ("metadata", "moved", "from")


def former_names(metadata: IntentMetadata) -> tuple[str, ...]:
    """Return the names that an intent says it had."""
    return metadata.moved.names if metadata.moved else ()


def wrong_moves(documents: Sequence[Document]) -> Iterator[Diagnostic]:
    """Yield what cannot be meant: of each name that an intent had, nobody else may say that it is or was its own."""
    named = {str(value_at(item.data, ("metadata", "name"))): item for item in documents}
    taken: dict[str, Span] = {}
    for document in documents:
        own = value_at(document.data, ("metadata", "name"))
        written = value_at(document.data, _FROM)
        names = written if isinstance(written, list) else [] if written is None else [written]
        for index, name in enumerate(names):
            path: Path = (*_FROM, index) if isinstance(written, list) else _FROM
            first = taken.setdefault(name, document.span(path))
            if name == own:
                summary = f"`{name}` is said to have moved from its own name"
                yield document.diagnostic(path, summary, remedy="name what it was called before, or delete `moved`")
            elif name in named:
                summary, reason, remedy = _both(name, own, named)
                yield document.diagnostic(path, summary, reason=reason, remedy=remedy)
            elif name in names[:index]:
                yield document.diagnostic(path, f"`{name}` is named twice", remedy="keep one of the two")
            elif first != document.span(path):
                summary = f"two intents are said to have moved from `{name}`"
                reason = f"the first one says so at {first}"
                yield document.diagnostic(path, summary, reason=reason, remedy="delete one: what stands is one of them")


def _both(name: str, own: str, named: dict[str, Document]) -> tuple[str, str, str]:
    """Return what is wrong, why, and what to do, where a former name is still that of an intent."""
    where = named[name].span(("metadata", "name"))
    also = value_at(named[name].data, _FROM)
    others = also if isinstance(also, list) else [also]
    if own in others:
        return (
            f"`{own}` and `{name}` are said to have moved to each other's names",
            f"`{name}` stands at {where}",
            "rename one at a time: apply in between, under a name that neither has",
        )
    return (
        f"`{own}` cannot have moved from `{name}`, which is still the name of an intent",
        f"it stands at {where}",
        "give that intent another name, or delete `moved`; of two renames that follow each other, apply the first one "
        "before the second",
    )
