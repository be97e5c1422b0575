"""Slurm's files as logical lines of ``Key=Value`` pairs, each with the place where it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aios.records.errors import Diagnostic, InputError
from aios.spi.texts import MOST_TOLD, Mistakes, place, text_of

__all__ = ["MOST_BYTES", "MOST_LINES", "File", "Line", "parse", "read_file"]

MOST_BYTES = 32 * 2**20
"""Largest file that is read: some 25,000 nodes as ``scontrol show nodes`` prints them."""
_MOST_NAMES = 2_000_000
"""Most names that the host lists of a file may stand for in all: 100 partitions of 20,000 nodes."""
MOST_LINES = 100_000
"""More lines than this are refused, for each takes about a KiB; clusters with a line for each node have some 10,000."""
_LINE = re.compile(r"([^\n]*)(?:\n|\Z)")
_PAIR = re.compile(r'([A-Za-z][\w:/]*)\s*(?:[-+]?=)\s*("[^"]*"|[^\s"]*)')
_INCLUDE = re.compile(r"\s*include\s+(\S+)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """A logical line. pairs: key in lower case -> value; keys as written: ``keys`` · include: file that it names."""

    number: int
    pairs: dict[str, str]
    keys: dict[str, str]
    include: str | None = None

    def first(self) -> str:
        """Return the first key, in lower case."""
        return next(iter(self.pairs), "")


class File:
    """A file of Slurm's configuration."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.mistakes = Mistakes(name, text)
        self.lines: Sequence[Line] = ()
        self._wrong = 0
        self._named = 0

    def naming(self, number: int) -> bool:
        """Count names that a list of the file stands for; say whether they are still few enough to be looked at."""
        self._named += number
        return self._named <= _MOST_NAMES

    def wrong(self, line: Line, key: str, summary: str, remedy: str | None = None, reason: str | None = None) -> None:
        """Note a mistake where ``key`` (in lower case) stands in a logical line."""
        written = line.keys.get(key, key)
        self._wrong += 1
        at = self._place(line, written) if self._wrong <= MOST_TOLD else (line.number, 1)  # looking it up takes long
        self.mistakes.add(summary, *at, remedy=remedy, reason=reason)

    def _place(self, line: Line, key: str) -> tuple[int, int]:
        """Return where a key is written in a logical line, which may be several lines long."""
        lines = self.text.split("\n")
        for number in range(line.number, len(lines) + 1):
            found = re.search(rf"\b{re.escape(key)}\s*=", lines[number - 1])
            if found:
                return number, found.start() + 1
            if not lines[number - 1].rstrip().endswith("\\"):
                break
        return line.number, 1


def read_file(name: str, content: bytes) -> File:
    """Return a file; raises InputError for what is no text, or too large. Lines are read by ``parse``."""
    return File(name, text_of(content, name, MOST_BYTES))


def parse(file: File) -> Sequence[Line]:
    """Return the logical lines of a file: comments gone, lines that end in a backslash joined.

    Raises InputError at the first line that is one too many.
    """
    lines: list[Line] = []
    for number, text in _joined(file.text):
        line = _line(file, number, text)
        if line is not None and len(lines) == MOST_LINES:
            raise InputError(
                Diagnostic(
                    summary=f"{file.name} has more than {MOST_LINES:,} lines that say something",
                    where=place(file.name, number),
                    remedy="describe equal nodes in one line, such as `NodeName=n[1-100] CPUs=64`",
                )
            )
        if line is not None:
            lines.append(line)
    return tuple(lines)


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield first line number and text of each logical line that holds anything."""
    held, start = "", 0
    for number, raw in enumerate(_LINE.finditer(text), start=1):  # one by one: all at once are three times the text
        line = _uncommented(raw[1])
        start = start or number
        if line.rstrip().endswith("\\"):
            held += line.rstrip()[:-1] + " "
            continue
        if (held + line).strip():
            yield start, (held + line).strip()
        held, start = "", 0
    if held.strip():
        yield start, held.strip()


def _uncommented(line: str) -> str:
    """Return a line up to its comment; ``\\#`` is no comment."""
    for found in re.finditer("#", line):
        if line[found.start() - 1 : found.start()] != "\\" or found.start() == 0:
            return line[: found.start()]
    return line


def _line(file: File, number: int, text: str) -> Line | None:
    include = _INCLUDE.fullmatch(text)
    if include:
        return Line(number, {}, {}, include[1])
    pairs: dict[str, str] = {}
    keys: dict[str, str] = {}
    at = 0
    for found in _PAIR.finditer(text):
        between = text[at : found.start()].strip()
        if between:
            _strange(file, number, between)
        at = found.end()
        key = found[1].lower()
        if key in pairs:
            file.mistakes.add(f"`{found[1]}` is written twice in one line", number, remedy="keep one of the two")
        else:
            pairs[key], keys[key] = found[2].strip('"'), found[1]
    if text[at:].strip():
        _strange(file, number, text[at:].strip())
    return Line(number, pairs, keys) if pairs else None


def _strange(file: File, number: int, text: str) -> None:
    shown = text if len(text) <= 40 else f"{text[:37]}..."
    remedy = "write `Key=Value`; a value with blanks in quotes, a line that goes on with a backslash at its end"
    file.mistakes.add(f"`{shown}` is no `Key=Value`", number, remedy=remedy)
