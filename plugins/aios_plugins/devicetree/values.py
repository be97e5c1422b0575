"""Reads the values of properties in device tree source."""

from __future__ import annotations

import re

from aios_plugins.devicetree.scanner import Scanner, Stopped
from aios_plugins.devicetree.tree import Property, Ref, Value, Word

__all__ = ["LABEL", "REF", "ValueScanner"]

LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*):(?!:)")
REF = re.compile(r"&(?:\{(/[^}\n]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_NUMBER = re.compile(
    r"([+-]?)(?:0[xX]([0-9A-Fa-f]{1,32})|(\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?))[uUlL]{0,3}(?![A-Za-z0-9_.])"
)
_CHARACTER = re.compile(r"'(\\?[^\n])'")
_WORD = re.compile(r"\d{0,9}[A-Za-z_][A-Za-z0-9_]*")  # `2D_MESH` too
_BYTES = re.compile(r"\[([0-9A-Fa-f\s]*)\]")
_BITS = re.compile(r"/bits/\s*(8|16|32|64)")
_INCBIN = re.compile(r"/incbin/\s*")
_COMMA = re.compile(",")
_STATEMENT_END = re.compile(r"[;\n]")
_NAMED_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class ValueScanner(Scanner):
    """Reads properties: their values, and the comments beside them."""

    def property(self, name: re.Match[str], above: str | None) -> Property:
        """Read what follows a property's name, up to its semicolon and the comments beside it."""
        made = Property(name[0], [], *self.where(name.start()))
        sound = True
        if self.take("="):
            sound = self._value(made)
            while sound and self.take(","):
                sound = self._value(made)
        inside = self.above
        if sound:
            self.semicolon(f"the value of `{name[0]}`" if made.values else f"`{name[0]}`")
        else:
            self.take(";")
        made.comments += [*self.beside(), *(text for text in (inside, above) if text is not None)]
        return made

    def labels(self) -> list[str]:
        """Pass over the labels that come next and return them."""
        found: list[str] = []
        while self.skip() and (label := self.match(LABEL)):
            found.append(label[1])
        return found

    def _put(self, made: Property, value: Value, at: int) -> None:
        made.values.append(value)
        made.places.append(self.where(at))

    def _value(self, made: Property) -> bool:
        """Read one of the values that commas separate; False if it is wrong, which is noted."""
        self.labels()
        bits = int(found[1]) if (found := self.match(_BITS)) else 32
        self.skip()
        start = self.at
        if found := self.match(_TEXT):
            self._put(made, _unescaped(found[1]), start)
        elif found := self.match(REF):
            self._put(made, Ref(found[1] or found[2]), start)
        elif found := self.match(_BYTES):
            digits = "".join(found[1].split())
            self._put(made, bytes.fromhex(digits[: len(digits) & ~1]), start)
        elif self.take("<"):
            return self._cells(made, bits)
        elif self.match(_INCBIN) and self.ahead("("):
            self.parenthesised()
        else:
            self._no_value(made)
            return False
        return True

    def _no_value(self, made: Property) -> None:
        end = found.start() if (found := _STATEMENT_END.search(self.text, self.at)) else len(self.text)
        written = self.text[self.at : end].partition("//")[0].partition("/*")[0].strip()[:40]
        if written.startswith('"'):
            self.wrong("this text does not end on its line", remedy='close it with `"`')
        elif written:
            remedy = f"write numbers and names inside `<...>` and text in quotes, such as `{made.name} = <{written}>;`"
            self.wrong(f"`{written}` is no value of a property", remedy=remedy)
        else:
            remedy = f"write one, such as `{made.name} = <1>;`"
            self.wrong(f"the value of `{made.name}` is missing", remedy=remedy)
        self.at = end

    def _cells(self, made: Property, bits: int) -> bool:
        """Read up to ``>``; False if it is not there, which is noted."""
        opened = self.at - 1
        sized: list[int] = []
        while not self.take(">"):
            if not self.skip() or self.ahead(";", "}", "="):
                self.wrong("this `<` is not closed", opened, "close it with `>`")
                return False
            start = self.at
            value = self._cell()
            if value is None:
                self._no_cell()
                return False
            if isinstance(value, int) and bits != 32:
                sized.append(value)
            elif value != "":
                self._put(made, value, start)
            made.comments += self.beside()
        if bits == 64:
            for number in sized:
                self._put(made, number >> 32 & 0xFFFFFFFF, opened)
                self._put(made, number & 0xFFFFFFFF, opened)
        elif sized:
            packed = b"".join((number & (1 << bits) - 1).to_bytes(bits // 8, "big") for number in sized)
            self._put(made, packed, opened)
        return True

    def _no_cell(self) -> None:
        if self.ahead('"'):
            self.wrong("this text does not end on its line", remedy='close it with `"`')
        else:
            end = re.compile(r"[\s,;>]|$").search(self.text, self.at + 1)
            shown = self.text[self.at : end.start() if end else self.at + 1][:40]
            self.wrong(f"`{shown}` is no number, name or text", remedy="write a number, or put text in quotes")
        found = _STATEMENT_END.search(self.text, self.at)
        if found is None:
            raise Stopped
        self.at = found.start()

    def _cell(self) -> Value | None:
        """Read one cell; an empty text for a comma or a label, None for what is none."""
        if self.match(_COMMA) or self.match(LABEL):
            return ""
        if found := self.match(_NUMBER):
            return _number(found)
        if found := self.match(_TEXT):
            return _unescaped(found[1])
        if found := self.match(REF):
            return Ref(found[1] or found[2])
        if found := self.match(_CHARACTER):
            return ord(_unescaped(found[1])[:1] or "\0")
        if found := self.match(_WORD):
            return Word(found[0] + (self.parenthesised() if self.ahead("(") else ""))
        return Word(self.parenthesised()) if self.ahead("(") else None


def _number(found: re.Match[str]) -> int | float:
    sign = -1 if found[1] == "-" else 1
    if found[2]:
        return sign * int(found[2], 16)
    decimal = found[3]
    if not decimal.isdigit():
        return sign * float(decimal)
    return sign * int(decimal, 8 if re.fullmatch(r"0[0-7]+", decimal) else 10)


def _unescaped(text: str) -> str:
    """Return a text without its escapes, which are those of C."""

    def plain(found: re.Match[str]) -> str:
        body = found[1]
        if body[0] == "x" and body[1:]:
            return chr(int(body[1:], 16))
        return chr(int(body, 8) & 0xFF) if body[0] in "01234567" else _NAMED_ESCAPES.get(body, body)

    return re.sub(r"\\(x[0-9A-Fa-f]{0,2}|[0-7]{1,3}|.)", plain, text) if "\\" in text else text
