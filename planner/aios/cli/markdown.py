"""Markdown for comments on GitHub and GitLab, out of words that others wrote: nothing in them is obeyed.

What comes from files is told as a code span: neither emphasis, links, HTML, mentions, references to issues nor emoji
are read in there. Sentences that hold nothing but letters, digits and inert marks stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

__all__ = ["bullets", "code", "folded", "table_of", "told"]

_LONGEST = 300
"""Characters of a name or a sentence that are told."""
_PIPE = "\uff5c"
"""Looks like the character that ends a cell of a table, also within a code span, and ends nothing."""
_INERT = re.compile(r"(?:[ ,;()'=%/<>.:+×→≤≥·…-]|[^\W_])*")
"""Letters, digits and marks that Markdown, in any flavour, does not read in the middle of a line."""
_BEGINS = re.compile(r"[+.:=>-]|\d+[.)](?:\s|$)")
"""What is read at the beginning of a line all the same: lists, quotes, underlines."""
_READ = re.compile(r"https?:|ftp:|www\.|:\S|[0-9a-f]{7,}|\bGH-\d|%\w|<\S*[a-z/!?]", re.IGNORECASE)
"""And in the middle of one: addresses, emoji, digests of commits, references to issues and milestones, tags."""


def code(text: str) -> str:
    """Return ``text`` as a code span that stays one whatever it holds, also in a cell of a table."""
    line = _one_line(text).replace("|", _PIPE)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    if not line:
        return "(none)"
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def told(text: str) -> str:
    """Return a sentence: plain where nothing in it can be read as Markdown, else as code; what it quotes, as code."""
    line = _one_line(text)
    pieces = line.split("`")
    if len(pieces) % 2 and all(pieces[2:-1:2]) and not _BEGINS.match(line) and not any(map(_read, pieces[::2])):
        return "".join(code(piece) if index % 2 else _spelled(piece) for index, piece in enumerate(pieces))
    return code(text)


def _read(piece: str) -> bool:
    """Say whether something in a piece of a line may be read as Markdown."""
    return not _INERT.fullmatch(piece) or bool(_READ.search(piece))


def _spelled(piece: str) -> str:
    return piece.replace("<", "&lt;").replace(">", "&gt;")


def table_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table. head, rows: cells that are Markdown already"""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bullets(items: Sequence[str]) -> str:
    """Return a list. items: Markdown already"""
    return "\n".join(f"- {item}" for item in items)


def folded(summary: str, body: str) -> str:
    """Return ``body`` folded away under ``summary``, words of our own."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _one_line(text: str) -> str:
    """Return text on one line, without what a terminal or an eye could be misled by, and not without end."""
    line = " ".join(text.split())
    line = "".join("\ufffd" if unicodedata.category(mark)[0] == "C" else mark for mark in line[: _LONGEST + 1])
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
