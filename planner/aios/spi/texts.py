"""What importers share: other people's files, bounded before anything is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aios.records.base import Span
from aios.records.errors import BadValue, Diagnostic, InputError
from aios.records.hosts import fold, natural_order

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "MOST_BYTES",
    "MOST_TOLD",
    "Element",
    "Mistakes",
    "Remarks",
    "check_size",
    "place",
    "text_of",
    "xml_of",
]

MOST_BYTES = 96 * 2**20
"""Largest file that any importer may read: JSON of some 6,000 Kubernetes nodes, which is read piece by piece."""
MAX_BYTES = 16 * 2**20
"""Largest file that an importer reads unless it says otherwise: a list of 100,000 machines has about 5 MiB."""
MAX_DEPTH = 128
"""Deepest nesting of elements; what tools write stays below forty."""
MAX_ELEMENTS = 300_000
"""Most elements of an XML file; ``lstopo`` writes about 2,000 for a machine of 256 cores."""
MOST_TOLD = 50
"""Most mistakes of one file that are told one by one."""
_HOPELESS = 5_000  # mistakes, read in a second or less
_SHOWN_LINE = 400  # characters of a line that fit into a message
_SHOWN_NAMES = 200  # characters of a host list that do


def place(file: str, line: int = 1, column: int = 1) -> Span:
    """Return a place in a file, 1-based."""
    return Span(file=file, line=line, column=column)


def check_size(content: bytes, file: str, most: int = MAX_BYTES) -> None:
    """Raise InputError for a file that is empty, or larger than ``most`` bytes."""
    if len(content) > most:
        raise InputError(
            Diagnostic(
                summary=f"{file} has {len(content) / 2**20:.1f} MiB; at most {most // 2**20} MiB are read",
                where=place(file),
                remedy="split it into several files",
            )
        )
    if not content.strip():
        raise InputError(Diagnostic(summary=f"{file} is empty", where=place(file)))


def text_of(content: bytes, file: str, most: int = MAX_BYTES) -> str:
    """Return a file as text, without byte order mark and with ``\\n`` at the ends of lines.

    Raises InputError for what is empty, larger than ``most`` bytes, binary, or not UTF-8.
    """
    check_size(content, file, most)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(
            Diagnostic(summary=f"{file} was saved as UTF-16", where=place(file), remedy="save the file as UTF-8")
        )
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        start = error.start
    else:
        start = text.find("\0")
        if start < 0:
            return text.replace("\r\n", "\n").replace("\r", "\n")
        start = len(text[:start].encode())
    line = content.count(b"\n", 0, start) + 1
    raise InputError(
        Diagnostic(
            summary=f"{file} is not UTF-8 text: byte 0x{content[start]:02x} at position {start}",
            where=place(file, line, start - content.rfind(b"\n", 0, start)),
            remedy="name a text file" if b"\0" in content else "save the file as UTF-8",
        )
    )


@dataclass(slots=True)
class Element:
    """An element of an XML file. text: what stands directly in it, trimmed · line: from 1."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""


class _TooMuch(Exception):
    """A bound on depth or number of elements is passed."""


class _Builder:
    """What the parser calls: keeps its own stack, so that no nesting can exhaust Python's."""

    def __init__(self) -> None:
        self.roots: list[Element] = []
        self.open: list[Element] = []
        self.pieces: list[list[str]] = []  # of the text of each open element
        self.elements = 0
        self.parser: Any = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if len(self.open) >= MAX_DEPTH:
            raise _TooMuch(f"elements are nested more than {MAX_DEPTH} levels deep")
        if self.elements > MAX_ELEMENTS:
            raise _TooMuch(f"there are more than {MAX_ELEMENTS:,} elements")
        element = Element(tag, attributes, self.parser.CurrentLineNumber)
        (self.open[-1].children if self.open else self.roots).append(element)
        self.open.append(element)
        self.pieces.append([])

    def end(self, _tag: str) -> None:
        self.open.pop().text = "".join(self.pieces.pop()).strip()

    def data(self, data: str) -> None:
        if self.pieces:
            self.pieces[-1].append(data)

    def close(self) -> None:
        """Nothing is left to do at the end of the file."""


