"""CEL over plans: compiles rules against the vocabulary and evaluates them. See ``child`` for where.

The types come from ``vocabulary`` as a Protocol Buffers schema, so that the compiler finds a misspelt field or a number
that is compared with text before there is a plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.policy.vocabulary import BOUND, FIELDS
from aios.records.units import Dimension, UnitError, parse_quantity

if TYPE_CHECKING:
    from aios.records.policy import About

__all__ = ["Language", "Mistake", "message", "pieces_of", "shown", "valued"]

_PACKAGE = "aios"
_LISTED = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?=\nERROR: <input>|\Z)", re.DOTALL)
_MARKS = re.compile(r"\n \| .*|\n\| .*|\s*\[[A-Z_]+\]\s*\Z")
_CHAIN = re.compile(r"""\b[a-z]\w*(?:\.[A-Za-z_]\w*(?!\w*\()|\[\??(?:"[^"\\]*"|'[^'\\]*'|\d+)\])+""")
_LITERAL = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")
_MOST_SEEN = 8
"""Values that are told of one finding."""
_MOST_TEXT = 2000
"""Characters of a message or value that are told."""


class Mistake(NamedTuple):
    """What the compiler has against an expression. line, column: 0-based, in its text"""

    line: int
    column: int
    text: str


class Language:
    """The compiler and evaluator for rules about one kind of thing."""

    def __init__(self, about: About) -> None:
        from cel_expr_python import cel
        from cel_expr_python.ext import ext_math, ext_optional, ext_strings

        pool, _ = _messages()
        self._names = BOUND[about]
        self._chains: dict[str, list[tuple[str, Any]]] = {}
        self._env = cel.NewEnv(
            pool,
            variables={name: cel.Type(f"{_PACKAGE}.{kind}") for name, kind in self._names.items()},
            extensions=[ext_math.ExtMath(), ext_optional.ExtOptional(), ext_strings.ExtStrings()],
            functions=_functions(cel),
        )

    def compile(self, text: str, wanted: str | None = None) -> tuple[Any, tuple[Mistake, ...]]:
        """Return the expression and no mistake, or all mistakes. wanted: type of its value, ``BOOL``"""
        try:
            found = self._env.compile(text)
        except RuntimeError as error:
            return None, tuple(_mistakes(str(error)))
        kind = found.return_type().name()
        if wanted is not None and kind not in (wanted, "DYN"):
            says = "true or false" if wanted == "BOOL" else wanted.lower()
            return None, (Mistake(0, 0, f"this is {_called(kind)}, and a condition is {says}"),)
        return found, ()

    def bind(self, values: Mapping[str, Any]) -> Any:
        """Return what expressions are evaluated with. values: name -> message"""
        return self._env.Activation(dict(values))

    def seen(self, text: str, activation: Any) -> dict[str, str]:
        """Return what an expression reads of the plan, as text: path -> value, of single values alone."""
        found: dict[str, str] = {}
        for chain, expression in self._read_by(text):
            value = valued(expression, activation)
            if value is not None and value.type().name() in ("STRING", "INT", "DOUBLE", "BOOL"):
                found[chain] = shown(value.plain_value())
        return found

    def _read_by(self, text: str) -> list[tuple[str, Any]]:
        """Return the paths that an expression reads, compiled, each with its text."""
        if text not in self._chains:
            own = (chain for chain in dict.fromkeys(_chains(text)) if re.split(r"[.[]", chain)[0] in self._names)
            compiled = ((chain, *self.compile(chain)) for chain in list(own)[:_MOST_SEEN])
            self._chains[text] = [(chain, found) for chain, found, mistakes in compiled if not mistakes]
        return self._chains[text]


def message(kind: str, data: Mapping[str, Any]) -> Any:
    """Return plain data as a message. Raises ValueError that says what does not fit."""
    from google.protobuf import json_format

    made = _messages()[1][kind]
    try:
        return made(**data)
    except (TypeError, ValueError):  # the slow way says what does not fit, and where
        pass
    try:
        return json_format.ParseDict(dict(data), made())
    except json_format.ParseError as error:
        raise ValueError(str(error)) from None


def _chains(text: str) -> Iterator[str]:
    """Yield the paths that an expression reads, ``decision.estimates["power"].high``, none inside its texts."""
    literals = [match.span() for match in _LITERAL.finditer(text)]
    for match in _CHAIN.finditer(text):
        if not any(start <= match.start() < end for start, end in literals):
            yield match[0].replace("[?", "[")


def valued(expression: Any, activation: Any) -> Any:
    """Return the value of an expression, None where it has none."""
    try:
        value = expression.eval(activation)
    except RuntimeError:
        return None
    return None if value.type().name() == "ERROR" else value


def shown(value: Any) -> str:
    """Return a value as people read it."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text[:_MOST_TEXT]


def pieces_of(message: str) -> Iterator[tuple[bool, str, int]]:
    """Yield the pieces of a message: whether it is CEL, its text, where it begins; ``{{`` and ``}}`` are braces."""
    at, plain, begins = 0, "", 0
    while at < len(message):
        if message[at : at + 2] in ("{{", "}}"):
            plain, at = plain + message[at], at + 2
            continue
        end = message.find("}", at) if message[at] == "{" else -1
        if end < 0:
            plain, at = plain + message[at], at + 1
            continue
        if plain:
            yield False, plain, begins
        yield True, message[at + 1 : end], at + 1
        at, plain, begins = end + 1, "", end + 1
    if plain:
        yield False, plain, begins


def _mistakes(text: str) -> Iterator[Mistake]:
    told = [(int(line), int(column), _MARKS.sub("", what)) for line, column, what in _LISTED.findall(text)]
    told = [item for item in told if "*error*" not in item[2]] or told  # what only follows from another mistake
    for line, column, what in told or [(1, 1, _MARKS.sub("", text).partition(": ")[2] or text)]:
        yield Mistake(max(line - 1, 0), max(column - 1, 0), " ".join(what.split())[:_MOST_TEXT])


def _called(kind: str) -> str:
    known = {"INT": "a whole number", "DOUBLE": "a number", "STRING": "text"}
    return known.get(kind, f"a value of type {kind.lower()}")


def _quantity(text: str) -> float:
    """Return ``2 kW`` in SI; the unit says which quantity it is of."""
    for dimension in Dimension:
        try:
            return parse_quantity(text, dimension)
        except UnitError:
            continue
    raise ValueError(f"`{text[:80]}` is no quantity")


def _functions(cel: Any) -> list[Any]:
    """Return the functions that CEL lacks: ``quantity("2 kW")`` and ``sum([1.0, 2.0])``."""
    kinds = cel.Type
    of_quantity = cel.Overload("quantity_text", return_type=kinds.DOUBLE, parameters=[kinds.STRING], impl=_quantity)
    of_sum = cel.Overload("sum_list", return_type=kinds.DYN, parameters=[kinds.List(kinds.DYN)], impl=sum)
    return [cel.FunctionDecl("quantity", [of_quantity]), cel.FunctionDecl("sum", [of_sum])]


@cache
def _messages() -> tuple[Any, Mapping[str, Any]]:
    """Return the vocabulary as a pool of Protocol Buffers types, and its classes by name."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="aios.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), start=1):
            _add_field(message, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    classes = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in FIELDS
    }
    return pool, classes


def _add_field(message: Any, name: str, number: int, kind: str) -> None:
    types = {"text": message.field.add().TYPE_STRING, "int": 3, "decimal": 1, "bool": 8}
    del message.field[-1]
    inner = kind.strip("[]{}")
    own = {"type": types[inner]} if inner in types else {"type": 11, "type_name": f".{_PACKAGE}.{inner}"}
    if kind.startswith("{"):
        entry = message.nested_type.add(name="".join(word.title() for word in name.split("_")) + "Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=1, type=types["text"])
        entry.field.add(name="value", number=2, label=1, **own)
        own = {"type": 11, "type_name": f".{_PACKAGE}.{message.name}.{entry.name}"}
    label = 3 if kind[0] in "[{" else 1
    message.field.add(name=name, number=number, label=label, **own)
