"""Single values as they are written into YAML: text, quantities, facts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aios.records.fleet import Fact
from aios.records.units import Dimension, format_exactly

__all__ = ["fact", "flow", "listed", "optional_fact", "quantity", "quoted"]

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NOT_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # YAML 1.1 parsers read these as constants


def quoted(text: str) -> str:
    """Return ``text`` as a YAML scalar: bare where it can be nothing but text, else in double quotes."""
    if _BARE.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def listed(texts: Iterable[str]) -> str:
    """Return texts as a YAML list on one line."""
    return f"[{', '.join(quoted(text) for text in texts)}]"


def flow(fields: Iterable[tuple[str, str | None]]) -> str:
    """Return keys and written values as a YAML mapping on one line, without those that have no value."""
    return f"{{{', '.join(f'{key}: {value}' for key, value in fields if value is not None)}}}"


def quantity(value: float, dimension: Dimension, integer: bool = False) -> str:
    """Return an SI value with a fitting unit, exactly. integer: of operations, integers are not floating point."""
    text = format_exactly(value, dimension)
    return text.replace("FLOP/s", "OP/s") if integer else text


def fact(fact: Fact, dimension: Dimension) -> str:
    """Return a fact, bare where it has no provenance but that somebody declares it."""
    value = quantity(fact.value, dimension, integer=fact.unit == "OP/s")
    if (fact.source, fact.trust, fact.ref, fact.as_of) == ("declared", None, None, None):
        return value
    return flow(
        (
            ("value", value),
            ("source", fact.source),
            ("trust", fact.trust),
            ("ref", None if fact.ref is None else quoted(fact.ref)),
            ("as_of", None if fact.as_of is None else f'"{fact.as_of}"'),
        )
    )


def optional_fact(given: Fact | None, dimension: Dimension) -> str | None:
    """Return ``fact``, or None where there is none."""
    return None if given is None else fact(given, dimension)


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
