"""YAML text as a tree of plain values that know where they were written, with every bound that hostile text can meet.

Works on parser events and keeps its own stack, so that no nesting, however deep, can exhaust Python's or the C
parser's. Scalars follow the core schema of YAML 1.2: ``on``, ``no`` and dates are text, ``1e3`` is a number. Keys are
always text.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

from aios.records.base import Span
from aios.records.errors import Diagnostic

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_MISTAKES", "MAX_VALUES", "Node", "Source", "compose"]

MAX_BYTES = 8 * 2**20
"""Largest file that is read: ten times a fleet file of a thousand nodes; larger ones would take many seconds."""
MAX_DEPTH = 64
"""Deepest nesting; what people write stays below ten."""
MAX_MISTAKES = 1000
"""After so many, the rest of the file is not read."""
MAX_VALUES = 500_000
"""Most values of a file, aliases counted as often as they are used; time and memory of all that follows go with it."""

_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what the YAML parser counts as the end of a line
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, Any] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_CONSTANTS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_REPEATED = 40  # characters up to which the same text is kept once: a file may say it a hundred thousand times
_SHOWN_LINE = 400  # characters of a line that fit into a message


class Source(NamedTuple):
    """A file's text. file: as the user named it · lines: without their ends."""

    file: str
    lines: tuple[str, ...]

    @classmethod
    def of(cls, file: str, text: str) -> Source:
        """Split ``text`` as the YAML parser counts lines."""
        return cls(file, tuple(_LINE_BREAK.split(text)))

    def diagnostic(self, summary: str, line: int, column: int, **more: str | None) -> Diagnostic:
        """Return a diagnostic at a place (0-based) with the text of its line, unless that is too long to show."""
        text = self.lines[line] if line < len(self.lines) else ""
        return Diagnostic(
            summary=summary,
            where=Span(file=self.file, line=line + 1, column=column + 1),
            line_text=text if len(text) <= _SHOWN_LINE else None,
            **more,
        )


@dataclass(slots=True)
class Node:
    """A value and where it stands (0-based).

    value: plain Python (dict, list, str, int, float, bool, None) · size: values in it, aliases expanded ·
    keys, children: of a mapping, place of each key and its node · items: nodes of a list; where there can be none it is
    one shared, empty collection, because a file can hold very many of those
    """

    value: Any
    line: int
    column: int
    keys: dict[str, tuple[int, int]]
    children: dict[str, Node]
    items: list[Node]
    size: int = 1


_NO_KEYS: dict[str, tuple[int, int]] = {}
_NO_CHILDREN: dict[str, Node] = {}
_NO_ITEMS: list[Node] = []


