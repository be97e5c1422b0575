"""Moves through device tree source: places, blanks, comments, preprocessor lines, included files."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from aios.records.errors import InputError
from aios.spi.texts import Mistakes

__all__ = ["INCLUDE", "Scanner", "Stopped", "given_file"]

_MOST_INCLUDES = 200  # boards of Linux include some twenty; files that include each other twice grow without bound
INCLUDE = re.compile(r'[ \t]*(?:#[ \t]*include|/include/)[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)')
_PREPROCESSED = re.compile(
    r"[ \t]*#[ \t]*(include|define|undef|ifdef|ifndef|if|elif|else|endif|error|warning|pragma|line)\b(?![-,])"
    r"(?:[^\n\\]|\\\n|\\.)*"
)
_BLANK = re.compile(r"[ \t\n\f\v]+")
_LINE_COMMENT = re.compile(r"//([^\n]*)")
_BESIDE = re.compile(r"[ \t]*(?://([^\n]*)|/\*(.*?)\*/)", re.DOTALL)
_BRACKET = re.compile(r"[()]")
_RECOVERY = re.compile(r"[;}\n]")


class Stopped(Exception):
    """Nothing sensible can be read from here on; the mistake has been noted."""


class _Page(NamedTuple):
    """A file that is being read. starts: offset of each of its lines · mistakes: in it."""

    file: str
    text: str
    starts: list[int]
    mistakes: Mistakes

    @classmethod
    def of(cls, file: str, text: str) -> _Page:
        return cls(file, text, [0, *(found.end() for found in re.finditer("\n", text))], Mistakes(file, text))


def given_file(name: str, texts: Mapping[str, str]) -> str | None:
    """Return the file of ``texts`` that an include names, by its last part."""
    last = PurePosixPath(name).name
    return next((file for file in texts if PurePosixPath(file).name == last), None)


class Scanner:
    """A text and the offset ``at`` of what comes next; where a given file is included, its text comes next.

    above: comment right before it, on a line of its own · undecided: places of ``#if`` and the like · absent: included
    files that were not given
    """

    def __init__(self, file: str, texts: Mapping[str, str]) -> None:
        """``file`` of ``texts`` (file name -> content) is read; includes are sought among the others."""
        self.texts = texts
        self.page = _Page.of(file, texts[file])
        self.pages = {file: self.page}
        self.outer: tuple[tuple[_Page, int], ...] = ()  # files that include this one, and where to go on in them
        self.entered = 0
        self.at = 0
        self.above: str | None = None
        self.undecided: list[str] = []
        self.absent: dict[str, None] = {}

    @property
    def file(self) -> str:
        """The file that is being read now."""
        return self.page.file

    @property
    def text(self) -> str:
        """Its text."""
        return self.page.text

    def raise_any(self) -> None:
        """Raise InputError with the mistakes of all files."""
        told = [diagnostic for page in self.pages.values() for diagnostic in page.mistakes.told()]
        if told:
            raise InputError(*told)

    def where(self, at: int | None = None) -> tuple[int, int]:
        """Return line and column, from 1, of an offset; of what comes next without one."""
        at = self.at if at is None else at
        line = bisect_right(self.page.starts, at)
        return line, at - self.page.starts[line - 1] + 1

    def wrong(self, summary: str, at: int | None = None, remedy: str | None = None, reason: str | None = None) -> None:
        """Note a mistake at an offset; raises Stopped where there are too many to read on."""
        self.page.mistakes.add(summary, *self.where(at), reason=reason, remedy=remedy)
        if self.page.mistakes.hopeless:
            raise Stopped

    def skip(self) -> bool:
        """Pass over blanks, comments and preprocessor lines; say whether anything is left."""
        self.above = None
        while self.at < len(self.text) or self.outer:
            if self.at >= len(self.text):
                *outer, (self.page, self.at) = self.outer
                self.outer = tuple(outer)
                continue
            first = self.text[self.at]
            if first.isspace() and self.match(_BLANK):
                continue
            if first == "/" and (self._comment() or self._include(self.at)):
                continue
            if first == "#" and self._preprocessed():
                continue
            return True
        return False

    def _include(self, start: int) -> bool:
        """Go into the file that a line which begins at ``start`` includes."""
        found = INCLUDE.match(self.text, start)
        if found is None:
            return False
        name, self.at = found[1] or found[2], found.end()
        file = given_file(name, self.texts)
        open_files = [*(page.file for page, _ in self.outer), self.file]
        if file is None:
            self.absent[name] = None
        elif self.entered >= _MOST_INCLUDES:
            self.wrong(f"more than {_MOST_INCLUDES} files are included, each as often as it is", found.start())
            raise Stopped
        elif file in open_files:
            self.wrong(f"{file} includes itself", found.start(), "delete one", " -> ".join([*open_files, file]))
        else:
            self.outer = (*self.outer, (self.page, self.at))
            self.entered += 1
            self.page, self.at = self.pages.setdefault(file, _Page.of(file, self.texts[file])), 0
        return True

    def _comment(self) -> bool:
        start = self.at
        if found := self.match(_LINE_COMMENT):
            text = found[1]
        elif self.text.startswith("/*", start):
            end = self.text.find("*/", start + 2)
            if end < 0:
                self.wrong("this comment does not end", remedy="close it with `*/`")
                raise Stopped
            text, self.at = self.text[start + 2 : end], end + 2
        else:
            return False
        line_start = self.page.starts[self.where(start)[0] - 1]
        self.above = None if self.text[line_start:start].strip() else text
        return True

    def _preprocessed(self) -> bool:
        line = self.where()[0]
        start = self.page.starts[line - 1]
        found = _PREPROCESSED.match(self.text, start)
        if found is None or found.end() <= self.at:
            return False
        if found[1] == "include" and self._include(start):
            return True
        if found[1].startswith("if"):
            self.undecided.append(f"{self.file}:{line}")
        self.at = found.end()
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Pass over what fits ``pattern`` right here."""
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def ahead(self, *literals: str) -> bool:
        """Say whether one of ``literals`` comes right here."""
        return self.text.startswith(literals, self.at)

    def take(self, literal: str) -> bool:
        """Pass over ``literal`` if it is what comes next; stay here if it is not."""
        start = (self.page, self.at, self.outer)
        if self.skip() and self.ahead(literal):
            self.at += len(literal)
            return True
        self.page, self.at, self.outer = start
        return False

    def next_mark(self) -> str:
        """Return the next character that is no blank and stay here; empty at the end."""
        start = (self.page, self.at, self.outer)
        mark = self.text[self.at : self.at + 1] if self.skip() else ""
        self.page, self.at, self.outer = start
        return mark

    def semicolon(self, after: str) -> None:
        """Pass over the semicolon that ends a statement."""
        if not self.take(";"):
            self.wrong(f"`;` is missing after {after}", remedy="end it with `;`")

    def beside(self) -> list[str]:
        """Pass over the comments on the rest of this line and return them."""
        comments = []
        while found := self.match(_BESIDE):
            comments.append(found[1] or found[2] or "")
        return comments

    def recover(self) -> None:
        """Go on behind the statement that is wrong."""
        found = _RECOVERY.search(self.text, self.at)
        if found is None:
            raise Stopped
        self.at = found.start() if found[0] == "}" else found.end()

    def parenthesised(self) -> str:
        """Pass over ``( ... )`` and return it."""
        start, depth = self.at, 0
        for found in _BRACKET.finditer(self.text, self.at):
            depth += 1 if found[0] == "(" else -1
            if depth == 0:
                self.at = found.end()
                return self.text[start : self.at]
        self.wrong("this `(` is not closed", start, "close it with `)`")
        raise Stopped
