"""JSON of other people's tools, read from front to back: each value with its place, and nothing lost on the way.

Python's own reader keeps the last of two members with one key and drops the first without a word; here it is a mistake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from aios.records.errors import InputError
from aios.spi.texts import Mistakes

__all__ = ["JsonText"]

_BLANK = re.compile(r"[ \t\r\n]*")
_MARK = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}\[\]]', re.DOTALL)
_MOST_DIGITS = 400  # of a whole number: 309 are more than a float holds, 4,300 are more than Python reads


class _Doubled(Exception):
    """An object has a key twice."""


class JsonText:
    """A cursor in JSON text. at: offset of what comes next, never a blank.

    ``value`` takes what comes next; ``items`` and ``members`` go into it, and leave each value to the caller, who takes
    it before going on. A mistake is noted in ``mistakes`` and raised as InputError at once: behind it nothing is sure.
    """

    def __init__(
        self,
        text: str,
        mistakes: Mistakes,
        *,
        keep: Callable[[str], bool] | None = None,
        constant: Callable[[str], Any] | None = None,
        remedy: str | None = None,
    ) -> None:
        """``keep`` says which members of objects are wanted · ``constant``: what NaN and Infinity are read as, else
        they are refused · ``remedy``: for text that is no JSON."""
        self._text = text
        self._mistakes = mistakes
        self._keep = keep
        self._remedy = remedy
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._made, parse_int=_whole, parse_constant=constant or _no_constant
        )
        self._counted = (0, 1)  # an offset, and its line
        self.at = 0
        self._skip(0)

    def mark(self) -> str:
        """Return the character that comes next; empty at the end."""
        return self._text[self.at : self.at + 1]

    def line(self, at: int) -> int:
        """Return the line of an offset, from 1; quick for offsets that grow."""
        before, line = self._counted if self._counted[0] <= at else (0, 1)
        self._counted = (at, line + self._text.count("\n", before, at))
        return self._counted[1]

    def value(self) -> Any:
        """Take the value that comes next and return it."""
        start = self.at
        try:
            value, end = self._decoder.raw_decode(self._text, start)
        except _Doubled:
            raise self._doubled(start) from None
        except json.JSONDecodeError as error:
            raise self.wrong(f"this is no well-formed JSON: {error.msg}", error.pos) from None
        except RecursionError:
            raise self.wrong("this is nested too deep to be read", start) from None
        except ValueError as error:
            raise self.wrong(f"this cannot be read: {error}", start) from None
        self._skip(end)
        return value

    def items(self) -> Iterator[int]:
        """Yield the offset of each value of the list that comes next."""
        self._skip(self.at + 1)
        while self.mark() != "]":
            yield self.at
            if self.mark() == ",":
                self._skip(self.at + 1)
                if self.mark() == "]":
                    raise self._malformed("a value is missing after the comma")
            elif self.mark() != "]":
                raise self._malformed("a comma or `]` is missing")
        self._skip(self.at + 1)

    def members(self) -> Iterator[tuple[str, int]]:
        """Yield key and offset of each member of the object that comes next."""
        begun, seen = self.at, set()
        self._skip(self.at + 1)
        while self.mark() != "}":
            start = self.at
            key = self.value() if self.mark() == '"' else None
            if key is None or self.mark() != ":":
                raise self._malformed("a key in quotes and a colon are wanted here")
            if key in seen:
                raise self._doubled(begun)
            seen.add(key)
            self._skip(self.at + 1)
            yield key, start
            if self.mark() == ",":
                self._skip(self.at + 1)
            elif self.mark() != "}":
                raise self._malformed("a comma or `}` is missing")
        self._skip(self.at + 1)

    def wrong(self, summary: str, at: int, remedy: str | None = None) -> InputError:
        """Note a mistake at an offset and return the error that tells it, with all that were noted before."""
        reason = "the text ends here" if at >= len(self._text) else None
        self._mistakes.add(summary, *self._place(at), reason=reason, remedy=remedy or self._remedy)
        return InputError(*self._mistakes.told())

    def _malformed(self, what: str) -> InputError:
        return self.wrong(f"this is no well-formed JSON: {what}", self.at)

    def _doubled(self, at: int) -> InputError:
        """Return the error that tells every key that stands twice in an object of the value at an offset."""
        for key, here, first in _doubled_keys(self._text, at):
            self._mistakes.add(
                f"`{key[:60]}` stands twice in one object",
                *self._place(here),
                reason=f"the other one is on line {self._place(first)[0]}",
                remedy="rename or delete one of the two",
            )
            if self._mistakes.full:
                break
        return InputError(*self._mistakes.told())

    def _place(self, at: int) -> tuple[int, int]:
        return self._text.count("\n", 0, at) + 1, at - self._text.rfind("\n", 0, at)

    def _skip(self, at: int) -> None:
        found = _BLANK.match(self._text, at)
        self.at = found.end() if found else at

    def _made(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise _Doubled
        return made if self._keep is None else {key: value for key, value in pairs if self._keep(key)}


def _doubled_keys(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """Yield key, offset and first offset of each key that an object of the value at ``at`` has again."""
    inside: list[dict[str, int]] = []
    for found in _MARK.finditer(text, at):
        mark = found[0][0]
        if mark in "{[":
            inside.append({})
        elif mark in "}]":
            inside.pop()
        elif found[2]:
            try:
                key = json.loads(found[1], strict=False)
            except ValueError:  # behind what was read so far: not seen by the decoder yet
                return
            if key in inside[-1]:
                yield key, found.start(), inside[-1][key]
            inside[-1].setdefault(key, found.start())
        if not inside:
            return


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"no quantity has {len(text)} digits")
    return int(text)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number that JSON knows")
