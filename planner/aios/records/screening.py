"""What is looked for in files before anything is made of them: secrets, and what readers could not see."""

import json
import re
from collections.abc import Iterator
from typing import Any

from aios.records.base import Span
from aios.records.document import Document
from aios.records.errors import Diagnostic, InputError
from aios.records.secrets import masked, secret_in

__all__ = ["refuse_secret", "unseen"]

_UNSEEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Line breaks, what terminals obey, and what turns the order of letters round."""
_PERHAPS = re.compile(r"\\[bfnr]|\\u(?:00[0189]|007f|20[26])")
"""As JSON writes such characters; a backslash of the text itself may look the same."""
_MAY_BREAK = "intent"
"""The key of a sentence, in which a line break is a blank."""
_EXPRESSIONS = frozenset({"deny", "warn", "holds"})
"""Keys of expressions, which may be written over several lines."""
_MOST_TOLD = 5


def refuse_secret(text: bytes, file: str) -> None:
    """Raise InputError for what looks like a secret: it would stand in plans, in the state, and in Git."""
    decoded = text.decode("utf-8", errors="replace")
    found = secret_in(decoded)
    if found is None:
        return
    before = decoded[: found.start]
    line = decoded[before.rfind("\n") + 1 :].partition("\n")[0]
    where = Span(file=file, line=before.count("\n") + 1, column=found.start - before.rfind("\n"))
    raise InputError(
        Diagnostic(
            summary=f"this looks like {found.what}",
            where=where,
            line_text=masked(line),
            reason="what stands here is copied into plans and states, and people check these files in",
            remedy="take it out, and have it replaced by whoever issued it if this file has been shared; aios needs no "
            "secret in it, and takes those that it needs by reference (`env:NAME`, `file:PATH`)",
        )
    )


def unseen(document: Document) -> list[Diagnostic]:
    """Return what is wrong with values that hold line breaks or characters that nobody sees.

    Such a value could look like a line of aios where it is told of.
    """
    if not _PERHAPS.search(json.dumps(document.data, default=str)):
        return []
    found = []
    for path, text, is_key in _texts(document.data, ()):
        lines = text.replace("\n", " ") if _EXPRESSIONS.intersection(path[-2:]) else text.rstrip("\n")
        match = _UNSEEN.search(lines)
        if match is not None and path[-1:] != (_MAY_BREAK,):
            summary = "a line break is not allowed here" if match[0] == "\n" else _character(match[0])
            found.append(document.diagnostic(path, summary, key=is_key, remedy="take it out: a value is one line"))
    return found[:_MOST_TOLD]


def _character(mark: str) -> str:
    return f"the character U+{ord(mark):04X}, which nobody sees, is not allowed here"


def _texts(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str, bool]]:
    """Yield path and text of every key and value. The last is whether it is a key."""
    if isinstance(value, str):
        yield path, value, False
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), str(key), True
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
