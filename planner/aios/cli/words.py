"""How things look in a terminal: colour, tables, diagnostics. Everything reads the same without colour."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from aios.records.secrets import masked

if TYPE_CHECKING:
    from aios.records.base import Span
    from aios.records.errors import Diagnostic
    from aios.workflow.setting import Setting

__all__ = [
    "Ink",
    "counted",
    "diagnostic_text",
    "discreet",
    "further",
    "gap_text",
    "harmless",
    "one_line",
    "print_diagnostics",
    "shown",
    "table",
    "warned",
]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_HARMFUL = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # what terminals obey
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f"  # what nobody sees
    "\u202a-\u202e\u2066-\u2069"  # what turns the order of letters round
    "\u2028\u2029"  # what breaks lines beside the line break
)
_JOINERS = "(?<![^\x00-\x7f])[\u200c\u200d]"
"""Not seen either; between letters of scripts that need them they are spelling, and in emoji."""
_UNWANTED = re.compile(f"[{_HARMFUL}]|{_JOINERS}")
_OWN = r"\x1b\[(?:0|(?:[123]|3[1236])(?:;(?:[123]|3[1236]))*)m"
"""A colour of ours."""
_UNWANTED_BUT_COLOUR = re.compile(f"({_OWN})|{_UNWANTED.pattern}")
_LONGEST_FIELD = 4000
"""Characters of one part of a message: what quotes more of a file tells nobody anything."""
_LONGEST_LINE = 400
"""Characters of a line that fit into a message."""

_MOST_OF_A_FILE = 20
"""Diagnostics of one file that are told unless all are asked for: enough to begin with, and few enough to read."""

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Ink:
    """Colours text for a stream, or leaves it alone (not a terminal, NO_COLOR, TERM=dumb)."""

    def __init__(self, stream: TextIO) -> None:
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            self.on = False
        else:
            self.on = bool(os.environ.get("FORCE_COLOR")) or stream.isatty()

    def __call__(self, text: str, *styles: str) -> str:
        """Return ``text`` in the given styles (bold, dim, red, green, yellow, cyan)."""
        if not self.on or not styles:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], ink: Ink, marked: Sequence[int] = ()) -> str:
    """Return aligned columns; numbers keep to the right. marked: rows shown bold, with a leading ``✔``."""
    marks = bool(marked)
    rows = [[cell.replace("\n", "\ufffd") for cell in row] for row in rows]  # a name must not begin a line of its own
    cells = [[*(["✔" if index in marked else " "] if marks else []), *row] for index, row in enumerate(rows)]
    head = [*([" "] if marks else []), *headers]
    widths = [max(_width(line[column]) for line in [head, *cells]) for column in range(len(head))]
    right = [bool(cells) and all(_numeric(line[column]) for line in cells) for column in range(len(head))]
    lines = [ink(_line(head, widths, right), "dim")]
    for index, line in enumerate(cells):
        lines.append(ink(_line(line, widths, right), *(["bold"] if index in marked else [])))
    return "\n".join(lines)


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 candidate``, ``2 candidates``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def gap_text(gap: float) -> str:
    """Return a gap, a share, as people read it: ``0.24 %``, ``1,250 %``; never as a power of ten."""
    percent = 100 * gap
    if percent < 0.001:
        return "below 0.001 %"
    return f"{percent:.2g} %" if percent < 10 else f"{percent:,.0f} %"


def further(setting: Setting, command: str) -> str:
    """Say how to go on where a search ended without a proof; nothing where it can take no more work."""
    from aios.workflow.setting import Effort

    return "" if setting.effort == Effort.THOROUGH else f" (`aios {command} --effort thorough` searches longer)"


def _width(text: str) -> int:
    """Return how many columns ``text`` takes; colour takes none."""
    return len(_COLOUR.sub("", text))


def _numeric(text: str) -> bool:
    return (text.strip()[:1].isdigit() and ", " not in text) or text.strip() in ("-", "?", "")


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [
        " " * (width - _width(cell)) + cell if to_right else cell + " " * (width - _width(cell))
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(padded).rstrip()


def diagnostic_text(item: Diagnostic, ink: Ink, label: str = "error") -> str:
    """Return a diagnostic as people read it: what, where with a caret, why, what to do."""
    lines = [f"{ink(label, 'red', 'bold')}: {ink(_field(item.summary), 'bold')}"]
    if item.where is not None:
        lines.append(f"  {ink('at', 'dim')} {one_line(str(item.where))}")
        line = item.line_text if item.line_text is not None else _line_at(item.where)
        if line is not None:
            line, number = masked(line), str(item.where.line)
            caret = _under(line[: item.where.column - 1]) + "^"
            lines.append(f"  {ink(f'{number} |', 'dim')} {one_line(line)}")
            lines.append(f"  {ink(' ' * len(number) + ' |', 'dim')} {ink(caret, 'red')}")
    for name, text in (("because", item.reason), ("remedy ", item.remedy), ("run    ", item.command)):
        if text:
            lines.append(f"  {ink(name, 'dim')} {_field(text)}")
    return "\n".join(lines)


def discreet(item: Diagnostic) -> Diagnostic:
    """Return a diagnostic whose texts repeat nothing that looks like a secret."""
    texts = ((name, getattr(item, name)) for name in ("summary", "line_text", "reason", "remedy", "command"))
    return item.model_copy(update={name: masked(text) for name, text in texts if text})


def _field(text: str) -> str:
    """Return a part of a message; what it quotes begins no line, which could look like a message of its own."""
    left = len(text) - _LONGEST_FIELD
    short = text if left <= 0 else f"{text[:_LONGEST_FIELD]}… and {left:,} characters more"
    return harmless(masked(short)).replace("\n", "\n          ")


def harmless(text: str) -> str:
    """Return ``text`` without what a terminal would obey or a reader cannot see: it may quote a file or a program that
    means harm."""
    return _UNWANTED.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Return what has to stay within its line, such as a name: harmless, and without line breaks."""
    return harmless(text).replace("\n", "\ufffd")