def xml_of(content: bytes, file: str, most: int = MAX_BYTES) -> Element:
    """Return the root of an XML file. A DOCTYPE is passed over and never fetched; declared entities are refused.

    Raises InputError for what is empty, too large, too deep, no XML, or a document with entities of its own.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    check_size(content, file, most)
    builder = _Builder()
    parser: Any = DefusedXMLParser(target=builder)
    builder.parser = parser.parser
    try:
        parser.feed(content)
        parser.close()
    except ParseError as error:
        line, column = error.position
        words = str(error).partition(": line")[0]
        raise InputError(
            Diagnostic(summary=f"{file} is no well-formed XML: {words}", where=place(file, line, column + 1))
        ) from None
    except DefusedXmlException:
        raise _refused(
            builder, file, "it declares entities of its own", "entities can be used to exhaust memory or to read files"
        ) from None
    except _TooMuch as error:
        raise _refused(builder, file, str(error), None) from None
    except (LookupError, ValueError) as error:  # an encoding that Python does not know
        raise InputError(Diagnostic(summary=f"{file} cannot be read: {error}", where=place(file))) from None
    return builder.roots[0]


def _refused(builder: _Builder, file: str, what: str, reason: str | None) -> InputError:
    line = builder.parser.CurrentLineNumber
    return InputError(Diagnostic(summary=f"{file} is not read: {what}", where=place(file, line), reason=reason))


class Mistakes:
    """What is wrong with a text, collected so that everything is told at once."""

    def __init__(self, file: str, text: str) -> None:
        """``text`` is that of ``file``, as ``text_of`` returns it."""
        self._file = file
        self._text = text
        self._lines: list[str] | None = None
        self._told: list[Diagnostic] = []
        self._untold = 0

    def add(
        self, summary: str, line: int, column: int = 1, reason: str | None = None, remedy: str | None = None
    ) -> None:
        """Note a mistake at a place, 1-based; of more than ``MOST_TOLD`` only the number is kept."""
        if self.full:
            self._untold += 1
            return
        self._told.append(
            Diagnostic(
                summary=summary,
                where=place(self._file, line, column),
                line_text=self._line(line),
                reason=reason,
                remedy=remedy,
            )
        )

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._told) + self._untold

    @property
    def full(self) -> bool:
        """Whether further mistakes are only counted, so that their places need not be found."""
        return len(self._told) >= MOST_TOLD

    @property
    def hopeless(self) -> bool:
        """Whether there are so many that the text is something else, and nobody need read on."""
        return self.count >= _HOPELESS

    def told(self) -> list[Diagnostic]:
        """Return them in order of place, and a last one that says how many more there are."""
        told = sorted(self._told, key=lambda item: (item.where.line, item.where.column) if item.where else (0, 0))
        more = Diagnostic(summary=f"and {self._untold} more mistakes in {self._file}")
        return [*told, more] if self._untold else told

    def raise_any(self) -> None:
        """Raise InputError if a mistake was noted."""
        if self._told:
            raise InputError(*self.told())

    def _line(self, line: int) -> str | None:
        if self._lines is None:
            self._lines = self._text.split("\n")
        found = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        return found if len(found) <= _SHOWN_LINE else None


class Remarks:
    """Sentences about machines, each told once with the machines that it is true of."""

    def __init__(self) -> None:
        self._about: dict[str, dict[str, None]] = {}

    def add(self, sentence: str, machine: str | None = None) -> None:
        """Note ``sentence``, of one machine or of the text as a whole."""
        about = self._about.setdefault(sentence, {})
        if machine is not None:
            about[machine] = None

    def told(self) -> tuple[str, ...]:
        """Return the sentences in the order in which they first came, the machines as a host list behind them."""
        return tuple(
            f"{sentence}: {_host_list(list(machines))}" if machines else sentence
            for sentence, machines in self._about.items()
        )


def _host_list(names: list[str]) -> str:
    try:
        folded = fold(sorted(names, key=natural_order))
    except BadValue:
        folded = ", ".join(names[:5])
    if len(folded) <= _SHOWN_NAMES:
        return folded
    return f"{len(names)} machines, {', '.join(names[:3])} and so on"