def _leaf(value: Any, line: int, column: int) -> Node:
    return Node(value, line, column, _NO_KEYS, _NO_CHILDREN, _NO_ITEMS)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet.

    flow: it is written in brackets · key: that waits for its value · doubled: that value is to be dropped
    """

    node: Node
    anchor: str | None
    flow: bool
    key: str | None = None
    doubled: bool = False


class _Stop(Exception):
    """A bound is passed; nothing after it is read."""


class _Composer:
    """Builds the nodes of all documents; mistakes are collected, not raised."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.mistakes: list[Diagnostic] = []
        self.roots: list[Node] = []
        self.open: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.values = 0

    def mistake(self, mark: Any, summary: str, **more: str | None) -> None:
        self.mistakes.append(self.source.diagnostic(summary, mark.line, mark.column, **more))
        if len(self.mistakes) == MAX_MISTAKES:
            self.mistakes.append(
                Diagnostic(summary=f"after {MAX_MISTAKES:,} mistakes the rest of the file is not read")
            )
            raise _Stop

    def feed(self, event: Any, name: str) -> None:
        """Take one parser event; ``name`` is its class."""
        if name == "ScalarEvent":
            self._scalar(event)
        elif name in ("MappingStartEvent", "SequenceStartEvent"):
            self._begin(event, {} if name == "MappingStartEvent" else [])
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            done = self.open.pop()
            self._anchor(done.anchor, done.node)
            self._place(done.node, event)
        elif name == "AliasEvent":
            self._alias(event)
        elif name == "DocumentStartEvent":
            self.anchors = {}

    def _scalar(self, event: Any) -> None:
        self._refuse_tag(event)
        mark, parent = event.start_mark, self.open[-1] if self.open else None
        if parent is not None and isinstance(parent.node.value, dict) and parent.key is None:
            self._key(parent, event)
            return
        plain = event.style is None or event.style == ""
        value = self._plain(event) if plain else event.value
        line, column = mark.line, mark.column
        if plain and event.value == "" and parent is not None and parent.key is not None:
            line, column = parent.node.keys[parent.key]  # an empty value has no place of its own
        node = _leaf(value, line, column)
        self._anchor(event.anchor, node)
        self._place(node, event)

    def _plain(self, event: Any) -> Any:
        text: str = event.value
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INTEGER.fullmatch(text):
            if len(text) > 300:  # beyond every float; Python refuses to convert much longer ones
                self.mistake(event.start_mark, f"a number of {len(text)} digits is too long")
                return 0
            return int(text, 0 if text[:2] in ("0o", "0x") else 10)
        if _FLOAT.fullmatch(text):
            return float(text)
        return sys.intern(text) if len(text) <= _REPEATED else text

    def _key(self, parent: _Open, event: Any) -> None:
        mark, key = event.start_mark, sys.intern(event.value)
        parent.key, parent.doubled = key, key in parent.node.keys
        if parent.doubled:
            line = parent.node.keys[key][0] + 1
            self.mistake(
                mark,
                f"`{key}` is written twice",
                reason=f"it already stands on line {line}",
                remedy="keep one of the two",
            )
        elif key == "<<" and not event.style:
            self.mistake(
                mark,
                "merge keys (`<<`) are not understood here",
                remedy="write the fields out, or use an alias for a whole value",
            )
        if not parent.doubled:
            parent.node.keys[key] = (mark.line, mark.column)

    def _begin(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        self._refuse_tag(event)
        mark, parent = event.start_mark, self.open[-1] if self.open else None
        if parent is not None and isinstance(parent.node.value, dict) and parent.key is None:
            self.mistake(mark, "a key must be text, not a list or a mapping", remedy="put it in quotes if it is text")
            raise _Stop
        if len(self.open) >= MAX_DEPTH:
            self.mistake(mark, f"nested more than {MAX_DEPTH} levels deep", remedy="write it flatter")
            raise _Stop
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)
        if isinstance(value, dict):
            node = Node(value, mark.line, mark.column, {}, {}, _NO_ITEMS)
        else:
            node = Node(value, mark.line, mark.column, _NO_KEYS, _NO_CHILDREN, [])
        self.open.append(_Open(node, event.anchor, bool(event.flow_style)))

    def _alias(self, event: Any) -> None:
        parent = self.open[-1] if self.open else None
        if parent is not None and isinstance(parent.node.value, dict) and parent.key is None:
            self.mistake(event.start_mark, "a key must be text, not an alias")
            raise _Stop
        node = self.anchors.get(event.anchor)
        if node is None and any(item.anchor == event.anchor for item in self.open):
            self.mistake(event.start_mark, f"`*{event.anchor}` stands inside the value that it names, which has no end")
        elif node is None:
            self.mistake(event.start_mark, f"`*{event.anchor}` names nothing above it", remedy=self._anchor_help(event))
        self._place(node or _leaf(None, event.start_mark.line, event.start_mark.column), event, alias=True)

    def _anchor_help(self, event: Any) -> str:
        known = ", ".join(f"`*{name}`" for name in sorted(self.anchors)[:8])
        quoted = f"put it in quotes if it is text: '*{event.anchor}'"
        return f"{quoted}; known: {known}" if known else quoted

    def _anchor(self, name: str | None, node: Node) -> None:
        if name is not None:
            self.anchors[name] = node

    def _place(self, node: Node, event: Any, alias: bool = False) -> None:
        self.values += node.size if alias else 1
        if self.values > MAX_VALUES:
            self.mistake(
                event.start_mark,
                f"more than {MAX_VALUES:,} values, aliases counted as often as they are used",
                remedy="split the file, or write less; of what is equal, one entry and how many there are is enough",
            )
            raise _Stop
        if not self.open:
            self.roots.append(node)
            return
        parent = self.open[-1]
        parent.node.size += node.size
        if isinstance(parent.node.value, list):
            parent.node.items.append(node)
            parent.node.value.append(node.value)
        elif parent.key is not None:
            if not parent.doubled:
                parent.node.children[parent.key] = node
                parent.node.value[parent.key] = node.value
            parent.key = None

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None and event.tag != "!":
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.mistake(event.start_mark, f"the tag `{shown}` is not understood here", remedy="leave the tag out")


def compose(source: Source, text: str) -> tuple[list[Node], list[Diagnostic]]:
    """Return the root of each document of ``text``, and every mistake that was met on the way."""
    import yaml

    from aios.records.yamlwords import syntax_mistake

    composer = _Composer(source)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            composer.feed(event, event.__class__.__name__)
    except _Stop:
        pass
    except yaml.MarkedYAMLError as error:
        bracket = composer.open[-1].node if composer.open and composer.open[-1].flow else None
        composer.mistakes.append(syntax_mistake(source, error, bracket))
    return composer.roots, composer.mistakes