def shown(text: str, ink: Ink) -> str:
    """Return words as they may leave for the stream of ``ink``: harmless, in the colours of ``ink`` and no others."""
    if not ink.on:
        return harmless(re.sub(_OWN, "", text))
    return _UNWANTED_BUT_COLOUR.sub(lambda found: found[1] or "\ufffd", text)


def _under(text: str) -> str:
    """Return blanks as wide as ``text``: tabs stay, East Asian characters take two columns, combining ones none."""
    from unicodedata import combining, east_asian_width

    return "".join(
        "\t" if mark == "\t" else "" if combining(mark) else "  " if east_asian_width(mark) in "WF" else " "
        for mark in text
    )


def _line_at(where: Span) -> str | None:
    """Return the line of a place that was found long after its YAML file was read; None when it cannot be shown."""
    if not where.file.endswith((".yaml", ".yml")):
        return None
    try:
        line = Path(where.file).read_text(encoding="utf-8").splitlines()[where.line - 1]
    except (OSError, UnicodeDecodeError, IndexError):
        return None
    return line if len(line) <= _LONGEST_LINE else None


def warned(text: str) -> None:
    """Print to stderr, beside all that is asked for, what is not used although it was given."""
    from aios.workflow.stages import note

    note("warning", "warning", text=text)
    print(f"{Ink(sys.stderr)('note', 'yellow')}: {harmless(text)}", file=sys.stderr, flush=True)


def print_diagnostics(items: Sequence[Diagnostic], label: str = "error", *, every: bool = True) -> None:
    """Print diagnostics to stderr, and how many there are when there are several.

    every: else only the first ones of each file, and how many more it has
    """
    ink = Ink(sys.stderr)
    told: Counter[str] = Counter()
    for item in items:
        file = item.where.file if item.where is not None else ""
        told[file] += 1
        if every or told[file] <= _MOST_OF_A_FILE:
            print(diagnostic_text(item, ink, label), file=sys.stderr)
    left = {} if every else {file: count - _MOST_OF_A_FILE for file, count in told.items() if count > _MOST_OF_A_FILE}
    for file, count in left.items():
        print(f"and {count:,} more{f' in {harmless(file)}' if file else ''}", file=sys.stderr)
    if len(items) > 1:
        how = " (`aios validate --all` tells them all)" if left else ""
        print(f"{len(items):,} {label}s{how}", file=sys.stderr)
